"""What the parameter lab measures, against simulated truth; writes a table in markdown.

    python benchmarks/lab.py --out benchmarks/results/lab.md

Two-photon and one-photon recordings and volumes with cells of 2.5 to 12 px, at one to three times
the noise, several seeds each, which differ in frame rate and decay time too. Everything scales
with the cells (field, distances, blurred cells of other depths), as with another objective.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_cnmf.batch.suggesting import suggest
from napari_cnmf.model.movie import Movie
from napari_cnmf.testing import Recording, simulate, simulate_one_photon, simulate_volume

RADII_PX = (2.5, 3.5, 5.0, 7.0, 9.0, 12.0)
NOISES = (1.0, 2.0, 3.0)
CLOCKS = ((15.0, 0.7), (30.0, 0.4), (10.0, 1.2))
"""Frame rate in Hz and decay time in s: of the first seed, the second, ..."""
VOLUMES = ((3.5, 1.5), (5.0, 2.5), (5.0, 5.0), (8.0, 3.0))
"""Radius and distance of planes, in px of the plane."""
N_FRAMES = 900


@dataclass(frozen=True)
class Case:
    """One recording."""

    kind: str
    radius_px: float
    noise: float
    seed: int
    plane_px: float = 0.0

    def record(self) -> Recording:
        rate, decay_s = CLOCKS[self.seed % len(CLOCKS)]
        r = self.radius_px
        common = {
            "n_frames": N_FRAMES, "radius_px": r, "noise": self.noise, "seed": 300 + self.seed,
            "frame_rate_hz": rate, "decay_time_s": decay_s, "border_margin_px": 1.2 * r,
        }  # fmt: skip
        if self.kind == "two-photon":
            side = max(64, round(24 * r))
            n = round(45 * (side / 128) ** 2 * (5 / r) ** 2)
            return simulate(**common, size=(side, side), n_cells=n, min_distance_px=1.1 * r)
        if self.kind == "one-photon":
            side = max(64, round(24 * r))
            n = round(63 * (side / 160) ** 2 * (5.5 / r) ** 2)
            return simulate_one_photon(
                **common, size=(side, side), n_cells=n, min_distance_px=0.9 * r,
                scatter_px=1.5 * r / 5.5, wave_length_px=4 * r,
                out_of_focus_per_kpx=1.5 * (5.5 / r) ** 2,
            )  # fmt: skip
        common |= {"frame_rate_hz": rate / 2, "n_frames": 600}
        size = (max(6, round(8 * r / self.plane_px)), round(14 * r), round(14 * r))
        return simulate_volume(
            **common, size=size, n_cells=30, min_distance_px=1.6 * r,
            plane_distance_px=self.plane_px,
        )  # fmt: skip


@dataclass(frozen=True)
class Row:
    """Measured over true."""

    case: Case
    n_cells: int
    radius: float
    depth: float
    gSig: tuple[int, ...] | None
    true_gSig: tuple[float, ...]
    gSiz: tuple[int, ...] | None
    decay: float


def truth_of(case: Case, recording: Recording) -> tuple[float, tuple[float, ...]]:
    """Half-width of the typical cell in a plane, and gSig without rounding.

    One-photon: at half height of the footprints, which are blurred; else the cells' radius.
    """
    truth = recording.truth
    if case.kind == "one-photon":
        images = [truth.A[:, k].toarray().reshape(truth.dims) for k in range(truth.A.shape[1])]
        radius = float(np.median([np.sqrt((i > 0.5 * i.max()).sum() / np.pi) for i in images]))
        return radius, (radius / math.sqrt(2 * math.log(2)),) * 2
    radius = float(np.median(truth.radius_px))
    if not case.plane_px:
        return radius, (radius, radius)
    return radius, (radius / case.plane_px, radius, radius)


def look(case: Case, recording: Recording) -> Row:
    """What the lab says about a recording, beside what is true."""
    import dask.array as da

    movie = Movie(da.from_array(recording.array()), frame_rate_hz=recording.frame_rate_hz)
    found = suggest(movie, one_photon=case.kind == "one-photon")
    radius, gSig = truth_of(case, recording)
    size = found.size
    return Row(
        case,
        found.n_cells,
        math.nan if found.radius_px is None else found.radius_px / radius,
        math.nan if found.depth_px is None else found.depth_px / gSig[0],
        None if size is None else size.gSig,
        gSig,
        None if size is None else size.gSiz,
        math.nan if found.decay_time_s is None else found.decay_time_s / recording.decay_time_s,
    )


def cases(seeds: int) -> Iterator[Case]:
    """All of them, the small ones first."""
    for kind in ("two-photon", "one-photon"):
        for radius in RADII_PX:
            for noise in NOISES:
                yield from (Case(kind, radius, noise, seed) for seed in range(seeds))
    for radius, plane in VOLUMES:
        for noise in NOISES:
            yield from (Case("volume", radius, noise, seed, plane) for seed in range(seeds))


def table(rows: list[Row]) -> str:
    """A line a kind and size: medians and extremes over noises and seeds."""
    lines = [
        "| recording | radius px | recordings | half-width: error | gSig, true | gSig, told "
        "| depth: error | decay time: error | nothing told: size, decay |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    groups: dict[tuple[str, float, float], list[Row]] = {}
    for row in rows:
        key = (row.case.kind, row.case.radius_px, row.case.plane_px)
        groups.setdefault(key, []).append(row)
    for (kind, radius, plane), group in groups.items():
        told = [row.gSig for row in group if row.gSig is not None]
        name = kind if not plane else f"{kind}, planes {plane:g} px apart"
        no_size = sum(row.gSig is None for row in group)
        no_decay = sum(math.isnan(row.decay) for row in group)
        lines.append(
            f"| {name} | {radius:g} | {len(group)} | {_errors([r.radius for r in group])} | "
            f"{_sizes([tuple(g for g in row.true_gSig) for row in group])} | {_sizes(told)} | "
            f"{_errors([r.depth for r in group])} | {_errors([r.decay for r in group])} | "
            f"{no_size}, {no_decay} |"
        )
    return "\n".join(lines)


def _errors(ratios: list[float]) -> str:
    """``median (least to most)`` in per cent of the truth."""
    percent = 100 * (np.array(ratios) - 1)
    percent = percent[np.isfinite(percent)]
    if not len(percent):
        return "-"
    return f"{np.median(percent):+.0f} % ({percent.min():+.0f} to {percent.max():+.0f})"


def _sizes(sizes: list[tuple[float, ...]]) -> str:
    if not sizes:
        return "-"
    axes = np.array(sizes, float)[:, :-1]  # y and x are alike
    parts = [f"{np.median(axis):.3g} ({axis.min():.3g} to {axis.max():.3g})" for axis in axes.T]
    return ", ".join(parts)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only", default="", help="two-photon, one-photon or volume")
    args = parser.parse_args()
    rows = []
    for case in cases(args.seeds):
        if case.kind.startswith(args.only):
            rows.append(look(case, case.record()))
            print(rows[-1], flush=True)
    text = table(rows)
    print(text)
    if args.out is not None:
        args.out.write_text("<!-- made by: benchmarks/lab.py -->\n\n" + text + "\n", "utf-8")


if __name__ == "__main__":
    main()
