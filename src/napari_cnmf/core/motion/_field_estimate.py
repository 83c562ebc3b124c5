"""Non-rigid displacements of every frame, on top of the rigid path."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.motion._estimate import Estimator, block_frames, read_block
from napari_cnmf.core.motion._field_time import smooth_modes
from napari_cnmf.core.motion._nonrigid import FieldModel, Nodes, field_band, plan_nodes
from napari_cnmf.core.motion._spectrum import Band
from napari_cnmf.core.motion._stream import blocks, map_in_order
from napari_cnmf.core.motion._template import Template

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

SAMPLE_FRAMES = 144
LEAST_BENDING_PX = 0.05
"""Less than this blurs nothing, and interpolation by node costs more than it mends."""


@dataclass(frozen=True, eq=False)
class FieldEstimate:
    """Where each frame's content is.

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
        Of the field's course over time; 0 where each frame stands for itself.
    n_clipped
        Frames in which a node wants to deviate more than ``max_deviation_rigid``.
    """

    nodes: Nodes
    field: F32
    strength_px: float
    length_px: float
    pace_frames: float
    n_clipped: int


def estimate_field(
    estimator: Estimator, template: Template, shifts: F64, lost: NDArray[np.bool_]
) -> FieldEstimate | None:
    """Displacements on top of ``shifts (T, 3)``, or ``None`` where nothing speaks for any."""
    settings = estimator.settings
    band = field_band(estimator.band)
    nodes = plan_nodes(settings.dims, settings.strides)
    model = FieldModel(band, template, nodes)
    usable = np.flatnonzero(~lost)
    sample = usable[:: max(1, -(-usable.size // SAMPLE_FRAMES))]
    frames = np.concatenate([_aligned(estimator, band, model, (t, t + 1), shifts) for t in sample])
    estimator.check()
    model.learn(frames, model.bounds(shifts[sample]), estimator.workers, 2 * settings.max_deviation)
    if model.prior.strength_px < LEAST_BENDING_PX:
        return None
    b = _all_scores(estimator, band, model, shifts)
    c, pace = smooth_modes(model.prior, b, lost)
    c -= c[~lost].mean(axis=0)
    deviation = c.reshape(len(c), nodes.y.size, nodes.x.size, 2)
    limit = settings.max_deviation
    clipped = np.abs(deviation).max(axis=(1, 2, 3)) > limit
    deviation = invert_field(np.clip(deviation, -limit, limit), nodes)
    return FieldEstimate(
        nodes,
        (deviation + shifts[:, None, None, 1:]).astype(np.float32),
        model.prior.strength_px,
        model.prior.modes.length_px,
        pace,
        int(np.count_nonzero(clipped)),
    )


def _aligned(
    estimator: Estimator, band: Band, model: FieldModel, span: tuple[int, int], shifts: F64
) -> F32:
    """Whitened frames of ``span`` with the rigid shift taken out."""
    frames = read_block(estimator.source, span, estimator.scratch)
    shape = (span[1] - span[0], 2, *band.shape)
    spectra = estimator.scratch.take("field spectra", shape, np.float32)
    band.transform(frames.reshape(-1, *estimator.settings.dims), spectra, estimator.scratch)
    return model.align(spectra, shifts[span[0] : span[1]])


def _all_scores(estimator: Estimator, band: Band, model: FieldModel, shifts: F64) -> F64:
    """Scores ``(T, n_coefficients)`` of every frame at the nodes."""

    def work(span: tuple[int, int]) -> F64:
        frames = _aligned(estimator, band, model, span, shifts)
        return model.follow(frames, model.bounds(shifts[span[0] : span[1]]))

    T = estimator.settings.n_frames
    parts = []
    done = 0
    ahead = estimator.workers.n_threads + 1
    spans = blocks(T, block_frames(estimator.settings.dims))
    pool = estimator.workers.pool
    for part in map_in_order(pool, work, spans, ahead, estimator.should_stop):
        parts.append(part)
        done += len(part)
        estimator.progress("field", done, T)
    return np.concatenate(parts)


def invert_field(deviation: F64, nodes: Nodes) -> F64:
    """From where the content of a frame comes to where the template's content goes.

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
