"""Reading a movie front to back: blocks of frames in order, or stretches on all threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.base.threads import Workers
from napari_cnmf.core.movie.source import FrameSource

_READERS = 4
"""Threads that read a block of frames together, at most."""
_PIECE_BYTES, _TOGETHER_BYTES = 8 << 20, 512 << 20
"""What a thread reads and works on at once, as much as the cache holds while it does; and all of
them, where frames are large and threads many."""
_FEWEST, _MOST = 8, 64
"""Frames in a piece."""
_STRETCH = 64
"""Frames that a thread works on one after the other, at least."""
Piece = tuple[int, NDArray[Any]]
"""Number of the first frame, and frames ``(n, n_pixels)``."""
FEWEST_FRAMES = 3
"""In a block: noise is told from second differences."""


def frame_blocks(n_frames: int, frame_bytes: int, per_bin: int, block_bytes: int) -> list[int]:
    """First frames of consecutive blocks of whole bins, and the end of the movie."""
    n = max(FEWEST_FRAMES, block_bytes // max(1, frame_bytes))
    n = max(per_bin, n // per_bin * per_bin)
    return [*range(0, n_frames, n), n_frames]


def kernel_type(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type in which kernels take frames of ``dtype``."""
    is_small = dtype.kind in "iu" and dtype.itemsize <= 2
    return np.dtype(f"{dtype.kind}2") if is_small else np.dtype(np.float32)


def as_kernel_frames(frames: NDArray[Any]) -> NDArray[Any]:
    """Frames as ``(n, n_pixels)`` of a type that the kernels know, copied only if need be."""
    flat = frames.reshape(len(frames), -1)
    flat = np.ascontiguousarray(flat, dtype=kernel_type(flat.dtype))
    return flat if flat.flags.writeable else flat.copy()


def read_blocks(
    source: FrameSource, edges: list[int], workers: Workers
) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield blocks ``(start, frames)`` in order, read one block ahead, several parts at a time.

    A block is over when the next is asked for: its memory takes the one after that.
    """
    longest = max(b - a for a, b in pairwise(edges))
    buffers: list[NDArray[Any]] = []
    apart = getattr(source, "frames_apart", False)
    n_parts = min(_READERS, workers.n_threads) if apart else 1
    with ThreadPoolExecutor(n_parts) as readers:

        def read(i: int) -> tuple[int, NDArray[Any]]:
            if len(buffers) <= i % 2:
                buffers.append(np.empty((longest, *source.shape[1:]), source.dtype))
            first, n = edges[i], edges[i + 1] - edges[i]
            parts = pairwise(np.linspace(0, n, n_parts + 1).astype(int).tolist())
            frames = buffers[i % 2][:n]

            def read_part(part: tuple[int, int]) -> None:
                a, b = part
                if b > a:
                    source.read(first + a, first + b, out=frames[a:b])

            # Copying from the disk's cache, or unpacking, would keep all other cores waiting.
            list(readers.map(read_part, parts))
            return first, as_kernel_frames(frames)

        yield from workers.ahead(read, range(len(edges) - 1))


def pieces(frame_bytes: int, n_threads: int) -> tuple[int, int]:
    """Frames that a thread reads for itself at a time, and how many threads do so at once."""
    n = int(np.clip(_PIECE_BYTES // frame_bytes, _FEWEST, _MOST))
    return n, int(np.clip(_TOGETHER_BYTES // (n * frame_bytes), 1, n_threads))


def each_stretch(
    source: FrameSource,
    workers: Workers,
    work: Callable[[Iterator[Piece]], None],
    *,
    block_bytes: int,
    on_block: Callable[[int], None],
    span: tuple[int, int] | None = None,
) -> None:
    """Call ``work(pieces)`` for all stretches of the movie, in any order, on all threads.

    A stretch comes in ``pieces``, its first frame's number and some frames ``(n, n_pixels)`` that
    may be changed and are over when the next are asked for. Where frames lie apart each thread
    reads its own: what it has just read is in its cache, and no thread reads ahead for the others.

    ``span`` takes some of the frames alone. Where it begins at a multiple of `stretch_unit`, its
    stretches are those of the whole movie.
    """
    frame_bytes = int(np.prod(source.shape[1:])) * source.dtype.itemsize
    begin, n_frames = span or (0, source.shape[0])
    n, n_at_once = pieces(frame_bytes, workers.n_threads)
    length = _stretch(n)
    if not getattr(source, "frames_apart", False):
        edges = frame_blocks(n_frames - begin, frame_bytes, 1, block_bytes)
        for start, frames in read_blocks(source, [begin + edge for edge in edges], workers):
            parts = [frames[a : a + length] for a in range(0, len(frames), length)]
            firsts = range(start, start + len(frames), length)
            workers.map(
                lambda some: work(_in_pieces(*some, n)), list(zip(firsts, parts, strict=True))
            )
            on_block(start + len(frames))
        return
    buffers: SimpleQueue[NDArray[Any]] = SimpleQueue()
    for _ in range(n_at_once):
        buffers.put(np.empty((n, *source.shape[1:]), source.dtype))

    def read(first: int, buffer: NDArray[Any]) -> Iterator[Piece]:
        stop = min(first + length, n_frames)
        for start in range(first, stop, n):
            frames = buffer[: min(n, stop - start)]
            source.read(start, start + len(frames), out=frames)
            yield start, as_kernel_frames(frames)

    def read_and_work(first: int) -> None:
        buffer = buffers.get()
        try:
            work(read(first, buffer))
        finally:
            buffers.put(buffer)

    group = length * max(2 * workers.n_threads, block_bytes // (length * frame_bytes))
    for first in range(begin, n_frames, group):
        stop = min(first + group, n_frames)
        workers.map(read_and_work, range(first, stop, length))
        on_block(stop)


def _stretch(n: int) -> int:
    """Frames of a stretch that comes in pieces of ``n``."""
    return n * -(-_STRETCH // n)


def stretch_unit(source: FrameSource, block_bytes: int) -> int:
    """Frames after which a stretch begins, however many threads there are."""
    frame_bytes = int(np.prod(source.shape[1:])) * source.dtype.itemsize
    if getattr(source, "frames_apart", False):
        return _stretch(pieces(frame_bytes, 1)[0])
    return frame_blocks(source.shape[0], frame_bytes, 1, block_bytes)[1]


def _in_pieces(start: int, frames: NDArray[Any], n: int) -> Iterator[Piece]:
    for a in range(0, len(frames), n):
        yield start + a, frames[a : a + n]
