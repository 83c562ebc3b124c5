"""How large the cells of a movie are, and how fast they decay, from its clearest cells.

A seed's frames of activity, less its quiet ones, show the cell alone: its area at half height gives
the radius. The autocorrelation of its trace beyond lag 0, where photon noise drops out, gives
the decay.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes, gaussian_filter, label

from napari_cnmf.core._report import Report
from napari_cnmf.core.lab.local import filtered_images, find_seeds
from napari_cnmf.core.lab.sample import Sample, bin_pixels

N_CELLS = 60
"""So many of the clearest seeds are looked at."""
MIN_CELLS = 5
"""With less nothing is concluded."""
_ACTIVE = 2.5
_QUIET = 1.0
_SMOOTH = 0.7
_MIN_PNR = 5.0
_MIN_CORR = 0.3
_CROP_PX = 256
_TRUE_TO_FILTER = 0.8
"""Of a cell's radius: the standard deviation of the filter that shows it best."""
_SCALES_PX = (2.1, 3.1, 4.6, 6.8, 10.0, 15.0, 22.0)
"""Radii that are tried: each filter shows what is of its size, and puncta or clusters else."""
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
        ``(n, 2)`` as (y, x), pixels of the movie.
    radius_px
        Half-width at half height ``(n,)``, pixels of the movie.
    weight
        How clear each is ``(n,)``.
    traces
        Less their surround ``(n, n_frames)`` of the sample.
    """

    at: NDArray[np.float64]
    radius_px: NDArray[np.float64]
    weight: NDArray[np.float64]
    traces: NDArray[np.float32]

    @property
    def typical_radius_px(self) -> float | None:
        """Median of the radii weighted by clearness and size; ``None`` with less than five."""
        if len(self.radius_px) < MIN_CELLS:
            return None
        order = np.argsort(self.radius_px)
        share = np.cumsum((self.weight * self.radius_px)[order])
        return float(self.radius_px[order][np.searchsorted(share, 0.5 * share[-1])])

    def near(self, radius_px: float) -> MeasuredCells:
        """Those of about this size."""
        keep = np.abs(np.log(self.radius_px / radius_px)) < _CONSISTENT
        return MeasuredCells(
            self.at[keep], self.radius_px[keep], self.weight[keep], self.traces[keep]
        )

    @property
    def evidence(self) -> float:
        """How much light stands behind these cells: many puncta weigh less than a few somata."""
        return float((self.weight * self.radius_px).sum())


def measure_cells(
    sample: Sample, start_px: float | None = None, report: Report | None = None
) -> MeasuredCells:
    """Find the clearest cells and measure them.

    Parameters
    ----------
    start_px
        Their radius in pixels of the movie, where it is known about; else all sizes are tried and
        the one that most light stands behind is taken.

    Returns
    -------
    MeasuredCells
        Perhaps none.
    """
    report = report or Report()
    guess = _search(sample, report) if start_px is None else start_px
    crop, origin = _cut(sample, _CROP_PX, len(sample.frames))
    for _ in range(2):
        found = _measure(crop, origin, guess / sample.binning, report).near(guess)
        radius = found.typical_radius_px
        if radius is None or abs(np.log(radius / guess)) < 0.12:
            break
        guess = radius
    return found


def _search(sample: Sample, report: Report) -> float:
    """The size in pixels of the movie that most light stands behind."""
    best, most = _SCALES_PX[1] * sample.binning, 0.0
    for scale in _SCALES_PX:
        if scale > max(3.0, _LARGEST * min(sample.dims)):
            break
        k = max(1, int(scale / 3.0))
        crop, origin = _cut(sample, _SEARCH_PX * k, _SEARCH_FRAMES)
        coarse = _coarser(crop, k)
        radius = scale * sample.binning
        evidence = _measure(coarse, origin, scale / k, report).near(radius).evidence
        if evidence > most:
            best, most = radius, evidence
    return best


def _cut(sample: Sample, side: int, n_frames: int) -> tuple[Sample, tuple[int, int]]:
    """The middle of a large field, and the first runs of many."""
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


def _measure(
    sample: Sample, origin: tuple[int, int], radius: float, report: Report
) -> MeasuredCells:
    g = _TRUE_TO_FILTER * radius
    images = filtered_images(sample, (g, g), report)
    reach = int(np.ceil(3.2 * radius)) + 2
    seeds = find_seeds(images, _MIN_CORR, _MIN_PNR, 2 * radius, border_px=2)[: 2 * N_CELLS]
    at: list[tuple[int, int]] = []
    radii: list[float] = []
    weights: list[float] = []
    traces: list[NDArray[np.float32]] = []
    for y, x in seeds.tolist():
        if len(radii) == N_CELLS:
            break
        cell = _look(sample, y, x, radius, reach)
        if cell is None:
            continue
        size, trace = cell
        at.append((y, x))
        radii.append(size)
        weights.append(float(images.pnr[y, x] * images.correlation[y, x]))
        traces.append(trace)
    k = sample.binning
    return MeasuredCells(
        (np.array(at, np.float64).reshape(-1, 2) + 0.5) * k - 0.5 + np.array(origin),
        np.array(radii) * k,
        np.array(weights),
        np.array(traces, np.float32).reshape(len(traces), len(sample.frames)),
    )


def _look(
    sample: Sample, y: int, x: int, radius: float, reach: int
) -> tuple[float, NDArray[np.float32]] | None:
    """Radius and trace of what is active at a seed, or ``None`` when it has no clear edge."""
    ny, nx = sample.dims
    rows, columns = slice(max(0, y - reach), y + reach + 1), slice(max(0, x - reach), x + reach + 1)
    box = sample.frames[:, rows, columns].astype(np.float32)
    yy, xx = np.ogrid[rows.start : min(rows.stop, ny), columns.start : min(columns.stop, nx)]
    distance = np.hypot(yy - y, xx - x)
    core, around = distance <= radius, (distance > 2 * radius) & (distance <= reach)
    if around.sum() < 8:
        return None
    trace = box[:, core].mean(1) - box[:, around].mean(1)
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
    picture = np.tensordot(weight, box, 1) / weight.sum() - box[quiet].mean(0)
    picture -= np.median(picture[around])
    return _radius_of(picture, distance, radius), trace


def _radius_of(picture: NDArray[np.float32], distance: NDArray[np.float64], radius: float) -> float:
    smooth = gaussian_filter(picture, _SMOOTH)
    near = distance <= max(1.5, radius)
    centre = np.unravel_index(np.argmax(np.where(near, smooth, -np.inf)), smooth.shape)
    parts, _ = label(smooth > 0.5 * smooth[centre])
    inside = binary_fill_holes(parts == parts[centre])
    return float(np.sqrt(inside.sum() / np.pi))


def _slow(trace: NDArray[np.float32], sample: Sample) -> NDArray[np.float32]:
    """The lower part of a trace in each run: a level that activity does not lift."""
    level = np.empty_like(trace)
    for run in sample.runs:
        level[run] = np.quantile(trace[run], 0.3)
    return level
