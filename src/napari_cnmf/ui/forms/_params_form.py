"""The form over all parameters: a ``CNMFParams`` in, a ``CNMFParams`` out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_cnmf.errors import ParameterError
from napari_cnmf.params import CNMFParams, InvalidParametersError, iter_fields
from napari_cnmf.ui._parts import push_button
from napari_cnmf.ui.forms._rows import ParameterRow
from napari_cnmf.ui.forms._sections import Section

_TITLES = {
    "data": "Recording",
    "motion": "Motion correction",
    "init": "Finding cells",
    "patch": "Patches",
    "preprocess": "Noise",
    "spatial": "Footprints",
    "temporal": "Traces",
    "merging": "Merging",
    "quality": "Evaluation",
    "": "Reproducibility",
}


ESSENTIAL = ("init.gSig", "data.fr", "data.decay_time")
"""The three numbers that decide a result more than all others together."""


class ParamsForm(QWidget):
    """Form of every parameter in folding sections, validated while typing.

    The three that matter most stand on top, unfolded.

    ``changed`` fires after each edit, valid or not; ``value`` raises while something is wrong.
    """

    changed = Signal()
    measure_clicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._extra: dict[str, dict[str, Any]] = {}
        self._advanced = False
        self._groups: frozenset[str] | None = None
        self._hidden: frozenset[str] = frozenset()
        self._problems: dict[str, str] = {}
        self._is_setting = False
        self._rows = {row.name: row for row in (ParameterRow(f) for f in iter_fields())}
        self._sections: dict[str, Section] = {}
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        self.essentials = Section(
            "What to measure first", [self._rows[name] for name in ESSENTIAL], is_expanded=True
        )
        self.measure_button = push_button(
            "Measure in the parameter lab…",
            "Measures the cells' radius and the decay time on the movie, and shows what they mean",
            self.measure_clicked.emit,
        )
        self.essentials.add(self.measure_button)
        layout.addWidget(self.essentials)
        others = [row for row in self._rows.values() if row.name not in ESSENTIAL]
        for group, title in _TITLES.items():
            rows = [row for row in others if row.field.group == group]
            if rows:
                self._sections[group] = Section(title, rows)
                layout.addWidget(self._sections[group])
        layout.addStretch(1)
        for row in self._rows.values():
            row.changed.connect(self._on_row_changed)
        self._show_rows()

    def row(self, name: str) -> ParameterRow:
        """Row of the parameter ``group.key``."""
        return self._rows[name]

    def section(self, group: str) -> Section:
        """Section of a group, without what stands on top."""
        return self._sections[group]

    @property
    def problems(self) -> dict[str, str]:
        """Problems of the form now: ``{"group.key": sentence}``."""
        return dict(self._problems)

    def value(self) -> CNMFParams:
        """Parameters as they stand in the form.

        Raises
        ------
        ParameterError
            While something that was entered is wrong.
        """
        entered: dict[str, Any] = {"extra": self._extra}
        for row in self._rows.values():
            if row.field.group:
                entered.setdefault(row.field.group, {})[row.field.key] = row.value
            else:
                entered[row.field.key] = row.value
        return CNMFParams.from_dict(entered)

    def set_value(self, params: CNMFParams, *, but_keep: Collection[str] = ()) -> None:
        """Show these parameters; ``changed`` fires once."""
        self._extra = dict(params.extra)
        self._is_setting = True
        try:
            for row in self._rows.values():
                if row.name in but_keep:
                    continue
                row.set_value(row.field.value_in(params))
        finally:
            self._is_setting = False
        self._show_rows()
        self._on_row_changed()

    def set_reference(self, params: CNMFParams) -> None:
        """Mark what differs from these parameters, such as those of the preset."""
        for row in self._rows.values():
            row.set_reference(row.field.value_in(params))

    def put_below_essentials(self, widget: QWidget) -> None:
        """Put a widget between the three numbers on top and the folded sections."""
        layout = self.layout()
        assert isinstance(layout, QVBoxLayout)
        layout.insertWidget(1, widget)

    def show_groups(self, groups: Collection[str] | None, *, hidden: Collection[str] = ()) -> None:
        """Show the sections of these groups alone; all of them with ``None``."""
        self._groups = None if groups is None else frozenset(groups)
        self._hidden = frozenset(hidden)
        self._show_rows()

    def show_advanced(self, advanced: bool) -> None:
        """Show what is seldom needed as well."""
        self._advanced = advanced
        self._show_rows()

    def _show_rows(self) -> None:
        for section in (self.essentials, *self._sections.values()):
            section.show_rows(advanced=self._advanced, hidden=self._hidden, groups=self._groups)

    def _on_row_changed(self) -> None:
        if self._is_setting:
            return
        try:
            self.value()
        except InvalidParametersError as error:
            self._problems = error.problems
        except ParameterError as error:
            self._problems = {"": str(error)}
        else:
            self._problems = {}
        self.show_problems(self._problems)
        self.changed.emit()

    def show_problems(self, problems: Mapping[str, str]) -> None:
        """Mark rows and headings with problems, the owner's of the form as well as its own."""
        for name, row in self._rows.items():
            row.show_problem(problems.get(name))
        for section in (self.essentials, *self._sections.values()):
            section.show_problems(any(row.name in problems for row in section.rows))
