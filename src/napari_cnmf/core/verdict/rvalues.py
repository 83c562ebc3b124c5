"""Spatial correlation of footprints with the movie, by CaImAn's definition.

For each component, the mean frame around its ten highest peaks, less the frames in which
overlapping components peak, is correlated with its footprint over the footprint's pixels.
"""

# ruff: noqa: PLR0917 (kernels take arrays by position, steps their inputs)

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.core.base.compiling import kernel_for_frames
from napari_cnmf.core.base.parts import PartRunner, Place, RunHere, part_edges
from napari_cnmf.core.base.threads import Workers
from napari_cnmf.core.movie.binning import find_lost
from napari_cnmf.core.movie.reading import frame_blocks, read_blocks
from napari_cnmf.core.movie.source import FrameSource

N_PEAKS = 10
_HEIGHT = 0.3
_OVERLAP = 0.1
_BLOCK_BYTES = 16 << 20
"""Of the movie that is read at a time: here it comes on top of all traces of the result."""
_TRACES, _VALUES = 64, 200_000
"""So many traces at a time, and values of them: half a dozen copies of them are made."""


def find_peaks(
    C: NDArray[np.floating], most: int, height: float = _HEIGHT
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The highest peaks of each trace.

    Parameters
    ----------
    C
        ``(n_traces, n_frames)``.
    most
        So many of each.
    height
        Of its range, above which a local maximum counts; a plateau counts once.

    Returns
    -------
    trace, frame
        Of each peak, by trace, highest first; the middle of a plateau, the later one of equals.
    """
    n_traces, n_frames = C.shape
    # Runs of equal values are one point each; all traces in one row, for numpy's sake.
    new = np.ones(C.shape, np.bool_)
    np.not_equal(C[:, 1:], C[:, :-1], out=new[:, 1:])
    starts = np.flatnonzero(new)
    value, trace = C.ravel()[starts], starts // n_frames
    length = np.diff(starts, append=C.size)
    level = height * (C.max(1) - C.min(1)) + C.min(1)
    is_top = (value[1:-1] > value[:-2]) & (value[1:-1] > value[2:])
    is_top &= (trace[1:-1] == trace[:-2]) & (trace[1:-1] == trace[2:])
    is_top &= value[1:-1] > level[trace[1:-1]]
    run = np.flatnonzero(is_top) + 1
    frame = starts[run] - trace[run] * n_frames + (length[run] - 1) // 2
    order = np.lexsort((-frame, -value[run], trace[run]))
    trace, frame = trace[run][order], frame[order]
    rank = np.arange(len(trace)) - np.searchsorted(trace, np.arange(n_traces))[trace]
    return trace[rank < most], frame[rank < most]


def highest_peaks(C: NDArray[np.floating], workers: Workers) -> list[NDArray[np.int64]]:
    """Frames of the ``N_PEAKS`` highest peaks of each trace."""
    at_once = max(1, min(_TRACES, _VALUES // max(1, C.shape[1])))

    def peaks_of(start: int) -> list[NDArray[np.int64]]:
        rows = C[start : start + at_once]
        trace, peak = find_peaks(rows, N_PEAKS)
        return np.split(peak, np.searchsorted(trace, np.arange(1, len(rows))))

    parts = workers.map(peaks_of, range(0, len(C), at_once))
    return [peaks for part in parts for peaks in part]


def activity_frames(
    peaks: list[NDArray[np.int64]], before: int, after: int, n_frames: int
) -> list[NDArray[np.int64]]:
    """Frames from ``before`` to ``after`` (exclusive) around the peaks of each trace."""
    around = np.arange(before, after)
    return [np.unique(np.clip(p[:, None] + around, 0, n_frames - 1)) for p in peaks]


def own_frames(
    A: sp.csc_matrix, active: list[NDArray[np.int64]], n_frames: int, workers: Workers
) -> list[NDArray[np.int64]]:
    """Active frames of each component less those of components overlapping it by > 0.1."""
    norm = np.sqrt(np.asarray(A.multiply(A).sum(0))).ravel()
    unit = A @ sp.diags(1 / np.maximum(norm, 1e-30))
    overlap = (unit.T @ unit).tocsr()

    def own(start: int) -> list[NDArray[np.int64]]:
        is_taken = np.zeros(n_frames, np.bool_)
        out = []
        for k in range(start, min(start + _TRACES, len(active))):
            row = slice(overlap.indptr[k], overlap.indptr[k + 1])
            others = overlap.indices[row][overlap.data[row] > _OVERLAP]
            taken = [active[j] for j in others if j != k]
            for other in taken:
                is_taken[other] = True
            left = active[k][~is_taken[active[k]]]
            for other in taken:
                is_taken[other] = False
            out.append(left if len(left) else active[k])
        return out

    parts = workers.map(own, range(0, len(active), _TRACES))
    return [frames for part in parts for frames in part]


_SIGNATURE = (
    "void({0}[:, ::1], int64[::1], int64[::1], int64[::1], int64[::1], int64[::1], float64[::1], "
    "int64, int64)"
)


@kernel_for_frames(_SIGNATURE)
def _add_frames(
    frames: NDArray[Any],
    runs: NDArray[np.int64],
    place: NDArray[np.int64],
    pixel: NDArray[np.int64],
    first: NDArray[np.int64],
    which: NDArray[np.int64],
    sums: NDArray[np.float64],
    start: int,
    stop: int,
) -> None:
    """Add ``frames[which[first[k]:first[k + 1]]]`` at the pixels of component k.

    Its pixels are those of its runs ``runs[k]`` to ``runs[k + 1]``: a run adds to the sums from
    ``place`` on what the frame has from ``pixel`` on.
    """
    for k in range(start, stop):
        for n in range(first[k], first[k + 1]):
            frame = frames[which[n]]
            for run in range(runs[k], runs[k + 1]):
                # one after the other, so that a processor adds several at once
                here = sums[place[run] : place[run + 1]]
                light = frame[pixel[run] : pixel[run] + len(here)]
                for i in range(len(here)):
                    here[i] += light[i]


@dataclass(frozen=True, eq=False)
class FrameSums:
    """Sums of some frames at some pixels, wanted for each component.

    Attributes
    ----------
    runs
        First run of each component, and the number of all ``(n_components + 1,)``. A run are
        pixels that follow each other in the movie and in the sums.
    place
        Where each run begins in the sums, and the number of these ``(n_runs + 1,)``.
    pixel
        Where each run begins in a frame ``(n_runs,)``.
    frames
        Frames of each component, ascending.
    sums
        What :func:`sum_frames` adds to, one value for each pixel of each component.
    left_out
        Frames of each component that turned out to have no content ``(n_components,)``.
    """

    runs: NDArray[np.int64]
    place: NDArray[np.int64]
    pixel: NDArray[np.int64]
    frames: list[NDArray[np.int64]]
    sums: NDArray[np.float64]
    left_out: NDArray[np.int64]

    @classmethod
    def over(
        cls, indptr: NDArray[Any], indices: NDArray[Any], frames: list[NDArray[np.int64]]
    ) -> FrameSums:
        """Make sums that begin at zero, of pixels as in a CSC matrix."""
        is_first = np.ones(len(indices), np.bool_)
        is_first[1:] = np.diff(indices) != 1
        is_first[indptr[:-1][np.diff(indptr) > 0]] = True
        place = np.flatnonzero(is_first)
        runs = np.searchsorted(place, indptr).astype(np.int64)
        ends = np.append(place, len(indices)).astype(np.int64)
        return cls(
            runs, ends, indices[place].astype(np.int64), frames,
            np.zeros(len(indices)), np.zeros(len(frames), np.int64),
        )  # fmt: skip

    @property
    def n_frames(self) -> NDArray[np.int64]:
        """Number of frames that were summed for each component ``(n_components,)``."""
        return np.array([len(frames) for frames in self.frames], np.int64) - self.left_out


class _ByBlock:
    """All frames of a part that some sums want, ordered by block, component and frame."""

    def __init__(self, wanted: FrameSums, edges: list[int]) -> None:
        self.wanted = wanted
        self.sums = np.zeros(len(wanted.sums))
        self.left_out = np.zeros(len(wanted.frames), np.int64)
        owner = np.repeat(np.arange(len(wanted.frames)), [len(f) for f in wanted.frames])
        frames = np.concatenate([*wanted.frames, np.zeros(0, np.int64)]).astype(np.int64)
        inside = (edges[0] <= frames) & (frames < edges[-1])
        owner, frames = owner[inside], frames[inside]
        # Numbers as short as can be are sorted ten times faster.
        lies_in = np.searchsorted(edges, frames, side="right") - 1
        lies_in = lies_in.astype(np.min_scalar_type(len(edges)))
        order = np.argsort(lies_in, kind="stable")
        self._owner, self._frames = owner[order], frames[order]
        self._ends = np.searchsorted(lies_in[order], np.arange(len(edges)))

    def add(
        self,
        block: int,
        start: int,
        frames: NDArray[Any],
        lost: NDArray[np.bool_],
        workers: Workers,
    ) -> None:
        """Add the frames of a block, which begins with frame ``start`` of the movie.

        A frame that is lost says nothing about a cell: a dark one, or NaN, as pauses leave them.
        """
        inside, wanted = slice(self._ends[block], self._ends[block + 1]), self.wanted
        n = len(wanted.frames)
        owner, which = self._owner[inside], self._frames[inside] - start
        is_lost = lost[which]
        self.left_out += np.bincount(owner[is_lost], minlength=n)
        owner, which = owner[~is_lost], which[~is_lost]
        first = np.searchsorted(owner, np.arange(n + 1)).astype(np.int64)

        def work(a: int, b: int) -> None:
            _add_frames(
                frames, wanted.runs, wanted.place, wanted.pixel, first, which, self.sums, a, b
            )

        workers.ranges(work, n, 64)


def sum_frames(
    source: FrameSource,
    wanted: Sequence[FrameSums],
    runner: PartRunner,
    *,
    check: Callable[[], None] = lambda: None,
    on_share: Callable[[float], None] = lambda share: None,
) -> None:
    """Fill in the sums that are wanted, all in one pass over the movie.

    ``check`` may raise to stop; ``on_share`` is told the share of the frames that is done.
    """
    n_frames = source.shape[0]
    frame_bytes = math.prod(source.shape[1:]) * source.dtype.itemsize
    unit = frame_blocks(n_frames, frame_bytes, 1, _BLOCK_BYTES)[1]
    spans = list(pairwise(part_edges(n_frames, frame_bytes, unit)))
    of = (source, tuple(wanted))
    # Parts are summed alone and then joined, also here: so the last digits are the same everywhere.
    for part in runner.map(_sum_part, of, spans, check=check, on_share=on_share):
        for one, (sums, left_out) in zip(wanted, part, strict=True):
            one.sums[:] += sums
            one.left_out[:] += left_out


def _sum_part(
    of: tuple[FrameSource, Sequence[FrameSums]], span: tuple[int, int], place: Place
) -> list[tuple[NDArray[np.float64], NDArray[np.int64]]]:
    """Sums over the frames of one part, and how many of each component's were left out."""
    source, wanted = of
    begin, end = span
    frame_bytes = math.prod(source.shape[1:]) * source.dtype.itemsize
    edges = [begin + e for e in frame_blocks(end - begin, frame_bytes, 1, _BLOCK_BYTES)]
    lists = [_ByBlock(one, edges) for one in wanted]
    with Workers(place.n_threads, place.check) as workers:
        for block, (start, frames) in enumerate(read_blocks(source, edges, workers)):
            lost = find_lost(frames)
            for one in lists:
                one.add(block, start, frames, lost, workers)
            place.tell((start + len(frames) - begin) / (end - begin))
    return [(one.sums, one.left_out) for one in lists]


def wanted_for_correlation(
    A: sp.csc_matrix,
    peaks: list[NDArray[np.int64]],
    n_frames: int,
    frame_rate_hz: float,
    workers: Workers,
) -> FrameSums:
    """The sums that the spatial correlation is made from; ``A`` has sorted indices."""
    before = int(min(-2, math.floor(-5 / 30 * frame_rate_hz)))
    after = int(max(5, math.ceil(25 / 30 * frame_rate_hz)))
    active = activity_frames(peaks, before, after, n_frames)
    frames = own_frames(A, active, n_frames, workers)
    return FrameSums.over(A.indptr, A.indices, frames)


def spatial_correlation(
    source: FrameSource,
    A: sp.csc_matrix,
    C: NDArray[np.floating],
    frame_rate_hz: float,
    workers: Workers,
    *,
    peaks: list[NDArray[np.int64]] | None = None,
    also: Sequence[FrameSums] = (),
    runner: PartRunner | None = None,
    check: Callable[[], None] = lambda: None,
    on_share: Callable[[float], None] = lambda share: None,
) -> NDArray[np.float64]:
    """``r`` of each component ``(n_components,)``; 0 where it never peaks.

    Parameters
    ----------
    source
        The movie, read once more.
    A
        Footprints ``(n_pixels, n_components)``, pixels in C order.
    C
        Denoised traces ``(n_components, n_frames)``.
    peaks
        Of the traces, by :func:`highest_peaks`, where they are known already.
    also
        Other sums to fill in while the movie is read.
    runner
        Who reads the parts of the movie; by default this process.
    check, on_share
        See `sum_frames`.
    """
    A = A.tocsc().sorted_indices()
    known = highest_peaks(C, workers) if peaks is None else peaks
    own = wanted_for_correlation(A, known, C.shape[1], frame_rate_hz, workers)
    runner = runner or RunHere(workers.n_threads)
    sum_frames(source, [own, *also], runner, check=check, on_share=on_share)
    return _correlate(A, own.sums, own.n_frames)


def _correlate(
    A: sp.csc_matrix, sums: NDArray[np.float64], n_frames: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Pearson's r of each footprint with its mean frame, over its positive pixels.

    NaN where one of them is constant, or the movie is not finite.
    """
    n = A.shape[1]
    owner = np.repeat(np.arange(n), np.diff(A.indptr))
    positive = A.data > 0
    owner, a = owner[positive], A.data[positive].astype(np.float64)
    n_pixels = np.bincount(owner, minlength=n)
    has_both = (n_frames > 0) & (n_pixels >= 3)
    mean = sums[positive] / np.maximum(n_frames, 1)[owner]

    def total(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.bincount(owner, weights=values, minlength=n), np.float64)

    def centred(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(values - (total(values) / np.maximum(n_pixels, 1))[owner], np.float64)

    size = np.sqrt(total(a**2) * total(mean**2))
    a, mean = centred(a), centred(mean)
    norm = np.sqrt(total(a**2) * total(mean**2))
    with np.errstate(invalid="ignore", divide="ignore"):
        # What rounding leaves of a constant is none.
        r = np.where(norm > 1e-12 * size, total(a * mean) / norm, np.nan)
    return np.where(has_both, r, 0.0)
