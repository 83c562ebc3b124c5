"""Draws contours of several results over one image, or each over its own, moved as one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from qtpy.QtGui import QColor

from napari_cnmf.ui.compare._read import ComparedResult


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
        """Draw the fields anew; the view stays where it was.

        Parameters
        ----------
        shown
            Positions in ``results`` that are drawn.
        picture
            Name of the summary image.
        apart
            A panel for each result, instead of one for all.
        rejected
            Draw rejected components too, dotted.
        """
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
