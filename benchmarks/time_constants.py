"""Time constants and spikes of simulated traces whose kinetics, firing and noise are drawn widely.

    python benchmarks/time_constants.py --seeds 0 24 --out benchmarks/results/time-constants.md

Decays of .05 to 5 s at 5 to 120 Hz, rises of .03 to .4 of them, active for 1 to 95 % of the time in
single events, bursts or plateaus, peaks of 3 to 20 times the noise; the decay that is told is wrong
by up to three. Ratios are measured over true. Spikes are compared after a Gaussian of one frame; an
event stands in the frame in which it first shows, so that a lag of half a frame is that of its
onset within the frame before. An event that was found is one where a true one lies in its frames, or
within a third of the decay of them; each true event belongs to the strongest such.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import lfilter

from napari_cnmf.core.base.threads import Workers
from napari_cnmf.core.traces.deconvolve import Deconvolved, deconvolve
from napari_cnmf.core.traces.event_probability import find_events
from napari_cnmf.core.traces.kinetics import estimate_kinetics

N_CELLS = 20
_LAGS = range(-8, 9)


@dataclass(frozen=True)
class Drawn:
    """A set of traces and what was drawn for it; times in seconds."""

    rate_hz: float
    decay_s: float
    rise_s: float
    duty: float
    snr: float
    style: str
    told: float
    raw: NDArray[np.float32]
    S: NDArray[np.float64]
    decays_s: NDArray[np.float64]
    rises_s: NDArray[np.float64]

    @property
    def name(self) -> str:
        return (
            f"{self.rate_hz:.0f} Hz, {self.decay_s:.2f} / {self.rise_s:.3f} s | {self.style}, "
            f"{self.duty:.0%} | {self.snr:.0f} | {self.told:.2f}"
        )


def draw_traces(seed: int) -> Drawn:
    """Draw and simulate the traces of one seed."""
    rng = np.random.default_rng([seed, 77])

    def log(low: float, high: float) -> float:
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    rate = log(5, 120)
    decay = log(max(0.05, 1.5 / rate), 5)
    rise = decay * log(0.03, 0.4)
    duty = rng.uniform(0.01, 0.95) if rng.random() < 0.7 else rng.uniform(0.01, 0.2)
    snr, style = log(3, 20), str(rng.choice(["events", "bursts", "plateaus"]))
    told = log(1 / 3, 3)
    n_frames = int(np.clip(decay * rate * log(40, 300), 1000, 12_000))
    decays = decay * np.exp(0.15 * rng.standard_normal(N_CELLS))
    rises = rise * np.exp(0.15 * rng.standard_normal(N_CELLS))
    S = np.zeros((N_CELLS, n_frames))
    raw = np.zeros((N_CELLS, n_frames), np.float32)
    for k in range(N_CELLS):
        times = draw_times(rng, style, duty, decay, n_frames / rate)
        sizes = rng.gamma(3, 1 / 3, len(times))
        S[k], light = indicator(times, sizes, decays[k], rises[k], rate, n_frames)
        raw[k] = snr * light + rng.standard_normal(n_frames)
    raw -= raw.mean(1, keepdims=True)
    return Drawn(rate, decay, rise, duty, snr, style, told, raw, S, decays, rises)


def draw_times(
    rng: np.random.Generator, style: str, duty: float, decay_s: float, duration_s: float
) -> NDArray[np.float64]:
    """Times of spikes of a cell that is active for a share ``duty`` of the time."""
    if style == "events":
        n = rng.poisson(-np.log(1 - duty) / decay_s * duration_s)
        return rng.uniform(0, duration_s, n)
    length = decay_s * (1.0 if style == "bursts" else rng.uniform(2, 6))
    n = max(1, rng.poisson(-np.log(1 - duty) / (length + decay_s) * duration_s))
    times = [
        start + rng.uniform(0, length, 1 + rng.poisson(4 * length / decay_s))
        for start in rng.uniform(0, duration_s, n)
    ]
    together = np.concatenate(times)
    return together[together < duration_s]


def indicator(
    times_s: NDArray[np.float64],
    sizes: NDArray[np.float64],
    decay_s: float,
    rise_s: float,
    rate_hz: float,
    n_frames: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Spikes in frames, and the light ``(n_frames,)`` at their ends; an event of size 1 peaks at 1."""
    frame = np.ceil(times_s * rate_hz).astype(int)
    seen = frame < n_frames
    frame, delay = frame[seen], frame[seen] / rate_hz - times_s[seen]
    light = np.zeros(n_frames)
    for sign, tau in ((1.0, decay_s), (-1.0, rise_s * decay_s / (rise_s + decay_s))):
        impulses = np.bincount(frame, sizes[seen] * np.exp(-delay / tau), n_frames)
        light += sign * lfilter([1.0], [1.0, -np.exp(-1 / (rate_hz * tau))], impulses)
    peak_s = rise_s * np.log1p(decay_s / rise_s)
    peak = (1 - np.exp(-peak_s / rise_s)) * np.exp(-peak_s / decay_s)
    return np.bincount(frame, sizes[seen], n_frames), light / peak


def agreement(found: NDArray[np.floating], true: NDArray[np.float64]) -> tuple[float, float]:
    """Median correlation with the true spikes, and median lag behind them in frames."""
    correlations, lags = [], []
    for one, other in zip(found, true, strict=True):
        if not other.any() or not one.any():
            correlations.append(0.0)
            continue
        a, b = (gaussian_filter1d(np.asarray(s, float), 1.0) for s in (one, other))
        a, b = a - a.mean(), b - b.mean()
        norm = float(np.sqrt((a @ a) * (b @ b)))
        n = len(a)
        x = [float(a[max(0, g) : n + min(0, g)] @ b[max(0, -g) : n - max(0, g)]) for g in _LAGS]
        top = int(np.clip(np.argmax(x), 1, len(x) - 2))
        curvature = x[top - 1] - 2 * x[top] + x[top + 1]
        shift = 0.5 * (x[top - 1] - x[top + 1]) / curvature if curvature < 0 else 0.0
        correlations.append(float(a @ b) / norm)
        lags.append(_LAGS[top] + shift)
    return float(np.median(correlations)), float(np.median(lags)) if lags else float("nan")


def judge_events(drawn: Drawn, found: Deconvolved) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Probability of each event that was found, and whether it is one."""
    rest = drawn.raw - found.baseline[:, None] - found.C
    events = find_events([(found.C, found.S, rest, found.g)])
    near = max(1, round(drawn.decay_s * drawn.rate_hz / 3))
    right = np.zeros(events.row.size, bool)
    for row, frame in np.argwhere(drawn.S > 0):
        at = (events.row == row) & (events.start - near <= frame) & (frame < events.stop + near)
        if at.any():
            right[np.flatnonzero(at)[np.argmax(events.snr[at])]] = True
    return events.probability, right


def calibration(
    said: NDArray[np.float64], right: NDArray[np.bool_], duty: NDArray[np.float64]
) -> list[str]:
    """Table of how many events of a probability are events, for sparse and for dense firing."""
    lines = [
        "| probability | active for half of the time or less: said | true | of events | more: said | "
        "true | of events |",
        "|---|---|---|---|---|---|---|",
    ]
    for low, high in pairwise((0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)):
        line = f"| {low}-{high} |"
        for kind in (duty <= 0.5, duty > 0.5):
            among = kind & (said >= low) & ((said < high) | (high == 1))
            if among.any():
                line += f" {said[among].mean():.3f} | {right[among].mean():.3f} | {among.sum()} |"
            else:
                line += " | | 0 |"
        lines.append(line)
    return lines


def measure(
    drawn: Drawn, p: int, workers: Workers
) -> tuple[tuple[float, ...], NDArray[np.float64], NDArray[np.bool_]]:
    """Figures of a recording, and `judge_events` of it.

    The figures are the ratios of decay and rise, 10 and 90 % of that of the decay, correlation and
    lag of spikes.
    """
    kinetics = estimate_kinetics(drawn.raw, drawn.rate_hz, drawn.told * drawn.decay_s, p, workers)
    found = deconvolve(
        drawn.raw, kinetics.decay_s, kinetics.rise_s, drawn.rate_hz,
        p=p, s_min=0.0, workers=workers,
    )  # fmt: skip
    ratio = kinetics.decay_s / drawn.decays_s
    figures = (
        float(np.median(ratio)),
        float(np.median(kinetics.rise_s / drawn.rises_s)),
        *np.quantile(ratio, (0.1, 0.9)).tolist(),
        *agreement(found.S, drawn.S),
    )
    return figures, *judge_events(drawn, found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, 24))
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    lines = [
        "| recording: decay / rise | active | peak over noise | told over true | decay (10-90 %) | "
        "rise | spikes | lag, frames |",
        "|---|---|---|---|---|---|---|---|",
    ]
    seeds = range(*arguments.seeds)
    rows, said, right = [], [], []
    with Workers(1) as workers:
        for seed in seeds:
            drawn = draw_traces(seed)
            figures, probability, is_one = measure(drawn, 2, workers)
            decay, rise, low, high, correlation, lag = figures
            said.append(probability)
            right.append(is_one)
            rows.append((decay, rise, correlation, lag))
            lines.append(
                f"| {drawn.name} | {decay:.2f} ({low:.2f}-{high:.2f}) | {rise:.2f} | "
                f"{correlation:.3f} | {lag:+.2f} |"
            )
            print(lines[-1], flush=True)
    decays, _, correlations, lags = np.array(rows).T
    away = np.abs(np.log(decays))
    lines += [
        "",
        f"Decays are {np.exp(np.median(away)):.2f} times off in the median and {np.exp(away.max()):.2f} "
        f"at most; spikes {np.median(correlations):.3f}, lag {np.median(lags):+.2f} frames in the median.",
    ]
    duty = np.repeat([draw_traces(seed).duty for seed in seeds], [len(one) for one in said])
    lines += ["", *calibration(np.concatenate(said), np.concatenate(right), duty)]
    print("\n".join(lines[-9:]))
    if arguments.out:
        arguments.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
