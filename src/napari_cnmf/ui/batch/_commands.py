"""Runs the batch manager's actions on the selected items."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_warning
from qtpy.QtCore import QObject, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QMessageBox, QWidget

from napari_cnmf.batch import Batch, Item
from napari_cnmf.batch.status import RETRIABLE, State
from napari_cnmf.ui._background import call_in_background, run_in_background
from napari_cnmf.ui._docks import show_dock
from napari_cnmf.ui._loading import LoadedResult, finish, load_input, load_item, load_movie
from napari_cnmf.ui.batch._actions import LIVE, can_compare
from napari_cnmf.ui.batch._rows import ALGORITHM_TITLES, ItemRow

if TYPE_CHECKING:
    from napari_cnmf.ui._bridge import BatchBridge
    from napari_cnmf.ui._session import Session


class BatchCommands(QObject):
    """Commands on items; every one is harmless while no batch is open."""

    def __init__(
        self, session: Session, chosen: Callable[[], list[ItemRow]], window: QWidget
    ) -> None:
        super().__init__(window)
        self._session = session
        self._chosen = chosen
        self._window = window
        self._writing = threading.Lock()

    @property
    def _bridge(self) -> BatchBridge | None:
        return self._session.bridge

    def _uuids(self, states: frozenset[State] | None = None) -> list[str]:
        return [row.uuid for row in self._chosen() if states is None or row.state in states]

    def _on_batch(
        self, act: Callable[[Batch], Any], done: Callable[[Any], object] | None = None
    ) -> None:
        """Call ``act(batch)`` off the GUI thread, then look at what changed."""
        bridge = self._bridge
        if bridge is None:
            return

        def on_done(value: Any) -> None:
            bridge.look()
            if done is not None:
                done(value)

        call_in_background(lambda: act(bridge.batch), done=on_done)

    # -- running

    def start_all(self) -> None:
        """Run everything that is queued."""
        if self._bridge is not None:
            self._bridge.start()

    def start_here(self) -> None:
        """Run the selected item and those that were added after it."""
        uuids = self._uuids()
        if self._bridge is not None and len(uuids) == 1:
            self._bridge.start(first=uuids[0])

    def start(self) -> None:
        """Run the selected items."""
        uuids = self._uuids()
        if self._bridge is not None and uuids:
            self._bridge.start(uuids)

    def cancel(self) -> None:
        """Cancel the selected items."""
        uuids = self._uuids(LIVE)
        if self._bridge is not None and uuids:
            self._bridge.cancel(uuids)

    def cancel_all(self) -> None:
        """Cancel everything that runs or is queued."""
        if self._bridge is not None:
            self._bridge.cancel_all()

    def retry(self) -> None:
        """Queue the selected items again and start them."""
        uuids, bridge = self._uuids(RETRIABLE), self._bridge
        if bridge is not None and uuids:
            self._on_batch(
                lambda batch: _for_each(batch, uuids, Item.retry),
                lambda _: bridge.start(uuids),
            )

    def run_again(self) -> None:
        """Add a completed item once more, and start it."""
        from napari_cnmf.ui.forms._request import add_request, request_of

        uuids, bridge = self._uuids(frozenset({State.COMPLETED})), self._bridge
        if bridge is not None and uuids:
            self._on_batch(
                lambda batch: finish(add_request(batch, request_of(batch[uuids[0]]))),
                lambda added: bridge.start([added.uuid]),
            )

    # -- looking

    def load(self) -> None:
        """Open the result of the selected item."""
        for row in self._chosen()[:1]:
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

        if row.algorithm == ALGORITHM_TITLES["mcorr"]:
            self._show_movie(row, load_movie)
        else:
            run_in_background(lambda: load_item(bridge.batch, row.uuid), title=row.name, done=show)

    def view_input(self) -> None:
        """Show the movie that the selected item works on."""
        for row in self._chosen()[:1]:
            self._show_movie(row, load_input)

    def _show_movie(
        self, row: ItemRow, load: Callable[[Batch, str], Generator[str, None, Any]]
    ) -> None:
        bridge = self._bridge
        if bridge is not None:
            run_in_background(
                lambda: load(bridge.batch, row.uuid),
                title=row.name,
                done=self._session.show_movie,
            )

    def compare(self) -> None:
        """Lay the selected results side by side."""
        from napari_cnmf.ui.batch._compare import compare_items

        uuids = [row.uuid for row in self._chosen() if can_compare(row)]
        if self._bridge is not None and len(uuids) >= 2:
            compare_items(self._session, self._bridge.batch, uuids)

    def open_folder(self) -> None:
        """Show the selected item's folder in the file manager."""
        uuids = self._uuids()
        if uuids:
            self._on_batch(lambda batch: batch[uuids[0]].folder, show_folder)

    # -- adding

    def duplicate(self) -> None:
        """Open the form with the movie and parameters of the selected item."""
        from napari_cnmf.ui.forms._request import Request, request_of

        uuids = self._uuids()

        def show(request: Request) -> None:
            show_dock(self._session.viewer, "CNMF parameters").show_request(request)

        if uuids:
            self._on_batch(lambda batch: request_of(batch[uuids[0]]), show)

    def variants(self) -> None:
        """Open the grid editor on the selected item."""
        from napari_cnmf.ui.forms._request import request_of
        from napari_cnmf.ui.grid import edit_grid

        uuids = self._uuids()
        if uuids:
            self._on_batch(
                lambda batch: request_of(batch[uuids[0]]),
                lambda request: edit_grid(self._session, request),
            )

    # -- changing

    def change_text(self, uuid: str, what: str, text: str) -> None:
        """Set the ``name`` or the ``comment`` of an item."""
        text = text.strip()

        def change(batch: Batch) -> None:
            # Two edits in a row are two threads, and each writes the whole file.
            with self._writing:
                item = batch[uuid]
                item.set_comment(text) if what == "comment" else item.rename(text)

        if text or what == "comment":
            self._on_batch(change)

    def delete(self) -> None:
        """Delete the selected items with their data, and what depends on them, after asking."""
        uuids = self._uuids()
        if uuids:
            self._on_batch(lambda batch: _family(batch, uuids), self._confirm_delete)

    def _confirm_delete(self, family: _Family) -> None:
        doomed = f"{family.first} and all its data"
        if family.n_chosen > 1:
            doomed = f"{family.n_chosen} items ({family.first}, …) and all their data"
        n_more = len(family.uuids) - family.n_chosen
        more = f"\n\n{n_more} more that take their input from there go too." if n_more else ""
        answer = QMessageBox.question(
            self._window,
            "Delete items",
            f"Delete {doomed}? Results and decisions cannot be brought back.{more}",
        )
        if answer == QMessageBox.StandardButton.Yes:
            self._on_batch(lambda batch: batch.remove(*family.uuids))

    # -- the batch itself

    def open_batch_folder(self) -> None:
        """Show the batch in the file manager."""
        if self._bridge is not None:
            show_folder(self._bridge.batch.path)


def _for_each(batch: Batch, uuids: Iterable[str], act: Callable[[Item], None]) -> None:
    for uuid in uuids:
        act(batch[uuid])


@dataclass(frozen=True)
class _Family:
    """Items to be deleted: those that were asked for first, then all that depend on them."""

    uuids: tuple[str, ...]
    n_chosen: int
    first: str


def _family(batch: Batch, uuids: list[str]) -> _Family:
    family = [batch[uuid] for uuid in uuids]
    for item in family:  # grows while it is walked: children of children too
        family += [child for child in batch.children(item) if child not in family]
    return _Family(tuple(item.uuid for item in family), len(uuids), family[0].name)


def show_folder(folder: Path) -> None:
    """Open a folder in the file manager of the desktop."""
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))
