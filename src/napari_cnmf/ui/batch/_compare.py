"""Lays the results of several items side by side: their numbers, parameters and contours."""

from __future__ import annotations

from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
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

from napari_cnmf.errors import CnmfError, ResultError
from napari_cnmf.model.agreement import shared_components
from napari_cnmf.model.curation import Curation
from napari_cnmf.params import CNMFParams
from napari_cnmf.ui._background import run_in_background
from napari_cnmf.ui._parts import STRETCH, fill, with_tip
from napari_cnmf.ui._theme import CallSoon
from napari_cnmf.ui.batch._pictures import PICTURE_TITLES
from napari_cnmf.ui.batch._read_details import as_picture
from napari_cnmf.ui.layers import selection_color

if TYPE_CHECKING:
    from napari_cnmf.batch import Batch, Item
    from napari_cnmf.ui._session import Session

_SHOWN_FIRST = ("correlation", "mean")
_MOST_DIFFERENCES = 6
Path2D = NDArray[np.float32]
"""Vertices ``(n, 2)`` as (x, y), polygons apart by a row of NaN."""


@dataclass(frozen=True, eq=False)
class ComparedResult:
    """One of the compared results.

    Attributes
    ----------
    n_found, n_accepted
        Components; accepted with the decisions of the curation.
    n_shared
        Of the accepted ones, how many the first result has accepted too; ``None`` for the first.
    accepted_path, rejected_path
        Contours.
    pictures
        Summary images ``(Y, X)`` by name.
    """

    uuid: str
    name: str
    n_found: int
    n_accepted: int
    n_shared: int | None
    dims: tuple[int, ...]
    accepted_path: Path2D
    rejected_path: Path2D
    pictures: dict[str, NDArray[np.uint8]] = field(default_factory=dict)
    params: CNMFParams = field(default_factory=CNMFParams)


def read_compared(
    batch: Batch, uuids: Sequence[str]
) -> Generator[str, None, tuple[ComparedResult, ...]]:
    """Read results of one field, with the decisions made about them.

    Raises
    ------
    CnmfError
        When one has no result, or the fields differ.
    """
    read: list[ComparedResult] = []
    first: tuple[tuple[int, ...], Any] | None = None
    for uuid in uuids:
        item = batch[uuid]
        yield f"reading {item.name}"
        curation = item.result()
        components = curation.components
        accepted = components.A[:, np.flatnonzero(curation.accepted)]
        if first is not None and components.dims != first[0]:
            raise ResultError(
                f"Results must be of one movie to be compared: {item.name!r} has a field of "
                f"{components.dims} pixels, {read[0].name!r} of {first[0]}. Select others."
            )
        shared = None if first is None else len(shared_components(first[1], accepted))
        first = first or (components.dims, accepted)
        yield f"drawing {item.name}"
        read.append(_describe(item, curation, shared))
    return tuple(read)


def _describe(item: Item, curation: Curation, n_shared: int | None) -> ComparedResult:
    components, accepted = curation.components, curation.accepted
    contours = curation.contours()
    lines = [contours[int(i)] for i in curation.ids]
    return ComparedResult(
        uuid=item.uuid,
        name=item.name,
        n_found=components.n_components,
        n_accepted=int(accepted.sum()),
        n_shared=n_shared,
        dims=components.dims,
        accepted_path=as_path([line for row in np.flatnonzero(accepted) for line in lines[row]]),
        rejected_path=as_path([line for row in np.flatnonzero(~accepted) for line in lines[row]]),
        pictures=_pictures(item),
        params=item.params,
    )


def _pictures(item: Item) -> dict[str, NDArray[np.uint8]]:
    try:
        return {name: as_picture(image) for name, image in item.images().items()}
    except CnmfError:
        # Removed by hand, or never made: contours are shown on an empty field.
        return {}


def as_path(contours: Sequence[NDArray[np.float64]]) -> Path2D:
    """Painter path of many contours; of a volume all planes lie over each other."""
    if not contours:
        return np.empty((0, 2), np.float32)
    gap = np.full((1, 2), np.nan)
    # Pixel centres stand at integers in a contour, and at halves in an image item.
    pieces = [part for line in contours for part in (line[:, [-1, -2]] + 0.5, gap)]
    return np.concatenate(pieces[:-1]).astype(np.float32)


class FieldsView(pg.GraphicsLayoutWidget):  # type: ignore[misc]
    """Fields of view of the compared results."""

    def __init__(self) -> None:
        super().__init__()
        self.setBackground(None)
        self.setMinimumSize(320, 260)
        self.n_panels = 0
        self._box: Any = None

    def draw(
        self,
        results: Sequence[ComparedResult],
        colors: Sequence[str],
        *,
        shown: Collection[int],
        picture: str,
        apart: bool,
        rejected: bool,
    ) -> None:
        """Draw the fields anew; the view stays where it was."""
        seen = self._box.viewRect() if self.n_panels else None
        self.clear()
        groups = [[i] for i in shown] if apart else [list(shown)]
        self.n_panels = len(groups)
        boxes: list[Any] = []
        for group in groups:
            box = self._panel([results[i] for i in group] or results[:1], picture)
            if apart:
                name = results[group[0]].name
                self.addLabel(name, row=0, col=len(boxes), color=colors[group[0]])
            self.addItem(box, row=1, col=len(boxes))
            for over, i in enumerate(reversed(group)):
                # Wider below: where contours coincide each is still seen.
                width = 1.4 + 1.2 * (len(group) - 1 - over)
                self._draw_contours(box, results[i], colors[i], width, rejected=rejected)
            boxes.append(box)
        for box in boxes[1:]:
            box.setXLink(boxes[0])
            box.setYLink(boxes[0])
        self._box = boxes[0] if boxes else self._panel(results[:1], picture)
        if seen is not None:
            self._box.setRange(seen, padding=0)
        else:
            self._box.autoRange()

    def _panel(self, results: Sequence[ComparedResult], picture: str) -> Any:
        """Panel with the image of the first result that has one."""
        box = pg.ViewBox(lockAspect=True, invertY=True, enableMenu=False)
        box.setDefaultPadding(0.01)
        height, width = results[0].dims[-2:]
        image: NDArray[np.uint8] = next(
            (r.pictures[picture] for r in results if picture in r.pictures),
            np.zeros((height, width), np.uint8),
        )
        box.addItem(pg.ImageItem(image, axisOrder="row-major", levels=(0, 255)))
        return box

    @staticmethod
    def _draw_contours(
        box: Any, result: ComparedResult, color: str, width: float, *, rejected: bool
    ) -> None:
        paths = [(result.accepted_path, pg.mkPen(color, width=width))]
        if rejected:
            faint = QColor(color)
            faint.setAlpha(150)
            paths.append(
                (
                    result.rejected_path,
                    pg.mkPen(faint, width=1.2, style=pg.QtCore.Qt.PenStyle.DotLine),
                )
            )
        for path, pen in paths:
            curve = pg.PlotCurveItem(
                path[:, 0], path[:, 1], connect="finite", pen=pen, antialias=True
            )
            box.addItem(curve, ignoreBounds=True)


class ComparisonWindow(QDialog):
    """Window with numbers and contours of results; a tick shows or hides a result."""

    def __init__(self, results: Sequence[ComparedResult], parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Compare results")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.results = tuple(results)
        self.colors = [str(selection_color(i)) for i in range(len(results))]
        self.table = QTreeWidget()
        self.fields = FieldsView()
        self.picture = QComboBox()
        self.with_rejected = QCheckBox("Rejected too")
        self.apart = with_tip(
            QCheckBox("Side by side"), "A field for each result; they move and zoom together"
        )
        self._draw_soon = CallSoon(self, self._draw)
        self._fill_table()
        self._list_pictures()
        self._lay_out()
        self.table.itemChanged.connect(lambda *_: self._draw_soon.start())
        self.picture.currentIndexChanged.connect(lambda _: self._draw_soon.start())
        for box in (self.with_rejected, self.apart):
            box.toggled.connect(lambda _: self._draw_soon.start())
        self._draw_soon.start()

    def _lay_out(self) -> None:
        options = fill(QHBoxLayout(), self.picture, self.apart, self.with_rejected, STRETCH)
        left = QWidget()
        fill(QVBoxLayout(left), options, (self.fields, 1), margins=0)
        split = QSplitter(Qt.Orientation.Vertical)
        split.addWidget(self.table)
        split.addWidget(left)
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

    def _draw(self) -> None:
        self.fields.draw(
            self.results,
            self.colors,
            shown=self.shown,
            picture=str(self.picture.currentData() or ""),
            apart=self.apart.isChecked(),
            rejected=self.with_rejected.isChecked(),
        )


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


def compare_items(session: Session, batch: Batch, uuids: Sequence[str]) -> None:
    """Read the results of items and open a window that compares them."""

    def show(results: tuple[ComparedResult, ...]) -> None:
        ComparisonWindow(results, session.viewer.window._qt_window).show()

    run_in_background(lambda: read_compared(batch, uuids), title="Comparing", done=show)
