"""Description of a recording: what its files say, where each statement stands, how sure it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any


class Certainty(StrEnum):
    """Certainty of a statement about a recording."""

    STATED = "stated"
    """A header, a sidecar file or the user says so."""
    DERIVED = "derived"
    """It follows from what is stated: a median of time stamps, the order of the files."""
    ASSUMED = "assumed"
    """Nothing says so; it is what is usual."""
    ASKED = "asked"
    """It is unknown or ambiguous, and the user must say it."""


@dataclass(frozen=True)
class Fact:
    """One statement about a recording.

    Attributes
    ----------
    value
        A plain value (number, text, list) for scripts; ``None`` where it is unknown.
    text
        The same as a user reads it.
    source
        Where it stands: ``"ScanImage header"``, ``"Bruker XML"``, ``"file names"``, ``"you"``.
    certainty
        How sure it is.
    """

    value: Any
    text: str
    source: str
    certainty: Certainty = Certainty.STATED


@dataclass(frozen=True)
class Question:
    """A question about a recording that only the user can answer.

    Attributes
    ----------
    option
        Name of the argument of `open_movie` that answers it.
    choices
        Pairs of a value for that argument and what it means; empty for a free value.
    sentence
        What is asked, with the reason.
    """

    option: str
    choices: tuple[tuple[Any, str], ...]
    sentence: str


@dataclass(frozen=True)
class Piece:
    """One file of a recording and the number of images that it gives."""

    path: Path
    n_images: int


_TITLES = {
    "frames": "frames",
    "field": "field",
    "planes": "planes",
    "channels": "channels",
    "scan_fields": "scan fields",
    "not_images": "left out",
    "values": "values",
    "frame_rate_hz": "frame rate",
    "time": "time",
    "pixel_size_um": "pixel size",
    "plane_distance_um": "plane distance",
}


@dataclass(frozen=True)
class Description:
    """Everything that is known about a recording before one of its frames is read.

    Attributes
    ----------
    name
        Name of the recording.
    format
        Kind of file and the program that wrote it.
    pieces
        The files in order, with the images of each.
    facts
        Statements by name: ``frames, field, planes, channels, scan_fields, not_images, values,
        frame_rate_hz, time, pixel_size_um, plane_distance_um``; those that do not apply are
        missing.
    remarks
        Sentences that the user should read.
    questions
        What the user must say before the recording can be analysed.
    """

    name: str
    format: str
    pieces: tuple[Piece, ...] = ()
    facts: Mapping[str, Fact] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()

    def with_fact(self, name: str, fact: Fact) -> Description:
        """The description with another statement, and without the question that it answers."""
        questions = tuple(q for q in self.questions if q.option != name)
        return replace(self, facts={**self.facts, name: fact}, questions=questions)

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Rows of the description's table: title, value, source, certainty."""
        return [
            (title, fact.text, fact.source, fact.certainty.value)
            for name, title in _TITLES.items()
            if (fact := self.facts.get(name)) is not None
        ]

    def to_dict(self) -> dict[str, Any]:
        """The description as plain values, ready for JSON."""
        return {
            "name": self.name,
            "format": self.format,
            "files": [{"path": str(piece.path), "images": piece.n_images} for piece in self.pieces],
            "facts": {
                name: {
                    "value": fact.value,
                    "text": fact.text,
                    "source": fact.source,
                    "certainty": fact.certainty.value,
                }
                for name, fact in self.facts.items()
            },
            "remarks": list(self.remarks),
            "questions": [
                {
                    "option": question.option,
                    "choices": [list(choice) for choice in question.choices],
                    "sentence": question.sentence,
                }
                for question in self.questions
            ],
        }

    def __str__(self) -> str:
        count = len(self.pieces)
        files = "" if not count else f", {count} file{'s' * (count > 1)}"
        rows = self.rows()
        widths = [max((len(row[column]) for row in rows), default=0) for column in range(2)]
        lines = [f"{self.name}: {self.format}{files}"]
        for title, text, source, certainty in rows:
            how = "" if certainty == Certainty.STATED else f" ({certainty})"
            lines.append(f"  {title:<{widths[0]}}  {text:<{widths[1]}}  {source}{how}".rstrip())
        lines += [f"  ! {remark}" for remark in self.remarks]
        lines += [f"  ? {question.sentence}" for question in self.questions]
        return "\n".join(lines)
