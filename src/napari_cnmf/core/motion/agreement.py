"""Do the halves of the field tell the same? What moves, moves both; noise and firing cells do not.

A frame's shift always looks certain: some displacement fits best. Here each half of the field is
registered alone, in a sample of frames, against templates of other frames. What both halves say
is motion; by how much they differ is the error of the shifts, whatever made it: photons, cells
that fire, compression, tissue that bends, lines that are scanned one after another.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.motion.estimate import BURST, consecutive_runs, read_block, spread_bursts
from napari_cnmf.core.motion.rigid import SIGNIFICANT, shift_variance, significance
from napari_cnmf.core.motion.spectrum import plan_band
from napari_cnmf.core.motion.template import Measurement, average_aligned, measure

if TYPE_CHECKING:
    from napari_cnmf.core.motion.estimate import Estimator, RigidEstimate
    from napari_cnmf.core.motion.spectrum import Band

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

SAMPLE_FRAMES = 160
"""Frames whose halves are compared: a standard deviation is known to 6 % then."""
FAR_FRAMES = 40
"""Frames that moved farthest and are looked at besides: a movie may jump in a few alone."""
FEWEST_PAIRS = 12
"""With fewer frames whose halves both show something, nothing is concluded."""
SMALLEST_HALF_PX = 24
"""Smaller halves hold a few cells, and their window is all edge."""
CERTAIN_SD = 4.0
"""Correlation of the halves from which on motion is certain, in standard deviations of what
independent halves give: one still movie in ten thousand, as two axes are looked at in two ways."""
SAME_SHARE = 0.25
"""Share of a large shift within which its halves must lie to speak for it."""
LARGE_PX = 0.5
"""Smaller shifts are seen by the sample, or by nobody."""
WORTH_TELLING_PX = 0.25
"""Motion of this standard deviation blurs cells; less is not worth a warning."""
LEAST_RATIO, MOST_RATIO = 0.3, 1e4
"""Range of the error's variance over Fisher's bound. The bound is taken at all that a frame's
template leaves: cells that fire are in it, and they hardly change from one frame to the next."""


@dataclass(frozen=True, eq=False)
class Agreement:
    """Agreement of the halves of the field about the shifts, for each axis (z, y, x).

    Attributes
    ----------
    is_known
        Whether the halves show enough to conclude anything.
    moves
        ``(3,)`` bool: both halves see motion along the axis; true where nothing is known.
    ratio
        ``(3,)`` variance of the shifts' error from frame to frame over Fisher's bound.
    apart_px
        ``(3,)`` standard deviation of the displacement of a half against the whole, beyond noise,
        in the split that shows more of it.
    lasting_px
        ``(3,)`` standard deviation of the whole field's error that lasts longer than a frame, as
        cells that fire make it.
    apart_along
        Index of the axis across which halves stand apart most: 1 the upper and the lower, 2 the
        left and the right half.
    """

    is_known: bool
    moves: NDArray[np.bool_]
    ratio: F64
    apart_px: F64
    lasting_px: F64
    apart_along: int

    @property
    def bends(self) -> bool:
        """Whether halves stand so far apart that one shift does not hold for the whole field."""
        return bool(self.apart_px.max() >= WORTH_TELLING_PX)

    def bears_out(self, estimate: RigidEstimate) -> bool:
        """Whether the field moves, and by far more than its halves stand apart."""
        if not self.is_known or not self.moves.any() or estimate.lost.all():
            return False
        size = estimate.shifts[~estimate.lost].std(axis=0).max()
        return bool(self.apart_px.max() < SAME_SHARE * size)


def compare_halves(estimator: Estimator, estimate: RigidEstimate) -> Agreement:
    """Register the halves of the field, and compare them with each other."""
    rows, n_spread = _rows(estimate.shifts, estimate.lost)
    splits = []
    # where a whole frame does not tell its place, half of one does even less
    if rows.size >= FEWEST_PAIRS and not estimate.by_neighbours:
        for axis in (1, 2):
            if estimator.settings.dims[axis] // 2 >= SMALLEST_HALF_PX:
                found = _compare(estimator, estimate, rows, n_spread, axis)
                if found is not None:
                    splits.append(found)
    if not splits:
        moves = np.full(3, not estimate.stands_still)
        return Agreement(False, moves, np.full(3, np.nan), np.zeros(3), np.zeros(3), 0)
    apart = np.array([s.apart for s in splits])
    worst = int(np.argmax(apart.max(axis=1)))
    return Agreement(
        True,
        # one split suffices: cells on one side of the field leave the other split nothing
        np.any([s.moves for s in splits], axis=0),
        np.clip(np.mean([s.ratio for s in splits], axis=0), LEAST_RATIO, MOST_RATIO),
        np.sqrt(apart.max(axis=0)),
        np.sqrt(np.mean([s.lasting for s in splits], axis=0)),
        splits[worst].axis,
    )


@dataclass(frozen=True, eq=False)
class _Split:
    """Comparison of the two halves that lie on either side of the middle of one axis.

    Attributes
    ----------
    axis
        Axis across which the field is halved.
    moves, ratio
        As in `Agreement`.
    apart
        ``(3,)`` variance of the displacement of a half against the whole, px squared.
    lasting
        ``(3,)`` variance of the whole field's error that lasts longer than a frame, px squared.
    """

    axis: int
    moves: NDArray[np.bool_]
    ratio: F64
    apart: F64
    lasting: F64


def _rows(shifts: F64, lost: NDArray[np.bool_]) -> tuple[I64, int]:
    """Frames to look at, and how many of them are spread; the others moved farthest."""
    seen = np.flatnonzero(~lost)
    if not seen.size:
        return seen, 0
    if len(shifts) <= SAMPLE_FRAMES:
        return seen, seen.size
    spread = spread_bursts(len(shifts), SAMPLE_FRAMES)
    spread = spread[~lost[spread]]
    if spread.size < FEWEST_PAIRS:
        spread = seen[:: max(1, seen.size // SAMPLE_FRAMES)]
    far = np.abs(shifts - np.median(shifts[seen], axis=0)).max(axis=1)
    others = np.setdiff1d(seen[np.argsort(-far[seen], kind="stable")[:FAR_FRAMES]], spread)
    return np.concatenate([spread, others]), spread.size


def _compare(
    estimator: Estimator, estimate: RigidEstimate, rows: I64, n_spread: int, axis: int
) -> _Split | None:
    """Compare the two halves across ``axis``."""
    shifts = estimate.shifts
    one, other = _half_shifts(estimator, shifts, rows, axis)
    seen = one.seen & other.seen
    spread = seen & (np.arange(rows.size) < n_spread)
    n = int(np.count_nonzero(spread))
    if n < FEWEST_PAIRS:
        return None
    a, b = (half.shifts - np.median(half.shifts[spread], axis=0) for half in (one, other))
    expected = np.mean((one.variance + other.variance)[spread], axis=0)
    used = np.isfinite(expected) & (expected > 0)
    moves = _is_alike(a[spread], b[spread])
    # motion is slower than noise: means over bursts show what single frames hide
    breaks = np.flatnonzero(np.diff(rows[spread]) != 1) + 1
    bursts = [
        part for run in np.split(np.arange(n), breaks)
        for part in np.array_split(run, max(1, run.size // BURST))
    ]  # fmt: skip
    if len(bursts) >= FEWEST_PAIRS:
        means = (np.array([half[spread][i].mean(axis=0) for i in bursts]) for half in (a, b))
        moves |= _is_alike(*means)
    # a few frames that jump: the halves of most of them say so, too
    whole = shifts[rows] - np.median(shifts[rows[spread]], axis=0)
    difference = a - b
    for k in range(3):
        large = seen & (np.abs(whole[:, k]) > LARGE_PX)
        same = np.abs(difference[large, k]) < SAME_SHARE * np.abs(whole[large, k])
        moves[k] |= bool(large.any() and same.mean() > 0.5)
    # From frame to frame noise changes, and what stands apart hardly does.
    pairs = np.flatnonzero(spread[1:] & spread[:-1] & (np.diff(rows) == 1))
    if pairs.size >= FEWEST_PAIRS:
        noise = np.mean((difference[pairs + 1] - difference[pairs]) ** 2, axis=0) / 2
    else:
        noise = np.mean(difference[spread] ** 2, axis=0)
    total = np.mean(difference[spread] ** 2, axis=0)
    is_apart = used & (total > noise * (1 + CERTAIN_SD * np.sqrt(2 / n)))
    noise = np.where(is_apart, noise, total)
    safe = np.where(used, expected, 1.0)
    ratio = np.where(used, noise / safe, 1.0)
    apart = np.where(is_apart, (total - noise) / 4, 0.0)
    # Windows take more of two halves than of the whole, which has so much less of their errors.
    bound = np.mean(estimate.variance[rows[spread]], axis=0)
    gained = np.where(used, np.where(used, bound, 1.0) / (safe / 4), 1.0)
    return _Split(axis, moves, ratio, apart, apart * np.minimum(gained, 1.0))


def _is_alike(one: F64, other: F64) -> NDArray[np.bool_]:
    """Whether the shifts ``(n, 3)`` of two halves belong together, axis by axis."""
    size = np.sqrt(np.mean(one**2, axis=0) * np.mean(other**2, axis=0))
    together = np.mean(one * other, axis=0)
    return np.asarray(together * np.sqrt(len(one) - 1) > CERTAIN_SD * np.maximum(size, 1e-12))


@dataclass(frozen=True, eq=False)
class _Half:
    shifts: F64
    variance: F64
    seen: NDArray[np.bool_]


def _half_shifts(estimator: Estimator, shifts: F64, rows: I64, axis: int) -> tuple[_Half, _Half]:
    """Shifts ``(n, 3)`` of the frames ``rows`` by each half across ``axis``."""
    settings = estimator.settings
    size = settings.dims[axis] // 2
    dims = [*settings.dims]
    dims[axis] = size
    half_dims = (dims[0], dims[1], dims[2])
    band = plan_band(
        half_dims, settings.max_shifts, settings.highpass_px, settings.cutoff_cycles_px
    )
    parts = (slice(0, size), slice(settings.dims[axis] - size, None))
    bands = [band] * 2
    if (shade := estimator.band.shade) is not None:
        shades = (shade[part] if axis == 1 else shade[:, part] for part in parts)
        bands = [replace(band, shade=part) for part in shades]
    spectra = np.empty((2, rows.size, 2, *band.shape), np.float32)
    for run in consecutive_runs(rows):
        for start in range(run.start, run.stop, BURST):
            own = slice(start, min(start + BURST, run.stop))
            estimator.check()
            span = (int(rows[own.start]), int(rows[own.stop - 1]) + 1)
            frames = read_block(estimator.source, span, estimator.scratch)
            frames = frames.reshape(-1, *settings.dims)
            for i, part in enumerate(parts):
                where = [slice(None)] * 4
                where[1 + axis] = part
                bands[i].transform(
                    frames[tuple(where)], spectra[i, own], estimator.scratch, shifts[rows[own]]
                )
    reach = tuple(min(r, n // 3) for r, n in zip(settings.reach, half_dims, strict=True))
    one, other = (_by_others(estimator, band, part, shifts[rows], reach) for part in spectra)
    return one, other


def _by_others(
    estimator: Estimator,
    band: Band,
    spectra: NDArray[np.float32],
    shifts: F64,
    reach: tuple[int, ...],
) -> _Half:
    """Shifts of frames against templates that these frames are no part of.

    A frame's own share of a template holds it where it was put.
    """
    n = len(spectra)
    # bursts stay together: neighbours in time share cells that fire
    part_of = (np.arange(n) // BURST) % 2
    found: list[tuple[I64, Measurement, F64, NDArray[np.bool_]]] = []
    for own in range(2):
        theirs, mine = (np.flatnonzero(part_of == k).astype(np.int64) for k in (1 - own, own))
        if not theirs.size or not mine.size:
            continue
        template = average_aligned(
            band, spectra, theirs, shifts[theirs], np.ones(theirs.size), workers=estimator.workers
        )
        measured = measure(band, template, spectra, mine, reach, workers=estimator.workers)
        found.append(
            (
                mine, measured, shift_variance(template, measured),
                significance(template, measured) > SIGNIFICANT,
            )
        )  # fmt: skip
    out = _Half(np.zeros((n, 3)), np.full((n, 3), np.inf), np.zeros(n, np.bool_))
    for mine, measured, variance, seen in found:
        out.shifts[mine] = measured.shifts
        out.variance[mine], out.seen[mine] = variance, seen
    return out


def hold(estimate: RigidEstimate, agreement: Agreement) -> RigidEstimate:
    """The estimate without what the halves do not confirm: no shift along axes that stand still."""
    if agreement.moves.all():
        return estimate
    shifts = np.where(agreement.moves, estimate.shifts, 0.0)
    if agreement.moves.any():
        return replace(estimate, shifts=shifts)
    return replace(estimate, shifts=shifts, beyond_px=0.0, n_beyond=0)
