"""Writes the movie as CaImAn wants it: a float32 memory map with its layout in its name."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import math
import os
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from napari_cnmf.core.movie.source import FrameSource
from napari_cnmf.engines.base import SCRATCH, Job, Reporter
from napari_cnmf.errors import CancelledByUser, MovieError
from napari_cnmf.model.movie import Movie

_LEAST_FRAMES = 64
_PAGE_FRAMES = 1024
"""A pixel's trace fills a page of 4 kB by so many frames: fewer are written more than once."""
_PIXELS = np.dtype("<f4")


def layout_name(base: str, dims: tuple[int, ...], n_frames: int, order: str) -> str:
    """Name that CaImAn gives a memory map; order C is pixel after pixel, F frame after frame."""
    d1, d2, d3 = (*dims, 1)[:3]
    return f"{base}_d1_{d1}_d2_{d2}_d3_{d3}_order_{order}_frames_{n_frames}.mmap"


def prepare_input(job: Job, movie: Movie, reporter: Reporter, *, order: str) -> Path:
    """Prepare CaImAn's input for a job in the item's folder: written, or shared with another item.

    Raises
    ------
    MovieError
        Values that are not finite, or all the same.
    CancelledByUser
    """
    from napari_cnmf.io import frame_source

    target = input_path(job, movie, order)
    kept = kept_input(job, movie, order)
    if kept is not None:
        reporter.log(f"Using the memory map that {kept.parents[1].name} kept.")
        return _shared(kept, target)
    beside = target.with_suffix(".partial")
    try:
        write_memmap(frame_source(movie), beside, order, reporter, memory_gb=job.run.memory_gb)
        os.replace(beside, target)
    finally:
        beside.unlink(missing_ok=True)
    return target


def input_path(job: Job, movie: Movie, order: str) -> Path:
    """Path of a job's memory map; its name says which movie it holds, and how."""
    # Channels of one file are different movies.
    told = f"{movie.fingerprint} {sorted(movie.opened_with.items())}"
    key = hashlib.sha256(told.encode()).hexdigest()[:24]
    name = layout_name(f"input-{key}", movie.dims, movie.n_frames, order)
    return job.folder / SCRATCH / name


def kept_input(job: Job, movie: Movie, order: str) -> Path | None:
    """Path of the same memory map, kept by another item of the batch; ``None`` without one."""
    if not movie.fingerprint:
        return None
    n_bytes = math.prod(movie.shape) * _PIXELS.itemsize
    name = input_path(job, movie, order).name
    for path in sorted(job.folder.parent.glob(f"*/{SCRATCH}/{name}")):
        with contextlib.suppress(OSError):
            if path.stat().st_size == n_bytes:
                return path
    return None


def _shared(kept: Path, target: Path) -> Path:
    """Give the same file a second name, so that nobody takes it away while it is used."""
    try:
        os.link(kept, target)
    except OSError:  # shares and sticks know no second names
        return kept
    return target


def write_memmap(
    source: FrameSource,
    path: Path,
    order: str,
    reporter: Reporter,
    *,
    memory_gb: float | None = None,
) -> None:
    """Write ``(n_pixels, T)`` float32, pixels in Fortran order of the field.

    Parameters
    ----------
    order
        ``C``: C-contiguous, what CNMF reads; ``F``: Fortran-contiguous, for motion correction.

    Raises
    ------
    MovieError
        Values that are not finite, or all the same.
    CancelledByUser
    """
    n_frames, *dims = source.shape
    n_pixels = math.prod(dims)
    shape = (n_pixels, n_frames) if order == "C" else (n_frames, n_pixels)
    _allocate(path, n_pixels * n_frames * _PIXELS.itemsize)
    pixels: Any = np.memmap(path, dtype=_PIXELS, mode="r+", shape=shape)
    low, high = math.inf, -math.inf
    step = _frames_at_once(n_pixels, n_frames, memory_gb)
    try:
        for start in range(0, n_frames, step):
            if reporter.should_stop():
                raise CancelledByUser("Cancelled while CaImAn's input was written.")
            stop = min(start + step, n_frames)
            block = _flattened(source.read(start, stop))
            if not np.isfinite(block).all():
                raise MovieError(
                    f"A movie must be finite, got NaN or infinity in frames {start} to "
                    f"{stop - 1}. Fill or crop these pixels first; motion correction with "
                    "border_nan='copy' leaves none."
                )
            low, high = min(low, float(block.min())), max(high, float(block.max()))
            if order == "C":
                pixels[:, start:stop] = block.T
            else:
                pixels[start:stop] = block
            reporter.progress("preparing CaImAn's input", stop, n_frames)
        pixels.flush()
    finally:
        # Windows removes no file that is mapped
        pixels._mmap.close()
    if low == high:
        raise MovieError(f"A movie must vary, got {low:g} everywhere. Choose another movie.")


def _allocate(path: Path, n_bytes: int) -> None:
    """Reserve room for a whole file: writing a map beyond the disk's end would kill the process.

    Raises
    ------
    OSError
        The disk is full.
    """
    with path.open("wb") as file:
        file.truncate(n_bytes)
        if hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(file.fileno(), 0, n_bytes)
            except OSError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):  # some shares cannot
                    raise


def read_frames(pixels: NDArray[np.float32], dims: tuple[int, ...]) -> NDArray[np.float32]:
    """Read frames ``(n, [Z], Y, X)`` from rows ``(n, n_pixels)`` of a memory map in order F."""
    backwards = pixels.reshape(len(pixels), *dims[::-1])
    return backwards.transpose(0, *range(len(dims), 0, -1))


def _flattened(frames: NDArray[Any]) -> NDArray[np.float32]:
    """Frames as ``(n, n_pixels)`` with pixels in Fortran order of the field."""
    axes = (0, *range(frames.ndim - 1, 0, -1))
    return frames.astype(np.float32).transpose(axes).reshape(len(frames), -1)


def _frames_at_once(n_pixels: int, n_frames: int, memory_gb: float | None) -> int:
    budget = memory_gb * 1e9 if memory_gb else psutil.virtual_memory().available
    fitting = int(budget / 8 / (n_pixels * _PIXELS.itemsize))
    if fitting >= _PAGE_FRAMES:
        fitting -= fitting % _PAGE_FRAMES
    return max(_LEAST_FRAMES, min(fitting, n_frames, 8 * _PAGE_FRAMES))


def open_scratch(folder: Path) -> Path:
    """Make an empty scratch folder, where an interrupted run may have left one."""
    clear_scratch(folder)
    scratch = folder / SCRATCH
    scratch.mkdir(exist_ok=True)
    return scratch


def clear_scratch(folder: Path, *, keep: Path | None = None) -> None:
    """Remove CaImAn's working files, except ``keep``.

    Windows may hold a memory map for a moment after its process has ended.
    """
    scratch = folder / SCRATCH
    for _ in range(20):
        if not scratch.exists():
            return
        for entry in scratch.iterdir():
            if keep is None or entry != keep:
                _remove(entry)
        left = [entry for entry in scratch.iterdir() if keep is None or entry != keep]
        if not left:
            break
        time.sleep(0.25)
    if keep is None:
        with contextlib.suppress(OSError):
            scratch.rmdir()


def _remove(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry, ignore_errors=True)
        return
    with contextlib.suppress(OSError):
        entry.unlink()
