"""Answers why there is no cell at the cursor, on a page of the dock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_cnmf.model.why import explain_place
from napari_cnmf.params.numbers import parse_whole
from napari_cnmf.ui._parts import fill, push_button, text_label
from napari_cnmf.ui._theme import connect_while_alive, set_problem
from napari_cnmf.ui.curation._why_words import (
    describe_candidate,
    describe_component,
    describe_images,
    describe_place,
)

if TYPE_CHECKING:
    from napari_cnmf.ui.curation._dock import CurationWidget

_HOW = (
    "Select a component, or point at any place of the canvas and press {key}. "
    "A pixel can be typed as well: y, x."
)
_OUTSIDE = "The cursor is outside of the recording. Point at a place in it and press the key again."
_COMPONENT = Qt.ItemDataRole.UserRole


class WhyPage(QWidget):
    """Page that says why there is a cell at a place, and lists everything that was met there."""

    def __init__(self, dock: CurationWidget, key: str) -> None:
        super().__init__()
        self._dock = dock
        self._key = key
        self.place = QLineEdit()
        self.place.setPlaceholderText("y, x")
        self.place.returnPressed.connect(self._ask_typed)
        ask = push_button(
            "Why?", "Say what was met at this pixel and which rule dropped it", self._ask_typed
        )
        self.answer = text_label(selectable=True)
        self.details = QListWidget()
        self.details.setWordWrap(True)
        self.details.setToolTip("Double-click a component to select it")
        self.details.itemDoubleClicked.connect(self._on_double_click)
        row = fill(QHBoxLayout(), self.place, ask)
        fill(QVBoxLayout(self), row, self.answer, (self.details, 1), margins=4)
        connect_while_alive(
            self,
            (dock.session.result_changed, self._show_hint),
            (dock.session.selection_changed, self._explain_selected),
        )
        self._show_hint()

    def showEvent(self, event: QShowEvent | None) -> None:
        """Explain the component that is selected when the page comes to the front."""
        super().showEvent(event)
        self._explain_selected()

    def _show_hint(self, _result: Any = None) -> None:
        """Show what to do first."""
        self.answer.setText(_HOW.format(key=self._key))
        self.details.clear()
        self.place.clear()

    def _show_problem(self, problem: str) -> None:
        """Show why there is no answer."""
        set_problem(self.place, problem)
        self.answer.setText(problem)
        self.details.clear()

    def _explain_selected(self, _selection: Any = None) -> None:
        """Explain the component that is selected alone, while the page is seen."""
        cur, selection = self._dock.curation, self._dock.session.selection
        if cur is None or len(selection) != 1 or not self.isVisible():
            return
        footprint = cur.components.A[:, [selection[0]]].toarray()
        place = np.unravel_index(int(footprint.argmax()), cur.components.dims)
        self.ask(tuple(map(int, place)))

    def _ask_typed(self) -> None:
        place = [parse_whole(part) for part in self.place.text().split(",")]
        if None in place:
            self._show_problem("A place is written as whole pixels: y, x.")
            return
        self.ask(tuple(pixel for pixel in place if pixel is not None))

    def why(self) -> None:
        """Explain the place under the cursor."""
        result = self._dock.session.result
        if result is None:
            return
        place = result.layers.pixel_at(self._dock.session.viewer.cursor.position)
        # The page explains what is selected when it comes to the front: the place comes after.
        self._dock.panel.tabs.setCurrentWidget(self)
        if _is_inside(place, result.components.dims):
            self.ask(place)
        else:
            self._show_problem(_OUTSIDE)

    def ask(self, place: tuple[int, ...]) -> None:
        """Explain a pixel ``([z], y, x)``."""
        cur = self._dock.curation
        if cur is None:
            return
        dims = cur.components.dims
        if not _is_inside(place, dims):
            axes = ", ".join(
                f"{axis} from 0 to {n - 1}"
                for axis, n in zip("zyx"[-len(dims) :], dims, strict=True)
            )
            self._show_problem(f"This pixel is outside of the recording. It has {axes}.")
            return
        found, quality = explain_place(cur, place), cur.quality
        set_problem(self.place, None)
        self.place.setText(", ".join(map(str, found.at)))
        self.answer.setText(f"<b>{describe_place(found, quality)}</b>")
        self.details.clear()
        for component in found.components:
            item = QListWidgetItem(describe_component(component, quality))
            item.setData(_COMPONENT, component.id)
            self.details.addItem(item)
        for candidate in found.candidates:
            self.details.addItem(describe_candidate(candidate, found))
        for line in describe_images(found):
            self.details.addItem(line)

    def _on_double_click(self, item: QListWidgetItem) -> None:
        id_, result = item.data(_COMPONENT), self._dock.session.result
        if id_ is not None and result is not None:
            self._dock.session.select(np.flatnonzero(result.ids == id_).tolist())


def _is_inside(place: tuple[int, ...], dims: tuple[int, ...]) -> bool:
    return len(place) == len(dims) and all(0 <= i < n for i, n in zip(place, dims, strict=True))
