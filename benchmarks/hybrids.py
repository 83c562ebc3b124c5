"""Cells of known footprint and light added to a real movie, and the two halves of a movie judged apart.

The added light brings its own photon noise, by the movie's relation of variance to mean. The figure
beside it is the ideal observer's: what a matched filter that knows footprint and time course would
find at one false alarm in a hundred.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.stats import norm

from napari_cnmf.core.movie.source import ArraySource
from napari_cnmf.core.run import run_cnmf
from napari_cnmf.model.components import Components
from napari_cnmf.params import CNMFParams
from napari_cnmf.testing.scoring import footprint_cosines, match
from wide_simulator import Draw, _soma, _trace, draw

FRAME_RATE_HZ = 30.0
PEAKS = (0.5, 1.0, 2.0, 4.0)
"""Heights of the largest event over a pixel's noise."""
_FALSE_ALARMS = 0.01


def read(path: Path) -> NDArray[np.float32]:
    """The movie ``(T, Y, X)``."""
    if path.suffix == ".npy":
        return np.asarray(np.load(path), np.float32)
    import tifffile

    return np.asarray(tifffile.imread(path), np.float32)


def params() -> CNMFParams:
    return CNMFParams.preset("two-photon somata").replace(
        init={"gSig": (4, 4)}, data={"decay_time": 0.7}
    )


def gain_of(movie: NDArray[np.float32]) -> float:
    """Variance of a pixel over its mean light: counts of one photon."""
    mean = movie.mean(0).ravel()
    noise = (np.diff(movie, axis=0) ** 2).mean(0).ravel() / 2
    return float(max(np.polyfit(mean, noise, 1)[0], 1e-6))


def add_cells(
    movie: NDArray[np.float32], peak: float, seed: int, n: int = 10
) -> tuple[NDArray[np.float32], sp.csc_matrix, NDArray[np.float64]]:
    """The movie with ``n`` cells more, their footprints, and their detectabilities."""
    rng = np.random.default_rng([seed, 5])
    T, *dims = movie.shape
    d: Draw = draw(
        seed,
        size=tuple(dims),
        n_frames=T,
        frame_rate_hz=FRAME_RATE_HZ,
        decay_s=0.7,
        rise_s=0.08,
        radius=4.5,
        radius_spread=0.1,
        events=12.0,
        plateaus=0.1,
        tonic=0.0,
        synchrony=0.0,
        nucleus=0.5,
    )
    noise = np.sqrt((np.diff(movie, axis=0) ** 2).mean(0) / 2)
    gain, out = gain_of(movie), movie.copy()
    mean = movie.mean(0) - np.percentile(movie.mean(0), 1)
    footprints, detectability, places = [], [], []
    while len(places) < n:
        at = rng.uniform(8, np.array(dims) - 8)
        if any(np.hypot(*(at - other)) < 11 for other in places):
            continue
        places.append(at)
        image = _soma(rng, d, (dims[0], dims[1]), at)
        image = np.where(image > 0.05 * image.max(), image / image.max(), 0)
        trace = _trace(rng, d, np.zeros(0), d.events)
        local = float((noise * image).sum() / image.sum())
        rest = rng.uniform(0, 2) * gaussian_filter(mean, 6)
        light = (peak * local) * trace[:, None, None] * image
        still = rest * image
        photons = np.sqrt(gain * np.maximum(light + still, 0))
        out += (light + still + photons * rng.standard_normal(light.shape)).astype(np.float32)
        footprints.append(image.ravel())
        centred = trace - trace.mean()
        power = ((peak * local * image) ** 2 / (noise**2 + gain * still)).sum()
        detectability.append(float(np.sqrt(power * (centred**2).sum())))
    return out, sp.csc_matrix(np.array(footprints, np.float32).T), np.array(detectability)


def look(movie: NDArray[np.float32]) -> Components:
    return run_cnmf(
        ArraySource(movie),
        params(),
        frame_rate_hz=FRAME_RATE_HZ,
        border_px=3,
        n_threads=1,
        on_warning=lambda s: None,
    ).components


def hybrid_lines(path: Path) -> list[str]:
    """A table over the height of events: found, accepted, the ideal observer, others accepted."""
    movie = read(path)
    lines = [
        "| peak over noise | d' | ideal observer | found | accepted | accepted elsewhere |",
        "|---|---|---|---|---|---|",
    ]
    for peak in PEAKS:
        made, A, d = add_cells(movie, peak, seed=int(10 * peak))
        c = look(made)
        pairs = match(footprint_cosines(c.A, A), 0.6)
        accepted = np.zeros(c.n_components, bool) if c.accepted is None else c.accepted
        hit = accepted[pairs[:, 0]]
        ideal = norm.sf(norm.isf(_FALSE_ALARMS) - d).mean()
        n = A.shape[1]
        lines.append(
            f"| {peak:g} | {np.median(d):.0f} | {ideal:.2f} | {len(pairs) / n:.2f} | {hit.sum() / n:.2f} | "
            f"{int(accepted.sum() - hit.sum())} |"
        )
    return lines


def retest_lines(path: Path) -> list[str]:
    """What is accepted in one half and found in the other: is it accepted there?"""
    movie = read(path)
    half = len(movie) // 2
    a, b = look(movie[:half]), look(movie[half:])
    cosine = footprint_cosines(a.A, b.A)
    lines = []
    for name, one, other, table in (("first", a, b, cosine), ("second", b, a, cosine.T)):
        pairs = [
            (i, j) for i, j in match(table, 0.5) if one.accepted is not None and one.accepted[i]
        ]
        again = sum(bool(other.accepted[j]) for _, j in pairs if other.accepted is not None)
        n = 0 if one.accepted is None else int(one.accepted.sum())
        lines.append(
            f"- {n} accepted in the {name} half, {len(pairs)} of them found in the other, {again} accepted there."
        )
    return lines
