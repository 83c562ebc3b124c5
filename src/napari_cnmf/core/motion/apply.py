"""Corrected frames: shifted, bordered, cast, and handed on in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.base.parts import PartRunner, Place
from napari_cnmf.core.base.reports import ProgressCallback
from napari_cnmf.core.motion.estimate import blocks_of_part, movie_parts, read_block
from napari_cnmf.core.motion.field_kernels import warp_frames
from napari_cnmf.core.motion.nonrigid import Nodes
from napari_cnmf.core.motion.scratch import Scratch, sub_blocks
from napari_cnmf.core.motion.settings import Settings
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
class _Moving:
    """Everything that moving any frames back and writing them needs."""

    source: FrameSource
    settings: Settings
    move: MoveFrames
    used: NDArray[np.bool_]
    write: WriteFrames


def write_moved(
    source: FrameSource,
    settings: Settings,
    move: MoveFrames,
    lost: NDArray[np.bool_],
    *,
    write: WriteFrames,
    runner: PartRunner,
    progress: ProgressCallback,
    check: Callable[[], None],
) -> Means:
    """Move every frame back and write it."""
    T, dims = settings.n_frames, settings.dims
    used = ~lost if not lost.all() else np.ones(T, np.bool_)
    if runner.shared_folder is not None:
        write(0, np.empty((0, *dims[3 - settings.ndim :]), settings.out_dtype))
    of = _Moving(source, settings, move, used, write)
    before, after = np.zeros(dims), np.zeros(dims)
    # Parts are summed alone and then joined, also here: so the last digits are the same everywhere.
    for part in runner.map(
        _move_part, of, movie_parts(source, settings),
        check=check, on_share=lambda share: progress("writing", share * T, T),
    ):  # fmt: skip
        before += part.before
        after += part.after
    n = int(np.count_nonzero(used))
    return Means(before / n, after / n)


def _move_part(of: _Moving, span: tuple[int, int], place: Place) -> Means:
    """Move and write the frames of one part; returns sums over those that show the field."""
    settings, dims, scratch = of.settings, of.settings.dims, Scratch()

    def work(block: tuple[int, int]) -> tuple[NDArray[Any], F64]:
        start, stop = block
        frames = read_block(of.source, block, scratch).reshape(stop - start, *dims)
        out, sums = np.empty(frames.shape, settings.out_dtype), np.zeros((2, *dims))
        for part in sub_blocks(stop - start, int(np.prod(dims))):
            shape = (part.stop - part.start, *dims)
            raw = scratch.take("raw", shape, np.float32)
            moved = scratch.take("moved", shape, np.float32)
            np.copyto(raw, frames[part], casting="same_kind")
            here = slice(start + part.start, start + part.stop)
            fill = border_fill(raw, settings.border)
            of.move(raw, here, fill, moved)
            add_used(raw, of.used[here], sums[0])
            add_used(moved, of.used[here], sums[1])
            store(moved, out[part])
        return out, sums

    total = np.zeros((2, *dims))
    shape = dims[3 - settings.ndim :]
    for (start, _), (frames, sums) in blocks_of_part(work, span, settings, place):
        total += sums
        of.write(start, frames.reshape(-1, *shape))
    return Means(total[0], total[1])


class RigidMover:
    """Mover of frames by minus ``shifts (T, 3)`` in pixels."""

    def __init__(self, settings: Settings, shifts: F64) -> None:
        self._range = value_range(settings.out_dtype)
        self._invent, self._shifts = settings.border == "copy", shifts

    def __call__(self, frames: F32, which: slice, fill: F32, out: F32) -> None:
        """Move frames ``which`` of the movie back into ``out``."""
        shift_frames(frames, self._shifts[which], fill, *self._range, self._invent, out)


class FieldMover:
    """Mover of pixels by minus ``field (T, gy, gx, 2)`` px, bilinear between nodes."""

    def __init__(self, settings: Settings, nodes: Nodes, field: F32) -> None:
        self._range = value_range(settings.out_dtype)
        self._invent, self._field = settings.border == "copy", field
        self._y = nodes.weights(nodes.y, np.arange(settings.dims[1], dtype=np.float64))
        self._x = nodes.weights(nodes.x, np.arange(settings.dims[2], dtype=np.float64))

    def __call__(self, frames: F32, which: slice, fill: F32, out: F32) -> None:
        """Move frames ``which`` of the movie back into ``out``."""
        warp_frames(
            frames[:, 0], *self._y, *self._x, self._field[which], fill, *self._range,
            self._invent, out[:, 0],
        )  # fmt: skip


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
