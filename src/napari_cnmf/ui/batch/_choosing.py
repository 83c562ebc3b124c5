"""Asks for a batch folder in a dialog, and remembers those that were open lately."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog, QWidget

from napari_cnmf.batch import Batch
from napari_cnmf.settings import change_settings, read_settings
from napari_cnmf.ui._background import call_in_background

if TYPE_CHECKING:
    from napari_cnmf.ui._session import Session


def ask_for_new_batch(
    parent: QWidget, session: Session, *, then: Callable[[], None] | None = None
) -> None:
    """Ask where a new batch goes, make it, and go on with ``then`` once it is open.

    An existing batch may be named too, and is opened. Nothing happens when the user changes their
    mind, or when the batch cannot be made.
    """
    name, _ = QFileDialog.getSaveFileName(
        parent,
        "Where should the new batch be?",
        str(Path.home() / "cnmf batch"),
        options=QFileDialog.Option.ShowDirsOnly | QFileDialog.Option.DontConfirmOverwrite,
    )
    if not name:
        return

    def opened(batch: Batch) -> None:
        session.set_batch(batch)
        if then is not None:
            then()

    call_in_background(lambda: _open_or_create(Path(name)), done=opened)


def _open_or_create(path: Path) -> Batch:
    return Batch.open(path) if (path / "batch.json").exists() else Batch.create(path)


def ask_for_batch(parent: QWidget, session: Session) -> None:
    """Ask for a batch folder and open it."""
    name = QFileDialog.getExistingDirectory(parent, "Open a batch", str(Path.home()))
    if name:
        open_batch(Path(name), session)


def open_batch(path: Path, session: Session) -> None:
    """Open a batch; reading happens off the GUI thread."""
    call_in_background(lambda: Batch.open(path), done=session.set_batch)


def recent_batches() -> list[Path]:
    """Folders of recent batches that are still there, the latest first; reads files."""
    return [path for path in map(Path, read_settings().recent_batches) if path.is_dir()]


def remember_batch(folder: Path) -> list[Path]:
    """Note that ``folder`` was opened now; returns `recent_batches`."""
    change_settings(lambda settings: settings.with_recent_batch(folder))
    return recent_batches()
