"""Dialogs that choose a batch folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog, QWidget

from napari_cnmf.batch import Batch
from napari_cnmf.errors import CnmfError
from napari_cnmf.ui._background import call_in_background, report

if TYPE_CHECKING:
    from napari_cnmf.ui._session import Session


def ask_for_new_batch(parent: QWidget, session: Session) -> bool:
    """Ask where a new batch goes and make it; false when the user changed their mind.

    An existing batch may be named too, and is opened.
    """
    name, _ = QFileDialog.getSaveFileName(
        parent,
        "Where should the new batch be?",
        str(Path.home() / "cnmf batch"),
        options=QFileDialog.Option.ShowDirsOnly | QFileDialog.Option.DontConfirmOverwrite,
    )
    if not name:
        return False
    path = Path(name)
    try:
        is_batch = (path / "batch.json").exists()
        session.set_batch(Batch.open(path) if is_batch else Batch.create(path))
    except CnmfError as error:
        report(error)
        return False
    return True


def ask_for_batch(parent: QWidget, session: Session) -> None:
    """Ask for a batch folder and open it."""
    name = QFileDialog.getExistingDirectory(parent, "Open a batch", str(Path.home()))
    if name:
        open_batch(Path(name), session)


def open_batch(path: Path, session: Session) -> None:
    """Open a batch; reading happens off the GUI thread."""
    call_in_background(lambda: Batch.open(path), done=session.set_batch)
