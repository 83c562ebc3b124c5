"""Measures how wide and how deep the cells of a volume are.

Cells are looked for in a few planes. Each is then followed along z, and measured in the plane
where it is brightest: a plane that cuts it elsewhere would show it too small.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.base.reports import Report
from napari_cnmf.core.lab.cells import (
    MIN_CELLS,
    Around,
    Look,
    MeasuredCells,
    look_at,
    measure_at,
    search_size,
)
from napari_cnmf.core.movie.sample import Sample, VolumeSample

_SEED_PLANES = 5
_SEARCH_PLANES = 3
_CORE = 0.7
"""Of the radius: what is averaged in each plane."""
_ONE_CELL = 1.5
"""Of the radius: seeds that are nearer belong to one cell."""
_ONE_PLANE = 0.5
"""Half-width of a cell that one plane alone shows."""


def measure_volume(
    volume: VolumeSample, report: Report | None = None, *, one_photon: bool = False
) -> MeasuredCells:
    """Find the clearest cells of a volume and measure them.

    Returns
    -------
    MeasuredCells
        With ``depth_px``; perhaps none.
    """
    report = report or Report()
    samples = volume.planes
    seeded = _spread(len(samples), _SEED_PLANES)
    searched = [samples[k] for k in _spread(len(samples), _SEARCH_PLANES)]
    guess = search_size(searched, report, one_photon=one_photon)
    found = _measure(volume, seeded, guess, report)
    radius = found.typical_radius_px
    if radius is not None and abs(np.log(radius / guess)) > 0.12:
        found = _measure(volume, seeded, radius, report)
    return found


def _spread(n: int, most: int) -> list[int]:
    """Planes that lie evenly in the volume, away from its ends where there is a choice."""
    if n <= most:
        return list(range(n))
    return sorted({int(k) for k in np.round((np.arange(most) + 0.5) * n / most - 0.5)})


def _measure(
    volume: VolumeSample, seeded: list[int], radius: float, report: Report
) -> MeasuredCells:
    samples = volume.planes
    at: list[tuple[float, float, float]] = []
    sizes: list[tuple[float, float, float]] = []
    traces: list[NDArray[np.float32]] = []
    candidates: list[tuple[float, int, int, int]] = []
    for k in seeded:
        cells = measure_at(samples[k], (0, 0), radius, report)
        candidates += [
            (float(w), k, round(y), round(x))
            for w, (y, x) in zip(cells.weight, cells.at, strict=True)
        ]
    for weight, k, y, x in sorted(candidates, reverse=True):
        found = _brightest(samples, k, y, x, radius)
        if found is None:
            continue
        plane, look, profile = found
        place = np.array([plane, *look.centre], float)
        depth = half_depth(profile, plane)
        height = max(1.0, 2 * abs(np.nan_to_num(depth)))
        if any(
            abs(place[0] - other[0]) <= height
            and np.hypot(*(place[1:] - other[1:])) < _ONE_CELL * radius
            for other in at
        ):
            continue
        at.append((float(plane), *look.centre))
        sizes.append((look.radius, depth, weight))
        traces.append(look.trace)
    table = np.array(sizes, float).reshape(-1, 3)
    n_frames = len(samples[0].frames)
    return MeasuredCells(
        np.array(at, float).reshape(-1, 3) + np.array(volume.origin),
        table[:, 0],
        table[:, 2],
        np.array(traces, np.float32).reshape(len(traces), n_frames),
        _two_sided(table[:, 1]),
    ).near(radius)


def _brightest(
    samples: tuple[Sample, ...], k: int, y: int, x: int, radius: float
) -> tuple[int, Look, NDArray[np.float64]] | None:
    """Find the plane where a seed's activity is brightest, and its brightness in each plane."""
    around = Around.of(samples[k].dims, y, x, radius)
    core = around.distance <= max(1.0, _CORE * radius)
    for _ in range(2):
        look = look_at(samples[k], y, x, radius)
        if look is None:
            return None
        profile, seen = np.empty(len(samples)), look.later()
        for index, sample in enumerate(samples):
            box = sample.frames[:, around.box[0], around.box[1]].astype(np.float32)
            courses = np.stack([box[:, core].mean(1), box[:, around.ring].mean(1)], axis=1)
            inside, outside = seen.brightness(courses)
            profile[index] = inside - outside
        brightest = int(np.argmax(profile))
        if brightest == k:
            return k, look, profile
        k = brightest
    return None


def half_depth(profile: NDArray[np.float64], plane: int) -> float:
    """Half-width at half height of a profile along z, in planes.

    Negative where one side alone is seen, NaN where neither is.
    """
    half = 0.5 * profile[plane]
    sides = []
    for step in (-1, 1):
        k = plane
        while 0 <= k + step < len(profile) and profile[k + step] > half:
            k += step
        if not 0 <= k + step < len(profile):
            continue
        fall = profile[k] - profile[k + step]
        sides.append(abs(k - plane) + (profile[k] - half) / fall)
    if not sides:
        return np.nan
    width = max(_ONE_PLANE, float(np.mean(sides)))
    return width if len(sides) == 2 else -width


def _two_sided(depths: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keep cells that are seen whole along z if they are enough, else also those that are cut."""
    if (depths > 0).sum() >= MIN_CELLS:
        return np.where(depths > 0, depths, np.nan)
    return np.abs(depths)
