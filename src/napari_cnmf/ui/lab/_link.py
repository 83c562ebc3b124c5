"""Ties the lab's rows to those of the form: a change in one place shows in the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_cnmf.errors import ParameterError
from napari_cnmf.params import CNMFParams, iter_fields
from napari_cnmf.ui._docks import show_dock
from napari_cnmf.ui._theme import connect_while_alive
from napari_cnmf.ui.forms._rows import ParameterRow

if TYPE_CHECKING:
    from napari_cnmf.ui._session import Session
    from napari_cnmf.ui.forms._dock import ParametersWidget

_FIELDS = {field.name: field for field in iter_fields()}


class FormLink(QObject):
    """Link to the form of the viewer, and rows that mirror some of its own."""

    changed = Signal()
    """A parameter, the method or the form itself changed."""

    def __init__(self, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self._session = session
        self._form: ParametersWidget | None = None
        self._rows: dict[str, list[ParameterRow]] = {}
        connect_while_alive(self, (session.form_changed, self._take_form))
        self._take_form()

    @property
    def form(self) -> ParametersWidget:
        """Form of the viewer, opened beside the lab if it is not there."""
        if self._form is None:
            show_dock(self._session.viewer, "CNMF parameters")
            self._take_form()
        assert self._form is not None, "the form registers itself"
        return self._form

    def row(self, name: str) -> ParameterRow:
        """Make a row for ``group.key`` that shows and changes the form's."""
        row = ParameterRow(_FIELDS[name])
        self._rows.setdefault(name, []).append(row)
        row.changed.connect(lambda: self.set(name, row.value))
        self._show(name, row)
        return row

    def set(self, name: str, value: Any) -> None:
        """Change a parameter in the form."""
        self.form.form.row(name).set_value(value)

    def params(self) -> CNMFParams | None:
        """Parameters of the form; ``None`` while something in it is wrong."""
        if self._form is None:
            return None
        try:
            return self._form.value()
        except ParameterError:
            return None

    def values(self) -> dict[str, Any]:
        """Values of the form's rows, by parameter."""
        rows = self.form.form
        return {name: rows.row(name).value for name in _FIELDS}

    @property
    def problems(self) -> dict[str, str]:
        """Problems of the form, by parameter."""
        return {} if self._form is None else self._form.form.problems

    @property
    def algorithm(self) -> str:
        """Algorithm of the form, ``cnmf``, ``cnmfe``, ...; ``cnmf`` without a form."""
        return "cnmf" if self._form is None else self._form.header.algorithm

    @property
    def is_one_photon(self) -> bool:
        """Whether the form's algorithm is for one-photon recordings."""
        return self.algorithm == "cnmfe"

    def _take_form(self) -> None:
        form = self._session.form
        if form is self._form:
            return
        self._form = form
        # Without a form nothing can have changed, and the whole window may be closing.
        if form is not None:
            form.form.changed.connect(self._on_changed)
            form.header.algorithm_changed.connect(self._on_changed)
            self._on_changed()

    def _on_changed(self) -> None:
        for name, rows in self._rows.items():
            for row in rows:
                self._show(name, row)
        self.changed.emit()

    def _show(self, name: str, row: ParameterRow) -> None:
        if self._form is None:
            return
        theirs = self._form.form.row(name)
        if row.value != theirs.value:
            row.blockSignals(True)
            row.set_value(theirs.value)
            row.blockSignals(False)
        row.show_problem(self._form.form.problems.get(name))
