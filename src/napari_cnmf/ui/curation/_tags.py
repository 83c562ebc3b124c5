"""Names and colours of the tags of the keys 1 to 9."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
