"""Answers why there is no cell at the cursor, on a page of the dock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_cnmf.model.why import Explanation, explain_place
from napari_cnmf.params import QualityParams
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
    """Page with a place, the answer in a sentence, and everything that was met there."""

    asked = Signal(tuple)
    """Pixel ``([z], y, x)`` that was written."""
    component_wanted = Signal(int)
    """Id of a component of the answer."""
    shown = Signal()
    """The page came to the front."""

    def __init__(self) -> None:
        super().__init__()
        self.place = QLineEdit()
        self.place.setPlaceholderText("y, x")
        self.place.returnPressed.connect(self._ask)
        ask = push_button(
            "Why?", "Say what was met at this pixel and which rule dropped it", self._ask
        )
        self.answer = text_label(selectable=True)
        self.details = QListWidget()
        self.details.setWordWrap(True)
        self.details.setToolTip("Double-click a component to select it")
        self.details.itemDoubleClicked.connect(self._on_double_click)
        row = fill(QHBoxLayout(), self.place, ask)
        fill(QVBoxLayout(self), row, self.answer, (self.details, 1), margins=4)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Say that the page came to the front."""
        super().showEvent(event)
        self.shown.emit()

    def _ask(self) -> None:
        try:
            place = tuple(int(part) for part in self.place.text().split(","))
        except ValueError:
            self.show_problem("A place is written as whole pixels: y, x.")
            return
        self.asked.emit(place)

    def _on_double_click(self, item: QListWidgetItem) -> None:
        id_ = item.data(_COMPONENT)
        if id_ is not None:
            self.component_wanted.emit(id_)

    def show_hint(self, key: str) -> None:
        """Show what to do first."""
        self.answer.setText(_HOW.format(key=key))
        self.details.clear()
        self.place.clear()

    def show_problem(self, problem: str) -> None:
        """Show why there is no answer."""
        set_problem(self.place, problem)
        self.answer.setText(problem)
        self.details.clear()

    def show_answer(self, found: Explanation, quality: QualityParams) -> None:
        """Show the answer in a sentence, and list what it rests on."""
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


def _is_inside(place: tuple[int, ...], dims: tuple[int, ...]) -> bool:
    return len(place) == len(dims) and all(0 <= i < n for i, n in zip(place, dims, strict=True))


class WhyHere(QObject):
    """Controller that ties the page to the result on screen and to the cursor."""

    def __init__(self, dock: CurationWidget, key: str) -> None:
        super().__init__(dock)
        self._dock = dock
        self._key = key
        self.page = WhyPage()
        self.page.asked.connect(self.ask)
        self.page.component_wanted.connect(self._select)
        self.page.shown.connect(self._explain_selected)
        connect_while_alive(
            dock,
            (dock.session.result_changed, self._on_result),
            (dock.session.selection_changed, lambda _: self._explain_selected()),
        )
        self.page.show_hint(key)

    def _on_result(self, _result: Any) -> None:
        self.page.show_hint(self._key)

    def _explain_selected(self) -> None:
        """Explain the component that is selected alone, while the page is seen."""
        cur, selection = self._dock.curation, self._dock.session.selection
        if cur is None or len(selection) != 1 or not self.page.isVisible():
            return
        footprint = cur.components.A[:, [selection[0]]].toarray()
        place = np.unravel_index(int(footprint.argmax()), cur.components.dims)
        self.ask(tuple(map(int, place)))

    def why(self) -> None:
        """Explain the place under the cursor."""
        result = self._dock.session.result
        if result is None:
            return
        layers, cursor = result.layers, self._dock.session.viewer.cursor
        place = layers.pixel_at(cursor.position)
        # The page explains what is selected when it comes to the front: the place comes after.
        self._dock.panel.tabs.setCurrentWidget(self.page)
        if not _is_inside(place, result.components.dims):
            self.page.show_problem(_OUTSIDE)
        else:
            self.ask(place)

    def ask(self, place: tuple[int, ...]) -> None:
        """Explain a pixel ``([z], y, x)``."""
        cur = self._dock.curation
        if cur is None:
            return
        dims = cur.components.dims
        if _is_inside(place, dims):
            self.page.show_answer(explain_place(cur, place), cur.quality)
            return
        axes = ", ".join(
            f"{axis} from 0 to {n - 1}" for axis, n in zip("zyx"[-len(dims) :], dims, strict=True)
        )
        self.page.show_problem(f"This pixel is outside of the recording. It has {axes}.")

    def _select(self, id_: int) -> None:
        result = self._dock.session.result
        if result is not None:
            self._dock.session.select(np.flatnonzero(result.ids == id_).tolist())
