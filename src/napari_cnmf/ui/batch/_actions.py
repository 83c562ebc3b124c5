"""Actions of the batch manager: names, keys, words, and when they are possible."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from napari_cnmf.batch.status import RETRIABLE, State
from napari_cnmf.ui.batch._rows import ItemRow

STARTABLE = frozenset({State.QUEUED, State.WAITING})
LIVE = frozenset({State.QUEUED, State.WAITING, State.RUNNING})


@dataclass(frozen=True)
class Scene:
    """State that an action may depend on: the selected items, and all of them."""

    chosen: tuple[ItemRow, ...] = ()
    rows: tuple[ItemRow, ...] = ()

    @property
    def one(self) -> ItemRow | None:
        """Item that is selected alone, else ``None``."""
        return self.chosen[0] if len(self.chosen) == 1 else None

    def some(self, states: frozenset[State]) -> bool:
        """Whether any selected item is in one of these states."""
        return any(row.state in states for row in self.chosen)


@dataclass(frozen=True)
class Action:
    """One action of the batch manager.

    Attributes
    ----------
    name
        In the settings file, behind ``batch.``, and of the method of ``BatchCommands``.
    key
        As Qt writes it; empty for none. Keys work while the table has the keyboard.
    text, tooltip
        For menus and the list of keys.
    is_possible
        Whether it can be done now.
    """

    name: str
    key: str
    text: str
    tooltip: str
    is_possible: Callable[[Scene], bool]


def _has_result(row: ItemRow | None) -> bool:
    return row is not None and row.state is State.COMPLETED


def _is_whole(row: ItemRow | None) -> bool:
    """Whether the question asked of an item can be read."""
    return row is not None and bool(row.algorithm)


def can_compare(row: ItemRow) -> bool:
    """Whether an item has components that can be laid beside another's."""
    return row.state is State.COMPLETED and row.n_components is not None


_BUILT_IN = (
    Action(
        "load",
        "Return",
        "Open result",
        "Show the result in napari; a double-click does it too",
        lambda s: _has_result(s.one),
    ),
    Action(
        "view_input",
        "Ctrl+I",
        "View input",
        "Show the movie that the item works on",
        lambda s: _is_whole(s.one),
    ),
    Action(
        "compare",
        "Ctrl+K",
        "Compare results…",
        "Two or more results of one movie side by side: select them first",
        lambda s: sum(can_compare(row) for row in s.chosen) >= 2,
    ),
    Action(
        "start_all",
        "Ctrl+Shift+Return",
        "Start all",
        "Run everything that is queued, and what is added meanwhile",
        lambda s: any(row.state in STARTABLE for row in s.rows),
    ),
    Action(
        "start_here",
        "Ctrl+Alt+Return",
        "Start at selection",
        "Run the selected item and those that were added after it",
        lambda s: s.one is not None and any(row.state in STARTABLE for row in s.rows),
    ),
    Action(
        "start",
        "Ctrl+Return",
        "Start selected",
        "Run the selected items, and what they wait for",
        lambda s: s.some(STARTABLE),
    ),
    Action(
        "cancel",
        "Ctrl+Backspace",
        "Cancel selected",
        "Cancel the selected items, running or queued",
        lambda s: s.some(LIVE),
    ),
    Action(
        "cancel_all",
        "Ctrl+Shift+Backspace",
        "Cancel all",
        "Cancel everything that runs or is queued",
        lambda s: any(row.state in LIVE for row in s.rows),
    ),
    Action(
        "retry",
        "F5",
        "Retry",
        "Run again what failed, was cancelled or interrupted",
        lambda s: s.some(RETRIABLE),
    ),
    Action(
        "run_again",
        "Shift+F5",
        "Run again as a new item",
        "A completed item is never run twice: this adds it once more, and starts it",
        lambda s: _has_result(s.one),
    ),
    Action(
        "duplicate",
        "Ctrl+D",
        "Duplicate with changes…",
        "Open the form with the movie and parameters of this item",
        lambda s: _is_whole(s.one),
    ),
    Action(
        "variants",
        "Ctrl+J",
        "Variants of it…",
        "Many items from chosen values of several parameters, over several movies",
        lambda s: _is_whole(s.one),
    ),
    Action("rename", "F2", "Rename", "Give the item another name", lambda s: _is_whole(s.one)),
    Action(
        "comment",
        "Shift+F2",
        "Comment",
        "Write your own words beside the item",
        lambda s: _is_whole(s.one),
    ),
    Action(
        "open_folder",
        "Ctrl+Shift+E",
        "Open folder",
        "Show the item's folder in the file manager",
        lambda s: s.one is not None,
    ),
    Action(
        "delete",
        "Del",
        "Delete…",
        "Delete the selected items with all their data; never while one is running",
        lambda s: bool(s.chosen) and not s.some(frozenset({State.RUNNING})),
    ),
    Action(
        "go_to_filter",
        "/",
        "Filter",
        "Type words to show only the items that hold them",
        lambda _: True,
    ),
)


def actions(changed: Mapping[str, str]) -> tuple[Action, ...]:
    """Every action, with the keys of the user's settings (``{"batch.start_all": key}``)."""
    return tuple(replace(a, key=changed.get(f"batch.{a.name}", a.key)) for a in _BUILT_IN)
