"""Measures how large the cells of a movie are, and how fast they decay, by its clearest cells.

A seed's frames of activity, less its quiet ones, show the cell alone: its area at half height gives
the radius. The autocorrelation of its trace beyond lag 0, where photon noise drops out, gives
the decay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes, gaussian_filter, label

from napari_cnmf.core.base.reports import Report
from napari_cnmf.core.movie.local_images import filtered_images, find_seeds
from napari_cnmf.core.movie.sample import Sample, bin_pixels

N_CELLS = 60
"""So many of the clearest seeds are looked at."""
MIN_CELLS = 5
"""With less nothing is concluded."""
_ACTIVE = 2.5
_QUIET = 1.0
_SMOOTH = 0.7
_SMOOTH_SHARE = 0.15
_LEAST_PIXELS = 9
_PIXELS_SHARE = 0.12
"""Of a cell's: pixels at about one distance from its middle that are averaged."""
_FARTHEST_TOP = 1.6
"""Of the radius: the rim of a cell with a dark nucleus is not farther from the middle."""
_MIN_PNR = 5.0
_MIN_CORR = 0.3
_CROP_PX = 256
_TRUE_TO_FILTER = 0.8
"""Of a cell's radius: the standard deviation of the filter that shows it best."""
_SCALES_PX = (2.1, 3.1, 4.6, 6.8, 10.0, 15.0, 22.0)
"""Radii that are tried: each filter shows what is of its size, and puncta or clusters else."""
_POWER_1P, _SHARE_1P = 0.5, 0.35
_LARGEST = 1 / 10
"""Of the field."""
_CONSISTENT = 0.4
"""A cell counts for a scale when the logarithm of its radius is so near."""
_SEARCH_FRAMES = 500
_SEARCH_PX = 160


@dataclass(frozen=True, eq=False)
class MeasuredCells:
    """Cells that stand out in a sample.

    Attributes
    ----------
    at
        ``(n, 2)`` as (y, x), or ``(n, 3)`` as (z, y, x), pixels of the movie.
    radius_px
        Half-width at half height ``(n,)``, pixels of the movie.
    weight
        How clear each is ``(n,)``.
    traces
        Less their surround ``(n, n_frames)`` of the sample.
    depth_px
        Half-width at half height along z ``(n,)``, planes; NaN where the sample does not show
        all of a cell. ``None`` in a plane.
    """

    at: NDArray[np.float64]
    radius_px: NDArray[np.float64]
    weight: NDArray[np.float64]
    traces: NDArray[np.float32]
    depth_px: NDArray[np.float64] | None = None

    @property
    def typical_radius_px(self) -> float | None:
        """Typical radius in pixels: the weighted median, ``None`` with less than five cells."""
        return _typical(self.radius_px, self.weight * self.radius_px)

    @property
    def radius_error_px(self) -> float | None:
        """Standard error of the typical radius in pixels, from how much the cells differ."""
        if self.typical_radius_px is None:
            return None
        share = self.weight * self.radius_px
        share = share / share.sum()
        off = np.abs(self.radius_px - self.typical_radius_px)
        # 1.4826: a normal distribution's standard deviation over its median deviation; a median
        # is known 1.2533 times less well than a mean. Unequal weights count as fewer cells.
        spread = 1.4826 * float(np.median(off))
        return float(1.2533 * spread * np.sqrt((share**2).sum()))

    @property
    def typical_depth_px(self) -> float | None:
        """Typical half-width along z in planes, as `typical_radius_px` is found."""
        if self.depth_px is None:
            return None
        known = np.isfinite(self.depth_px)
        return _typical(self.depth_px[known], (self.weight * self.radius_px)[known])

    def near(self, radius_px: float) -> MeasuredCells:
        """The measured cells of about this size."""
        return self.only(np.abs(np.log(self.radius_px / radius_px)) < _CONSISTENT)

    def only(self, rows: NDArray[Any]) -> MeasuredCells:
        """Take some of the measured cells."""
        depth = None if self.depth_px is None else self.depth_px[rows]
        return MeasuredCells(
            self.at[rows], self.radius_px[rows], self.weight[rows], self.traces[rows], depth
        )

    def evidence(self, power: float) -> float:
        """Evidence behind these cells; a ``power`` below 1 counts small ones for more."""
        return float((self.weight * self.radius_px**power).sum())


def _typical(sizes: NDArray[np.float64], weight: NDArray[np.float64]) -> float | None:
    if len(sizes) < MIN_CELLS:
        return None
    order = np.argsort(sizes)
    share = np.cumsum(weight[order])
    return float(sizes[order][np.searchsorted(share, 0.5 * share[-1])])


def measure_cells(
    sample: Sample,
    start_px: float | None = None,
    report: Report | None = None,
    *,
    one_photon: bool = False,
) -> MeasuredCells:
    """Find the clearest cells and measure them.

    Parameters
    ----------
    start_px
        Their radius in pixels of the movie, where it is known about; else all sizes are tried.
    one_photon
        What is larger than cells may be brighter than they are.

    Returns
    -------
    MeasuredCells
        Perhaps none.
    """
    report = report or Report()
    guess = search_size([sample], report, one_photon=one_photon) if start_px is None else start_px
    crop, origin = _cut(sample, _CROP_PX, len(sample.frames))
    for _ in range(2):
        found = measure_at(crop, origin, guess / sample.binning, report).near(guess)
        radius = found.typical_radius_px
        if radius is None or abs(np.log(radius / guess)) < 0.12:
            break
        guess = radius
    return found


def search_size(samples: Sequence[Sample], report: Report, *, one_photon: bool = False) -> float:
    """The radius in pixels of the movie that shows the cells, in all samples together.

    Two-photon: the one that most light stands behind, since puncta are many and hold little.
    One-photon: the smallest with a third of the most evidence, since cells of other depths and the
    background that moves are larger than cells, and often hold more light.
    """
    first = samples[0]
    power, share = (_POWER_1P, _SHARE_1P) if one_photon else (1.0, 1.0)
    evidence: dict[float, float] = {}
    for scale in _SCALES_PX:
        if scale > max(3.0, _LARGEST * min(first.dims)):
            break
        radius = scale * first.binning
        found = [_cells_of_scale(sample, scale, report) for sample in samples]
        if sum(len(cells.radius_px) for cells in found) >= MIN_CELLS:
            evidence[radius] = sum(cells.evidence(power) for cells in found)
    most = max(evidence.values(), default=0.0)
    return next(
        (radius for radius, value in evidence.items() if value >= share * most),
        _SCALES_PX[1] * first.binning,
    )


def _cells_of_scale(sample: Sample, scale: float, report: Report) -> MeasuredCells:
    k = max(1, int(scale / 3.0))
    crop, origin = _cut(sample, _SEARCH_PX * k, _SEARCH_FRAMES)
    coarse = _coarser(crop, k)
    return measure_at(coarse, origin, scale / k, report).near(scale * sample.binning)


def _cut(sample: Sample, side: int, n_frames: int) -> tuple[Sample, tuple[int, int]]:
    """Cut the sample to the middle of a large field, and to the first runs of many."""
    ny, nx = sample.dims
    y, x = max(0, (ny - side) // 2), max(0, (nx - side) // 2)
    frames = sample.frames[:n_frames, y : y + side, x : x + side]
    starts = tuple(start for start in sample.starts if start < len(frames))
    first = sample.first_frames[: len(starts)]
    cut = replace(sample, frames=frames, starts=starts, first_frames=first)
    return cut, (y * sample.binning, x * sample.binning)


def _coarser(sample: Sample, k: int) -> Sample:
    if k == 1:
        return sample
    return replace(sample, frames=bin_pixels(sample.frames, k), binning=sample.binning * k)


def measure_at(
    sample: Sample, origin: tuple[int, int], radius: float, report: Report
) -> MeasuredCells:
    """Measure the cells of about one size in a sample.

    Parameters
    ----------
    origin
        Of the sample, pixels of the movie.
    radius
        Pixels of the sample.
    """
    g = _TRUE_TO_FILTER * radius
    images = filtered_images(sample, (g, g), report)
    seeds = find_seeds(images, _MIN_CORR, _MIN_PNR, 2 * radius, border_px=2)[: 2 * N_CELLS]
    at: list[tuple[float, float]] = []
    radii: list[float] = []
    weights: list[float] = []
    traces: list[NDArray[np.float32]] = []
    for y, x in seeds.tolist():
        if len(radii) == N_CELLS:
            break
        cell = look_at(sample, y, x, radius)
        if cell is None:
            continue
        at.append(cell.centre)
        radii.append(cell.radius)
        weights.append(float(images.pnr[y, x] * images.correlation[y, x]))
        traces.append(cell.trace)
    k = sample.binning
    return MeasuredCells(
        (np.array(at, np.float64).reshape(-1, 2) + 0.5) * k - 0.5 + np.array(origin),
        np.array(radii) * k,
        np.array(weights),
        np.array(traces, np.float32).reshape(len(traces), len(sample.frames)),
    )


@dataclass(frozen=True, eq=False)
class Look:
    """Pictures of what is active at a seed.

    Attributes
    ----------
    radius
        Half-width at half height, pixels of the sample.
    centre
        Its middle (y, x), which the seed of a cell with a dark nucleus is not.
    trace
        ``(n_frames,)``.
    weight
        Of each frame in the picture of activity ``(n_frames,)``, sum 1.
    quiet
        Frames that are taken off ``(n_frames,)``.
    """

    radius: float
    centre: tuple[float, float]
    trace: NDArray[np.float32]
    weight: NDArray[np.float32]
    quiet: NDArray[np.bool_]

    def brightness(self, frames: NDArray[np.float32]) -> NDArray[np.float64]:
        """Brightness of the activity at this place in its frames ``(n_frames, ...)``."""
        active = np.tensordot(self.weight, frames, 1)
        return np.asarray(active - frames[self.quiet].mean(0), np.float64)

    def later(self) -> Look:
        """Brightness of the activity in the frames that follow each of its frames.

        Frames were chosen by their noise, too, and that lifts the very pixels they were chosen by.
        One frame later a transient goes on, and the noise is another.
        """
        weight = np.concatenate([[0], self.weight[:-1]]).astype(np.float32)
        quiet = np.concatenate([[False], self.quiet[:-1]])
        if not weight.sum() > 0 or not quiet.any():
            return self
        return replace(self, weight=weight / weight.sum(), quiet=quiet)


@dataclass(frozen=True, eq=False)
class Around:
    """The box of pixels around a place.

    Attributes
    ----------
    box
        Rows and columns of the sample.
    distance
        From the place ``(y, x)`` of the box.
    core, ring
        Pixels within the radius, and those beyond two radii.
    """

    box: tuple[slice, slice]
    distance: NDArray[np.float64]
    core: NDArray[np.bool_]
    ring: NDArray[np.bool_]

    @classmethod
    def of(cls, dims: tuple[int, int], y: int, x: int, radius: float) -> Around:
        """Make the box around the pixel (y, x) of a field ``dims``; ``radius`` in pixels."""
        reach = int(np.ceil(3.2 * radius)) + 2
        rows, columns = (
            slice(max(0, at - reach), min(n, at + reach + 1))
            for at, n in zip((y, x), dims, strict=True)
        )
        yy, xx = np.ogrid[rows, columns]
        distance = np.hypot(yy - y, xx - x)
        return cls(
            (rows, columns), distance, distance <= radius,
            (distance > 2 * radius) & (distance <= reach),
        )  # fmt: skip


def look_at(sample: Sample, y: int, x: int, radius: float) -> Look | None:
    """Radius and trace of what is active at a seed, or ``None`` when it has no clear edge."""
    around = Around.of(sample.dims, y, x, radius)
    if around.ring.sum() < 8:
        return None
    box = sample.frames[:, around.box[0], around.box[1]].astype(np.float32)
    trace = box[:, around.core].mean(1) - box[:, around.ring].mean(1)
    trace -= _slow(trace, sample)
    second = np.diff(trace, 2)
    noise = np.sqrt(np.median(second**2) / 0.4549 / 6)  # 0.4549: median of chi-squared
    if not noise > 0:
        return None
    z = trace / noise
    weight = np.maximum(z - _ACTIVE, 0)
    weight[z > np.quantile(z, 0.995)] = min(weight.max(), np.quantile(weight, 0.995))
    quiet = z < _QUIET
    if (weight > 0).sum() < 4 or quiet.sum() < 10:
        return None
    found = Look(0.0, (y, x), trace, weight / weight.sum(), quiet)
    picture = found.brightness(box)
    picture -= np.median(picture[around.ring])
    size, (row, column) = _outline_of(picture, around.distance, radius)
    corner = around.box[0].start, around.box[1].start
    return replace(found, radius=size, centre=(corner[0] + row, corner[1] + column))


def _outline_of(
    picture: NDArray[np.float64], distance: NDArray[np.float64], radius: float
) -> tuple[float, tuple[float, float]]:
    """Half-width at half height, and the middle of what is that bright.

    The height is that of the brightest circle around the middle, not of the brightest pixel:
    noise would lift that one, and the cell look narrower than it is.
    """
    smooth = gaussian_filter(picture, max(_SMOOTH, _SMOOTH_SHARE * radius))
    near = distance <= max(1.5, radius)
    peak = np.unravel_index(np.argmax(np.where(near, smooth, -np.inf)), smooth.shape)
    parts, _ = label(smooth > 0.5 * smooth[peak])
    y, x = np.nonzero(binary_fill_holes(parts == parts[peak]))
    middle = float(y.mean()), float(x.mean())
    rows, columns = np.ogrid[: picture.shape[0], : picture.shape[1]]
    away = np.hypot(rows - middle[0], columns - middle[1]).ravel()
    order = np.argsort(away, kind="stable")
    n = int(max(_LEAST_PIXELS, _PIXELS_SHARE * np.pi * radius**2))
    at, height = _moving_mean(away[order], n), _moving_mean(picture.ravel()[order], n)
    top = int(np.argmax(np.where(at <= _FARTHEST_TOP * radius, height, -np.inf)))
    outside = np.flatnonzero(height[top:] < 0.5 * height[top])
    return float(at[top + outside[0]] if len(outside) else at[-1]), middle


def _moving_mean(values: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    total = np.concatenate([[0.0], np.cumsum(values)])
    return np.asarray((total[n:] - total[:-n]) / n, np.float64)


def _slow(trace: NDArray[np.float32], sample: Sample) -> NDArray[np.float32]:
    """Slow level of a trace in each run, from its lower part, which activity does not lift."""
    level = np.empty_like(trace)
    for run in sample.runs:
        level[run] = np.quantile(trace[run], 0.3)
    return level
