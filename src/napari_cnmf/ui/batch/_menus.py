"""Buttons and menus of the batch manager, all over the same actions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Qt
from qtpy.QtGui import QAction, QKeySequence
from qtpy.QtWidgets import QMenu, QToolButton

from napari_cnmf.ui._parts import tool_button
from napari_cnmf.ui._theme import style_tool_button
from napari_cnmf.ui.batch._actions import Action, Scene, actions

if TYPE_CHECKING:
    from napari_cnmf.ui.batch._dock import BatchWidget

_ITEM_MENU = (
    "load", "view_input", "compare", "",
    "start", "start_here", "cancel", "retry", "run_again", "",
    "duplicate", "variants", "",
    "rename", "comment", "open_folder", "", "delete",
)  # fmt: skip


class BatchMenus(QObject):
    """Buttons and menus; ``update_actions`` tells which actions are possible."""

    def __init__(self, dock: BatchWidget) -> None:
        super().__init__(dock)
        self._dock = dock
        self._known = {action.name: action for action in actions({})}
        self.actions = {name: self._make(action) for name, action in self._known.items()}
        self.recent_menu = QMenu("Open recent", dock)
        self.batch_menu = self._make_batch_menu()
        self.item_menu = self._make_menu(_ITEM_MENU)
        self.batch_button = _button("Batch", "Make or open a batch", self.batch_menu)
        self.item_button = _button(
            "Item  ▾", "Everything that can be done with the selected items", self.item_menu
        )
        self.start_button = _split_button(self._make_menu(("start_all", "start", "start_here")))
        self.cancel_button = _split_button(self._make_menu(("cancel", "cancel_all")))
        self.load_button = QToolButton()
        self.load_button.setDefaultAction(self.actions["load"])
        for button in (self.batch_button, self.item_button, self.load_button, self.cancel_button):
            style_tool_button(button)
        style_tool_button(self.start_button, primary=True)

    def _make(self, action: Action) -> QAction:
        made = QAction(action.text, self._dock)
        _set_key(made, action)
        made.setShortcutVisibleInContextMenu(True)
        # In the table alone: the filter and the names that are typed there have keys of their own.
        made.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        act = getattr(self._dock, action.name, None) or getattr(self._dock.commands, action.name)
        made.triggered.connect(partial(_call, act))
        self._dock.table.addAction(made)
        return made

    def set_keys(self, keys: Mapping[str, str]) -> None:
        """Take the keys of the user's settings, ``{"batch.start_all": key}``."""
        for action in actions(keys):
            _set_key(self.actions[action.name], action)

    def _make_menu(self, names: Iterable[str]) -> QMenu:
        menu = QMenu(self._dock)
        menu.setToolTipsVisible(True)
        for name in names:
            if name:
                menu.addAction(self.actions[name])
            else:
                menu.addSeparator()
        return menu

    def _make_batch_menu(self) -> QMenu:
        dock, menu = self._dock, QMenu(self._dock)
        _add(menu, "New batch…", dock.new_batch)
        _add(menu, "Open batch…", dock.open_batch)
        menu.addMenu(self.recent_menu)
        menu.addSeparator()
        self._of_batch: list[QAction] = [
            _add(menu, "Locate movies…", dock.missing.locate),
            _add(menu, "Show batch folder", dock.commands.open_batch_folder),
        ]
        return menu

    def list_recent(self, folders: Iterable[Path]) -> None:
        """Offer these recent batches in the menu."""
        self.recent_menu.clear()
        for folder in folders:
            entry = _add(
                self.recent_menu,
                f"{folder.name}   —   {folder.parent}".replace("&", "&&"),
                partial(self._dock.open_recent, folder),
            )
            entry.setToolTip(str(folder))
        self.recent_menu.setEnabled(not self.recent_menu.isEmpty())

    def show_batch(self, path: Path | None) -> None:
        """Show which batch is open."""
        name = "Batch" if path is None else path.name
        short = name if len(name) <= 32 else f"{name[:30]}…"
        self.batch_button.setText(f"{short}  ▾".replace("&", "&&"))
        self.batch_button.setToolTip("Make or open a batch" if path is None else str(path))

    def update_actions(self, scene: Scene, *, has_batch: bool) -> None:
        """Enable what is possible, and let the split buttons do what is likely meant."""
        for name, made in self.actions.items():
            made.setEnabled(has_batch and self._known[name].is_possible(scene))
        for entry in self._of_batch:
            entry.setEnabled(has_batch)
        for button, of_some, of_all in (
            (self.start_button, "start", "start_all"),
            (self.cancel_button, "cancel", "cancel_all"),
        ):
            some, everything = self.actions[of_some], self.actions[of_all]
            button.setDefaultAction(some if some.isEnabled() else everything)


def _set_key(made: QAction, action: Action) -> None:
    key = QKeySequence(action.key)
    name = key.toString(QKeySequence.SequenceFormat.NativeText)
    made.setShortcut(key)
    made.setToolTip(f"{action.tooltip}  ({name})" if name else action.tooltip)


def _call(act: Callable[[], None], _checked: bool = False) -> None:
    act()


def _add(menu: QMenu, text: str, act: Callable[[], None]) -> QAction:
    entry = QAction(text, menu)
    entry.triggered.connect(partial(_call, act))
    menu.addAction(entry)
    return entry


def _button(text: str, tooltip: str, menu: QMenu) -> QToolButton:
    button = tool_button(text, tooltip)
    button.setMenu(menu)
    button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
    return button


def _split_button(menu: QMenu) -> QToolButton:
    """Button that does its default action when it is clicked; its arrow shows the others."""
    button = QToolButton()
    button.setMenu(menu)
    button.setPopupMode(QToolButton.ToolButtonPopupMode.MenuButtonPopup)
    return button
