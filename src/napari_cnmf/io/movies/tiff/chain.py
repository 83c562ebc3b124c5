"""Follows the chain of images in a TIFF file without reading pixels.

A TIFF file is a chain of image headers, each with the place of the next one. ``tifffile`` keeps an
object for each; here only numbers are kept, so that a recording of 100,000 images is described in
seconds, and where the headers lie evenly spaced a sample of them is enough.
"""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.errors import MovieError

_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_TYPE_BYTES |= {16: 8, 17: 8, 18: 8}
_TYPE_CODES = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_HEADER_BYTES = 1024
_DESCRIPTION = 270
_STRIPS, _STRIP_BYTES, _TILES, _TILE_BYTES = 273, 279, 324, 325
_ALIKE = (256, 257, 258, 259, 277, 284, 317, 322, 323, 339)
"""Tags that images of one movie share: width, height, bits, compression, samples, tiles, type."""
_N_SAMPLED = 48

Entry = tuple[int, int, int, int]
"""Tag, type, count, and the value or its place."""


@dataclass
class Chain:
    """The images of one TIFF file, in the order of the file.

    Attributes
    ----------
    offsets, byte_counts
        ``(n_images, n_segments)``, place and length of each strip or tile.
    descriptions
        ``(n_images, 2)``, place and length of each image's description; length 0 for none.
    n_other
        Images of another size or type (thumbnails, labels), which are left out.
    is_cut
        Whether the chain goes on to a place that the file does not have.
    first
        Number in the file of the first image that is kept.
    """

    offsets: NDArray[np.int64]
    byte_counts: NDArray[np.int64]
    descriptions: NDArray[np.int64]
    n_other: int = 0
    is_cut: bool = False
    first: int = 0

    def __len__(self) -> int:
        return len(self.offsets)


@dataclass
class _Layout:
    """Storage of numbers: byte order, and the widths of classic TIFF or BigTIFF."""

    order: str
    big: bool

    @property
    def count(self) -> tuple[str, int]:
        """Format and length in bytes of the number of entries in a header."""
        return (self.order + "Q", 8) if self.big else (self.order + "H", 2)

    @property
    def place(self) -> tuple[str, int]:
        """Format and length in bytes of a place in the file."""
        return (self.order + "Q", 8) if self.big else (self.order + "I", 4)

    @property
    def entry(self) -> tuple[str, int]:
        """Format and length in bytes of one entry of a header."""
        return (self.order + "HHQQ", 20) if self.big else (self.order + "HHII", 12)


@dataclass
class _Ifd:
    """The header of one image."""

    at: int
    entries: list[Entry]
    next_at: int


def read_chain(path: Path) -> Chain:
    """Follow the image headers of a TIFF file.

    Raises
    ------
    MovieError
        The first header cannot be read, or images of several shapes are mixed.
    """
    with path.open("rb") as stream:
        size = stream.seek(0, 2)
        layout, first_at = _read_start(stream, path)
        first = _read_ifd(stream, layout, first_at, size)
        if first is None:
            raise MovieError(f"{path} must hold an image header, got none: it is cut short.")
        even = _even_chain(stream, layout, first, size)
        return even if even is not None else _walk(stream, layout, first, size, path)


def read_descriptions(path: Path, chain: Chain, numbers: list[int]) -> list[str]:
    """Read the descriptions of some images as text."""
    found = []
    with path.open("rb") as stream:
        for number in numbers:
            at, length = chain.descriptions[number].tolist()
            stream.seek(at)
            found.append(stream.read(length).split(b"\0")[0].decode("utf-8", "replace"))
    return found


def _read_start(stream: BufferedReader, path: Path) -> tuple[_Layout, int]:
    stream.seek(0)
    head = stream.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 8:
        raise MovieError(f"{path} must be a whole TIFF file, got no TIFF header.")
    magic = struct.unpack(order + "H", head[2:4])[0]
    layout = _Layout(order, magic == 43)
    if layout.big and len(head) == 16:
        return layout, int(struct.unpack(order + "Q", head[8:16])[0])
    return layout, int(struct.unpack(order + "I", head[4:8])[0])


def _read_ifd(stream: BufferedReader, layout: _Layout, at: int, size: int) -> _Ifd | None:
    """Read the header at a place, or ``None`` where the file has none there."""
    form, width = layout.count
    if not 0 < at <= size - width:
        return None
    stream.seek(at)
    raw = stream.read(_HEADER_BYTES)
    n_entries = struct.unpack_from(form, raw)[0]
    entry_form, entry_bytes = layout.entry
    end = width + n_entries * entry_bytes
    place_form, place_bytes = layout.place
    if not 0 < n_entries < 4096 or at + end + place_bytes > size:
        return None
    if len(raw) < end + place_bytes:
        raw += stream.read(end + place_bytes - len(raw))
    entries = list(struct.iter_unpack(entry_form, raw[width:end]))
    return _Ifd(at, entries, struct.unpack_from(place_form, raw, end)[0])


def _values(stream: BufferedReader, layout: _Layout, entry: Entry) -> tuple[int, ...]:
    """Read the numbers of a tag, wherever they are stored."""
    _, kind, count, value = entry
    code = _TYPE_CODES.get(kind)
    if code is None or count > 2**24:
        return ()
    inline = 8 if layout.big else 4
    n_bytes = _TYPE_BYTES[kind] * count
    if n_bytes <= inline:
        raw = struct.pack(layout.place[0], value)[:n_bytes]
    else:
        stream.seek(value)
        raw = stream.read(n_bytes)
    return struct.unpack(f"{layout.order}{count}{code}", raw) if len(raw) == n_bytes else ()


def _tag(ifd: _Ifd, number: int) -> Entry | None:
    return next((entry for entry in ifd.entries if entry[0] == number), None)


def _description(ifd: _Ifd, layout: _Layout) -> tuple[int, int]:
    entry = _tag(ifd, _DESCRIPTION)
    if entry is None or entry[2] <= (8 if layout.big else 4):
        return 0, 0
    return entry[3], entry[2]


def _kind(stream: BufferedReader, layout: _Layout, ifd: _Ifd) -> tuple[Any, ...]:
    """Properties that images of one movie have in common."""
    mine = (entry for entry in ifd.entries if entry[0] in _ALIKE)
    return tuple((entry[0], _values(stream, layout, entry)) for entry in mine)


def _segments(
    stream: BufferedReader, layout: _Layout, ifd: _Ifd
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    places = _tag(ifd, _STRIPS) or _tag(ifd, _TILES)
    counts = _tag(ifd, _STRIP_BYTES) or _tag(ifd, _TILE_BYTES)
    if places is None or counts is None:
        return (), ()
    return _values(stream, layout, places), _values(stream, layout, counts)


def _even_chain(stream: BufferedReader, layout: _Layout, first: _Ifd, size: int) -> Chain | None:
    """Chain of a file whose headers lie evenly spaced, judged by a sample of them.

    Every value of a header is then a straight line over the number of the image: constant, or
    growing by the same step as the place of the header or of the pixels.
    """
    one = _read_ifd(stream, layout, first.next_at, size)
    two = None if one is None else _read_ifd(stream, layout, one.next_at, size)
    if one is None or two is None:
        return None
    step = two.at - one.at
    last_bytes = layout.count[1] + len(one.entries) * layout.entry[1] + layout.place[1]
    if step <= 0 or len(one.entries) != len(two.entries):
        return None
    # Images 1, 2, ... n - 1 lie at one.at, one.at + step, ...; the first header may differ.
    n_images = 2 + (size - last_bytes - one.at) // step
    slopes = [b[3] - a[3] for a, b in zip(one.entries, two.entries, strict=True)]
    last = _last_even(stream, layout, one, step, slopes, n_images, size)
    if last is None or last < 3:
        return None
    if _kind(stream, layout, first) != _kind(stream, layout, one):
        return None
    for k in np.unique(np.linspace(1, last - 1, _N_SAMPLED).astype(int)).tolist():
        ifd = _read_ifd(stream, layout, one.at + (k - 1) * step, size)
        if ifd is None or not _is_on_line(ifd, one, slopes, k - 1):
            return None
        if ifd.next_at != one.at + k * step:
            return None
    places, counts = _segments(stream, layout, one)
    second, second_counts = _segments(stream, layout, two)
    if len(places) != 1 or len(counts) != 1 or counts != second_counts:
        return None
    head, head_counts = _segments(stream, layout, first)
    if head_counts != counts:
        return None
    index = np.arange(last, dtype=np.int64)
    offsets = np.concatenate([head, places[0] + (second[0] - places[0]) * index])[:, None]
    texts = np.zeros((last + 1, 2), np.int64)
    texts[0] = _description(first, layout)
    a, b = _description(one, layout), _description(two, layout)
    texts[1:, 0], texts[1:, 1] = a[0] + (b[0] - a[0]) * index, a[1]
    return Chain(offsets.astype(np.int64), np.full_like(offsets, counts[0]), texts)


def _last_even(  # noqa: PLR0917
    stream: BufferedReader,
    layout: _Layout,
    one: _Ifd,
    step: int,
    slopes: list[int],
    n: int,
    size: int,
) -> int | None:
    """Number of the last image of an even chain, whose header names no next one."""
    # Pixels or text may follow the last header: the true last one is at most a step before.
    for k in (n - 1, n - 2, n - 3):
        if k < 3:
            return None
        ifd = _read_ifd(stream, layout, one.at + (k - 1) * step, size)
        if ifd is not None and ifd.next_at == 0 and _is_on_line(ifd, one, slopes, k - 1):
            return k
    return None


def _is_on_line(ifd: _Ifd, one: _Ifd, slopes: list[int], k: int) -> bool:
    if len(ifd.entries) != len(one.entries):
        return False
    return all(
        mine[:3] == first[:3] and mine[3] == first[3] + slope * k
        for mine, first, slope in zip(ifd.entries, one.entries, slopes, strict=True)
    )


def _walk(stream: BufferedReader, layout: _Layout, first: _Ifd, size: int, path: Path) -> Chain:
    """Follow every header."""
    kinds: list[tuple[Any, ...]] = []
    segments: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
    texts: list[tuple[int, int]] = []
    seen: set[int] = set()
    ifd: _Ifd | None = first
    is_cut = False
    while ifd is not None:
        if ifd.at in seen:
            is_cut = True  # a damaged link leads back
            break
        seen.add(ifd.at)
        kinds.append(_kind(stream, layout, ifd))
        segments.append(_segments(stream, layout, ifd))
        texts.append(_description(ifd, layout))
        following = ifd.next_at
        if following == 0:
            break
        ifd = _read_ifd(stream, layout, following, size)
        is_cut = ifd is None
    common = Counter(
        (kind, len(places)) for kind, (places, _) in zip(kinds, segments, strict=True) if places
    ).most_common(2)
    if not common:
        raise MovieError(f"{path} must hold images, got none.")
    if len(common) > 1 and common[1][1] > max(1, common[0][1] // 10):
        raise MovieError(
            f"All frames of a movie must have one shape, got images of {len(set(kinds))} shapes in "
            f"{path}: {_sizes(kinds)}. Save the movie to a file of its own."
        )
    wanted = common[0][0]
    mine = [k for k, kind in enumerate(kinds) if (kind, len(segments[k][0])) == wanted]
    mine = [k for k in mine if len(segments[k][1]) == len(segments[k][0])]
    return Chain(
        np.array([segments[k][0] for k in mine], np.int64),
        np.array([segments[k][1] for k in mine], np.int64),
        np.array([texts[k] for k in mine], np.int64).reshape(-1, 2),
        len(kinds) - len(mine),
        is_cut,
        mine[0],
    )


def _sizes(kinds: list[tuple[Any, ...]]) -> str:
    """Sizes of images, the most frequent first, for a message."""
    found = Counter(
        (dict(kind).get(257, (0,))[:1], dict(kind).get(256, (0,))[:1]) for kind in kinds
    )
    return ", ".join(f"{n} of ({y[0]}, {x[0]})" for (y, x), n in found.most_common(4))
