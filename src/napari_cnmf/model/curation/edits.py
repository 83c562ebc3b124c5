"""Edits that a curator can make, as plain values: one edit is one line of the journal."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum, StrEnum
from typing import Any, Self

from napari_cnmf.errors import CurationError


class Decision(IntEnum):
    """Decision about one component; ``AUTO`` follows thresholds, the others are made by hand."""

    AUTO = 0
    ACCEPTED = 1
    REJECTED = 2
    UNSURE = 3


class EditKind(StrEnum):
    """Kinds of edits in the journal."""

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
    LOST = "lost"
    """Stands in for an edit whose line in the journal is missing; changes nothing."""


DECISION_OF_EDIT: dict[EditKind | str, Decision] = {
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
    kind
        What was done. A kind that only a newer version knows is its plain name; such an edit
        changes nothing here.
    ids, value
        To which components, with what: thresholds by name, a tag, a note, the decision of a merge.
    new_ids
        Components that it made; their arrays lie under ``number`` in the array store.
    who, time
        The curator, and when (ISO 8601, UTC).
    """

    number: int
    parent: int
    kind: EditKind | str
    ids: tuple[int, ...] = ()
    value: Any = None
    new_ids: tuple[int, ...] = ()
    who: str = ""
    time: str = ""

    def to_line(self) -> dict[str, Any]:
        """Line of the journal for this edit; fields that were not given are left out."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "kind"}
        line = {"edit": str(self.kind), **values}
        return {key: value for key, value in line.items() if value is not None and value != ()}

    @classmethod
    def from_line(cls, line: dict[str, Any]) -> Self:
        """Edit of a line of the journal; the inverse of :meth:`to_line`.

        Raises
        ------
        CurationError
            When the line is no edit.
        """
        try:
            name = line["edit"]
            kind = EditKind(name) if name in set(EditKind) else name
            edit = cls(
                number=_whole(line["number"]),
                parent=_whole(line["parent"]),
                kind=kind,
                ids=tuple(_whole(i) for i in line.get("ids") or ()),
                value=line.get("value"),
                new_ids=tuple(_whole(i) for i in line.get("new_ids") or ()),
                who=str(line.get("who", "")),
                time=str(line.get("time", "")),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise _no_edit(line) from error
        needed = _VALUE_TYPES.get(kind)
        if not isinstance(kind, str) or (needed and not isinstance(edit.value, needed)):
            raise _no_edit(line)
        return edit

    def describe(self) -> str:
        """Describe the edit for people: ``reject 3, 7``, ``set_thresholds min_SNR=3``."""
        if self.kind is EditKind.LOST:
            return "an edit whose line in the journal is lost"
        words = [str(self.kind)]
        if self.ids:
            shown = ", ".join(map(str, self.ids[:8]))
            words.append(shown + (f" and {len(self.ids) - 8} more" if len(self.ids) > 8 else ""))
        if isinstance(self.value, dict):
            words += [
                f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}"
                for key, value in self.value.items()
            ]
        elif self.value is not None:
            words.append(repr(self.value))
        if self.new_ids:
            words.append("-> " + ", ".join(map(str, self.new_ids)))
        return " ".join(words)


_VALUE_TYPES: dict[EditKind | str, type] = {
    EditKind.SET_THRESHOLDS: dict, EditKind.TAG: str, EditKind.UNTAG: str, EditKind.NOTE: str,
}  # fmt: skip
"""What the value of an edit must be; other edits have none, or one that may be left out."""


def _whole(value: Any) -> int:
    """Return ``value`` where it is a whole number and no truth value."""
    if type(value) is not int or not -1 <= value < 2**53:
        raise ValueError(f"a whole number is needed, got {value!r}")
    return value


def _no_edit(line: dict[str, Any]) -> CurationError:
    return CurationError(
        "A line of the journal must be an edit with its number, its parent, its kind and the ids "
        f"of components, got {line!r:.200}. It was changed by another program."
    )
