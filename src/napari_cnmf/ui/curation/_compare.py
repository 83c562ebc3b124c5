"""Page of another curator's decisions about the same result, to walk through the differences."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QGridLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_cnmf.model.curation import Comparison, Difference

_NOBODY = "nobody else has curated this result yet"
_HINT = (
    "To decide on your own, write a name under <i>curate as</i> and open the result again: "
    "your decisions go to a journal of their own."
)


class ComparePage(QWidget):
    """Page to choose another curator, see the agreement, and walk through what differs."""

    shown = Signal()
    """Somebody looks: which curators there are may be asked now."""
    wanted = Signal(str)
    """A curator's name or a file to compare with."""
    difference_wanted = Signal(object)
    """The ``Difference`` to look at."""
    adoption_wanted = Signal(object)
    """The ``Difference`` in which the other is right."""
    curator_changed = Signal(str)

    def __init__(self, curator: str | None) -> None:
        super().__init__()
        self._differences: tuple[Difference, ...] = ()
        self.curator = QLineEdit(curator or "")
        self.curator.setPlaceholderText("main journal")
        self.curator.setToolTip("Results opened from now on are decided under this name")
        self.curator.editingFinished.connect(
            lambda: self.curator_changed.emit(self.curator.text().strip())
        )
        self.others = QComboBox()
        self.others.setMinimumContentsLength(10)
        self.compare = QPushButton("Compare")
        self.compare.clicked.connect(lambda _=False: self.wanted.emit(self.others.currentText()))
        self.open = QPushButton("File…")
        self.open.setToolTip("A journal (.jsonl), or a file that was saved from a curation")
        self.open.clicked.connect(lambda _=False: self._ask_for_file())
        self.summary = QLabel(_HINT)
        self.summary.setWordWrap(True)
        self.list = QListWidget()
        self.list.currentRowChanged.connect(self._on_row)
        self.next = QPushButton("Next difference")
        self.next.clicked.connect(lambda _=False: self.step())
        self.adopt = QPushButton("Take theirs")
        self.adopt.setToolTip("Decide this one as the other did; undo takes it back")
        self.adopt.clicked.connect(lambda _=False: self._on_adopt())
        self._lay_out()
        self.set_curators([])

    def _lay_out(self) -> None:
        grid = QGridLayout()
        grid.addWidget(QLabel("curate as"), 0, 0)
        grid.addWidget(self.curator, 0, 1, 1, 3)
        grid.addWidget(QLabel("other"), 1, 0)
        grid.addWidget(self.others, 1, 1)
        grid.addWidget(self.compare, 1, 2)
        grid.addWidget(self.open, 1, 3)
        grid.setColumnStretch(1, 1)
        buttons = QGridLayout()
        buttons.addWidget(self.next, 0, 0)
        buttons.addWidget(self.adopt, 0, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addLayout(grid)
        layout.addWidget(self.summary)
        layout.addWidget(self.list, 1)
        layout.addLayout(buttons)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Tell that the page is seen, so that its curators can be listed."""
        super().showEvent(event)
        self.shown.emit()

    def set_curators(self, names: Sequence[str]) -> None:
        """Offer the curators that can be compared with."""
        before = self.others.currentText()
        self.others.clear()
        self.others.addItems(list(names) or [_NOBODY])
        self.others.setCurrentIndex(max(self.others.findText(before), 0))
        self.others.setEnabled(bool(names))
        self.compare.setEnabled(bool(names))

    def show_comparison(self, comparison: Comparison | None) -> None:
        """List what differs; ``None`` empties the page."""
        self._differences = () if comparison is None else comparison.differences
        self.list.clear()
        self.list.addItems([str(difference) for difference in self._differences])
        self.summary.setText(_HINT if comparison is None else f"{comparison.summary()}.")
        for button in (self.next, self.adopt):
            button.setEnabled(bool(self._differences))

    def step(self) -> None:
        """Go to the next difference, from the last one to the first."""
        if self._differences:
            self.list.setCurrentRow((self.list.currentRow() + 1) % len(self._differences))

    def mark_done(self) -> None:
        """Strike out the difference that was taken over, and show the next one."""
        item = self.list.currentItem()
        if item is not None:
            font = item.font()
            font.setStrikeOut(True)
            item.setFont(font)
        self.step()

    def _on_row(self, row: int) -> None:
        if 0 <= row < len(self._differences):
            self.difference_wanted.emit(self._differences[row])

    def _on_adopt(self) -> None:
        row = self.list.currentRow()
        if 0 <= row < len(self._differences):
            self.adoption_wanted.emit(self._differences[row])

    def _ask_for_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self, "Compare with", "", "Curations (*.jsonl *.hdf5 *.h5)"
        )
        if path:
            self.wanted.emit(path)
