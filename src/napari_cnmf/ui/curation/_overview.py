"""Figures of all components and their order, computed once for the table and the plots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_cnmf.ui.curation._columns import Figures

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_cnmf.ui._session import Session


class Overview:
    """State that the table and the plots of one viewer share.

    Figures are computed in the background, and only while a dock wants them.
    """

    figures_changed = Signal()
    """Other components, counted and measured."""
    order_changed = Signal()
    """Rows are sorted or filtered otherwise."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._users = 0
        self._measured: Any = None
        self.figures = Figures.empty()
        self.order: NDArray[np.intp] = np.zeros(0, np.intp)
        """Rows of the components in the order and filter of the table."""
        session.result_changed.connect(self._measure)
        session.components_changed.connect(self._measure)

    def attach(self, dock: QWidget) -> None:
        """Measure components from now on, until the dock is gone."""
        self._users += 1
        dock.destroyed.connect(self._detach)
        self._measure()

    def _detach(self) -> None:
        self._users -= 1

    def set_order(self, order: NDArray[np.intp]) -> None:
        """Tell the plots in which order the table stands."""
        if not np.array_equal(order, self.order):
            self.order = order
            self.order_changed.emit()

    def _measure(self, _result: Any = None) -> None:
        result = self._session.result
        if result is None:
            self._measured = None
            self._show(Figures.empty())
            return
        components, ids = result.components, result.ids
        if not self._users or self._measured is components:
            return
        self._measured = components

        def show(figures: Figures) -> None:
            now = self._session.result
            if now is not None and now.components is components:
                self._show(figures)

        # Imported late: napari's threads need its Qt side, which a scripted session may lack.
        from napari_cnmf.ui._background import call_in_background

        call_in_background(lambda: Figures.of(components, ids), done=show)

    def _show(self, figures: Figures) -> None:
        self.figures = figures
        self.order = np.arange(len(figures))
        self.figures_changed.emit()
