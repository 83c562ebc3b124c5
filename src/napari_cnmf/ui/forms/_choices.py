"""Keeps lists of choices sound: no entry hides another one, and what was chosen stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from magicgui.widgets import ComboBox

T = TypeVar("T")


def read_again(combo: ComboBox) -> bool:
    """Read the choices of a list that is given a function for them.

    magicgui goes by titles: a value that is called something else now, such as a file that has
    become a layer, would be lost to whatever comes first.

    Returns
    -------
    bool
        Whether another value is chosen now; ``changed`` is not emitted.
    """
    before = combo.value
    with combo.changed.blocked():
        # Emptied first: what is new would stand at the end, wherever it belongs.
        read, combo.choices = combo.options["choices"], ()
        combo.choices = read
        if before in combo.choices:
            combo.value = before
    return bool(combo.value != before)


def tell_apart(choices: Iterable[tuple[str, T]]) -> list[tuple[str, T]]:
    """Give entries titles of their own: magicgui keeps one of those that have the same.

    Files are told apart by their folders, what remains by numbers.
    """
    listed = list(choices)
    n_of = Counter(title for title, _ in listed)
    listed = [
        (_with_folder(title, one) if n_of[title] > 1 else title, one) for title, one in listed
    ]
    seen: Counter[str] = Counter()
    apart = []
    for title, one in listed:
        seen[title] += 1
        apart.append((title if seen[title] == 1 else f"{title} · {seen[title]}", one))
    return apart


def _with_folder(title: str, chosen: Any) -> str:
    paths = getattr(chosen, "paths", None) or (getattr(chosen, "path", None),)
    return f"{title} · {paths[0].parent.name}" if isinstance(paths[0], Path) else title
