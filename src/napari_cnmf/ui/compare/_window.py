"""Window in which results are compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QHBoxLayout,
    QHeaderView,
    QSplitter,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_cnmf.ui._background import run_in_background
from napari_cnmf.ui._theme import call_soon, follow_theme
from napari_cnmf.ui.batch._pictures import PICTURE_TITLES
from napari_cnmf.ui.compare._fields import FieldsView
from napari_cnmf.ui.compare._read import ComparedResult, read_compared
from napari_cnmf.ui.compare._scores import ScoresView
from napari_cnmf.ui.layers import selection_color

if TYPE_CHECKING:
    from napari_cnmf.batch import Batch
    from napari_cnmf.ui._session import Session

_SHOWN_FIRST = ("correlation", "mean")
_MOST_DIFFERENCES = 6


class ComparisonWindow(QDialog):
    """Window with numbers, contours and scores of results; a tick shows or hides a result."""

    def __init__(self, results: Sequence[ComparedResult], viewer: Any, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Compare results")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.results = tuple(results)
        self.colors = [_hex(i) for i in range(len(results))]
        self.table = QTreeWidget()
        self.fields = FieldsView()
        self.scores = ScoresView()
        self.picture = QComboBox()
        self.with_rejected = QCheckBox("Rejected too")
        self.apart = QCheckBox("Side by side")
        self.apart.setToolTip("A field for each result; they move and zoom together")
        self._draw_soon = call_soon(self, self._draw)
        self._fill_table()
        self._list_pictures()
        self._lay_out()
        self.table.itemChanged.connect(lambda *_: self._draw_soon.start())
        self.picture.currentIndexChanged.connect(lambda _: self._draw_soon.start())
        for box in (self.with_rejected, self.apart):
            box.toggled.connect(lambda _: self._draw_soon.start())
        follow_theme(self, viewer, self._apply_theme)

    def _lay_out(self) -> None:
        options = QHBoxLayout()
        options.addWidget(self.picture)
        options.addWidget(self.apart)
        options.addWidget(self.with_rejected)
        options.addStretch()
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(options)
        column.addWidget(self.fields, 1)
        below = QSplitter(Qt.Orientation.Horizontal)
        below.addWidget(left)
        below.addWidget(self.scores)
        below.setSizes([640, 340])
        split = QSplitter(Qt.Orientation.Vertical)
        split.addWidget(self.table)
        split.addWidget(below)
        split.setSizes([60 + 24 * len(self.results), 560])
        split.setStretchFactor(1, 1)
        layout = QVBoxLayout(self)
        layout.addWidget(split)
        self.resize(1040, 720)

    def _fill_table(self) -> None:
        """Fill a row for each result: its numbers, and the parameters that differ."""
        differing = _differing(self.results)
        also = f"Also in {self.results[0].name}"
        titles = ["Result", "Found", "Accepted", "Rejected", also, *differing]
        self.table.setHeaderLabels(titles)
        self.table.setRootIsDecorated(False)
        for i, result in enumerate(self.results):
            numbers = (result.n_found, result.n_accepted, result.n_found - result.n_accepted)
            shared = "" if result.n_shared is None else str(result.n_shared)
            values = [_value(result, name) for name in differing]
            row = QTreeWidgetItem([result.name, *map(str, numbers), shared, *values])
            row.setIcon(0, _swatch(self.colors[i]))
            row.setCheckState(0, Qt.CheckState.Checked)
            self.table.addTopLevelItem(row)
        header = self.table.header()
        if header is not None:
            header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.table.setMinimumHeight(70)

    def _list_pictures(self) -> None:
        names = dict.fromkeys(name for result in self.results for name in result.pictures)
        for name in names:
            self.picture.addItem(PICTURE_TITLES.get(name, name), name)
        wanted = next((name for name in _SHOWN_FIRST if name in names), None)
        if wanted is not None:
            self.picture.setCurrentIndex(self.picture.findData(wanted))
        self.picture.setVisible(bool(names))

    @property
    def shown(self) -> list[int]:
        """Positions of the results that are ticked."""
        rows = [self.table.topLevelItem(i) for i in range(len(self.results))]
        return [
            i
            for i, row in enumerate(rows)
            if row is not None and row.checkState(0) is Qt.CheckState.Checked
        ]

    def _apply_theme(self, theme: Any) -> None:
        self.scores.set_text_color(theme.text.as_hex())
        self._draw_soon.start()

    def _draw(self) -> None:
        self.fields.draw(
            self.results,
            self.colors,
            shown=self.shown,
            picture=str(self.picture.currentData() or ""),
            apart=self.apart.isChecked(),
            rejected=self.with_rejected.isChecked(),
        )
        self.scores.draw(self.results, self.colors, self.shown)


def _differing(results: Sequence[ComparedResult]) -> list[str]:
    """Names of parameters that are not the same in all results, as many as fit."""
    names = (name for result in results[1:] for name in results[0].params.diff(result.params))
    return list(dict.fromkeys(names))[:_MOST_DIFFERENCES]


def _value(result: ComparedResult, name: str) -> str:
    group, _, key = name.rpartition(".")
    value = getattr(getattr(result.params, group) if group else result.params, key)
    if isinstance(value, tuple | list):
        return ", ".join(str(part) for part in value)
    return "automatic" if value is None else str(value)


def _swatch(color: str) -> QIcon:
    pixmap = QPixmap(12, 12)
    pixmap.fill(QColor(color))
    return QIcon(pixmap)


def _hex(i: int) -> str:
    return str(selection_color(i))


def compare_items(session: Session, batch: Batch, uuids: Sequence[str]) -> None:
    """Read the results of items and open a window that compares them."""

    def show(results: tuple[ComparedResult, ...]) -> None:
        viewer = session.viewer
        window = ComparisonWindow(results, viewer, viewer.window._qt_window)
        window.show()

    run_in_background(lambda: read_compared(batch, uuids), title="Comparing", done=show)
