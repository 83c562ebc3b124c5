"""Names that scripts give as text, defined once each, and what is said of a misspelt one.

Editors complete them, type checkers find a misspelt one, and the command line offers them.
"""

from collections.abc import Iterable
from difflib import SequenceMatcher
from typing import Any, Literal

AlgorithmName = Literal["mcorr", "cnmf", "cnmfe", "evaluate"]
"""What an item does."""

EngineName = Literal["auto", "builtin", "caiman"]
"""Who computes, of the engines of this package; other packages may register more."""

PresetName = Literal["two-photon somata", "one-photon", "dendrites/axons", "volumetric"]
"""Kinds of recordings that have a preset."""

SampleName = Literal["two-photon", "one-photon", "volume"]
"""Recordings to try things out."""

FormatName = Literal[
    "caiman", "nwb", "csv", "parquet", "dandi", "npz", "mat", "suite2p", "imagej", "labels",
    "params", "methods", "mp4", "raster", "correlation",
]  # fmt: skip
"""What a result can be written as."""

_CLOSE = 0.6
"""Similarity from which a name was probably meant: half of a short word and its length agree."""


def closest(name: object, known: Iterable[object]) -> str | None:
    """Known name that ``name`` was probably meant to be, or ``None``.

    Letters in their order count as much as letters in any order: two that changed places are the
    most frequent slip of all.
    """
    matcher = SequenceMatcher(autojunk=False)
    matcher.set_seq2(str(name).lower())
    best, found = _CLOSE, None
    for candidate in map(str, known):
        matcher.set_seq1(candidate.lower())
        similarity = (matcher.ratio() + matcher.quick_ratio()) / 2
        if similarity > best:
            best, found = similarity, candidate
    return found


def did_you_mean(name: object, known: Iterable[object]) -> str:
    """Sentence with the closest known name, after a blank; nothing where none is close."""
    guess = closest(name, known)
    return f" Did you mean {guess}?" if guess is not None else ""


def not_one_of(what: str, known: Iterable[object], got: Any) -> str:
    """Sentence about a name that is none of those there are, with the closest one."""
    names = [str(name) for name in known]
    listed = ", ".join(names) or "none"
    guess = did_you_mean(got, names) if isinstance(got, str) else ""
    return f"{what} must be one of {listed}, got {got!r:.80}.{guess}"
