"""Reads what the names of files say: numbers of frames, planes and channels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from math import gcd
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_CHANNEL = frozenset(
    {"c", "ch", "chan", "channel", "w", "wave", "wavelength", "pmt", "cy", "alexa", "af", "laser",
     "led"}
)  # fmt: skip
_PLANE = frozenset({"z", "slice", "plane", "zpos", "depth", "sl"})
_TIME = frozenset({"t", "time", "frame", "f", "fr", "tp", "timepoint", "img", "image", "im"})
FROM_NAMES = "numbers in the file names"
"""Where the numbers of frames stand."""
_SESSION = frozenset(
    {"cycle", "trial", "run", "session", "block", "file", "part", "s", "p", "series", "seq", "acq",
     "rep", "scan", "rec", "recording", "epoch", "movie", "mov"}
)  # fmt: skip
_POSITION = frozenset({"pos", "position", "xy", "site"})
_CHANNEL_WORDS = frozenset(
    {"green", "red", "blue", "yellow", "farred", "gfp", "rfp", "yfp", "cfp", "mcherry", "tdtomato",
     "tomato", "gcamp", "gcamp6", "gcamp6f", "gcamp6s", "jgcamp", "rcamp", "jrgeco", "dapi",
     "functional", "structural", "chana", "chanb", "chanc", "chand", "cha", "chb", "chc", "chd"}
)  # fmt: skip
_MOST_CHANNELS = 8
_MOST_IN_CYCLE = 64
"""Images of a cycle that may be planes of a volume; more are the frames of a recording."""
_DIGITS, _LOWERED = "0123456789", "₀₁₂₃₄₅₆₇₈₉"
_LOWER = str.maketrans(_DIGITS, _LOWERED)
_RAISE = str.maketrans(_LOWERED, _DIGITS)
"""Digits inside a word, such as ``Cy5``, are lowered: they count nothing."""


def natural_key(name: str) -> list[tuple[int, str]]:
    """Key that sorts ``frame2`` before ``frame10``."""
    parts = re.split(r"(\d+)", name.lower())
    return [(int(part), "") if part.isdecimal() else (0, part) for part in parts]


@dataclass(frozen=True)
class NamedOrder:
    """Order of files of one image each, by their names.

    Attributes
    ----------
    table
        ``(T, Z, C)`` number of the file of each image, in the order that was given; -1 where the
        names leave one out.
    channels
        Names of the channels.
    frame_numbers
        ``(T,)`` number of each time point, from 0, where the names count without a break but for
        gaps; ``None`` where they do not count time alone.
    remarks
        Sentences about gaps and about what is not sure.
    unsure
        A question that the names leave open; empty where there is none.
    n_inner
        Where the question is what the second of two numbers counts: how many there are.
    """

    table: NDArray[np.int64]
    channels: tuple[str, ...]
    frame_numbers: NDArray[np.int64] | None = None
    remarks: tuple[str, ...] = ()
    unsure: str = ""
    n_inner: int = 0


@dataclass
class _Varying:
    """A part of the file names that is not the same in all of them."""

    codes: NDArray[np.int64]
    values: list[str]
    kind: str
    is_number: bool


def order_of_names(names: Sequence[str]) -> NamedOrder:
    """Find the order of files of one image each.

    Files are ordered by the numbers in their names; ``c``, ``ch``, ``channel`` before a number or
    a word such as *green* tells channels, ``z`` or ``slice`` planes.

    Parameters
    ----------
    names
        File names without folder, in the order in which they were given.
    """
    varying = _varying_parts(names)
    n = len(names)
    if varying is None:
        return NamedOrder(np.arange(n).reshape(n, 1, 1), ())
    channel = next((v for v in varying if v.kind == "C" and len(v.values) <= _MOST_CHANNELS), None)
    plane = next((v for v in varying if v.kind == "Z"), None)
    words = next((v for v in varying if v.kind == "?"), None)
    rest = [v for v in varying if v is not channel and v is not plane]
    if not rest:
        if plane is None:  # files of channels alone are no movie; the reader says so
            return NamedOrder(np.arange(n).reshape(n, 1, 1), ())
        rest, plane = [plane], None
    unsure = ""
    if words is not None and channel is None:
        others = [v for v in rest if v is not words]
        if others and _is_product(words, others) and len(words.values) <= _MOST_CHANNELS:
            channel, rest = words, others
            listed = ", ".join(words.values)
            unsure = (
                f"The names of the files differ in a word ({listed}) and in a number: the words "
                "may name channels, or recordings one after the other"
            )
    keys = np.stack([v.codes for v in rest], axis=1)
    times, time = np.unique(keys, axis=0, return_inverse=True)
    shape = (
        len(times),
        1 if plane is None else len(plane.values),
        1 if channel is None else len(channel.values),
    )
    table = np.full(shape, -1, np.int64)
    z = 0 if plane is None else plane.codes
    c = 0 if channel is None else channel.codes
    time = time.reshape(-1)
    table[time, z, c] = np.arange(n)
    if np.count_nonzero(table >= 0) < n:  # two files have the same numbers: names do not tell
        return NamedOrder(np.arange(n).reshape(n, 1, 1), ())
    numbers, remarks = _frame_numbers(rest, times)
    n_inner = 0
    if plane is None and not unsure and (cycles := _cycles(rest)):
        n_inner, said = cycles
        if _may_be_planes(*rest):
            unsure = said
        else:
            remarks.append(
                f"{said}: they are taken as frames one after the other. If the {n_inner} images "
                f"are planes of a volume, say n_planes={n_inner}; if they are channels, say "
                f"n_channels={n_inner}."
            )
            n_inner = 0
    names_of = () if channel is None else tuple(_label(value) for value in channel.values)
    return NamedOrder(table, names_of, numbers, tuple(remarks), unsure, n_inner)


def names_apart(files: Sequence[Path]) -> list[str]:
    """Names of files, with the folder of each where files of several folders have one name."""
    is_same = len({path.name for path in files}) < len(files)
    return [f"{path.parent.name}/{path.name}" if is_same else path.name for path in files]


def numbers_of_frames(names: Sequence[str]) -> tuple[NDArray[np.int64] | None, list[str]]:
    """Number of each frame, for files of one time point each in the order of the user.

    Returns
    -------
    numbers
        ``(T,)`` from 0; ``None`` where the names leave none out, or count otherwise.
    remarks
        Sentence on the frames that are missing.
    """
    order = order_of_names(names)
    if order.table.shape[1:] != (1, 1):
        return None, []
    if order.n_inner:
        return None, [f"{order.unsure}: they are taken as frames one after the other."]
    if order.frame_numbers is None:
        is_sorted = bool(np.all(np.diff(order.table[:, 0, 0]) > 0))
        return None, list(order.remarks) if is_sorted else []
    numbers = order.frame_numbers[np.argsort(order.table[:, 0, 0])]
    steps = np.diff(numbers)
    if np.any(steps <= 0):  # the user put them in another order
        return None, []
    return (numbers if np.any(steps > 1) else None), list(order.remarks)


def channel_groups(names: Sequence[str]) -> dict[str, list[int]] | None:
    """Groups of files of several images that differ in the name of their channel alone.

    Returns
    -------
    dict or None
        Numbers of the files of each channel, in order; ``None`` where the names tell no channels.
    """
    varying = _varying_parts(names) or []
    channels = [v for v in varying if v.kind == "C" and len(v.values) <= _MOST_CHANNELS]
    return _groups(names, varying, channels[:1], "channel")


def position_groups(names: Sequence[str], *, are_images: bool) -> dict[str, list[int]] | None:
    """Groups of files of one position of the stage each, which is a movie of its own.

    Parameters
    ----------
    are_images
        Whether each file holds one image: without a number that counts frames beside that of the
        position, the positions are the frames.

    Returns
    -------
    dict or None
        Numbers of the files of each position; ``None`` where the names tell no positions.
    """
    varying = _varying_parts(names) or []
    if are_images and all(v.kind in ("P", "C", "?") for v in varying):
        return None
    return _groups(names, varying, [v for v in varying if v.kind == "P"][:1], "position")


def _groups(
    names: Sequence[str], varying: Sequence[_Varying], of: Sequence[_Varying], what: str
) -> dict[str, list[int]] | None:
    """Numbers of the files for each value of a part, where the names are built alike otherwise."""
    if not of:
        return None
    part = of[0]
    rest = [v for v in varying if v is not part]
    if any(v.kind == "?" for v in rest) or (rest and not _is_product(part, rest)):
        return None
    order = np.lexsort([v.codes for v in reversed(rest)]) if rest else np.arange(len(names))
    return {
        _label(value, what): [int(i) for i in order if part.codes[i] == code]
        for code, value in enumerate(part.values)
    }


def _label(value: str, what: str = "channel") -> str:
    return f"{what} {int(value)}" if value.isdecimal() else value


def with_numbered_channels(names: Sequence[str], channels: Sequence[str]) -> list[str]:
    """Names with ``channel0``, ``channel1``, ... in the place of channels that a sidecar names.

    They stay what they were where not every name has one of the channels in it.
    """
    words = "|".join(re.escape(word) for word in sorted(channels, key=len, reverse=True) if word)
    if not words or len(channels) < 2:
        return list(names)
    word = re.compile(rf"(?<![^\W_])({words})(?![^\W_])")
    number = {name: k for k, name in enumerate(channels)}
    changed = [word.subn(lambda found: f"channel{number[found[0]]}", name) for name in names]
    return [name for name, _ in changed] if all(n == 1 for _, n in changed) else list(names)


def _stem(name: str) -> str:
    return re.sub(r"(\.ome)?\.[^.]*$", "", name.lower())


def _alike(stems: Sequence[str]) -> list[str]:
    """Names whose words hold no digits, where some words have digits in them and others none."""
    if len({len(re.findall(r"\d+", stem)) for stem in stems}) == 1:
        return list(stems)
    split = [re.split(r"([\W_]+)", stem) for stem in stems]
    if len({len(parts) for parts in split}) != 1:
        return list(stems)
    columns = [
        column
        if len({len(re.findall(r"\d+", part)) for part in column}) == 1
        else tuple(part.translate(_LOWER) for part in column)
        for column in zip(*split, strict=True)
    ]
    return ["".join(parts) for parts in zip(*columns, strict=True)]


def _varying_parts(names: Sequence[str]) -> list[_Varying] | None:
    """Parts in which names differ, in their order; ``None`` where they are not built alike."""
    split = [re.split(r"(\d+)", stem) for stem in _alike([_stem(name) for name in names])]
    if len({len(parts) for parts in split}) != 1 or len(names) < 2:
        return None
    columns = list(zip(*split, strict=True))
    found: list[_Varying] = []
    for at, column in enumerate(columns):
        values = sorted(set(column), key=lambda text: natural_key(text.translate(_RAISE)))
        if len(values) == 1:
            continue
        lookup = {value: code for code, value in enumerate(values)}
        codes = np.array([lookup[value] for value in column], np.int64)
        is_number = at % 2 == 1
        if is_number and len({int(value) for value in values}) < len(values):
            return None
        before = columns[at - 1][0] if at and is_number and len(set(columns[at - 1])) == 1 else ""
        if is_number and all(after.startswith("nm") for after in columns[at + 1]):
            before = "wavelength"
        kind = _kind_of_number(before) if is_number else _kind_of_words(values)
        values = values if is_number else _words(values)
        same = next((v for v in found if _same_partition(v.codes, codes)), None)
        if same is None:
            found.append(_Varying(codes, values, kind, is_number))
        elif same.kind in ("", "?") and kind not in ("", "?"):
            same.kind, same.values, same.codes, same.is_number = kind, values, codes, is_number
    return found or None


def _kind_of_number(before: str) -> str:
    word = re.sub(r"[^a-z]+$", "", before)
    word = re.split(r"[^a-z]+", word)[-1]
    known = {"C": _CHANNEL, "Z": _PLANE, "T": _TIME, "S": _SESSION, "P": _POSITION}
    return next((kind for kind, words in known.items() if word in words), "")


def _words(values: Sequence[str]) -> list[str]:
    """Words without the words that they have in common at their ends, and without separators."""
    split = [re.split(r"[\W_]+", value.strip("_-. ()[]")) for value in values]
    while all(len(parts) > 1 for parts in split) and len({parts[0] for parts in split}) == 1:
        split = [parts[1:] for parts in split]
    while all(len(parts) > 1 for parts in split) and len({parts[-1] for parts in split}) == 1:
        split = [parts[:-1] for parts in split]
    words = [" ".join(parts) or value for parts, value in zip(split, values, strict=True)]
    return [word.translate(_RAISE) for word in words]


def _kind_of_words(values: Sequence[str]) -> str:
    """Axis that words name: ``"C"`` for channels, ``"?"`` for others."""
    words = [[*re.split(r"[^a-z]+", value), value] for value in _words(values)]
    if all(any(part in _CHANNEL_WORDS for part in parts) for parts in words):
        return "C"
    return "?"


def _same_partition(a: NDArray[np.int64], b: NDArray[np.int64]) -> bool:
    pairs = np.unique(np.stack([a, b], axis=1), axis=0)
    return len(pairs) == len(np.unique(a)) == len(np.unique(b))


def _is_product(one: _Varying, others: Sequence[_Varying]) -> bool:
    """Whether most combinations of the parts occur, so that they count different things."""
    keys = np.stack([v.codes for v in others], axis=1)
    n_keys = len(np.unique(keys, axis=0))
    return len(one.codes) >= 0.75 * n_keys * len(one.values)


def missing_files(names: Sequence[str]) -> list[str]:
    """Sentence about numbers that the names of files leave out, where they count the files."""
    varying = _varying_parts(names)
    if varying is None or len(varying) != 1 or not varying[0].is_number:
        return []
    runs, n_missing = _gaps(np.sort([int(value) for value in varying[0].values]))
    # Numbers with more gaps than files are days, or measurements that were chosen one by one.
    if not n_missing or n_missing >= len(names):
        return []
    return [
        f"By the numbers in the file names {runs} {'is' if n_missing == 1 else 'are'} missing: the "
        "files are joined without a pause."
    ]


def _gaps(numbers: NDArray[np.int64]) -> tuple[str, int]:
    """Text of the numbers that are missing among ascending ones, and how many they are."""
    steps = np.diff(numbers)
    step = reduce(gcd, steps.tolist(), 0) or 1
    gaps = np.flatnonzero(steps > step)
    runs = [
        f"{a}" if a == b else f"{a}-{b}"
        for a, b in ((int(numbers[g]) + step, int(numbers[g + 1]) - step) for g in gaps[:4])
    ]
    n_missing = int(np.sum(steps[gaps] // step - 1))
    return ", ".join(runs) + (", ..." if gaps.size > 4 else ""), n_missing


def _frame_numbers(
    rest: Sequence[_Varying], times: NDArray[np.int64]
) -> tuple[NDArray[np.int64] | None, list[str]]:
    """Numbers of the time points, and a sentence about those that are missing."""
    if len(rest) != 1 or not rest[0].is_number:
        return None, []
    numbers = np.array([int(rest[0].values[code]) for code in times[:, 0]], np.int64)
    step = reduce(gcd, np.diff(numbers).tolist(), 0) or 1
    frames = (numbers - numbers[0]) // step
    runs, n_missing = _gaps(numbers)
    if not n_missing:
        return frames, []
    if n_missing == 1:
        return frames, [f"Frame {runs} of the numbering in the file names is missing."]
    return frames, [
        f"Frames {runs} of the numbering in the file names are missing ({n_missing} in all)."
    ]


def _cycles(rest: Sequence[_Varying]) -> tuple[int, str] | None:
    """How many images a cycle of two numbers has, and a sentence; ``None`` where there is none."""
    if len(rest) != 2 or not all(v.is_number for v in rest):
        return None
    outer, inner = rest
    n = len(inner.values)
    if n > _MOST_IN_CYCLE or len(outer.values) < 2:
        return None
    return n, f"The file names count {len(outer.values)} times {n} images"


def _may_be_planes(outer: _Varying, inner: _Varying) -> bool:
    """Whether nothing in the names says that a cycle's images follow each other in time."""
    return inner.kind == "" and outer.kind in ("", "T") and _is_product(outer, [inner])
