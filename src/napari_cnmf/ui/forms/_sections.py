"""Folding boxes of the form; a section is one with the parameters of one group."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from qtpy.QtCore import Qt
from qtpy.QtGui import QIcon, QPixmap
from qtpy.QtWidgets import QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_cnmf.ui._theme import ERROR_COLOR
from napari_cnmf.ui.forms._rows import ParameterRow

_HEADER = (
    "QPushButton {{ text-align: left; border: none; background: transparent; padding: 5px 4px;"
    " font-weight: bold; {color} }}"
    "QPushButton:hover {{ background: rgba(128, 128, 128, 40); }}"
)


class FoldingBox(QCollapsible):
    """Widgets below a heading that folds."""

    def __init__(self, title: str, widgets: Sequence[QWidget]) -> None:
        # Icons would be painted in the palette's black: the arrow is part of the text.
        # Not an empty icon: PySide6 takes that one for False, and superqt refuses it.
        nothing = QPixmap(1, 1)
        nothing.fill(Qt.GlobalColor.transparent)
        super().__init__("", expandedIcon=QIcon(nothing), collapsedIcon=QIcon(nothing))
        self._heading = title
        self.toggled.connect(self._show_heading)
        self._show_heading(False)
        self.setDuration(120)
        self.show_problems(False)
        outer = self.layout()
        if outer is not None:
            outer.setContentsMargins(0, 0, 0, 0)
            outer.setSpacing(0)
        self.content().deleteLater()
        content = QWidget()
        inner = QVBoxLayout(content)
        inner.setContentsMargins(12, 2, 4, 6)
        inner.setSpacing(1)
        for widget in widgets:
            inner.addWidget(widget)
        self.setContent(content)
        content.setMaximumHeight(0)

    @property
    def title(self) -> str:
        return self._heading

    def _show_heading(self, is_expanded: bool) -> None:
        self.setText(f"{'▾' if is_expanded else '▸'}  {self._heading}")

    def show_problems(self, has_problem: bool) -> None:
        """Mark the heading, so that a folded box does not hide what is wrong."""
        color = f"color: {ERROR_COLOR};" if has_problem else ""
        style = _HEADER.format(color=color)
        if self.toggleButton().styleSheet() != style:
            self.toggleButton().setStyleSheet(style)


class Section(FoldingBox):
    """The rows of one group; the heading turns red while a row has a problem."""

    def __init__(self, title: str, rows: Iterable[ParameterRow]) -> None:
        self.rows = list(rows)
        super().__init__(title, self.rows)

    def show_rows(self, *, advanced: bool, hidden: Collection[str] = ()) -> None:
        """Show the basic rows, and those that are advanced or hidden where asked or set."""
        for row in self.rows:
            is_basic = not row.field.advanced and row.name not in hidden
            row.setVisible(advanced or is_basic or row.is_changed)
        self.setVisible(any(not row.isHidden() for row in self.rows))
        if self.isExpanded():
            self.expand(animate=False)
