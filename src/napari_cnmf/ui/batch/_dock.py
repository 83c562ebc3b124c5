"""Dock of the batch manager: what there is to do, what is done, what went wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_warning
from qtpy.QtCore import QPoint, Qt, QTimer, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import (
    QHBoxLayout,
    QInputDialog,
    QLineEdit,
    QMenu,
    QMessageBox,
    QPushButton,
    QSplitter,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)
from superqt import QElidingLabel

from napari_cnmf.batch import Batch, Item
from napari_cnmf.batch.status import State
from napari_cnmf.ui._background import call_in_background, run_in_background
from napari_cnmf.ui._bridge import BatchBridge, RowChanges
from napari_cnmf.ui._loading import LoadedResult, load_item, load_movie
from napari_cnmf.ui._session import session_of
from napari_cnmf.ui._theme import call_later, hint_label, make_primary
from napari_cnmf.ui.batch._choosing import ask_for_batch, ask_for_new_batch
from napari_cnmf.ui.batch._details import Details, DetailsPanel, read_details
from napari_cnmf.ui.batch._rows import ItemRow
from napari_cnmf.ui.batch._table_model import BatchTableModel
from napari_cnmf.ui.batch._table_view import BatchTable

if TYPE_CHECKING:
    import napari

_NO_BATCH = "Make a new batch, or open one: a batch is a folder that keeps items and their results."
_RETRIABLE = frozenset({State.FAILED, State.CANCELLED, State.INTERRUPTED})
_LIVE = frozenset({State.QUEUED, State.WAITING, State.RUNNING})


class BatchWidget(QWidget):
    """Table of items with their state; starts, cancels, and opens what is done."""

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._session = session_of(napari_viewer)
        self._session.attach(self)
        self._bridge: BatchBridge | None = None
        self.model = BatchTableModel(self)
        self.table = BatchTable(self.model)
        self.details = DetailsPanel()
        self._path = QElidingLabel()
        self._path.setElideMode(Qt.TextElideMode.ElideLeft)
        self._filter = QLineEdit()
        self._filter.setPlaceholderText("Filter")
        self._filter.setClearButtonEnabled(True)
        self._filter.setMaximumWidth(170)
        self.new_button = _button("New…", "Make a new batch", self._new)
        self.open_button = _button("Open…", "Open a batch folder", self._open)
        self.start_button = _button("Start", "", self.start)
        make_primary(self.start_button)
        self.cancel_button = _button("Cancel", "", self.cancel)
        self.load_button = _button("Open result", "Show the result in napari", self.load)
        self._pages = QStackedWidget()
        self._lay_out()
        self._clock = QTimer(self)
        self._clock.setInterval(1000)
        self._clock.timeout.connect(self.model.touch_running)
        self._read_details_soon = call_later(self, self._read_details, 60)
        self._connect()
        self._on_batch(self._session.bridge)

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.addWidget(self.new_button)
        top.addWidget(self.open_button)
        top.addWidget(self._path, 1)
        top.addWidget(self._filter)
        top.addSpacing(8)
        for widget in (self.load_button, self.cancel_button, self.start_button):
            top.addWidget(widget)
        splitter = QSplitter(Qt.Orientation.Horizontal)
        splitter.addWidget(self.table)
        splitter.addWidget(self.details)
        self.details.setMinimumWidth(300)
        splitter.setSizes([640, 340])
        splitter.setStretchFactor(0, 1)
        self._pages.addWidget(hint_label(_NO_BATCH))
        self._pages.addWidget(splitter)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 6, 8, 6)
        layout.setSpacing(6)
        layout.addLayout(top)
        layout.addWidget(self._pages, 1)

    def _connect(self) -> None:
        self.table.opened.connect(self.open_row)
        self.table.chosen.connect(self._on_chosen)
        self.table.menu_wanted.connect(self._show_menu)
        self._filter.textChanged.connect(self.table.set_filter)
        self._session.batch_changed.connect(self._on_batch)
        self.destroyed.connect(lambda: self._session.batch_changed.disconnect(self._on_batch))

    # -- the batch

    def _new(self) -> None:
        ask_for_new_batch(self, self._session)

    def _open(self) -> None:
        ask_for_batch(self, self._session)

    def _on_batch(self, bridge: BatchBridge | None) -> None:
        self._bridge = bridge
        self.details.clear_details()
        self._pages.setCurrentIndex(0 if bridge is None else 1)
        self._path.setText("No batch is open" if bridge is None else str(bridge.batch.path))
        self._path.setToolTip(self._path.text())
        self.model.set_rows(() if bridge is None else bridge.rows)
        if bridge is not None:
            bridge.rows_changed.connect(self._on_rows)
            bridge.queue_changed.connect(self._on_queue)
        self._update_buttons()

    def _on_rows(self, changes: RowChanges) -> None:
        if self.sender() is not self._bridge:
            return
        self.model.remove_rows(changes.removed)
        self.model.update_rows(changes.changed)
        self.model.add_rows(changes.added)
        chosen = {row.uuid for row in self.table.chosen_rows()}
        if chosen & {row.uuid for row in changes.changed}:
            self._read_details_soon.start()
        self._update_buttons()

    def _on_queue(self, is_active: bool) -> None:
        if is_active:
            self._clock.start()
        else:
            self._clock.stop()
        self._update_buttons()

    # -- the selection

    def _on_chosen(self) -> None:
        self._update_buttons()
        self._read_details_soon.start()

    def _read_details(self) -> None:
        chosen = self.table.chosen_rows()
        bridge = self._bridge
        if bridge is None or len(chosen) != 1:
            self.details.clear_details()
            return
        uuid = chosen[0].uuid
        run_in_background(
            lambda: read_details(bridge.batch, uuid),
            done=self._show_details,
        )

    def _show_details(self, details: Details) -> None:
        chosen = self.table.chosen_rows()
        if len(chosen) == 1 and chosen[0].uuid == details.uuid:
            self.details.show_details(details)

    def _update_buttons(self) -> None:
        chosen = self.table.chosen_rows()
        rows = chosen or self.model.rows
        startable = [row for row in rows if row.state in (State.QUEUED, State.WAITING)]
        self.start_button.setEnabled(bool(startable))
        self.start_button.setText("Start selected" if chosen and startable else "Start all")
        self.start_button.setToolTip(f"Run {len(startable)} queued items")
        live = [row for row in rows if row.state in _LIVE]
        self.cancel_button.setEnabled(bool(live))
        self.cancel_button.setText("Cancel selected" if chosen and live else "Cancel all")
        self.cancel_button.setToolTip(f"Cancel {len(live)} items that run or wait")
        is_done = len(chosen) == 1 and chosen[0].state is State.COMPLETED
        self.load_button.setEnabled(is_done)

    # -- what the buttons do

    def start(self) -> None:
        """Run the selected items, or all when none is selected."""
        if self._bridge is not None:
            chosen = self.table.chosen_rows()
            self._bridge.start([row.uuid for row in chosen] if chosen else None)

    def cancel(self) -> None:
        """Cancel the selected items, or all when none is selected."""
        if self._bridge is None:
            return
        rows = self.table.chosen_rows() or self.model.rows
        self._bridge.cancel([row.uuid for row in rows if row.state in _LIVE])

    def load(self) -> None:
        """Open the selected item."""
        for row in self.table.chosen_rows()[:1]:
            self.open_row(row)

    def open_row(self, row: ItemRow) -> None:
        """Show the result of a completed item; say why there is none otherwise."""
        bridge = self._bridge
        if bridge is None:
            return
        if row.state is not State.COMPLETED:
            reason = f": {row.error}" if row.error else "."
            show_warning(f"{row.name} is {row.state.value}, it has no result{reason}")
            return

        def show(loaded: LoadedResult) -> None:
            for note in loaded.notes:
                show_warning(note)
            self._session.show(loaded)

        if row.algorithm == "Motion correction":
            run_in_background(
                lambda: load_movie(bridge.batch, row.uuid),
                title=row.name,
                done=self._session.show_movie,
            )
            return
        run_in_background(lambda: load_item(bridge.batch, row.uuid), title=row.name, done=show)

    # -- the menu

    def _show_menu(self, position: QPoint) -> None:
        chosen = self.table.chosen_rows()
        if self._bridge is None or not chosen:
            return
        menu = QMenu(self)
        self._fill_menu(menu, chosen)
        viewport = self.table.viewport()
        menu.exec((viewport or self.table).mapToGlobal(position))
        menu.deleteLater()

    def _fill_menu(self, menu: QMenu, chosen: list[ItemRow]) -> None:
        first, one = chosen[0], len(chosen) == 1
        entries = [
            ("Open result", self.load, one and first.state is State.COMPLETED),
            ("Start from here", lambda: self.start_from(first.uuid), one),
            ("Start selected", self.start, any(r.state in _LIVE for r in chosen)),
            ("Cancel", self.cancel, any(r.state in _LIVE for r in chosen)),
            ("Retry", self.retry, any(r.state in _RETRIABLE for r in chosen)),
            (None, None, True),
            ("Rename…", self._rename, one),
            ("Comment…", self._comment, one),
            ("Open folder", self._open_folder, one),
            (None, None, True),
            ("Delete…", self._delete, all(r.state is not State.RUNNING for r in chosen)),
        ]
        for text, action, is_possible in entries:
            if text is None or action is None:
                menu.addSeparator()
            else:
                entry = menu.addAction(text)
                if entry is not None:
                    entry.setEnabled(is_possible)
                    entry.triggered.connect(lambda _=False, act=action: act())

    def start_from(self, uuid: str) -> None:
        """Run this item and those that were added after it."""
        if self._bridge is not None:
            self._bridge.start(first=uuid)

    def retry(self) -> None:
        """Queue the selected items again and start them."""
        rows = [r for r in self.table.chosen_rows() if r.state in _RETRIABLE]
        bridge = self._bridge
        if bridge is None or not rows:
            return
        uuids = [row.uuid for row in rows]
        call_in_background(
            lambda: _for_each(bridge.batch, uuids, Item.retry),
            done=lambda _: bridge.start(uuids),
        )

    def _rename(self) -> None:
        self._ask_and_change("Rename", "Name", "name", lambda item, text: item.rename(text))

    def _comment(self) -> None:
        self._ask_and_change(
            "Comment", "Comment", "comment", lambda item, text: item.set_comment(text)
        )

    def _ask_and_change(
        self, title: str, label: str, attribute: str, change: Callable[[Item, str], None]
    ) -> None:
        bridge, rows = self._bridge, self.table.chosen_rows()
        if bridge is None or not rows:
            return
        row = rows[0]
        text, is_ok = QInputDialog.getText(self, title, label, text=getattr(row, attribute))
        if is_ok and (text or attribute == "comment"):
            call_in_background(
                lambda: change(bridge.batch[row.uuid], text), done=lambda _: bridge.look()
            )

    def _open_folder(self) -> None:
        bridge, rows = self._bridge, self.table.chosen_rows()
        if bridge is None or not rows:
            return
        uuid = rows[0].uuid
        call_in_background(
            lambda: bridge.batch[uuid].folder,
            done=_show_folder,
        )

    def _delete(self) -> None:
        """Delete the selected items with their data, after asking."""
        bridge, rows = self._bridge, self.table.chosen_rows()
        if bridge is None or not rows:
            return
        names = ", ".join(row.name for row in rows[:5]) + ("…" if len(rows) > 5 else "")
        answer = QMessageBox.question(
            self,
            "Delete items",
            f"Delete {len(rows)} items with all their results ({names})? This cannot be undone.",
        )
        if answer == QMessageBox.StandardButton.Yes:
            uuids = [row.uuid for row in rows]
            call_in_background(
                lambda: bridge.batch.remove(*uuids),
                done=lambda _: bridge.look(),
            )


def _for_each(batch: Batch, uuids: list[str], act: Callable[[Item], None]) -> None:
    for uuid in uuids:
        act(batch[uuid])


def _show_folder(folder: Path) -> None:
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))


def _button(text: str, tooltip: str, action: Callable[[], None]) -> QPushButton:
    button = QPushButton()
    button.setText(text)
    button.setToolTip(tooltip)
    button.clicked.connect(lambda _=False: action())
    return button
