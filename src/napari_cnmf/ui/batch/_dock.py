"""Dock of the batch manager: what there is to do, what is done, what went wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QMimeData, QPoint, QSize, Qt, QTimer, Signal
from qtpy.QtGui import QDragEnterEvent, QDropEvent, QResizeEvent
from qtpy.QtWidgets import (
    QHBoxLayout,
    QLineEdit,
    QMenu,
    QSizePolicy,
    QSplitter,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QFlowLayout

from napari_cnmf.batch.status import State
from napari_cnmf.batch.store import BATCH_FILE
from napari_cnmf.io.movies import natural_key
from napari_cnmf.settings import read_settings
from napari_cnmf.ui._background import call_in_background, run_in_background
from napari_cnmf.ui._bridge import BatchBridge, RowChanges
from napari_cnmf.ui._docks import Dock, show_dock
from napari_cnmf.ui._parts import fill, hint_label
from napari_cnmf.ui._session import session_of
from napari_cnmf.ui._theme import call_later, connect_while_alive, drop_position
from napari_cnmf.ui.batch._actions import Scene
from napari_cnmf.ui.batch._choosing import (
    ask_for_batch,
    ask_for_new_batch,
    open_batch,
    recent_batches,
    remember_batch,
)
from napari_cnmf.ui.batch._commands import BatchCommands
from napari_cnmf.ui.batch._details import DetailsPanel
from napari_cnmf.ui.batch._menus import BatchMenus
from napari_cnmf.ui.batch._missing import MissingMovies
from napari_cnmf.ui.batch._read_details import Details, read_details, read_pictures
from napari_cnmf.ui.batch._rows import ItemRow
from napari_cnmf.ui.batch._states import state_icon
from napari_cnmf.ui.batch._table_model import BatchTableModel, Column
from napari_cnmf.ui.batch._table_view import BatchTable
from napari_cnmf.ui.forms._input import FileInput

if TYPE_CHECKING:
    import napari


def dropped_paths(data: QMimeData | None) -> tuple[Path, ...]:
    """Files and folders of a drag, in natural order; empty when it holds something else."""
    if data is None or not data.hasUrls():
        return ()
    names = [url.toLocalFile() for url in data.urls() if url.isLocalFile()]
    return tuple(sorted((Path(name) for name in names if name), key=lambda p: natural_key(p.name)))


def batch_among(paths: Sequence[Path]) -> Path | None:
    """Batch that was dropped, by its folder or by its ``batch.json``; reads the disk."""
    for path in paths:
        folder = path.parent if path.name == BATCH_FILE else path
        if (folder / BATCH_FILE).is_file():
            return folder
    return None


_ORDER = (
    State.RUNNING,
    State.QUEUED,
    State.WAITING,
    State.COMPLETED,
    State.FAILED,
    State.INTERRUPTED,
    State.CANCELLED,
)
_STYLE = (
    "QToolButton { border: none; background: transparent; padding: 2px 3px; }"
    "QToolButton:hover { background: rgba(128, 128, 128, 50); border-radius: 3px; }"
    "QToolButton:checked { background: rgba(128, 128, 128, 90); border-radius: 3px; }"
)


class StateCounts(QWidget):
    """A small button for each state that an item is in."""

    filtered = Signal(object)
    """The states to show, a frozenset; empty for all."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        self.buttons = {state: self._make(state) for state in _ORDER}
        for button in self.buttons.values():
            layout.addWidget(button)

    def _make(self, state: State) -> QToolButton:
        button = QToolButton()
        button.setIcon(state_icon(state))
        button.setIconSize(QSize(16, 16))
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        button.setCheckable(True)
        button.setStyleSheet(_STYLE)
        button.toggled.connect(lambda _: self.filtered.emit(self.states))
        button.hide()
        return button

    @property
    def states(self) -> frozenset[State]:
        """States that were clicked; empty for all."""
        return frozenset(state for state, b in self.buttons.items() if b.isChecked())

    def show_rows(self, rows: Iterable[ItemRow]) -> None:
        """Count items; a state without any is not shown, and no longer asked for."""
        counts = Counter(row.state for row in rows)
        for state, button in self.buttons.items():
            n = counts[state]
            button.setVisible(n > 0)
            button.setText(f"{n:,}")
            button.setToolTip(f"{n:,} {state.value}: click to show these alone")
            if not n:
                button.setChecked(False)


_NO_BATCH = (
    "A batch is a folder that keeps items and their results.\n\n"
    "Make a new one or open one from the menu above, or drop its folder here."
)
_MOST_IN_DETAIL = 6
_NARROW_PX, _LOW_PX = 720, 320
"""A dock of less width puts the details below the table, unless it is lower than that."""


class BatchWidget(Dock):
    """Table of items with their state; starts, cancels, and opens what is done."""

    edge = "bottom"

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self._session = session_of(napari_viewer)
        self._session.attach(self)
        self._bridge: BatchBridge | None = None
        self.model = BatchTableModel(self)
        self.table = BatchTable(self.model)
        self.details = DetailsPanel()
        self.counts = StateCounts()
        self.missing = MissingMovies(self._session, self)
        self.filter = QLineEdit()
        self.filter.setPlaceholderText("Filter")
        self.filter.setClearButtonEnabled(True)
        self.filter.setFixedWidth(150)
        self.commands = BatchCommands(self._session, self.table.chosen_rows, self)
        self.menus = BatchMenus(self)
        self._splitter = QSplitter(Qt.Orientation.Horizontal)
        self._pages = QStackedWidget()
        self._lay_out()
        self.setAcceptDrops(True)
        self._clock = QTimer(self)
        self._clock.setInterval(1000)
        self._clock.timeout.connect(self._on_second)
        self._clock.start()
        self._read_details_soon = call_later(self, self._read_details, 60)
        self._update_soon = call_later(self, self._update, 30)
        self._connect()
        call_in_background(lambda: read_settings().keys, done=self.menus.set_keys)
        call_in_background(recent_batches, done=self.menus.list_recent)
        self._on_batch(self._session.bridge)

    def _lay_out(self) -> None:
        top = QWidget()
        # Wraps where the dock is narrow, instead of asking for more room.
        row = QFlowLayout(top)
        row.setContentsMargins(0, 0, 0, 0)
        menus = self.menus
        for widget in (
            menus.batch_button,
            menus.start_button,
            menus.cancel_button,
            menus.load_button,
            menus.item_button,
            self.filter,
            self.counts,
        ):
            row.addWidget(widget)
        self._splitter.addWidget(self.table)
        self._splitter.addWidget(self.details)
        self.details.setMinimumWidth(200)
        # The highest of its pages must not take the canvas's room below which the dock lies.
        self.details.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Ignored)
        self._splitter.setSizes([640, 340])
        # Logs and tracebacks are wide; what the table does not need for names is theirs.
        self._splitter.setStretchFactor(0, 3)
        self._splitter.setStretchFactor(1, 2)
        self._pages.addWidget(hint_label(_NO_BATCH))
        self._pages.addWidget(self._splitter)
        fill(
            QVBoxLayout(self), top, self.missing, (self._pages, 1), margins=(8, 6, 8, 6), spacing=6
        )

    def _connect(self) -> None:
        self.table.opened.connect(self.commands.open_row)
        self.table.chosen.connect(self._on_chosen)
        self.table.menu_wanted.connect(self._show_menu)
        self.model.edited.connect(self.commands.change_text)
        self.filter.textChanged.connect(self.table.set_filter)
        self.counts.filtered.connect(self.table.set_states)
        self.details.currentChanged.connect(lambda _: self._read_pictures())
        connect_while_alive(self, (self._session.batch_changed, self._on_batch))

    # -- the batch

    def new_batch(self) -> None:
        """Ask for a folder and make a batch there."""
        ask_for_new_batch(self, self._session)

    def open_batch(self) -> None:
        """Ask for a batch folder and open it."""
        ask_for_batch(self, self._session)

    def open_recent(self, folder: Path) -> None:
        """Open a batch from the menu."""
        open_batch(folder, self._session)

    def _on_batch(self, bridge: BatchBridge | None) -> None:
        self._bridge = bridge
        self.details.clear_details()
        self._pages.setCurrentIndex(0 if bridge is None else 1)
        self.model.set_rows(() if bridge is None else bridge.rows)
        self.missing.look()
        if bridge is not None:
            bridge.rows_changed.connect(self._on_rows)
            bridge.queue_changed.connect(lambda _: self._update_soon.start())
            path = bridge.batch.path
            call_in_background(lambda: remember_batch(path), done=self.menus.list_recent)
        self.menus.show_batch(None if bridge is None else bridge.batch.path)
        self._update()

    def _on_rows(self, changes: RowChanges) -> None:
        if self.sender() is not self._bridge:
            return
        self.model.remove_rows(changes.removed)
        self.model.update_rows(changes.changed)
        self.model.add_rows(changes.added)
        chosen = {row.uuid for row in self.table.chosen_rows()}
        if chosen & {row.uuid for row in changes.changed}:
            self._read_details_soon.start()
        self._update_soon.start()

    def _on_second(self) -> None:
        """Renew the time of running items, and the log, every second."""
        self.model.touch_running()
        if any(row.state.value == "running" for row in self.table.chosen_rows()[:1]):
            self._read_details_soon.start()

    # -- the selection

    def _on_chosen(self) -> None:
        self._update_soon.start()
        self._read_details_soon.start()

    def _read_details(self) -> None:
        uuids = [row.uuid for row in self.table.chosen_rows()[:_MOST_IN_DETAIL]]
        bridge = self._bridge
        if bridge is None or not uuids:
            self.details.clear_details()
            return
        run_in_background(lambda: read_details(bridge.batch, uuids), done=self._show_details)

    def _show_details(self, details: tuple[Details, ...]) -> None:
        chosen = [row.uuid for row in self.table.chosen_rows()[:_MOST_IN_DETAIL]]
        if chosen == [each.uuid for each in details]:
            self.details.show_details(details)
            self._read_pictures()

    def _read_pictures(self) -> None:
        chosen, bridge = self.table.chosen_rows(), self._bridge
        if bridge is None or len(chosen) != 1 or not self.details.wants_pictures:
            return
        uuid = chosen[0].uuid
        run_in_background(
            lambda: read_pictures(bridge.batch, uuid), done=self.details.show_pictures
        )

    @property
    def scene(self) -> Scene:
        """State that the actions depend on."""
        return Scene(tuple(self.table.chosen_rows()), self.model.rows)

    def _update(self) -> None:
        """Enable what can be done now, and count how many items are in each state."""
        self.counts.show_rows(self.model.rows)
        self.menus.update_actions(self.scene, has_batch=self._bridge is not None)

    # -- what the actions need of the dock

    def rename(self) -> None:
        """Begin typing another name into the table."""
        self._edit(Column.NAME)

    def comment(self) -> None:
        """Begin typing a comment into the table."""
        self._edit(Column.COMMENT)

    def _edit(self, column: Column) -> None:
        for row in self.table.chosen_rows()[:1]:
            self.table.edit_text(row.uuid, column)

    def go_to_filter(self) -> None:
        """Put the keyboard into the filter."""
        self.filter.setFocus()
        self.filter.selectAll()

    def _show_menu(self, position: QPoint) -> None:
        viewport = self.table.viewport()
        if self._bridge is not None and self.table.chosen_rows() and viewport is not None:
            self._update()
            self.menus.item_menu.popup(viewport.mapToGlobal(position))

    # -- dropping

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        """Accept a drag that holds files or folders."""
        if event is not None and dropped_paths(event.mimeData()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:
        """Open a batch that is dropped; hand movies to the form or the grid editor."""
        if event is None:
            return
        paths = dropped_paths(event.mimeData())
        event.acceptProposedAction()
        where = self.mapToGlobal(drop_position(event))

        def take(batch: Path | None) -> None:
            if batch is not None:
                open_batch(batch, self._session)
            elif len(paths) == 1:
                self._add_movie(paths)
            else:
                self._ask_about_movies(paths, where)

        call_in_background(lambda: batch_among(paths), done=take)

    def _add_movie(self, paths: tuple[Path, ...]) -> None:
        show_dock(self._session.viewer, "CNMF parameters").show_movie(FileInput(paths))

    def _add_movies(self, paths: tuple[Path, ...]) -> None:
        from napari_cnmf.ui.grid import edit_grid

        form = show_dock(self._session.viewer, "CNMF parameters")
        edit_grid(self._session, form.draft(), movies=[FileInput((path,)) for path in paths])

    def _ask_about_movies(self, paths: tuple[Path, ...], where: QPoint) -> None:
        """Ask whether several files are one session or a movie each, which only the user knows."""
        menu = self.drop_menu = QMenu(self)
        names = f"{paths[0].name} … {paths[-1].name}"
        for text, act in (
            (f"One session of {len(paths)} files, in this order: {names}", self._add_movie),
            (f"{len(paths)} movies, an item for each…", self._add_movies),
        ):
            entry = menu.addAction(text)
            if entry is not None:
                entry.triggered.connect(lambda _=False, act=act: act(paths))
        menu.popup(where)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Put the details below the table where the dock is narrow."""
        super().resizeEvent(event)
        is_narrow = self.width() < _NARROW_PX and self.height() > _LOW_PX
        self._splitter.setOrientation(
            Qt.Orientation.Vertical if is_narrow else Qt.Orientation.Horizontal
        )
