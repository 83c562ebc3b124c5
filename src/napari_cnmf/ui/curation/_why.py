"""Why is there no cell here: asked with a key at the cursor, answered on a page of the dock."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_cnmf.errors import ResultError
from napari_cnmf.model.why import ComponentHere, Explanation, explain_place
from napari_cnmf.ui._theme import connect_while_alive, set_problem

if TYPE_CHECKING:
    from napari_cnmf.ui.curation._dock import CurationWidget

_HOW = "Point at a place of the canvas and press {key}, or write its pixel: y, x."
_COMPONENT = Qt.ItemDataRole.UserRole


class WhyPage(QWidget):
    """A place, the answer in a sentence, and everything that was met there."""

    asked = Signal(tuple)
    """Pixel ``([z], y, x)`` that was written."""
    component_wanted = Signal(int)
    """Id of a component of the answer."""

    def __init__(self) -> None:
        super().__init__()
        self.place = QLineEdit()
        self.place.setPlaceholderText("y, x")
        self.place.returnPressed.connect(self._ask)
        ask = QPushButton("Why?")
        ask.setToolTip("Say what was met at this pixel and which rule dropped it")
        ask.clicked.connect(lambda _=False: self._ask())
        self.answer = QLabel()
        self.answer.setWordWrap(True)
        self.answer.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.details = QListWidget()
        self.details.setWordWrap(True)
        self.details.setToolTip("Double-click a component to select it")
        self.details.itemDoubleClicked.connect(self._on_double_click)
        row = QHBoxLayout()
        row.addWidget(self.place)
        row.addWidget(ask)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addLayout(row)
        layout.addWidget(self.answer)
        layout.addWidget(self.details, 1)

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
        """What to do first."""
        self.answer.setText(_HOW.format(key=key))
        self.details.clear()
        self.place.clear()

    def show_problem(self, problem: str) -> None:
        """Why there is no answer."""
        set_problem(self.place, problem)
        self.answer.setText(problem)
        self.details.clear()

    def show_answer(self, found: Explanation) -> None:
        """In a sentence, and what it rests on."""
        set_problem(self.place, None)
        self.place.setText(", ".join(map(str, found.at)))
        self.answer.setText(f"<b>{found.summary}</b>")
        self.details.clear()
        self._list(found.components)
        self._list(found.candidates)
        if found.images:
            self._list([", ".join(f"{n} {v:.2f}" for n, v in found.images.items())])

    def _list(self, lines: Iterable[Any]) -> None:
        for line in lines:
            item = QListWidgetItem(str(line))
            if isinstance(line, ComponentHere):
                item.setData(_COMPONENT, line.id)
            self.details.addItem(item)


class WhyHere(QObject):
    """Ties the page to the result on screen and to the cursor."""

    def __init__(self, dock: CurationWidget, key: str) -> None:
        super().__init__(dock)
        self._dock = dock
        self._key = key
        self.page = WhyPage()
        self.page.asked.connect(self.ask)
        self.page.component_wanted.connect(self._select)
        connect_while_alive(dock, (dock.session.result_changed, self._on_result))
        self.page.show_hint(key)

    def _on_result(self, _result: Any) -> None:
        self.page.show_hint(self._key)

    def why(self) -> None:
        """Explain the place under the cursor."""
        result = self._dock.session.result
        if result is None:
            return
        layers, cursor = result.layers, self._dock.session.viewer.cursor
        self.ask(layers.pixel_at(cursor.position))
        self._dock.panel.tabs.setCurrentWidget(self.page)

    def ask(self, place: tuple[int, ...]) -> None:
        """Explain a pixel ``([z], y, x)``."""
        cur = self._dock.curation
        if cur is None:
            return
        try:
            self.page.show_answer(explain_place(cur, place))
        except ResultError as error:
            self.page.show_problem(str(error))

    def _select(self, id_: int) -> None:
        result = self._dock.session.result
        if result is not None:
            self._dock.session.select(np.flatnonzero(result.ids == id_).tolist())
