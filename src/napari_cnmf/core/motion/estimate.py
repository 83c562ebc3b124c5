"""Shifts of every frame: spectra kept where they fit, streamed against the template else."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.base.parts import PartRunner, Place, part_edges
from napari_cnmf.core.base.reports import ProgressCallback, StopCallback
from napari_cnmf.core.motion.continuity import (
    follow_continuously,
    needs_neighbours,
    stands_still,
)
from napari_cnmf.core.motion.rigid import build_template, is_lost, refine_template, shift_variance
from napari_cnmf.core.motion.scratch import Scratch
from napari_cnmf.core.motion.settings import Settings
from napari_cnmf.core.motion.spectrum import Band
from napari_cnmf.core.motion.static_pattern import WORTH_FREEING, find_shade
from napari_cnmf.core.motion.stream import blocks, map_in_order
from napari_cnmf.core.motion.template import Measurement, Template, Workers, measure
from napari_cnmf.core.movie.source import FrameSource

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Block = TypeVar("Block")

KEEP_BYTES = 160e6
"""Spectra kept at once; with more frames a spread subset makes the template."""
MIN_KEPT_FRAMES = 300
BLOCK_BYTES = 8e6
BURST = 8
MUCH_LIKELIER = 15.0
"""Log-likelihood that a displacement past ``max_shifts`` must gain to be believed."""


@dataclass(frozen=True, eq=False)
class RigidEstimate:
    """Measured shifts of all frames.

    Attributes
    ----------
    shifts, variance
        ``(T, 3)`` px and px^2.
    lost
        ``(T,)``.
    beyond_px
        Largest displacement seen past ``max_shifts`` along any axis, 0 if none; ``n_beyond``
        frames of ``n_searched``.
    correlations
        ``(T, 2)``: of each frame with the template in its band, as it is and aligned; NaN where
        the frame is lost.
    by_neighbours
        Whether single frames did not tell the place, and neighbours in time were asked.
    stands_still
        Whether these frames are explained better where they are than moved.
    shade
        ``(Y, X)`` pattern that stands still before the field and holds these shifts, if any.
    held
        Share of a displacement by which such a pattern may hold these shifts back.
    """

    template: Template
    shifts: F64
    variance: F64
    lost: NDArray[np.bool_]
    beyond_px: float
    n_beyond: int
    n_searched: int
    correlations: F64
    by_neighbours: bool = False
    stands_still: bool = False
    shade: F32 | None = None
    held: float = 0.0


def block_frames(dims: tuple[int, int, int]) -> int:
    """Frames in a block that a thread works on."""
    return int(max(1, min(64, BLOCK_BYTES // (4 * dims[0] * dims[1] * dims[2]))))


def n_kept_frames(n_frames: int, band: Band, keep_bytes: float) -> int:
    """Frames whose spectra are kept at once."""
    return min(n_frames, max(MIN_KEPT_FRAMES, int(keep_bytes // band.bytes_per_frame)))


def spread_bursts(n_frames: int, n_kept: int) -> NDArray[np.int64]:
    """Short runs of consecutive frames, spread evenly over the movie."""
    starts = np.linspace(0, n_frames - BURST, n_kept // BURST).astype(np.int64)
    return np.unique(starts[:, None] + np.arange(BURST))


def read_block(source: FrameSource, span: tuple[int, int], scratch: Scratch) -> NDArray[Any]:
    """Frames ``(n, [Z], Y, X)`` in the thread's own buffer."""
    start, stop = span
    buffer = scratch.take("read", (stop - start, *source.shape[1:]), source.dtype)
    return source.read(start, stop, buffer)


def consecutive_runs(rows: NDArray[np.int64]) -> list[slice]:
    """Slices of sorted ``rows`` whose frames follow on one another."""
    breaks = np.flatnonzero(np.diff(rows) != 1) + 1
    edges = [0, *(int(b) for b in breaks), int(rows.size)]
    return [slice(a, b) for a, b in itertools.pairwise(edges) if b > a]


@dataclass(frozen=True)
class Estimator:
    """Estimator of all shifts of one movie."""

    source: FrameSource
    settings: Settings
    band: Band
    workers: Workers
    scratch: Scratch
    keep_bytes: float
    progress: ProgressCallback
    should_stop: StopCallback | None
    check: Callable[[], None]
    runner: PartRunner

    def run(self) -> RigidEstimate:
        """Build the template, then measure a shift for every frame."""
        T = self.settings.n_frames
        n_keep = n_kept_frames(T, self.band, self.keep_bytes)
        rows = np.arange(T) if n_keep == T else spread_bursts(T, n_keep)
        spectra = np.empty((rows.size, 2, *self.band.shape), np.float32)
        self._keep(rows, spectra, "spectra")
        template, found = build_template(
            self.band, spectra, self.settings.reach, workers=self.workers, check=self.check
        )
        in_order = rows.size == T and self.settings.dims[0] == 1
        by_neighbours = in_order and needs_neighbours(template, found)
        is_still = False
        if by_neighbours:
            template, found = follow_continuously(
                self.band, spectra, template, self.settings.reach,
                workers=self.workers, check=self.check,
            )  # fmt: skip
            is_still = stands_still(self.band, spectra, template, found.shifts)
        beyond = self._look_beyond(template, spectra, found)
        for _ in range(self.settings.n_passes):
            self.check()
            first = self._limit(found.shifts)
            self._keep(rows, spectra, "refining", first)
            template, found = refine_template(
                self.band, spectra, template, found, workers=self.workers
            )
        shade, held = None, 0.0
        if self.band.shade is not None:
            held = WORTH_FREEING
        elif not by_neighbours:
            shade, held = find_shade(self, rows, spectra, template, found)
        if rows.size < T:
            del spectra
            found = self._measure_all(template)
        shifts = self._limit(found.shifts)
        lost = is_lost(template, found)
        return RigidEstimate(
            template,
            shifts,
            shift_variance(template, found),
            lost,
            *beyond,
            rows.size,
            _correlations(template, found, lost),
            by_neighbours,
            is_still,
            shade,
            held,
        )

    def spectra_of(self, rows: NDArray[np.int64], shifts: F64) -> F32:
        """Spectra of the frames ``rows``, with windows moved by ``shifts (n, 3)``."""
        spectra = np.empty((rows.size, 2, *self.band.shape), np.float32)
        limited = self._limit(shifts)
        for i, t in enumerate(rows):
            own = slice(i, i + 1)
            self._transform((int(t), int(t) + 1), spectra[own], limited[own])
        return spectra

    def frames(self, rows: NDArray[np.int64]) -> Iterator[NDArray[Any]]:
        """Frames ``(Z, Y, X)`` as they are, one after the other."""
        for t in rows:
            frame = read_block(self.source, (int(t), int(t) + 1), self.scratch)
            yield frame.reshape(self.settings.dims)

    def _limit(self, shifts: F64) -> F64:
        limit = np.asarray(self.settings.max_shifts)
        return np.clip(shifts, -limit, limit)

    def _transform(self, span: tuple[int, int], out: F32, shifts: F64 | None = None) -> None:
        """Write spectra of the frames of ``span`` into ``out``, windows moved by ``shifts``."""
        frames = read_block(self.source, span, self.scratch)
        self.band.transform(frames.reshape(-1, *self.settings.dims), out, self.scratch, shifts)

    def _keep(
        self, rows: NDArray[np.int64], spectra: F32, stage: str, shifts: F64 | None = None
    ) -> None:
        """Keep the spectra of frames ``rows`` in memory; anew where ``shifts`` move the window."""
        again = np.ones(rows.size, np.bool_)
        if shifts is not None:
            again = np.asarray(self.band.window_offsets(shifts).any(axis=1))

        def fill(span: tuple[int, int]) -> int:
            index = np.arange(*span)[again[span[0] : span[1]]]
            for run in consecutive_runs(rows[index]):
                i = index[run]
                own = slice(int(i[0]), int(i[-1]) + 1)
                frames = (int(rows[i[0]]), int(rows[i[-1]]) + 1)
                self._transform(frames, spectra[own], None if shifts is None else shifts[own])
            return span[1]

        spans = blocks(rows.size, block_frames(self.settings.dims))
        for stop in self._map(fill, spans):
            self.progress(stage, stop, rows.size)

    def _map(
        self, work: Callable[[tuple[int, int]], int], spans: list[tuple[int, int]]
    ) -> Iterator[int]:
        n_ahead = self.workers.n_threads + 1
        return map_in_order(self.workers.pool, work, spans, n_ahead, self.should_stop)

    def _measure_all(self, template: Template) -> Measurement:
        """Measure every frame of the movie against the finished template."""
        T = self.settings.n_frames
        of = Measuring(self.source, self.settings, self.band, template)
        parts = self.runner.map(
            _measure_part, of, movie_parts(self.source, self.settings),
            check=self.check, on_share=lambda share: self.progress("shifts", share * T, T),
        )  # fmt: skip
        return join_measurements(list(parts))

    def _look_beyond(
        self, template: Template, spectra: F32, found: Measurement
    ) -> tuple[float, int]:
        """Measure how far frames really are whose best lag lies at the edge of the search."""
        # an axis that may not move at all is held on purpose
        limit = np.array([m if m > 0 else np.inf for m in self.settings.max_shifts])
        outside = (np.abs(found.shifts) > limit).any(axis=1) | found.on_edge
        rows = np.flatnonzero(outside & (found.power > 0)).astype(np.int64)
        if not rows.size:
            return 0.0, 0
        rows = rows[:: max(1, rows.size // 50)]
        wide = [
            0 if n == 1 else min(3 * r, n // 3)
            for r, n in zip(self.settings.reach, self.settings.dims, strict=True)
        ]
        far = measure(self.band, template, spectra, rows, wide, workers=self.workers)
        # noise has a higher peak somewhere in a wide search: ask for much more than that
        near = np.abs(far.shifts - found.shifts[rows]).max(axis=1) < 1
        better = (far.gain - found.gain[rows]) * template.information > MUCH_LIKELIER
        believed = (near | better) & ~is_lost(template, far)
        beyond = (np.abs(far.shifts) > limit + 0.25) & believed[:, None]
        if not beyond.any():
            return 0.0, 0
        largest = float(np.abs(far.shifts[beyond]).max())
        return largest, int(np.count_nonzero(outside) * beyond.any(axis=1).mean())


@dataclass(frozen=True, eq=False)
class Measuring:
    """Everything that measuring the shifts of any frames needs."""

    source: FrameSource
    settings: Settings
    band: Band
    template: Template


def _measure_part(of: Measuring, span: tuple[int, int], place: Place) -> Measurement:
    """Measure the frames of one part."""
    settings, band, scratch = of.settings, of.band, Scratch()
    limit = np.asarray(settings.max_shifts)

    def work(block: tuple[int, int]) -> Measurement:
        n = block[1] - block[0]
        spectra = scratch.take("spectra", (n, 2, *band.shape), np.float32)
        frames = read_block(of.source, block, scratch).reshape(-1, *settings.dims)
        band.transform(frames, spectra, scratch)
        rows = np.arange(n, dtype=np.int64)
        found = measure(band, of.template, spectra, rows, settings.reach)
        first = np.clip(found.shifts, -limit, limit)
        band.transform(frames, spectra, scratch, first)
        return measure(band, of.template, spectra, rows, settings.reach, initial=first)

    return join_measurements([part for _, part in blocks_of_part(work, span, settings, place)])


def movie_parts(source: FrameSource, settings: Settings) -> list[tuple[int, int]]:
    """First and past-the-last frames of the parts of a movie."""
    frame_bytes = int(np.prod(settings.dims)) * np.dtype(source.dtype).itemsize
    return list(
        itertools.pairwise(part_edges(settings.n_frames, frame_bytes, block_frames(settings.dims)))
    )


def blocks_of_part(
    work: Callable[[tuple[int, int]], Block],
    span: tuple[int, int],
    settings: Settings,
    place: Place,
) -> Iterator[tuple[tuple[int, int], Block]]:
    """Yield the blocks of frames of a part and ``work`` of each, in order, on all threads."""
    start, stop = span
    spans = [(start + a, start + b) for a, b in blocks(stop - start, block_frames(settings.dims))]
    n_threads = default_threads(place.n_threads)
    with ThreadPoolExecutor(n_threads, thread_name_prefix="motion") as pool:
        done = map_in_order(pool, work, spans, n_threads + 1, None)
        for block, result in zip(spans, done, strict=True):
            place.check()
            yield block, result
            place.tell((block[1] - start) / (stop - start))


def join_measurements(parts: Sequence[Measurement]) -> Measurement:
    """One measurement of all frames, from those of consecutive parts."""
    names = [field.name for field in fields(Measurement)]
    return Measurement(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def default_threads(n_threads: int | None) -> int:
    """Threads that a movie is corrected on: more than 16 wait for each other's memory."""
    return n_threads or max(1, min(os.cpu_count() or 1, 16))


def _correlations(template: Template, found: Measurement, lost: NDArray[np.bool_]) -> F64:
    """Weighted correlation of each frame with the template, before and after, ``(T, 2)``."""
    energy = np.sqrt(np.maximum(found.power, 1e-30) * max(template.information, 1e-30))
    both = np.stack([found.gain_at_zero, found.gain], axis=1)
    both *= (template.information / energy)[:, None]
    both[lost] = np.nan
    return both
