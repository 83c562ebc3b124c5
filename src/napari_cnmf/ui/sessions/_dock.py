"""Dock that finds the same cells in several results and lets a curator correct them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.notifications import show_info
from numpy.typing import NDArray
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QFileDialog,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QSizePolicy,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from napari_cnmf.errors import CnmfError, CurationError
from napari_cnmf.io.matching import (
    MatchedSessions,
    forget_unsaved,
    keep_unsaved,
    match_sessions,
    name_of,
    read_matches,
    read_unsaved,
    write_matches,
    write_matches_csv,
)
from napari_cnmf.ui._background import call_in_background, report, run_in_background
from napari_cnmf.ui._docks import Dock
from napari_cnmf.ui._frame_table import FrameTable
from napari_cnmf.ui._numbers import DecimalBox
from napari_cnmf.ui._parts import fill, in_lines, in_row, push_button, text_label, with_tip
from napari_cnmf.ui._session import session_of
from napari_cnmf.ui._theme import CallSoon, make_primary
from napari_cnmf.ui.sessions._layers import MatchLayers

if TYPE_CHECKING:
    from collections.abc import Generator

    import napari

_FIRST_SESSION_COLUMN = 4
"""After cell, n_sessions, score, state."""
_KINDS = "Results (*.hdf5 *.h5 *.nwb *.npy);;All files (*)"
_Shown = tuple[MatchedSessions, list[NDArray[np.int32]], Any]


class SessionsWidget(Dock):
    """Dock of results of one field in order, their matches as a table, and edits of them."""

    edge = "bottom"

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self._session = session_of(napari_viewer)
        self._layers = MatchLayers(self._session.viewer)
        self._stop: Callable[[], None] | None = None
        self.matched: MatchedSessions | None = None
        self._numbers: list[int] = []
        self._selected: list[int] = []
        self.results = with_tip(
            QListWidget(), "Results of one field, the reference first. Drag to reorder."
        )
        self.results.setDragDropMode(QAbstractItemView.DragDropMode.InternalMove)
        self.results.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.rejected = with_tip(QCheckBox("rejected too"), "Match rejected components too")
        self.min_probability = DecimalBox()
        self.min_probability.setRange(0.05, 1.0)
        self.min_probability.setSingleStep(0.05)
        self.min_probability.setValue(0.5)
        self.min_probability.setToolTip("Pairs that are less probably one cell are two cells")
        self.max_distance = DecimalBox()
        self.max_distance.setRange(0.0, 500.0)
        self.max_distance.setSpecialValueText("auto")
        self.max_distance.setSuffix(" px")
        self.max_distance.setToolTip(
            "Centres farther apart after alignment are different cells; auto: a cell's diameter"
        )
        self.only = with_tip(QCheckBox("selected only"), "Show the selected cell alone")
        self.only.toggled.connect(lambda _=False: self._show_selected())
        self.table = FrameTable()
        self.table.rows_selected.connect(self._show_selected)
        self.status = text_label("Add two or more results of one field, then match them.")
        self.buttons = {
            name: push_button(text, tooltip, getattr(self, name))
            for name, text, tooltip in (
                ("ask_for_results", "Add…", "Add result files"),
                ("add_shown", "Add shown", "Add the result on screen"),
                ("remove_results", "Remove", "Take the selected results off the list"),
                ("match", "Match", "Find the same cells"),
                ("accept", "Accept", "These matches are right"),
                ("unlink", "Unlink", "Click a component's id, then this: it is another cell"),
                ("link", "Link", "The selected rows are one cell; the first one keeps its number"),
                ("undo", "Undo", "Take the last edit back"),
                ("ask_to_open", "Open…", "Open saved matches"),
                ("ask_to_save", "Save…", "Save the matches with all edits"),
                ("ask_for_csv", "Table…", "Write the table of ids as CSV"),
            )
        }
        make_primary(self.buttons["match"])
        self._redraw = CallSoon(self, self._redraw_labels)
        self._lay_out()
        self._show_possible()
        self._layers.cell_clicked = self.select_cell
        self.destroyed.connect(self._layers.stop_listening)
        self._restore_unsaved()

    def _lay_out(self) -> None:
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(in_row(*(self.buttons[n] for n in ("ask_for_results", "add_shown",
                                                          "remove_results"))))  # fmt: skip
        column.addWidget(self.results, 1)
        column.addWidget(
            in_row(
                QLabel("probability ≥"),
                self.min_probability,
                QLabel("distance ≤"),
                self.max_distance,
            )
        )
        column.addWidget(in_row(self.rejected, self.buttons["match"]))
        column.addWidget(in_row(*(self.buttons[n] for n in ("ask_to_open", "ask_to_save",
                                                          "ask_for_csv"))))  # fmt: skip
        right = QWidget()
        fill(
            QVBoxLayout(right),
            in_lines(*(self.buttons[n] for n in ("accept", "unlink", "link", "undo")), self.only),
            (self.table, 1),
            margins=0,
        )
        splitter = QSplitter()
        splitter.addWidget(left)
        splitter.addWidget(right)
        splitter.setStretchFactor(1, 3)
        splitter.setSizes([380, 400])
        fill(QVBoxLayout(self), (splitter, 1), self.status, margins=6)
        # Otherwise napari leaves part of a dock below the canvas empty.
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)

    # -- results

    def ask_for_results(self) -> None:
        """Ask for the files of results, and add them to the list."""
        paths, _ = QFileDialog.getOpenFileNames(self, "Results of one field", "", _KINDS)
        self.add_results([Path(path) for path in paths])

    def add_results(self, paths: list[Path]) -> None:
        """Put results at the end of the list."""
        for path in paths:
            item = QListWidgetItem(name_of(path))
            item.setData(Qt.ItemDataRole.UserRole, str(path))
            item.setToolTip(str(path))
            self.results.addItem(item)
        self._show_possible()

    def add_shown(self) -> None:
        """Put the result on screen at the end of the list."""
        result = self._session.result
        if result is None or result.curation.path is None:
            self.status.setText("There is no result on screen that lies in a file.")
            return
        self.add_results([result.curation.path])

    def remove_results(self) -> None:
        """Take the selected results off the list."""
        for item in self.results.selectedItems():
            self.results.takeItem(self.results.row(item))
        self._show_possible()

    def paths(self) -> list[Path]:
        """Paths of the results in order."""
        items = (self.results.item(i) for i in range(self.results.count()))
        return [Path(item.data(Qt.ItemDataRole.UserRole)) for item in items if item is not None]

    # -- matches

    def match(self) -> None:
        """Find the same cells, in the background."""
        paths = self.paths()
        distance = self.max_distance.value() or None
        least, rejected = self.min_probability.value(), self.rejected.isChecked()

        def steps() -> Generator[str, None, _Shown]:
            yield f"matching {len(paths)} results"
            matched = match_sessions(
                paths, include_rejected=rejected, max_distance_px=distance, min_probability=least
            )
            yield "drawing"
            return _drawn(matched)

        def show(shown: _Shown) -> None:
            self._show(shown)
            self._keep_unsaved()

        self.buttons["match"].setEnabled(False)
        self.status.setText(f"Matching {len(paths)} results …")
        run_in_background(steps, title="Sessions", done=show, failed=self._on_failed)

    def open(self, path: Path) -> None:
        """Open saved matches, in the background."""
        call_in_background(
            lambda: _drawn(read_matches(path)), done=self._show, failed=self._on_failed
        )

    def save(self, path: Path) -> None:
        """Save the matches, in the background; the file dialog has asked about replacing."""
        matched = self.matched
        if matched is None:
            return

        def saved(written: Path) -> None:
            show_info(f"Saved as {written}")
            if self.matched is matched:
                call_in_background(forget_unsaved)

        call_in_background(lambda: write_matches(matched, path, overwrite=True), done=saved)

    def _keep_unsaved(self) -> None:
        """Keep the matches as they are, until they are saved under a name."""
        matched = self.matched
        if matched is not None:
            call_in_background(lambda: keep_unsaved(matched))

    def _restore_unsaved(self) -> None:
        """Show matches that were not saved when this dock, or napari, was closed."""

        def steps() -> _Shown | None:
            matched = read_unsaved()
            return None if matched is None else _drawn(matched)

        def show(shown: _Shown | None) -> None:
            if shown is not None and self.matched is None and not self.results.count():
                self._show(shown)
                self.status.setText(
                    "These matches were not saved when they were last shown. Save… keeps them."
                )

        call_in_background(steps, done=show)

    def save_csv(self, path: Path) -> None:
        """Write the table of ids, in the background."""
        matched = self.matched
        if matched is not None:
            call_in_background(
                lambda: write_matches_csv(matched.matches, path, overwrite=True),
                done=lambda p: show_info(f"Written to {p}"),
            )

    def ask_to_open(self) -> None:
        """Ask which matches to open, and open them."""
        path, _ = QFileDialog.getOpenFileName(self, "Open matches", "", "Matches (*.json)")
        if path:
            self.open(Path(path))

    def ask_to_save(self) -> None:
        """Ask where to save the matches, and save them."""
        path, _ = QFileDialog.getSaveFileName(
            self, "Save matches", self._beside("matches.json"), "Matches (*.json)"
        )
        if path:
            self.save(Path(path))

    def ask_for_csv(self) -> None:
        """Ask where to write the table, and write it."""
        path, _ = QFileDialog.getSaveFileName(
            self, "Write the table", self._beside("matches.csv"), "CSV (*.csv)"
        )
        if path:
            self.save_csv(Path(path))

    def _beside(self, name: str) -> str:
        source = None if self.matched is None else self.matched.sources[0].path
        return str((Path.home() if source is None else source.parent) / name)

    # -- edits

    def selected_cells(self) -> list[int]:
        """Numbers of the cells in the selected rows."""
        return [self._numbers[row] for row in self.table.selected_rows()]

    def select_cell(self, cell: int) -> None:
        """Select the row of a cell and scroll to it."""
        if cell in self._numbers:
            row = self._numbers.index(cell)
            self.table.select_rows([row])
            self.table.scroll_to_row(row)

    def accept(self) -> None:
        """Say that the selected matches are right."""
        self._edit(lambda matched, cells: matched.matches.accept(cells))

    def unlink(self) -> None:
        """Take the component whose id was clicked out of its cell."""
        session = self.table.current_column() - _FIRST_SESSION_COLUMN

        def act(matched: MatchedSessions, cells: list[int]) -> None:
            if not 0 <= session < len(matched.sources) or len(cells) != 1:
                raise CurationError("Click the id of the component that is another cell.")
            matched.matches.unlink(cells[0], session)

        self._edit(act)

    def link(self) -> None:
        """Make the selected rows one cell; where two have a session the first one's stays."""

        def act(matched: MatchedSessions, cells: list[int]) -> None:
            if len(cells) < 2:
                raise CurationError(f"Select two or more rows to link; {len(cells)} is selected.")
            components: dict[int, int] = {}
            for number in cells:
                components = matched.matches.cells[number].components | components
            first = matched.matches.cells[cells[0]].components
            if len(components) == len(first):
                raise CurationError(
                    "The first of these cells has a component in each session already. Unlink the "
                    "one that is wrong, then link."
                )
            ordered = {**first, **{s: i for s, i in components.items() if s not in first}}
            matched.matches.link(ordered)

        self._edit(act)

    def undo(self) -> None:
        """Take the last edit back."""
        if self.matched is not None:
            self.matched.matches.undo()

    def _edit(self, act: Callable[[MatchedSessions, list[int]], Any]) -> None:
        cells = self.selected_cells()
        if self.matched is None or not cells:
            return
        try:
            act(self.matched, cells)
        except CnmfError as error:
            report(error)

    # -- showing

    def _show(self, shown: _Shown) -> None:
        matched, labels, image = shown
        if self._stop is not None:
            self._stop()
        self.matched = matched
        self._stop = matched.matches.on_change(self._on_edit)
        self.results.clear()
        self.add_results([source.path for source in matched.sources if source.path is not None])
        self._layers.show(matched, labels, image)
        self._show_table()

    def _on_edit(self) -> None:
        self._show_table()
        self._keep_unsaved()
        self._redraw.start()

    def _redraw_labels(self) -> None:
        matched = self.matched
        if matched is None:
            return

        def show(labels: list[NDArray[np.int32]]) -> None:
            if self.matched is matched:
                self._layers.update(labels)

        call_in_background(lambda: _labels(matched), done=show)

    def _show_table(self) -> None:
        if self.matched is None:
            return
        cells = (
            self.selected_cells() if self.table.n_rows == len(self.matched.matches.cells) else []
        )
        frame = self.matched.df.reset_index()
        self._numbers = frame["cell"].tolist()
        self.table.set_frame(frame)
        there = [self._numbers.index(cell) for cell in cells if cell in self._numbers]
        self.table.select_rows(there)
        n = len(self.matched.sources)
        in_all = int((frame["n_sessions"] == n).sum())
        several = int((frame["n_sessions"] > 1).sum())
        self.status.setText(
            f"{len(frame)} cells: {in_all} in all {n} sessions, {several} in more than one."
        )
        self._show_possible()

    def _show_selected(self) -> None:
        cells = self._selected = self.selected_cells()
        self._layers.show_only(cells[0] if cells and self.only.isChecked() else None)
        if cells:
            self._layers.go_to(cells[0])

    def _show_possible(self) -> None:
        there = self.matched is not None
        self.buttons["match"].setEnabled(self.results.count() > 1)
        for name in ("accept", "unlink", "link", "ask_to_save", "ask_for_csv"):
            self.buttons[name].setEnabled(there)
        self.buttons["undo"].setEnabled(self.matched is not None and self.matched.matches.can_undo)

    def _on_failed(self, error: Exception) -> None:
        self.status.setText(str(error))
        self._show_possible()


def _labels(matched: MatchedSessions) -> list[NDArray[np.int32]]:
    return [matched.labels(session) for session in range(len(matched.sources))]


def _drawn(matched: MatchedSessions) -> _Shown:
    return matched, _labels(matched), matched.image(0)
