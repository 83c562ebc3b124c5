"""Folding boxes of the form; a section is one with rows of parameters."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_cnmf.ui._parts import fill
from napari_cnmf.ui._theme import ERROR_COLOR
from napari_cnmf.ui.forms._rows import ParameterRow

_HEADER = (
    "QPushButton {{ text-align: left; border: none; background: transparent; padding: 5px 4px;"
    " font-weight: bold; {color} }}"
    "QPushButton:hover, QPushButton:focus {{ background: rgba(128, 128, 128, 40); }}"
)


class FoldingBox(QWidget):
    """Box of widgets below a heading that folds them away; the Tab key then passes them over."""

    toggled = Signal(bool)

    def __init__(
        self, title: str, widgets: Sequence[QWidget], *, is_expanded: bool = False
    ) -> None:
        super().__init__()
        self.title = title
        """Text of the heading."""
        self.button = QPushButton()
        self.button.setCheckable(True)
        self.button.setChecked(is_expanded)
        self.button.toggled.connect(self._on_toggled)
        self._content = QWidget()
        self._column = QVBoxLayout(self._content)
        self._column.setContentsMargins(12, 2, 4, 6)
        self._column.setSpacing(1)
        for widget in widgets:
            self.add(widget)
        fill(QVBoxLayout(self), self.button, self._content, margins=0, spacing=0)
        self._content.setVisible(is_expanded)
        self._show_heading()
        self.show_problems(False)

    def add(self, widget: QWidget) -> None:
        """Put another widget below the others."""
        self._column.addWidget(widget)

    def set_title(self, title: str) -> None:
        """Set the text of the heading."""
        self.title = title
        self._show_heading()

    def content(self) -> QWidget:
        """Widget that is folded away."""
        return self._content

    def isExpanded(self) -> bool:
        """Whether the content is shown."""
        return self.button.isChecked()

    def expand(self) -> None:
        """Show the content."""
        self.button.setChecked(True)

    def collapse(self) -> None:
        """Fold the content away."""
        self.button.setChecked(False)

    def _on_toggled(self, is_expanded: bool) -> None:
        self._content.setVisible(is_expanded)
        self._show_heading()
        self.toggled.emit(is_expanded)

    def _show_heading(self) -> None:
        self.button.setText(f"{'▾' if self.isExpanded() else '▸'}  {self.title}")

    def show_problems(self, has_problem: bool) -> None:
        """Mark the heading, so that a folded box does not hide what is wrong."""
        color = f"color: {ERROR_COLOR};" if has_problem else ""
        style = _HEADER.format(color=color)
        if self.button.styleSheet() != style:
            self.button.setStyleSheet(style)


class Section(FoldingBox):
    """Section with rows of parameters; the heading turns red while a row has a problem."""

    def __init__(
        self, title: str, rows: Iterable[ParameterRow], *, is_expanded: bool = False
    ) -> None:
        self.rows = list(rows)
        super().__init__(title, self.rows, is_expanded=is_expanded)

    def show_rows(
        self,
        *,
        advanced: bool,
        hidden: Collection[str] = (),
        groups: Collection[str] | None = None,
    ) -> None:
        """Show the basic rows, and those that are advanced or hidden where asked or set."""
        for row in self.rows:
            is_basic = not row.field.advanced and row.name not in hidden
            is_used = groups is None or row.field.group in groups
            row.setVisible(is_used and (advanced or is_basic or row.is_changed))
        self.setVisible(any(not row.isHidden() for row in self.rows))
