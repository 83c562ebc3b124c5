"""Tells that movies are not where they were, and offers to look for them."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING

from napari.utils.notifications import show_info, show_warning
from qtpy.QtWidgets import QFileDialog, QFrame, QHBoxLayout, QLabel, QWidget

from napari_cnmf.ui._background import call_in_background, run_in_background
from napari_cnmf.ui._parts import fill, tool_button
from napari_cnmf.ui._theme import WARNING_COLOR, style_tool_button

if TYPE_CHECKING:
    from napari_cnmf.batch import Batch
    from napari_cnmf.ui._session import Session

Missing = dict[str, list[str]]


class MissingMovies(QFrame):
    """A strip above the table; hidden while every movie is there."""

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(parent)
        self._session = session
        self.label = QLabel()
        self.label.setStyleSheet(f"color: {WARNING_COLOR};")
        self.label.setWordWrap(True)
        self.locate_button = tool_button(
            "Locate…", "Choose a folder; the movies are looked for in and below it", self.locate
        )
        close = tool_button("✕", "Hide this until the batch is opened again", self.hide)
        for button in (self.locate_button, close):
            style_tool_button(button)
        fill(QHBoxLayout(self), (self.label, 1), self.locate_button, close, margins=(4, 0, 4, 0))
        self.hide()

    def look(self) -> None:
        """Check the movies of the batch that is open now."""
        self.hide()
        batch = self._session.batch
        if batch is not None:
            call_in_background(batch.missing_movies, done=lambda found: self._show(batch, found))

    def _show(self, batch: Batch, missing: Missing) -> None:
        if batch is not self._session.batch:
            return
        self.setVisible(bool(missing))
        if missing:
            names = sorted({PureWindowsPath(paths[0]).name for paths in missing.values()})
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            n = f"{len(missing)} items" if len(missing) > 1 else "one item"
            self.label.setText(
                f"The movie of {n} is not where it was: {', '.join(names[:3])}{more}."
            )
            self.label.setToolTip("\n".join(path for paths in missing.values() for path in paths))

    def locate(self) -> None:
        """Ask for a folder and look for the movies there."""
        batch = self._session.batch
        if batch is None:
            return
        folder = QFileDialog.getExistingDirectory(
            self, "Where are the movies now?", str(batch.path.parent)
        )
        if not folder:
            return

        def show(outcome: tuple[int, Missing]) -> None:
            n_found, still_missing = outcome
            if still_missing:
                show_warning(
                    f"Found the movies of {n_found} items below {folder}; "
                    f"those of {len(still_missing)} are not there."
                )
            else:
                show_info(f"Every movie is found ({n_found} items mended).")
            if self._session.bridge is not None:
                self._session.bridge.look()
            self._show(batch, still_missing)

        run_in_background(lambda: _locate(batch, Path(folder)), title="Locating movies", done=show)


def _locate(batch: Batch, folder: Path) -> Generator[str, None, tuple[int, Missing]]:
    yield f"looking below {folder}"
    n_found = len(batch.locate(folder))
    yield "checking"
    return n_found, batch.missing_movies()
