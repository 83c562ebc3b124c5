"""Keys of the curation, and the places of the window in which they act."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QApplication, QShortcut, QWidget

from napari_cnmf.ui._canvas import canvas_has_focus
from napari_cnmf.ui._docks import Dock
from napari_cnmf.ui._theme import connect_while_alive
from napari_cnmf.ui.curation._actions import Action

if TYPE_CHECKING:
    from napari_cnmf.ui._session import ShownResult
    from napari_cnmf.ui.curation._dock import CurationWidget

_WHILE_DRAWING = frozenset({"draw", "redraw", "trim", "find", "cut"})
"""Actions whose key the layer that is drawn on gives up; its other keys are napari's."""


class CurationKeys(QObject):
    """Shortcuts that act only where the user looks at the result.

    These places are the docks that show the components (``Dock.shows_components_of``), and the
    canvas while the active layer is one of the result's. Everywhere else (the layer list, the
    batch table, a Labels layer of the user's own) the same keys keep the meaning that they have
    there.
    """

    def __init__(self, dock: CurationWidget, run: Callable[[Action], Any]) -> None:
        super().__init__(dock)
        self._dock = dock
        self._viewer = dock.session.viewer
        self._run = run
        self._shortcuts = {a.name: self._bind(a.key, partial(run, a)) for a in dock.bindings}
        self._escape = self._bind("Escape", dock.edits.cancel_drawing)
        dock.edits.tool.drawing_changed.connect(self.update_places)
        app = QApplication.instance()
        if isinstance(app, QApplication):
            app.focusChanged.connect(self._on_focus)
        selection = self._viewer.layers.selection.events
        connect_while_alive(
            dock,
            (selection.active, self.update_places),
            (selection.changed, self.update_places),
            (dock.session.result_changed, self._on_result),
        )
        self._watched: tuple[Any, ...] = ()
        dock.destroyed.connect(partial(_stop_watching, self))
        self._on_result()

    def _bind(self, key: str, act: Callable[[], Any]) -> QShortcut:
        shortcut = QShortcut(QKeySequence(key), self._dock)
        # Of the whole application, because the dock may float: what has the focus enables it.
        shortcut.setContext(Qt.ShortcutContext.ApplicationShortcut)
        shortcut.activated.connect(act)
        # A menu of napari's may bind the same key; where ours is enabled, it is meant.
        shortcut.activatedAmbiguously.connect(act)
        shortcut.setEnabled(False)
        return shortcut

    def set_keys(self, actions: tuple[Action, ...]) -> None:
        """Take other keys for the same actions."""
        for action in actions:
            self._shortcuts[action.name].setKey(QKeySequence(action.key))

    def _on_focus(self, _before: QWidget | None, _now: QWidget | None) -> None:
        self.update_places()

    def _on_result(self, _result: Any = None) -> None:
        """Watch whether the components of another result are visible."""
        self.watch_visibility(self._dock.session.result)
        self.update_places()

    def watch_visibility(self, result: ShownResult | None) -> None:
        """Watch the layers of another result, or of none; stop watching those before."""
        for layer in self._watched:
            layer.events.visible.disconnect(self.update_places)
        layers = () if result is None else (result.layers.labels, result.layers.selection)
        for layer in layers:
            layer.events.visible.connect(self.update_places)
        self._watched = layers

    def update_places(self, _event: Any = None) -> None:
        """Enable the keys that act where the focus is now."""
        focus = QApplication.focusWidget()
        in_dock = self._shows_components(focus)
        on_canvas = canvas_has_focus(self._viewer)
        is_drawing = self._dock.edits.tool.is_drawing
        everything = in_dock or (on_canvas and self._result_is_active())
        drawing = on_canvas and self._drawing_is_active()
        for name, shortcut in self._shortcuts.items():
            shortcut.setEnabled(everything or (drawing and name in _WHILE_DRAWING))
        self._escape.setEnabled(is_drawing and (everything or drawing))

    def _shows_components(self, focus: QWidget | None) -> bool:
        """Whether a widget lies in a dock of this viewer that shows its components."""
        while focus is not None:
            if isinstance(focus, Dock):
                return focus.shows_components_of is self._dock.session
            focus = focus.parentWidget()
        return False

    def _result_is_active(self) -> bool:
        """Whether all selected layers are the result's, and its components are seen."""
        result, selected = self._dock.session.result, set(self._viewer.layers.selection)
        if result is None or not selected:
            return False
        layers = result.layers
        outlines = {layers.labels, layers.selection, *layers.extras.layers()}
        ours = outlines | set(layers.all_layers())
        return selected <= ours and any(layer.visible for layer in outlines)

    def _drawing_is_active(self) -> bool:
        layer = self._dock.edits.tool.layer
        return layer is not None and set(self._viewer.layers.selection) == {layer}


def _stop_watching(keys: CurationKeys, _deleted: Any = None) -> None:
    keys.watch_visibility(None)
