"""Row for where an item goes: the batch that is open, or a proposed folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QWidget
from superqt import QElidingLabel

from napari_cnmf.batch import Batch
from napari_cnmf.errors import CnmfError
from napari_cnmf.ui._background import call_in_background
from napari_cnmf.ui._parts import fill, tool_button
from napari_cnmf.ui._theme import connect_while_alive
from napari_cnmf.ui.batch._choosing import ask_for_new_batch, recent_batches, remember_batch
from napari_cnmf.ui.forms._input import ChosenInput, FileInput, ItemInput

if TYPE_CHECKING:
    from napari_cnmf.ui._session import Session

_FOLDER = "cnmf batch"


class BatchRow(QWidget):
    """Row that names the batch folder, or proposes one and makes it when it is needed.

    A batch that was used lately is proposed again for the movies beside it and below its folder.
    """

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._movie_folder: Path | None = None
        self._is_of_batch = False
        self._recent: list[Path] = []
        self.label = QElidingLabel()
        self.label.setElideMode(Qt.TextElideMode.ElideMiddle)
        self.button = tool_button(
            "Change…",
            "Choose another folder, of a new batch or of one that is there",
            lambda: ask_for_new_batch(self, session),
        )
        fill(QHBoxLayout(self), (self.label, 1), self.button, margins=0)
        connect_while_alive(self, (session.batch_changed, self._show))
        call_in_background(recent_batches, done=self._on_recent)
        self._show()

    def _on_recent(self, folders: list[Path]) -> None:
        self._recent = folders
        self._show()

    def set_input(self, chosen: ChosenInput | None) -> None:
        """Propose a folder for this movie."""
        self._movie_folder = chosen.paths[0].parent if isinstance(chosen, FileInput) else None
        self._is_of_batch = isinstance(chosen, ItemInput)
        self._show()

    @property
    def proposal(self) -> Path:
        """Folder of the batch that is made when none is open."""
        folder = self._movie_folder
        if folder is None:
            return self._recent[0] if self._recent else Path.home() / _FOLDER
        for recent in self._recent:
            if recent.parent == folder or recent.parent in folder.parents:
                return recent
        return folder / _FOLDER

    @property
    def _is_for_this_movie(self) -> bool:
        """Whether the batch that is open is the one to add to.

        That of the last time is open to be looked at; a movie of another folder gets its own.
        """
        batch = self._session.batch
        if batch is None:
            return False
        is_chosen = self._is_of_batch or not self._session.batch_is_restored
        return is_chosen or batch.path == self.proposal

    def _show(self, _bridge: object = None) -> None:
        batch = self._session.batch
        is_chosen = batch is not None and self._is_for_this_movie
        path = batch.path if batch is not None and is_chosen else self.proposal
        self.label.setText(str(path))
        what = "The batch that is open" if is_chosen else "Adding opens or makes this batch"
        self.label.setToolTip(f"{what}:\n{path}")

    def with_batch(self, action: Callable[[], None]) -> None:
        """Call ``action`` once a batch is open: the one that is, or the one that is proposed.

        Where the proposed folder cannot be written to, the user is asked for another.
        """
        if self._is_for_this_movie:
            action()
            return
        path = self.proposal

        def open_or_create() -> Batch | None:
            try:
                there = (path / "batch.json").exists()
                batch = Batch.open(path) if there else Batch.create(path)
            except CnmfError:
                return None  # asked for then
            remember_batch(path)
            return batch

        def opened(batch: Batch | None) -> None:
            if batch is None:
                ask_for_new_batch(self, self._session, then=action)
                return
            self._session.set_batch(batch)
            action()

        call_in_background(open_or_create, done=opened)
