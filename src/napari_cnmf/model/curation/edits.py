"""What a curator can do, as plain values: one edit is one line of the journal."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum, StrEnum
from typing import Any, Self

from napari_cnmf.errors import CurationError


class Decision(IntEnum):
    """Of one component; all but ``AUTO`` are made by hand, and no threshold changes them."""

    AUTO = 0
    ACCEPTED = 1
    REJECTED = 2
    UNSURE = 3


class EditKind(StrEnum):
    """The vocabulary of the journal."""

    SET_THRESHOLDS = "set_thresholds"
    ACCEPT = "accept"
    REJECT = "reject"
    UNSURE = "unsure"
    AUTO = "auto"
    TAG = "tag"
    UNTAG = "untag"
    NOTE = "note"
    MERGE = "merge"
    SPLIT = "split"
    ADD = "add"
    REDRAW = "redraw"
    DELETE = "delete"
    RESTORE = "restore"


DECISION_OF_EDIT = {
    EditKind.ACCEPT: Decision.ACCEPTED,
    EditKind.REJECT: Decision.REJECTED,
    EditKind.UNSURE: Decision.UNSURE,
    EditKind.AUTO: Decision.AUTO,
}

SHAPE_EDITS = frozenset({EditKind.MERGE, EditKind.SPLIT, EditKind.ADD, EditKind.REDRAW})
"""Those that make arrays, which lie beside the journal."""

CHANGES_COMPONENTS = SHAPE_EDITS | {EditKind.DELETE, EditKind.RESTORE}
"""After these other components are there; after the rest only what is thought of them differs."""


@dataclass(frozen=True)
class Edit:
    """One edit and its place in the history.

    Attributes
    ----------
    number
        Counts from 1; unique within a journal.
    parent
        The edit it was made on; 0 is the engine's result.
    kind, ids, value
        What was done, to which components, with what: thresholds by name, a tag, a note.
    new_ids
        Components that it made; their arrays lie under ``number`` in the array store.
    who, time
        The curator, and when (ISO 8601, UTC).
    """

    number: int
    parent: int
    kind: EditKind
    ids: tuple[int, ...] = ()
    value: Any = None
    new_ids: tuple[int, ...] = ()
    who: str = ""
    time: str = ""

    def to_line(self) -> dict[str, Any]:
        """As it stands in the journal; fields that were not said are left out."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "kind"}
        line = {"edit": str(self.kind), **values}
        return {key: value for key, value in line.items() if value is not None and value != ()}

    @classmethod
    def from_line(cls, line: dict[str, Any]) -> Self:
        """The inverse of :meth:`to_line`.

        Raises
        ------
        CurationError
            When the line is not an edit that this version knows.
        """
        try:
            return cls(
                number=int(line["number"]),
                parent=int(line["parent"]),
                kind=EditKind(line["edit"]),
                ids=tuple(int(i) for i in line.get("ids", ())),
                value=line.get("value"),
                new_ids=tuple(int(i) for i in line.get("new_ids", ())),
                who=str(line.get("who", "")),
                time=str(line.get("time", "")),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise CurationError(
                f"A line of the journal must be an edit that this version knows, got {line!r}. "
                "It was written by a newer version, or changed by hand."
            ) from error

    def describe(self) -> str:
        """For people: ``reject 3, 7``, ``set_thresholds min_SNR=3``."""
        words = [str(self.kind)]
        if self.ids:
            shown = ", ".join(map(str, self.ids[:8]))
            words.append(shown + (f" and {len(self.ids) - 8} more" if len(self.ids) > 8 else ""))
        if isinstance(self.value, dict):
            words += [f"{key}={value}" for key, value in self.value.items()]
        elif self.value is not None:
            words.append(repr(self.value))
        if self.new_ids:
            words.append("-> " + ", ".join(map(str, self.new_ids)))
        return " ".join(words)
