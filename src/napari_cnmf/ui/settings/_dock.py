"""Dock for this computer: where CaImAn is, which interpreter has it, and how to get it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer, Signal
from qtpy.QtGui import QFontDatabase
from qtpy.QtWidgets import (
    QFileDialog,
    QFormLayout,
    QGroupBox,
    QHBoxLayout,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_cnmf.engines import look_again
from napari_cnmf.engines.caiman.discovery import CaimanSearch, choose_caiman, find_caiman
from napari_cnmf.engines.caiman.install import InstallPlan, install_caiman, plan_installation
from napari_cnmf.errors import CancelledByUser, CnmfError, EngineError
from napari_cnmf.settings import read_settings
from napari_cnmf.ui._background import call_in_background, run_in_background
from napari_cnmf.ui._docks import Dock
from napari_cnmf.ui._parts import STRETCH, fill, push_button, text_label
from napari_cnmf.ui._session import session_of
from napari_cnmf.ui._theme import ERROR_COLOR, PRIMARY_COLOR, make_primary

if TYPE_CHECKING:
    import napari

_SHOW_EVERY_MS = 100
_LONGEST_LOG = 5000


class InstallationPanel(QWidget):
    """Panel with a button that makes an environment with CaImAn, where a tool for that is found."""

    installed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._stop: threading.Event | None = None
        self._lines: deque[str] = deque()
        self.note = text_label("Looking for mamba, conda or pixi…")
        self.button = QPushButton("Set up CaImAn")
        self.button.setEnabled(False)
        make_primary(self.button)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setVisible(False)
        self.log = QPlainTextEdit()
        self.log.setReadOnly(True)
        self.log.setMaximumBlockCount(_LONGEST_LOG)
        self.log.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.log.setMinimumHeight(90)
        buttons = fill(QHBoxLayout(), self.button, self.cancel_button, (STRETCH, 1))
        fill(QVBoxLayout(self), self.note, buttons, (self.log, 1), margins=0)
        self.button.clicked.connect(self.start)
        self.cancel_button.clicked.connect(self.cancel)
        # Lines come from a thread that may outlive this widget: it is asked, never told.
        self._timer = QTimer(self)
        self._timer.setInterval(_SHOW_EVERY_MS)
        self._timer.timeout.connect(self._show_lines)
        self.look()

    @property
    def is_running(self) -> bool:
        """Whether an installation is under way."""
        return self._stop is not None

    def look(self) -> None:
        """Look whether there is a tool that could install CaImAn."""

        def plan() -> InstallPlan | str:
            try:
                return plan_installation()
            except EngineError as error:
                return str(error)  # not having a tool is a state, no failure

        call_in_background(plan, done=self._show_plan)

    def _show_plan(self, plan: InstallPlan | str) -> None:
        self.button.setEnabled(isinstance(plan, InstallPlan) and not self.is_running)
        if isinstance(plan, str):
            self.note.setText(plan)
            return
        self.note.setText(
            f"CaImAn can be installed with {plan.tool}, into an environment of its own that napari "
            "does not share. It takes some minutes and about 5 GB."
        )
        if not self.log.toPlainText():
            self.log.setPlainText(f"This will be run:\n{plan}")

    def start(self) -> None:
        """Start the installation; what the tool prints is shown as it comes."""
        stop = threading.Event()
        lines = self._lines
        self._stop = stop
        # the thread must not hold the widget
        self.destroyed.connect(lambda _: stop.set())
        self.log.clear()
        self._set_running(True)

        def steps() -> Generator[str, None, Any]:
            yield "working"
            try:
                install_caiman(lines.append, stop.is_set)
            except CancelledByUser as error:
                return str(error)
            except EngineError as error:
                return f"Error: {error}"
            return ""

        run_in_background(steps, title="Setting up CaImAn", done=self._on_end, failed=self._on_fail)

    def cancel(self) -> None:
        """End the installation; what it made is removed."""
        if self._stop is not None:
            self._stop.set()
            self.cancel_button.setEnabled(False)

    def _on_fail(self, error: Exception) -> None:
        self._on_end(f"Error: {error}")

    def _on_end(self, problem: str) -> None:
        self._stop = None
        self._show_lines()
        self._set_running(False)
        if problem:
            self.log.appendPlainText(f"\n{problem}")
        else:
            self.installed.emit()

    def _set_running(self, is_running: bool) -> None:
        self.button.setEnabled(not is_running)
        self.cancel_button.setVisible(is_running)
        self.cancel_button.setEnabled(is_running)
        act: Callable[[], None] = self._timer.start if is_running else self._timer.stop
        act()

    def _show_lines(self) -> None:
        while self._lines:
            self.log.appendPlainText(self._lines.popleft())


class InterpreterPanel(QWidget):
    """Panel of the path with browse and check; only a path that has CaImAn is kept."""

    looked = Signal()
    """A search has ended; engines may be others than before."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._is_busy = False
        self.state = text_label()
        self.details = text_label()
        self.path_edit = QLineEdit()
        self.path_edit.setPlaceholderText("empty: CaImAn is searched for on this computer")
        self.browse_button = QPushButton("Browse…")
        self.check_button = QPushButton("Check and use")
        self.search_button = push_button(
            "Search again", "Forget the choice and look in every environment"
        )
        row = fill(QHBoxLayout(), (self.path_edit, 1), self.browse_button)
        buttons = fill(QHBoxLayout(), self.check_button, self.search_button, (STRETCH, 1))
        form = QFormLayout()
        form.addRow("Interpreter", row)
        fill(QVBoxLayout(self), self.state, self.details, form, buttons, margins=0)
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


class SettingsWidget(Dock):
    """Dock of CaImAn's interpreter and its installation; a choice holds for every batch."""

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self._session = session_of(napari_viewer)
        self._session.attach(self)
        self.interpreter = InterpreterPanel()
        self.installation = InstallationPanel()
        fill(
            QVBoxLayout(self),
            _titled("CaImAn", self.interpreter),
            (_titled("Set up CaImAn", self.installation), 1),
            margins=8,
        )
        self.interpreter.looked.connect(self._session.engines_changed.emit)
        self.installation.installed.connect(self.interpreter.look)
        self.setMinimumWidth(340)


def _titled(title: str, widget: QWidget) -> QGroupBox:
    box = QGroupBox(title)
    layout = QVBoxLayout(box)
    layout.addWidget(widget)
    return box
