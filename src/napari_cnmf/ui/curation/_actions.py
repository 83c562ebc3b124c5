"""Actions of the curation from the keyboard: names, keys, words, and the tags that keys give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

N_TAGS = 9
TAG_COLORS = (
    "#e6506e", "#f58231", "#ffd23f", "#5fbf4f", "#35c2c9", "#4f83e8", "#9b6bdf", "#e06fd1",
    "#a9a9a9",
)  # fmt: skip


@dataclass(frozen=True)
class Tag:
    """Tag that a key gives and takes."""

    name: str
    color: str


def tags_of_keys(chosen: Mapping[str, str], in_use: Sequence[str] = ()) -> tuple[Tag, ...]:
    """Tags of the keys 1 to 9.

    Parameters
    ----------
    chosen
        ``{name: colour}`` of the settings, in the order of the keys.
    in_use
        Tags of the result; those that are not chosen take the keys that are left.
    """
    tags = [Tag(name, color) for name, color in chosen.items()][:N_TAGS]
    spare = [name for name in in_use if name not in chosen]
    spare += [name for name in (f"tag {i}" for i in range(1, N_TAGS + 1)) if name not in spare]
    taken = {tag.name for tag in tags}
    for name in spare:
        if len(tags) < N_TAGS and name not in taken:
            tags.append(Tag(name, TAG_COLORS[len(tags)]))
    return tuple(tags)


def color_of(tag: str, tags: Sequence[Tag]) -> str:
    """Colour of a tag; grey for one that has no key."""
    return next((t.color for t in tags if t.name == tag), TAG_COLORS[-1])


@dataclass(frozen=True)
class Action:
    """One action of the curation.

    Attributes
    ----------
    name
        In the settings file, and of the dock's method.
    key
        As Qt writes it.
    text, tooltip
        For buttons and the list of keys.
    """

    name: str
    key: str
    text: str
    tooltip: str

    @property
    def tag(self) -> int | None:
        """Number of the tag that the action gives, counted from 1; ``None`` for other actions."""
        number = self.name.removeprefix("tag_")
        return int(number) if number.isdigit() else None


_BUILT_IN = (
    Action("next", "J", "Next", "Next component in the current filter and order"),
    Action("previous", "K", "Previous", "Previous component in the current filter and order"),
    Action("accept", "A", "Accept", "Accept by hand: no threshold changes that"),
    Action("reject", "R", "Reject", "Reject by hand: no threshold changes that"),
    Action("unsure", "U", "Unsure", "Mark for another look; the thresholds' side is kept"),
    Action("auto", "C", "Auto", "Clear the decision: follow the thresholds again"),
    Action("note", "W", "Note", "Write a note about the selected component"),
    Action("merge", "M", "Merge", "One component of those selected"),
    Action("split", "S", "Split", "Two components of one, by their time courses"),
    Action("cut", "L", "Cut", "Two components of one: draw a line through it"),
    Action("draw", "D", "Draw", "Draw the outline of a cell that was missed"),
    Action("redraw", "E", "Redraw", "Draw another outline for the selected component"),
    Action("trim", "T", "Trim", "Draw over what does not belong to the selected component"),
    Action("find", "F", "Find new", "Draw a region: cells are looked for in its residual"),
    Action("delete", "Del", "Delete", "Take the selected components out; undo brings them back"),
    Action(
        "restore",
        "Shift+Del",
        "Restore",
        "Bring back what was deleted last, or is chosen in the Edit tab",
    ),
    Action("suggest", "Q", "Suggest", "Go to the next pair that looks like one cell"),
    Action("merge_pair", "B", "Merge it", "Merge the suggested pair"),
    Action("skip", "X", "Skip", "The suggested pair is two cells: go to the next"),
    Action("undo", "Ctrl+Z", "Undo", "Take the last edit back"),
    Action("redo", "Ctrl+Shift+Z", "Redo", "Make the edit again that was taken back"),
    Action("peak", "G", "Peak", "Go to the largest event of the selected component"),
    Action("play", "P", "Play", "Play what is around the largest event; again stops it"),
    Action("why", "H", "Why here", "Why there is a cell at the cursor, or none"),
    Action("unseen", "N", "Next unseen", "Next component that was not looked at yet"),
    *(
        Action(
            f"tag_{i}", str(i), f"Tag {i}", "Give the tag to the selected components, or take it"
        )
        for i in range(1, N_TAGS + 1)
    ),
)


def actions(changed: Mapping[str, str]) -> tuple[Action, ...]:
    """Every action, with the keys of the user's settings (``{action: key}``)."""
    return tuple(replace(a, key=changed.get(a.name, a.key)) for a in _BUILT_IN)
