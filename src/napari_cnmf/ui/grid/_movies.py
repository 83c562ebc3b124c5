"""List of the movies that a grid runs over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_cnmf.io.movies import natural_key
from napari_cnmf.ui.forms._input import ChosenInput, FileInput, ItemInput, movie_file_filter


class MovieList(QWidget):
    """List of movies with a tick each."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._inputs: list[ChosenInput] = []
        self.list = QListWidget()
        self.list.setSpacing(2)
        self.add_button = QPushButton("Add files…")
        self.add_button.setToolTip("Each file is a movie of its own")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.list, 1)
        layout.addWidget(self.add_button)
        self.list.itemChanged.connect(lambda _: self.changed.emit())
        self.add_button.clicked.connect(lambda _=False: self._browse())

    def add(self, inputs: Iterable[ChosenInput], *, ticked: bool) -> None:
        """Offer movies; one that is there already is not offered twice."""
        for chosen in inputs:
            if chosen in self._inputs:
                continue
            self._inputs.append(chosen)
            entry = QListWidgetItem(_title(chosen))
            entry.setToolTip(_tooltip(chosen))
            entry.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable)
            entry.setCheckState(Qt.CheckState.Checked if ticked else Qt.CheckState.Unchecked)
            self.list.addItem(entry)
        self.changed.emit()

    @property
    def ticked(self) -> tuple[ChosenInput, ...]:
        """Movies that are ticked."""
        entries = [self.list.item(i) for i in range(self.list.count())]
        return tuple(
            chosen
            for chosen, entry in zip(self._inputs, entries, strict=True)
            if entry is not None and entry.checkState() is Qt.CheckState.Checked
        )

    def _browse(self) -> None:
        names, _ = QFileDialog.getOpenFileNames(self, "Choose movies", filter=movie_file_filter())
        self.add(_files(names), ticked=True)


def _files(names: Sequence[str]) -> list[FileInput]:
    paths = sorted((Path(name) for name in names), key=lambda p: natural_key(p.name))
    return [FileInput((path,)) for path in paths]


def _title(chosen: ChosenInput) -> str:
    if isinstance(chosen, FileInput):
        more = f" + {len(chosen.paths) - 1} more" if len(chosen.paths) > 1 else ""
        return chosen.paths[0].name + more
    return f"{chosen.name}  (item)" if isinstance(chosen, ItemInput) else f"{chosen.name}  (layer)"


def _tooltip(chosen: ChosenInput) -> str:
    return "\n".join(str(p) for p in chosen.paths) if isinstance(chosen, FileInput) else chosen.name
