"""Installs CaImAn from the GUI: the command that is run, its output as it comes, cancel."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator
from typing import Any

from qtpy.QtCore import QTimer, Signal
from qtpy.QtGui import QFontDatabase
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from napari_cnmf.engines.caiman.install import InstallPlan, install_caiman, plan_installation
from napari_cnmf.errors import CancelledByUser, EngineError
from napari_cnmf.ui._background import call_in_background, run_in_background
from napari_cnmf.ui._theme import make_primary

_SHOW_EVERY_MS = 100
_LONGEST_LOG = 5000


class InstallationPanel(QWidget):
    """Panel with a button that makes an environment with CaImAn, where a tool for that is found."""

    installed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._stop: threading.Event | None = None
        self._lines: deque[str] = deque()
        self.note = QLabel("Looking for mamba, conda or pixi…")
        self.note.setWordWrap(True)
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
        buttons = QHBoxLayout()
        buttons.addWidget(self.button)
        buttons.addWidget(self.cancel_button)
        buttons.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.note)
        layout.addLayout(buttons)
        layout.addWidget(self.log, 1)
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
