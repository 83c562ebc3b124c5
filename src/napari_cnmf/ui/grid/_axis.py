"""Row of one parameter of a grid and the values that are tried."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLineEdit, QWidget

from napari_cnmf.errors import ParameterError
from napari_cnmf.params import CNMFParams, InvalidParametersError, ParameterField
from napari_cnmf.params.numbers import kind_of, split_values
from napari_cnmf.ui._parts import fill, tool_button
from napari_cnmf.ui._theme import set_problem, style_tool_button
from napari_cnmf.ui.forms._editors import keep_wheel_for_scrolling


def read_values(text: str, field: ParameterField, base: CNMFParams) -> tuple[Any, ...]:
    """Read the values in ``text``, each once, as the parameters take them.

    Raises
    ------
    ParameterError
        For no value, or one that the parameter does not take.

    Examples
    --------
    ``0.7, 0.85`` or ``0,7; 0,85`` for a number, ``4, 4; 6, 6`` for a size.
    """
    parts = split_values(text, kind_of(field.annotation), field.name)
    if not parts:
        raise ParameterError(f"{field.name} needs values. Write for example {example(field)}.")
    values: list[Any] = []
    for part in parts:
        changed = base.set(field.name, part)
        value = field.value_in(changed)
        if value not in values:
            values.append(value)
    return tuple(values)


def write_value(value: Any) -> str:
    """Write a value as `read_values` takes it."""
    if isinstance(value, tuple | list):
        return ", ".join(write_value(part) for part in value)
    if isinstance(value, float):
        return f"{value:.15g}"
    return "none" if value is None else str(value)


def example(field: ParameterField) -> str:
    """Example of what might be typed."""
    if field.choices:
        return ", ".join(str(choice) for choice in field.choices)
    if kind_of(field.annotation).several:
        return "4, 4; 6, 6"
    return "0.7, 0.85"


class AxisRow(QWidget):
    """Row with a list of parameters, a line for values, and a button that takes the row away."""

    changed = Signal()
    removed = Signal()

    def __init__(
        self, fields: Sequence[ParameterField], base: CNMFParams, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._base = base
        self._fields = {field.name: field for field in fields}
        self.names = QComboBox()
        for field in fields:
            self.names.addItem(f"{field.title}  ·  {field.name}", field.name)
            self.names.setItemData(self.names.count() - 1, field.help, Qt.ItemDataRole.ToolTipRole)
        self.names.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.names.setMinimumContentsLength(26)
        keep_wheel_for_scrolling(self.names)
        self.values = QLineEdit()
        remove = tool_button("✕", "Take this parameter out of the grid")
        style_tool_button(remove)
        fill(QHBoxLayout(self), (self.names, 1), (self.values, 1), remove, margins=0)
        self.names.currentIndexChanged.connect(lambda _: self._start_over())
        self.values.textChanged.connect(lambda _: self.changed.emit())
        remove.clicked.connect(lambda _=False: self.removed.emit())
        self._start_over()

    @property
    def field(self) -> ParameterField:
        """Parameter that the row is for."""
        return self._fields[self.names.currentData()]

    def choose(self, name: str) -> None:
        """Choose a parameter by ``group.key``."""
        self.names.setCurrentIndex(list(self._fields).index(name))

    def _start_over(self) -> None:
        """Begin anew with the value that all items would have."""
        field = self.field
        self.values.setPlaceholderText(f"such as {example(field)}")
        self.values.setText(write_value(field.value_in(self._base)))
        self.changed.emit()

    def read(self) -> tuple[Any, ...]:
        """Read the values; marks the line when there is something wrong with them.

        Raises
        ------
        ParameterError
            Then.
        """
        try:
            values = read_values(self.values.text(), self.field, self._base)
        except ParameterError as error:
            problem = str(error)
            if isinstance(error, InvalidParametersError):
                problem = " ".join(error.problems.values())
            self._show_problem(problem)
            raise
        self._show_problem(None)
        return values

    def _show_problem(self, problem: str | None) -> None:
        set_problem(self.values, problem)
        self.values.setToolTip(problem or self.field.help)
