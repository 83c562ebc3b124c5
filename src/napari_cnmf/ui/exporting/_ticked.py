"""Formats that are ticked once and written together into one folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_cnmf.io.exports import EXPORTERS
from napari_cnmf.ui._theme import make_primary

_COLUMNS = 2
_ASKS_MORE = frozenset({"dandi"})
"""Formats that ask for the animal first: they are written one at a time."""


class TickedFormats(QWidget):
    """List of formats with a tick each, the folder, and the button."""

    wanted = Signal()

    def __init__(
        self, names: Iterable[str], beside: str | None = None, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._beside = None if beside is None else Path(beside)
        self._proposed: Path | None = None
        self.boxes: dict[str, QCheckBox] = {}
        ticks = QGridLayout()
        ticks.setVerticalSpacing(2)
        chosen = set(names)
        for name, exporter in EXPORTERS.items():
            if name in _ASKS_MORE:
                continue
            box = QCheckBox(exporter.title)
            box.setToolTip(exporter.about)
            box.setChecked(name in chosen)
            ticks.addWidget(box, len(self.boxes) // _COLUMNS, len(self.boxes) % _COLUMNS)
            self.boxes[name] = box
        self.path = QLineEdit()
        self.path.setPlaceholderText("folder to write into")
        self.path.textEdited.connect(lambda _="": self._on_typed())
        browse = QPushButton("Browse…")
        browse.clicked.connect(lambda _=False: self._ask_where())
        self.button = QPushButton("Export")
        self.button.setToolTip("Write every format that is ticked into the folder")
        self.button.clicked.connect(lambda _=False: self.wanted.emit())
        make_primary(self.button)
        where = QHBoxLayout()
        where.addWidget(QLabel("Folder"))
        where.addWidget(self.path, 1)
        where.addWidget(browse)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(ticks)
        layout.addLayout(where)
        layout.addWidget(self.button)

    def names(self) -> tuple[str, ...]:
        """Formats that are ticked."""
        return tuple(name for name, box in self.boxes.items() if box.isChecked())

    def folder(self) -> Path | None:
        """Folder that the formats are written into; ``None`` while the line is empty."""
        text = self.path.text().strip()
        return Path(text).expanduser() if text else None

    @property
    def beside(self) -> str | None:
        """Folder that was chosen by hand for the folder of each result; ``None`` where none was."""
        return None if self._beside is None else str(self._beside)

    def propose(self, folder: Path) -> None:
        """Propose the folder of another result; beside one chosen by hand, if one was."""
        beside = self._beside
        if beside is None or not beside.is_dir():
            beside = folder.parent
        self._proposed = folder.parent
        self.path.setText(str(beside / folder.name))
        self.path.setCursorPosition(0)

    def _on_typed(self) -> None:
        """Keep the choice for the next results; the movie's own folder is no other choice."""
        folder = self.folder()
        self._beside = None if folder is None else folder.parent
        if self._beside == self._proposed:
            self._beside = None

    def _ask_where(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Export into", self.path.text())
        if folder:
            self.path.setText(folder)
            self._on_typed()
