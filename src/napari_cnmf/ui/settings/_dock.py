"""Dock for this computer: where CaImAn is, and how to get it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QGroupBox, QVBoxLayout, QWidget

from napari_cnmf.ui._docks import Dock
from napari_cnmf.ui._session import session_of
from napari_cnmf.ui.settings._installation import InstallationPanel
from napari_cnmf.ui.settings._interpreter import InterpreterPanel

if TYPE_CHECKING:
    import napari


class SettingsWidget(Dock):
    """Dock of CaImAn's interpreter and its installation; a choice holds for every batch."""

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self._session = session_of(napari_viewer)
        self._session.attach(self)
        self.interpreter = InterpreterPanel()
        self.installation = InstallationPanel()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.addWidget(_titled("CaImAn", self.interpreter))
        layout.addWidget(_titled("Set up CaImAn", self.installation), 1)
        self.interpreter.looked.connect(self._session.engines_changed.emit)
        self.installation.installed.connect(self.interpreter.look)
        self.setMinimumWidth(380)


def _titled(title: str, widget: QWidget) -> QGroupBox:
    box = QGroupBox(title)
    layout = QVBoxLayout(box)
    layout.addWidget(widget)
    return box
