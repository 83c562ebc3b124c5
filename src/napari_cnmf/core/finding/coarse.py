"""Components found on blocks of pixels, then fitted to all pixels (``init.ssub``).

The whitened pixels p of a block P are summed, ``R_P = sum_p R_p / sqrt(n_P)``, so that its noise
has variance one again; footprints become ``a_P = sum_p a_p / sqrt(n_P)``, and the background's
weights alike: the model is the same on fewer pixels. Blocks see fine processes less, faint
wide cells as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.core.base.geometry import Field
from napari_cnmf.core.finding.detect import Detection, Steps, Tile, detect, fit_given
from napari_cnmf.core.finding.peel import Candidates

_T = TypeVar("_T", bound=np.generic)
Blocks = tuple[int, int, int]
"""Pixels of a block along (Z, Y, X)."""


def detect_in_blocks(
    tile: Tile,
    steps: Steps,
    blocks: Blocks,
    on_step: Callable[[float], None] = lambda done: None,
) -> Detection:
    """Detect components as :func:`napari_cnmf.core.finding.detect.detect`, on blocks of pixels."""
    coarse = coarsen(tile, blocks)
    found = detect(coarse, steps, lambda done: on_step(0.7 * done))
    footprints = spread(found.factors.matrix(coarse.field.shape), tile.usable, blocks)
    del coarse
    fitted = fit_given(tile, footprints, lambda done: on_step(0.7 + 0.2 * done))
    # What a block held together may fall apart: those too small for a component leave.
    tile.least_squares(steps.rounds[2])
    on_step(1.0)
    return replace(
        fitted,
        factors=tile.factors,
        candidates=_in_pixels(found.candidates, tile.field, blocks),
        energy=_repeat(found.energy, tile.field.shape, blocks),
    )


def block_sums(values: NDArray[np.float32], blocks: Blocks) -> NDArray[np.float32]:
    """Sums over blocks along the first three axes; those at the far edges may be smaller."""
    out = values
    for axis, n in enumerate(blocks):
        if n > 1:
            out = np.add.reduceat(out, np.arange(0, out.shape[axis], n), axis=axis)
    return out


def coarsen(tile: Tile, blocks: Blocks) -> Tile:
    """The tile on blocks of pixels; it shares nothing with the one given."""
    count = block_sums(tile.usable.astype(np.float32), blocks)
    one_over = np.where(count > 0, 1 / np.sqrt(np.maximum(count, 1)), 0).astype(np.float32)
    R = np.empty((*count.shape, tile.R.shape[-1]), np.float32)
    rows = blocks[1]

    def work(start: int, stop: int) -> None:
        sums = block_sums(tile.R[:, start * rows : stop * rows], blocks)
        R[:, start:stop] = sums * one_over[:, start:stop, :, None]

    tile.workers.ranges(work, count.shape[1], 4)
    z, y, x = (g / n for g, n in zip(tile.field.g_sig, blocks, strict=True))
    field = Field((count.shape[0], count.shape[1], count.shape[2]), (z, y, x))
    gain = block_sums(tile.gain, blocks) * one_over
    out = Tile.of(field, R, gain, tile.workers, tile.check)
    if tile.may_start is not None:
        out.may_start = block_sums(tile.may_start.astype(np.float32), blocks) > 0
    return out


def spread(A: sp.csc_matrix, usable: NDArray[np.bool_], blocks: Blocks) -> sp.csc_matrix:
    """Footprints of blocks ``(n_blocks, n)`` over their usable pixels, ``(n_pixels, n)``.

    See Also
    --------
    coarsen : the way there.
    """
    count = block_sums(usable.astype(np.float32), blocks)
    index = _repeat(np.arange(count.size).reshape(count.shape), usable.shape, blocks)
    weight = usable / np.sqrt(np.maximum(_repeat(count, usable.shape, blocks), 1))
    return sp.csc_matrix(sp.diags(weight.ravel()) @ A.tocsr()[index.ravel()])


def _repeat(values: NDArray[_T], shape: tuple[int, ...], blocks: Blocks) -> NDArray[_T]:
    """Repeat each block's value over the pixels of its block."""
    for axis, n in enumerate(blocks):
        values = np.repeat(values, n, axis)
    return np.ascontiguousarray(values[: shape[0], : shape[1], : shape[2]])


def _in_pixels(candidates: Candidates, field: Field, blocks: Blocks) -> Candidates:
    """The candidates in pixels instead of blocks: sites at the middle of their block."""
    at = candidates.at * np.array(blocks) + np.array(blocks) // 2
    return replace(
        candidates,
        at=np.minimum(at, np.array(field.shape) - 1),
        area=candidates.area * int(np.prod(blocks)),
    )
