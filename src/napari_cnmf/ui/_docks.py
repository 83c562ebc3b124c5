"""Opens our docks, which share the room at the window's edge as tabs."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, cast
from weakref import WeakSet

from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QDockWidget, QMainWindow, QStackedWidget, QWidget

from napari_cnmf.ui._canvas import is_open
from napari_cnmf.ui._theme import CallSoon

if TYPE_CHECKING:
    import napari

    from napari_cnmf.ui._session import Session

_DISPLAY_NAME = "CNMF"
_MOST_BELOW = 0.4
"""Share of the window's height that a dock below the canvas opens with at most."""
_AREAS = {
    "right": Qt.DockWidgetArea.RightDockWidgetArea,
    "bottom": Qt.DockWidgetArea.BottomDockWidgetArea,
}
_DOCKS = {
    "Workspace": "WorkspaceWidget",
    "CNMF parameters": "ParametersWidget",
    "Curation": "CurationWidget",
    "Batch manager": "BatchWidget",
    "Traces": "TracesWidget",
    "Plots": "PlotsWidget",
}
"""Docks that others open: class in `napari_cnmf.ui.widgets`, where the manifest names it, too. By
name, because a dock may open one that may open it."""


class Dock(QWidget):
    """Base of every dock: the root widget in napari's dock.

    napari puts docks that are opened from its menu below each other, where each has a third of the
    height it needs. When first shown, ours become tabs of one stack at their edge; whoever wants
    two side by side drags one out.
    """

    shows_components_of: Session | None = None
    """The session whose components this dock shows: the keys of the curation act here."""

    edge: Literal["right", "bottom"] = "right"
    """Edge of the window where the dock opens: what is wide and low stands below the canvas."""

    _has_place = False

    def panel_of(self, make: type[Dock]) -> Dock | None:
        """Dock of a class that this one holds: only a workspace holds others."""
        return None

    def show_panel(self, panel: Dock) -> None:
        """Show one of the docks that this one holds."""

    def move_into(self, stack: QStackedWidget) -> None:
        """Become a page of a stack instead of a dock; the dock that it was in goes."""
        self._has_place = False  # to be without a parent for a moment is no end
        dock, window = dock_of(self), self.window()
        self.setParent(stack)
        if dock is not None and window is not None:
            _remove(dock, window)
        self._has_place = True
        stack.addWidget(self)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Become a tab of the stack at this edge when the dock is first shown."""
        super().showEvent(event)
        if not self._has_place:
            # napari puts the dock into the window after it has shown the widget.
            CallSoon(self, self.take_place).start()

    def changeEvent(self, event: QEvent | None) -> None:
        """Go when the dock is closed: napari deletes the dock and lets go of what was in it.

        Left to Python's collector it would watch and draw on, and never say that it is gone.
        """
        super().changeEvent(event)
        is_moved = event is not None and event.type() == QEvent.Type.ParentChange
        if is_moved and self._has_place and self.parentWidget() is None:
            self.deleteLater()

    def take_place(self) -> None:
        """Become a tab of the stack at this edge, once."""
        dock = dock_of(self)
        window = None if dock is None else dock.parentWidget()
        if dock is None or not isinstance(window, QMainWindow) or self._has_place:
            return
        self._has_place = True
        area = _AREAS[self.edge]
        if self.edge == "bottom":
            give_columns_the_height(window)
        if window.dockWidgetArea(dock) != area:
            # napari's menu puts every dock at the right.
            window.addDockWidget(area, dock)
            CallSoon(self, partial(_leave_the_canvas_its_height, window, dock)).start()
        if (home := _home_of(window, type(self))) is not None:
            # The workspace has one already, at its place in it.
            home.show_panel(home.panel_of(type(self)) or self)
            _remove(dock, window)
            return
        if (twin := _twin_of(self, window)) is not None:
            # napari knows a dock by its name, which differs between its menu and its functions.
            bring_to_front(twin)
            _remove(dock, window)
            return
        for other in window.findChildren(QDockWidget):
            if other is dock or other.findChild(Dock) is None:
                continue
            # Qt reports the area of a closed dock too.
            if not _is_closed(other) and window.dockWidgetArea(other) == area:
                window.tabifyDockWidget(other, dock)
                bring_to_front(self)
                return


def give_columns_the_height(window: QMainWindow) -> None:
    """Let docks at the left and right reach the window's bottom, beside those below the canvas.

    In a small window napari's column of layers and ours need all of its height.
    """
    window.setCorner(Qt.Corner.BottomLeftCorner, Qt.DockWidgetArea.LeftDockWidgetArea)
    window.setCorner(Qt.Corner.BottomRightCorner, Qt.DockWidgetArea.RightDockWidgetArea)


def _leave_the_canvas_its_height(window: QMainWindow, dock: QDockWidget) -> None:
    """Make a dock below the canvas lower, where it came with more than its share."""
    most = round(_MOST_BELOW * window.height())
    if dock.height() > most:
        window.resizeDocks([dock], [most], Qt.Orientation.Vertical)


def _home_of(window: QMainWindow, make: type[Dock]) -> Dock | None:
    """Workspace of a window, where it holds a dock of this class."""
    homes = window.findChildren(Dock)
    return next((home for home in homes if home.panel_of(make) is not None), None)


def _twin_of(dock: Dock, window: QMainWindow) -> Dock | None:
    """Another dock of the same class in a window, shown again if it was hidden."""
    for other in window.findChildren(type(dock)):
        holder = dock_of(other)
        if other is not dock and type(other) is type(dock) and holder is not None:
            holder.show()
            return other
    return None


def _remove(dock: QDockWidget, window: QWidget) -> None:
    """Close a dock as napari does, so that its menu opens another one."""
    close = getattr(dock, "destroyOnClose", None)
    if close is not None:
        close()
    else:
        cast(QMainWindow, window).removeDockWidget(dock)


def _is_closed(dock: QDockWidget) -> bool:
    """Whether a user closed the dock; one that was just added is not visible yet either."""
    return dock.isHidden() and dock.testAttribute(Qt.WidgetAttribute.WA_WState_ExplicitShowHide)


def open_dock(viewer: napari.Viewer, make: type[Dock], title: str) -> Any:
    """Show a dock, the one that is there or a new one at its edge."""
    for widget in viewer.window.dock_widgets.values():
        if isinstance(widget, Dock) and (panel := widget.panel_of(make)) is not None:
            if (home := dock_of(widget)) is not None:
                home.show()
            widget.show_panel(panel)
            return panel
        if type(widget) is make:
            if (dock := dock_of(widget)) is not None:
                dock.show()
            return widget
    widget = make(viewer)
    # The name that docks of a plugin get from the menu: it finds ours instead of making another.
    viewer.window.add_dock_widget(widget, name=f"{title} ({_DISPLAY_NAME})", area=make.edge)
    widget.take_place()
    return widget


def dock_of(widget: QWidget) -> QDockWidget | None:
    """Napari's dock that holds a widget."""
    parent = widget.parentWidget()
    while parent is not None and not isinstance(parent, QDockWidget):
        parent = parent.parentWidget()
    return parent


def bring_to_front(widget: QWidget) -> None:
    """Show the dock that holds ``widget``, in a stack of tabs or in the workspace."""
    if isinstance(widget, Dock):
        parent = widget.parentWidget()
        while parent is not None:
            if isinstance(parent, Dock):
                parent.show_panel(widget)
            parent = parent.parentWidget()
    if (dock := dock_of(widget)) is not None:
        dock.raise_()
        # Qt lays a dock that has just become a tab out later, and shows the tab before it.
        CallSoon(widget, dock.raise_).start()


def show_docks(viewer: napari.Viewer) -> dict[str, Any]:
    """Open the workspace, with batch and traces below the canvas; what is there stays."""
    workspace = _opened(viewer, "Workspace")
    below = {title: _opened(viewer, title) for title in ("Batch manager", "Traces")}
    return {
        "Workspace": workspace,
        "CNMF parameters": workspace.form,
        "Curation": workspace.curation,
        **below,
    }


def show_dock(viewer: napari.Viewer, title: str) -> Any:
    """Show one dock by its name in the menu, and return its widget."""
    widget = _opened(viewer, title)
    bring_to_front(widget)
    return widget


def _opened(viewer: napari.Viewer, title: str) -> Any:
    make = getattr(import_module("napari_cnmf.ui.widgets"), _DOCKS[title])
    return open_dock(viewer, make, title)


_offered: WeakSet[Any] = WeakSet()


def offer_workspace() -> None:
    """Offer the workspace, once, in a viewer that has a recording and none of our docks."""
    import napari
    from napari.utils.notifications import Notification, notification_manager

    viewer: Any = napari.current_viewer()
    viewer = getattr(viewer, "__wrapped__", viewer)
    window = getattr(viewer, "window", None)
    if window is None or viewer in _offered:
        return
    if any(isinstance(dock, Dock) for dock in window.dock_widgets.values()):
        return
    _offered.add(viewer)

    def open_it(_toast: Any = None) -> None:
        if is_open(viewer):
            show_docks(viewer)

    notification_manager.dispatch(
        Notification(
            "Find cells in this recording: the workspace leads from here to exported traces.",
            "info",
            actions=[("Open workspace", open_it)],
        )
    )
