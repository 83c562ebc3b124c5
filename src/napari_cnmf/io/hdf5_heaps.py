"""Checks the part of an HDF5 file in which texts lie, before HDF5 reads it.

Texts of any length lie in collections of a *global heap*. HDF5 walks through a collection object by
object and believes the size of each: with a damaged one it walks in a circle for ever, or out of
its memory. See the file format specification, section III.E, "Disk Format: Level 1E - Global Heap".
"""

from __future__ import annotations

import mmap
from pathlib import Path

_SIGNATURE = b"GCOL"
_HEADER = 16
_ALIGNED = 8
_MOST_BYTES = 4 * 2**30
"""Files up to this size are searched, in a few seconds. A larger one holds a movie: to search all
of it would take minutes at each opening, for a damage that nobody has met but by making it."""


def require_sound_heaps(path: Path) -> None:
    """Check every collection of texts in a file.

    Parameters
    ----------
    path
        The file; one of up to 4 GiB is searched from its beginning to its end.

    Raises
    ------
    OSError
        The file cannot be read, or a collection is damaged.
    """
    if not 0 < path.stat().st_size <= _MOST_BYTES:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        at = content.find(_SIGNATURE)
        while at >= 0:
            # anywhere: bytes lost before a collection move it, and HDF5 follows addresses moved too
            if content[at + 4 : at + 8] == b"\x01\0\0\0":
                _require_sound(content, at)
            at = content.find(_SIGNATURE, at + 1)


def _require_sound(content: mmap.mmap, start: int) -> None:
    size = int.from_bytes(content[start + 8 : start + 16], "little")
    end = start + size
    if size < _HEADER or end > len(content):
        raise OSError("a collection of texts is larger than the file")
    at = start + _HEADER
    while at + _HEADER <= end:
        number = int.from_bytes(content[at : at + 2], "little")
        length = int.from_bytes(content[at + 8 : at + 16], "little")
        # number 0 is free room, whose size counts its own header
        step = _HEADER + -(-length // _ALIGNED) * _ALIGNED if number else length
        at += step
        if step < _HEADER or at > end:
            raise OSError("a text reaches beyond its collection")
