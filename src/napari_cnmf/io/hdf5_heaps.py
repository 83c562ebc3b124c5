"""Checks the part of an HDF5 file in which texts lie, before HDF5 reads it.

Texts of any length lie in collections of a *global heap*. HDF5 walks through a collection object by
object and believes the size of each: with a damaged one it walks in a circle for ever, or out of
its memory. See the file format specification, section III.E, "Disk Format: Level 1E - Global Heap".
"""

from __future__ import annotations

import mmap
from itertools import pairwise
from pathlib import Path

import h5py

_SIGNATURE = b"GCOL"
_HEADER = 16
_ALIGNED = 8
_SEARCHED_WHOLE, _LARGE = 64 * 2**20, 2**20
"""Of larger files the arrays of numbers above a megabyte are passed over."""
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
    size = path.stat().st_size
    if not 0 < size <= _MOST_BYTES:
        return
    numbers = _places_of_numbers(path) if size > _SEARCHED_WHOLE else []
    edges = [0, *(edge for place in sorted(numbers) for edge in place), size]
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for start, stop in list(pairwise(edges))[::2]:
            at = content.find(_SIGNATURE, start, stop)
            while at >= 0:
                # anywhere: bytes lost before a collection move it, and HDF5 follows addresses
                # moved too
                if content[at + 4 : at + 8] == b"\x01\0\0\0":
                    _require_sound(content, at)
                at = content.find(_SIGNATURE, at + 1, stop)


def _places_of_numbers(path: Path) -> list[tuple[int, int]]:
    """Places of the large arrays of a file; none where that cannot be told.

    Sizes and places of arrays are told without a look at any text.
    """
    places: set[tuple[int, int]] = set()

    def look(_name: str, node: h5py.Group | h5py.Dataset) -> None:
        if isinstance(node, h5py.Dataset) and node.dtype.kind in "iuf":
            offset = None if node.chunks else node.id.get_offset()
            if offset is not None and node.nbytes > _LARGE:
                places.add((offset, offset + node.nbytes))

    try:
        with h5py.File(path, "r") as file:
            if file.userblock_size:
                return []
            file.visititems(look)
    # The library of HDF5 tells of damage in each of these ways; what is damaged is searched whole.
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError):
        return []
    ordered = sorted(places)
    apart = all(a[1] <= b[0] for a, b in pairwise(ordered))
    return ordered if apart and (not ordered or ordered[-1][1] <= path.stat().st_size) else []


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
