"""Non-rigid displacements of every frame, on top of the rigid path."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from napari_cnmf.core.base.parts import Place, RunHere
from napari_cnmf.core.base.reports import no_progress
from napari_cnmf.core.motion.estimate import (
    KEEP_BYTES,
    Estimator,
    block_frames,
    consecutive_runs,
    default_threads,
    read_block,
)
from napari_cnmf.core.motion.field_prior import Evidence, Prior, pick_prior
from napari_cnmf.core.motion.field_time import Course
from napari_cnmf.core.motion.nonrigid import FieldModel, Nodes, field_band, plan_nodes
from napari_cnmf.core.motion.scratch import Scratch
from napari_cnmf.core.motion.settings import Settings
from napari_cnmf.core.motion.spectrum import Band
from napari_cnmf.core.motion.stream import blocks, map_in_order
from napari_cnmf.core.motion.template import Template, Workers
from napari_cnmf.core.movie.source import FrameSource

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

LEARN_FRAMES = 1200
"""Of longer movies a part is learnt from, in bursts of consecutive frames."""
BURST_FRAMES = 60
MAX_ROUNDS = 14
APPLY_ROUNDS = 5
SETTLED_PX = 0.02
"""The field is fitted until a round moves it by less."""
OVERLAP_FRAMES, OVERLAP_PACES = 60, 4
"""Frames before and after a part that are fitted with it, at most, and paces of the field's course:
a frame so far away counts less than a hundredth."""
EACH_FOR_ITSELF_PX = 1.0
"""Length of a field whose nodes share nothing: cells that fire make it, and tissue does not."""
LEAST_BENDING_PX = 0.05
"""Less than this blurs nothing, and interpolation by node costs more than it mends."""


@dataclass(frozen=True, eq=False)
class FieldEstimate:
    """Non-rigid displacement of each frame's content.

    Attributes
    ----------
    nodes
        Positions in px.
    field
        ``(T, gy, gx, 2)`` px: the corrected frame at x is the frame at ``x + field(x)``; the
        rigid shift is included.
    strength_px, length_px
        Of the prior that the evidence picked.
    pace_frames
        Of the field's course over time.
    error_px
        ``(T,)`` standard error of the displacement along an axis, over the field.
    n_clipped
        Frames in which a node wants to deviate more than ``max_deviation_rigid``.
    """

    nodes: Nodes
    field: F32
    strength_px: float
    length_px: float
    pace_frames: float
    n_clipped: int
    error_px: F64


def estimate_field(
    estimator: Estimator, template: Template, shifts: F64, lost: NDArray[np.bool_]
) -> FieldEstimate | None:
    """Displacements on top of ``shifts (T, 3)``, or ``None`` where nothing speaks for any."""
    settings = estimator.settings
    band = field_band(estimator.band)
    nodes = plan_nodes(settings.dims, settings.strides)
    fit = _Fit(estimator, band, FieldModel(band, template, nodes), shifts, lost)
    n_kept = max(2 * BURST_FRAMES, int(estimator.keep_bytes // (4 * np.prod(fit.model.shape))))
    rows = learning_rows(settings.n_frames, min(LEARN_FRAMES, n_kept))
    learnt = fit.learn(rows)
    if learnt is None:
        return None
    prior, c = learnt
    if rows.size < settings.n_frames:
        c = fit.apply(prior, n_kept)
    c -= c[~lost].mean(axis=0)
    deviation = c.reshape(len(c), nodes.y.size, nodes.x.size, 2)
    limit = settings.max_deviation
    clipped = np.abs(deviation).max(axis=(1, 2, 3)) > limit
    deviation = invert_field(np.clip(deviation, -limit, limit), nodes)
    return FieldEstimate(
        nodes,
        (deviation + shifts[:, None, None, 1:]).astype(np.float32),
        prior.strength_px,
        prior.modes.length_px,
        prior.pace_frames,
        int(np.count_nonzero(clipped)),
        prior.error_px(Course((slice(0, len(c)),), lost)),
    )


def learning_rows(n_frames: int, n_wanted: int) -> I64:
    """All frames of a short movie, or bursts spread over a long one."""
    if n_frames <= n_wanted:
        return np.arange(n_frames)
    n_bursts = max(1, n_wanted // BURST_FRAMES)
    starts = np.linspace(0, n_frames - BURST_FRAMES, n_bursts).astype(np.int64)
    return np.unique(starts[:, None] + np.arange(BURST_FRAMES))


@dataclass(frozen=True, eq=False)
class _Fit:
    """Template, prior and displacements together, all frames of a part at once.

    A frame alone says little: its displacements are found with those of its neighbours in time,
    and what was found sharpens the template, which makes the next round's steps right.
    """

    estimator: Estimator
    band: Band
    model: FieldModel
    shifts: F64
    lost: NDArray[np.bool_]

    def learn(self, rows: I64) -> tuple[Prior, F64] | None:
        """Learn prior and displacements from the frames ``rows``, refining the model on the way."""
        model, workers = self.model, self.estimator.workers
        frames, bounds = self._frames(rows), self._bounds(rows)
        course = Course(tuple(consecutive_runs(rows)), self.lost[rows])
        positions = model.nodes.positions
        apart = min(model.nodes.y[1] - model.nodes.y[0], model.nodes.x[1] - model.nodes.x[0])
        lengths = np.geomspace(max(0.8 * apart, 16), 1.2 * max(self.band.dims), 9)
        lengths = np.concatenate([[EACH_FOR_ITSELF_PX], lengths])
        c = np.zeros((rows.size, model.H.shape[0]))
        prior = None
        for i in range(MAX_ROUNDS):
            self.estimator.check()
            b, residuals = model.scores(frames, bounds, c, workers, learn=True)
            # What is the same in all frames is an error of the template, and no bending.
            b -= b[~self.lost[rows]].mean(axis=0)
            evidence = Evidence(model.H, positions, b, course)
            limit = 2 * self.estimator.settings.max_deviation
            prior = pick_prior(evidence, lengths, limit, prior)
            if prior.strength_px < LEAST_BENDING_PX:
                return None
            before, c = c, prior.estimate(b, course)
            self.estimator.progress("field", i + 1, MAX_ROUNDS)
            settled = np.sqrt(np.mean((c - before) ** 2)) < SETTLED_PX
            if settled or residuals is None or i == MAX_ROUNDS - 1:
                break
            model.update(residuals)
        if prior is None or prior.modes.length_px <= EACH_FOR_ITSELF_PX:
            return None
        return prior, c

    def apply(self, prior: Prior, n_kept: int) -> F64:
        """Find displacements ``(T, n_coefficients)`` of every frame, part by part."""
        estimator = self.estimator
        T = estimator.settings.n_frames
        # Without the thread pool, which stays in its process.
        of = _Applying(
            estimator.source, estimator.settings, self.band, self.model, self.shifts, self.lost,
            prior,
        )  # fmt: skip
        # Overlaps are fitted twice: a part is as long as one, however few frames are kept.
        overlap = _overlap(prior)
        parts = estimator.runner.map(
            _apply_part, of, blocks(T, max(1, overlap, n_kept - 2 * overlap)),
            check=estimator.check, on_share=lambda share: estimator.progress("field", share * T, T),
        )  # fmt: skip
        return np.concatenate(list(parts))

    def displacements(self, prior: Prior, span: tuple[int, int]) -> F64:
        """Find displacements ``(n, n_coefficients)`` of the frames of ``span``."""
        T, (start, stop), overlap = self.estimator.settings.n_frames, span, _overlap(prior)
        # neighbours beyond the part, so that its ends are smoothed as its middle is
        rows = np.arange(max(0, start - overlap), min(T, stop + overlap))
        frames, bounds = self._frames(rows), self._bounds(rows)
        course = Course((slice(0, rows.size),), self.lost[rows])
        c = np.zeros((rows.size, self.model.H.shape[0]))
        for _ in range(APPLY_ROUNDS):
            self.estimator.check()
            b, _ = self.model.scores(frames, bounds, c, self.estimator.workers, learn=False)
            c = prior.estimate(b, course)
        return c[start - rows[0] : stop - rows[0]]

    def _bounds(self, rows: I64) -> I64:
        """Rows and columns of each frame to compare; none of frames that were lost."""
        bounds = self.model.bounds(self.shifts[rows])
        bounds[self.lost[rows]] = 0
        return bounds

    def _frames(self, rows: I64) -> F32:
        """Read frames ``rows``, whitened and with the rigid shift taken out."""
        out = np.empty((rows.size, *self.model.shape), np.float32)
        estimator, size = self.estimator, block_frames(self.estimator.settings.dims)
        spans = [
            (run.start + a, run.start + b)
            for run in consecutive_runs(rows)
            for a, b in blocks(run.stop - run.start, size)
        ]

        def align(span: tuple[int, int]) -> None:
            movie_span = (int(rows[span[0]]), int(rows[span[1] - 1]) + 1)
            frames = read_block(estimator.source, movie_span, estimator.scratch)
            shape = (span[1] - span[0], 2, *self.band.shape)
            spectra = estimator.scratch.take("field spectra", shape, np.float32)
            dims = estimator.settings.dims
            self.band.transform(frames.reshape(-1, *dims), spectra, estimator.scratch)
            out[slice(*span)] = self.model.align(spectra, self.shifts[slice(*movie_span)])

        ahead = estimator.workers.n_threads + 1
        for _ in map_in_order(estimator.workers.pool, align, spans, ahead, estimator.should_stop):
            pass
        return out


def _overlap(prior: Prior) -> int:
    """Frames before and after a part that are fitted with it."""
    return min(OVERLAP_FRAMES, ceil(OVERLAP_PACES * prior.pace_frames))


@dataclass(frozen=True, eq=False)
class _Applying:
    """Everything that the displacements of any frames follow from."""

    source: FrameSource
    settings: Settings
    band: Band
    model: FieldModel
    shifts: F64
    lost: NDArray[np.bool_]
    prior: Prior


def _apply_part(of: _Applying, span: tuple[int, int], place: Place) -> F64:
    """Displacements of the frames of one part."""
    n_threads = default_threads(place.n_threads)
    with (
        ThreadPoolExecutor(n_threads, thread_name_prefix="motion") as pool,
        threadpool_limits(1, user_api="blas"),
    ):
        estimator = Estimator(
            of.source, of.settings, of.band, Workers(pool, n_threads), Scratch(), KEEP_BYTES,
            no_progress, None, place.check, RunHere(n_threads),
        )  # fmt: skip
        fit = _Fit(estimator, of.band, of.model, of.shifts, of.lost)
        return fit.displacements(of.prior, span)


def invert_field(deviation: F64, nodes: Nodes) -> F64:
    """Turn where a frame's content comes from into where the template's content goes.

    The fit knows ``u`` at places x of the frame, content of ``x - u(x)``; the corrected frame needs
    ``v`` with ``v(z) = u(z + v(z))``. Two rounds suffice for fields that do not fold.
    """
    found = deviation
    t = np.arange(len(deviation))[:, None, None]
    for _ in range(2):
        y, py = Nodes.weights(nodes.y, nodes.y[:, None] + found[..., 0])
        x, px = Nodes.weights(nodes.x, nodes.x + found[..., 1])
        py, px = py[..., None], px[..., None]
        top = (1 - px) * deviation[t, y, x] + px * deviation[t, y, x + 1]
        bottom = (1 - px) * deviation[t, y + 1, x] + px * deviation[t, y + 1, x + 1]
        found = (1 - py) * top + py * bottom
    return np.asarray(found)
