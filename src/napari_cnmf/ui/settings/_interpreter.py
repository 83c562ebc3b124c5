"""Chooses the interpreter of CaImAn: what was found and where, or another one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_cnmf.engines import look_again
from napari_cnmf.engines.caiman.discovery import CaimanSearch, choose_caiman, find_caiman
from napari_cnmf.errors import CnmfError
from napari_cnmf.settings import read_settings
from napari_cnmf.ui._background import call_in_background
from napari_cnmf.ui._theme import ERROR_COLOR, PRIMARY_COLOR


class InterpreterPanel(QWidget):
    """Panel of the path with browse and check; only a path that has CaImAn is kept."""

    looked = Signal()
    """A search has ended; engines may be others than before."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._is_busy = False
        self.state = QLabel()
        self.state.setWordWrap(True)
        self.details = QLabel()
        self.details.setWordWrap(True)
        self.path_edit = QLineEdit()
        self.path_edit.setPlaceholderText("empty: CaImAn is searched for on this computer")
        self.browse_button = QPushButton("Browse…")
        self.check_button = QPushButton("Check and use")
        self.search_button = QPushButton("Search again")
        self.search_button.setToolTip("Forget the choice and look in every environment")
        row = QHBoxLayout()
        row.addWidget(self.path_edit, 1)
        row.addWidget(self.browse_button)
        buttons = QHBoxLayout()
        buttons.addWidget(self.check_button)
        buttons.addWidget(self.search_button)
        buttons.addStretch(1)
        form = QFormLayout()
        form.addRow("Interpreter", row)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.state)
        layout.addWidget(self.details)
        layout.addLayout(form)
        layout.addLayout(buttons)
        self.browse_button.clicked.connect(self._browse)
        self.check_button.clicked.connect(self.check)
        self.path_edit.returnPressed.connect(self.check)
        self.search_button.clicked.connect(self.search_anew)
        self.look()

    def look(self) -> None:
        """Look where CaImAn is; an import takes seconds, so in the background."""
        self._search("Looking for CaImAn…", lambda: None)

    def check(self) -> None:
        """Check the path that was entered; it is kept when it works."""
        text = self.path_edit.text().strip()
        chosen = Path(text) if text else None
        self._search("Trying it; a first import takes a while…", lambda: choose_caiman(chosen))

    def search_anew(self) -> None:
        """Forget the choice, and search the computer."""
        self.path_edit.clear()
        self.check()

    def _search(self, doing: str, prepare: Callable[[], object]) -> None:
        if self._is_busy:
            return
        self._set_busy(True)
        self._say(doing, "gray")

        def work() -> tuple[CaimanSearch, str, str | None]:
            problem = ""
            try:
                prepare()
            except CnmfError as error:
                problem = str(error)  # shown here, beside what was entered
            look_again()
            return find_caiman(), problem, read_settings().caiman_python

        call_in_background(work, done=self._show, failed=self._fail)

    def _fail(self, error: Exception) -> None:
        self._set_busy(False)
        self._say(str(error), ERROR_COLOR)

    def _show(self, answer: tuple[CaimanSearch, str, str | None]) -> None:
        search, problem, chosen = answer
        self._set_busy(False)
        found = search.found
        if not problem:
            self.path_edit.setText(chosen or "")
        if problem:
            kept = "" if found is None else f" CaImAn {found.version} of {found.path} stays in use."
            self._say(problem + kept, ERROR_COLOR)
        elif found is None:
            self._say(search.reason, ERROR_COLOR)
        else:
            self._say(f"CaImAn {found.version} is ready.", PRIMARY_COLOR)
        lines = [f"{path} ({source}): {why}." for path, source, why in search.tried]
        if found is not None:
            lines.insert(0, f"{found.path}\nfound in: {found.source}")
            if found.known_problem:
                lines.insert(1, found.known_problem)
            if found.without:
                lines.insert(1, f"{found.without}: components are evaluated without CaImAn's CNN.")
        else:
            lines.append("Automatic takes the built-in engine until then.")
        self.details.setText("\n".join(lines))
        self.looked.emit()

    def _say(self, text: str, color: str) -> None:
        self.state.setText(text)
        self.state.setStyleSheet(f"color: {color}; font-weight: bold;")

    def _set_busy(self, is_busy: bool) -> None:
        self._is_busy = is_busy
        for widget in (self.path_edit, self.check_button, self.search_button, self.browse_button):
            widget.setEnabled(not is_busy)

    def _browse(self) -> None:
        start = self.path_edit.text() or str(Path.home())
        name, _ = QFileDialog.getOpenFileName(self, "Python interpreter of CaImAn", start)
        if name:
            self.path_edit.setText(name)
            self.check()
