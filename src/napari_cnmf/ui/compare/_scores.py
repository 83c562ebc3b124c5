"""Draws the distributions of the scores of several results."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from qtpy.QtGui import QColor

from napari_cnmf.ui.compare._read import ComparedResult

_TITLES = {
    "SNR": "Signal to noise",
    "r": "Spatial correlation",
    "p(cell)": "Probability of a cell",
}
_N_BINS = 24


class ScoresView(pg.GraphicsLayoutWidget):  # type: ignore[misc]
    """A histogram for each score that a result has; found components are counted."""

    def __init__(self) -> None:
        super().__init__()
        self.setBackground(None)
        self.setMinimumSize(240, 200)
        self._text = "#cccccc"
        self.titles: list[str] = []

    def set_text_color(self, color: str) -> None:
        """Set the colour of the text, as in a theme; seen at the next ``draw``."""
        self._text = color

    def draw(
        self, results: Sequence[ComparedResult], colors: Sequence[str], shown: Collection[int]
    ) -> None:
        """Draw the histograms anew; all results share the bins."""
        self.clear()
        self.titles = []
        for score, title in _TITLES.items():
            values = {i: r.scores[score] for i, r in enumerate(results) if score in r.scores}
            finite = [v[np.isfinite(v)] for v in values.values()]
            if not any(v.size for v in finite):
                continue
            self.titles.append(title)
            edges = _edges(np.concatenate(finite))
            plot = self.addPlot(row=len(self.titles), col=0)
            plot.hideButtons()
            plot.setMenuEnabled(False)
            plot.setMouseEnabled(x=False, y=False)
            plot.setLabel("bottom", title, color=self._text)
            for name in ("left", "bottom"):
                axis = plot.getAxis(name)
                axis.setPen(pg.mkPen(self._text))
                axis.setTextPen(self._text)
                axis.enableAutoSIPrefix(False)
            for i in shown:
                if i in values:
                    _add_steps(plot, values[i], edges, colors[i])


def _edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Edges of bins up to the 99th percentile: one bright cell would squeeze all others."""
    low, high = float(values.min()), float(np.percentile(values, 99))
    return np.linspace(low, high if high > low else low + 1.0, _N_BINS + 1)


def _add_steps(
    plot: pg.PlotItem, values: NDArray[np.float64], edges: NDArray[np.float64], color: str
) -> None:
    counts, _ = np.histogram(np.clip(values[np.isfinite(values)], edges[0], edges[-1]), edges)
    filled = QColor(color)
    filled.setAlpha(50)
    plot.addItem(
        pg.PlotCurveItem(
            edges,
            counts,
            stepMode="center",
            fillLevel=0,
            brush=filled,
            pen=pg.mkPen(color, width=1.8),
        )
    )
