"""Corrected frames: shifted, bordered, cast, and handed on in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.base.reports import ProgressCallback, StopCallback
from napari_cnmf.core.motion.estimate import block_frames, read_block
from napari_cnmf.core.motion.field_kernels import warp_frames
from napari_cnmf.core.motion.nonrigid import Nodes
from napari_cnmf.core.motion.scratch import Scratch, sub_blocks
from napari_cnmf.core.motion.settings import Settings
from napari_cnmf.core.motion.stream import blocks, map_in_order
from napari_cnmf.core.motion.template import Workers
from napari_cnmf.core.motion.warp_kernels import shift_frames
from napari_cnmf.core.movie.source import FrameSource

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
WriteFrames = Callable[[int, NDArray[Any]], None]
MoveFrames = Callable[[F32, slice, F32, F32], None]
"""Takes frames, which of the movie they are, the border's value for each, and where to put them."""


@dataclass(frozen=True, eq=False)
class Means:
    """Mean images ``(Z, Y, X)`` over the frames that show the field."""

    before: F64
    after: F64


@dataclass(frozen=True, eq=False)
class _Block:
    start: int
    frames: NDArray[Any]
    before: F64
    after: F64


def write_moved(
    source: FrameSource,
    settings: Settings,
    move: MoveFrames,
    lost: NDArray[np.bool_],
    *,
    write: WriteFrames,
    workers: Workers,
    scratch: Scratch,
    progress: ProgressCallback,
    should_stop: StopCallback | None,
) -> Means:
    """Move every frame back and write it."""
    T, dims = settings.n_frames, settings.dims
    used = ~lost if not lost.all() else np.ones(T, np.bool_)

    def work(span: tuple[int, int]) -> _Block:
        start, stop = span
        frames = read_block(source, span, scratch).reshape(stop - start, *dims)
        block = _Block(start, np.empty(frames.shape, settings.out_dtype), *np.zeros((2, *dims)))
        for part in sub_blocks(stop - start, int(np.prod(dims))):
            shape = (part.stop - part.start, *dims)
            raw = scratch.take("raw", shape, np.float32)
            moved = scratch.take("moved", shape, np.float32)
            np.copyto(raw, frames[part], casting="same_kind")
            here = slice(start + part.start, start + part.stop)
            fill = border_fill(raw, settings.border)
            move(raw, here, fill, moved)
            add_used(raw, used[here], block.before)
            add_used(moved, used[here], block.after)
            store(moved, block.frames[part])
        return block

    before, after = np.zeros(dims), np.zeros(dims)
    spans = blocks(T, block_frames(dims))
    shape = dims[3 - settings.ndim :]
    ahead = workers.n_threads + 1
    for block in map_in_order(workers.pool, work, spans, ahead, should_stop):
        before += block.before
        after += block.after
        write(block.start, block.frames.reshape(-1, *shape))
        progress("writing", block.start + block.frames.shape[0], T)
    n = int(np.count_nonzero(used))
    return Means(before / n, after / n)


def rigid_mover(settings: Settings, shifts: F64) -> MoveFrames:
    """Mover of frames by minus ``shifts (T, 3)`` in pixels."""
    low, high = value_range(settings.out_dtype)
    invent = settings.border == "copy"

    def move(frames: F32, which: slice, fill: F32, out: F32) -> None:
        shift_frames(frames, shifts[which], fill, low, high, invent, out)

    return move


def field_mover(settings: Settings, nodes: Nodes, field: F32) -> MoveFrames:
    """Mover of pixels by minus ``field (T, gy, gx, 2)`` px, bilinear between nodes."""
    low, high = value_range(settings.out_dtype)
    invent = settings.border == "copy"
    y = nodes.weights(nodes.y, np.arange(settings.dims[1], dtype=np.float64))
    x = nodes.weights(nodes.x, np.arange(settings.dims[2], dtype=np.float64))

    def move(frames: F32, which: slice, fill: F32, out: F32) -> None:
        warp_frames(frames[:, 0], *y, *x, field[which], fill, low, high, invent, out[:, 0])

    return move


def value_range(dtype: np.dtype[Any]) -> tuple[float, float]:
    """Bounds that a float32 value must respect before it is cast to ``dtype``."""
    if dtype.kind not in "ui":
        return -float(np.finfo(np.float32).max), float(np.finfo(np.float32).max)
    info = np.iinfo(dtype)
    # the largest float32 below an integer bound that float32 cannot hold
    high = np.float32(info.max)
    if float(high) > info.max:
        high = np.nextafter(high, np.float32(0))
    return float(np.float32(info.min)), float(high)


def add_used(frames: F32, used: NDArray[np.bool_], total: F64) -> None:
    """Add the frames that count to ``total``."""
    if used.any():
        total += np.add.reduce(frames if used.all() else frames[used], axis=0)


def store(frames: F32, out: NDArray[Any]) -> None:
    """Store frames, rounded where the output holds integers; ``frames`` may be overwritten."""
    if out.dtype.kind in "ui":
        np.rint(frames, out=frames)
    np.copyto(out, frames, casting="unsafe")


def border_fill(frames: F32, border: str) -> F32:
    """Value of pixels that come from outside of the field, for each frame."""
    n = frames.shape[0]
    if border == "nan":
        return np.full(n, np.nan, np.float32)
    if border == "min":
        flat = frames.reshape(n, -1)
        return np.asarray(flat.min(axis=1), np.float32)
    return np.zeros(n, np.float32)
