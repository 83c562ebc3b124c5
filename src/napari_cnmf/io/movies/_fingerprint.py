"""Fingerprints of movies: equal only for the same movie, cheap for long recordings.

A short recording is read whole, so every changed byte changes its fingerprint. Reading a long one
whole would take as long as a part of its analysis. Of a long one, blocks spread over all files are
read, and the times at which each file was last changed count as well: an edit in a block that is
not read still changes the fingerprint. The price is that the copy of a long recording counts as
another movie; `same_content` compares without the times.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

WHOLE_BYTES = 64 * 2**20
"""Recordings up to this size are read whole: a tenth of a second."""
_WHOLE_FILES = 1000
"""Opening more files than this takes seconds on a network share."""
_BLOCK_BYTES = 64 * 2**10
_N_BLOCKS = 128
"""Blocks of a long recording that are read: 8 MB, about a second on a hard disk."""
_READ_BYTES = 4 * 2**20
_ARRAY = "array-"


def fingerprint(paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> str:
    """Fingerprint: text that is equal for two movies only if they are the same movie.

    Names and folders do not count. The order and the sizes of the files do. A folder (zarr) counts
    as its files in the order of their relative names.

    Parameters
    ----------
    paths
        The file, or the files in their order.

    Returns
    -------
    str
        32 hexadecimal digits of the content, for a recording of up to 64 MiB in up to 1,000
        files. For a longer one 32 digits of the sizes and of blocks spread over the whole
        recording, a dash, and 16 digits of the times at which the files were last changed.

    Raises
    ------
    OSError
        A file cannot be read.
    """
    given = [paths] if isinstance(paths, str | os.PathLike) else paths
    files: list[str] = []
    states: list[os.stat_result] = []
    for path in (os.fspath(path) for path in given):
        state = os.stat(path)
        inside = _files_of(path) if stat.S_ISDIR(state.st_mode) else [path]
        files += inside
        states += [state] if inside == [path] else [os.stat(file) for file in inside]
    sizes = np.array([state.st_size for state in states], "<i8")
    content = blake2b(sizes.tobytes(), digest_size=16)
    if sizes.sum() <= WHOLE_BYTES and len(files) <= _WHOLE_FILES:
        for file in files:
            with open(file, "rb") as stream:
                while part := stream.read(_READ_BYTES):
                    content.update(part)
        return content.hexdigest()
    for index, offset in _spread_blocks(sizes):
        with open(files[index], "rb") as stream:
            stream.seek(offset)
            content.update(stream.read(_BLOCK_BYTES))
    # Programs can set the time of a file's content back. The time of its last change of any kind
    # (POSIX) is the system's own. Windows has the time of creation in its place.
    times = np.array([(state.st_mtime_ns, state.st_ctime_ns) for state in states], "<i8")
    return f"{content.hexdigest()}-{blake2b(times.tobytes(), digest_size=8).hexdigest()}"


def array_fingerprint(frames: Any) -> str:
    """Fingerprint of a movie that has no file: every pixel counts, and shape and type.

    Parameters
    ----------
    frames
        ``(T, [Z], Y, X)``; anything that is sliced like an array. It is read once, in blocks.
    """
    shape, dtype = tuple(frames.shape), np.dtype(frames.dtype)
    digest = blake2b(f"{shape} {dtype.newbyteorder('<').str}".encode(), digest_size=16)
    frame_bytes = max(1, int(np.prod(shape[1:])) * dtype.itemsize)
    step = max(1, 16 * _READ_BYTES // frame_bytes)
    for start in range(0, shape[0], step):
        block = np.asarray(frames[start : start + step], dtype.newbyteorder("<"))
        digest.update(np.ascontiguousarray(block).tobytes())
    return f"{_ARRAY}{digest.hexdigest()}"


def same_content(one: str | None, other: str | None) -> bool:
    """Whether two fingerprints agree in all that was read, whatever the times of the files.

    For movies that were moved or copied on purpose; never to decide that a result can be reused.
    """
    if one is None or other is None:
        return False
    if one.startswith(_ARRAY) or other.startswith(_ARRAY):
        return one == other
    return one.partition("-")[0] == other.partition("-")[0]


def _spread_blocks(sizes: np.ndarray[Any, np.dtype[np.int64]]) -> Iterator[tuple[int, int]]:
    """Blocks ``(file, offset)`` at even distances, from the first to the last byte of all."""
    ends = np.cumsum(sizes)
    last = max(0, int(ends[-1]) - _BLOCK_BYTES)
    wanted = np.linspace(0, last, _N_BLOCKS).astype(np.int64)
    for position in np.unique(wanted).tolist():
        index = int(np.searchsorted(ends, position, side="right"))
        begin = int(ends[index]) - int(sizes[index])
        yield index, min(position - begin, max(0, int(sizes[index]) - _BLOCK_BYTES))


def _files_of(folder: str) -> list[str]:
    """All files below ``folder``, in the order of their relative names on any system."""
    root = Path(folder)
    found = (path for path in root.rglob("*") if path.is_file())
    return [str(p) for p in sorted(found, key=lambda path: path.relative_to(root).as_posix())]
