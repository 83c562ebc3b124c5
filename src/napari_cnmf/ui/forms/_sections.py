"""Folding boxes of the form; a section is one with the parameters of one group."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from qtpy.QtWidgets import QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_cnmf.ui._theme import ERROR_COLOR
from napari_cnmf.ui.forms._rows import ParameterRow

_HEADER = (
    "QPushButton {{ text-align: left; border: none; background: transparent; padding: 5px 4px;"
    " font-weight: bold; color: {color}; }}"
    "QPushButton:hover {{ background: rgba(128, 128, 128, 40); }}"
)


class FoldingBox(QCollapsible):
    """Widgets below a heading that folds."""

    def __init__(self, title: str, widgets: Sequence[QWidget]) -> None:
        super().__init__(title, expandedIcon="▾", collapsedIcon="▸")
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

    def show_problems(self, has_problem: bool) -> None:
        """Mark the heading, so that a folded box does not hide what is wrong."""
        color = ERROR_COLOR if has_problem else "palette(text)"
        self.toggleButton().setStyleSheet(_HEADER.format(color=color))


class Section(FoldingBox):
    """The rows of one group; the heading turns red while a row has a problem."""

    def __init__(self, title: str, rows: Iterable[ParameterRow]) -> None:
        self.rows = list(rows)
        super().__init__(title, self.rows)

    def show_rows(self, *, advanced: bool) -> None:
        """Show the basic rows, and the advanced ones where asked or set to something."""
        for row in self.rows:
            row.setVisible(advanced or not row.field.advanced or row.is_changed)
        self.setVisible(any(not row.isHidden() for row in self.rows))
        if self.isExpanded():
            self.expand(animate=False)
