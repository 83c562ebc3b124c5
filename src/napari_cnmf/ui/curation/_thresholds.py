"""Sliders of the evaluation parameters: moving shows, letting go decides."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QSlider,
    QWidget,
)

from napari_cnmf.model.components import Components
from napari_cnmf.model.curation import Curation, Decision
from napari_cnmf.model.evaluation import passes_thresholds
from napari_cnmf.params import QualityParams
from napari_cnmf.ui._numbers import DecimalBox
from napari_cnmf.ui._parts import with_tip

_STEPS = 400
ANY_OF = "A component needs one of these to be accepted:"
NONE_OF = "and is rejected by any of these:"
_RULES = {
    ANY_OF: (("min_SNR", 0.0, 10.0), ("rval_thr", -1.0, 1.0), ("min_cnn_thr", 0.0, 1.0)),
    NONE_OF: (
        ("SNR_lowest", 0.0, 10.0),
        ("rval_lowest", -1.0, 1.0),
        ("cnn_lowest", 0.0, 1.0),
        ("max_ecc", 1.0, 10.0),
    ),
}
"""Thresholds with their usual range, by the part of the rule that they belong to."""
_ACCEPTING = frozenset(name for name, _, _ in _RULES[ANY_OF])
_WITHOUT = {
    "min_SNR": 1e9, "rval_thr": 1.0, "min_cnn_thr": 1.0,
    "SNR_lowest": -1e9, "rval_lowest": -1.0, "cnn_lowest": 0.0, "max_ecc": 1e9,
}  # fmt: skip
"""The value of each threshold with which it has no effect."""


def effects_of_thresholds(cur: Curation) -> dict[str, int]:
    """Count the components that each threshold decides about by itself, by its name.

    What was decided by hand is left out.
    """
    components, quality, classes = cur.components, cur.quality, cur.accepted_classes
    is_auto = cur.decisions == Decision.AUTO
    now = passes_thresholds(components, quality, classes)
    effects = {}
    for name, value in _WITHOUT.items():
        without = QualityParams.model_validate(quality.model_dump() | {name: value})
        changed = passes_thresholds(components, without, classes) != now
        effects[name] = int(np.count_nonzero(changed & is_auto))
    return effects


class ThresholdSliders(QWidget):
    """Sliders with one row a threshold; those that a result lacks or that are off are hidden."""

    moved = Signal(dict)
    """Thresholds by name while a slider is held: to be shown, not kept."""
    settled = Signal(dict)
    """The one threshold or switch that was changed."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(2)
        self._known: dict[str, bool] = {}
        self.rows: dict[str, _Row] = {}
        self.switches: dict[str, QCheckBox] = {}
        self.rules = {text: QLabel(text) for text in (ANY_OF, NONE_OF)}
        for text, thresholds in _RULES.items():
            self.rules[text].setWordWrap(True)
            grid.addWidget(self.rules[text], grid.rowCount(), 0, 1, 4)
            for name, low, high in thresholds:
                self._add_row(grid, name, low, high)
        self._add_switches(grid)

    def _add_row(self, grid: QGridLayout, name: str, low: float, high: float) -> None:
        field = QualityParams.model_fields[name]
        # "Accept above SNR" stands below a line that says "accepted" already.
        what = str(field.title).removeprefix("Accept ").removeprefix("Reject ")
        row = _Row(name, what, str(field.description), low, high)
        row.add_to(grid, grid.rowCount())
        row.slider.valueChanged.connect(lambda _=0, r=row: self._on_slider(r))
        row.slider.sliderReleased.connect(lambda r=row: self._settle(r))
        row.box.valueChanged.connect(lambda _=0.0, r=row: self._on_box(r))
        self.rows[name] = row

    def _add_switches(self, grid: QGridLayout) -> None:
        switches = QHBoxLayout()
        for name in ("use_cnn", "use_ecc"):
            field = QualityParams.model_fields[name]
            box = with_tip(QCheckBox(str(field.title)), f"{field.description} ({name})")
            box.toggled.connect(lambda on, n=name: self.settled.emit({n: on}))
            switches.addWidget(box)
            self.switches[name] = box
        switches.addStretch()
        grid.addLayout(switches, grid.rowCount(), 0, 1, 4)

    def set_components(self, components: Components) -> None:
        """Set the sliders' ranges to the scores of components."""
        n = components.n_components
        cnn = components.cnn_preds
        self._known = known = {
            "SNR": components.snr is not None and n > 0,
            "rval": components.r_values is not None and n > 0,
            "cnn": cnn is not None and cnn.size == n > 0,
            "ecc": components.ecc is not None and n > 0 and len(components.dims) == 2,
        }
        for name, box in self.switches.items():
            box.setVisible(known[name.removeprefix("use_")])
        if known["SNR"]:
            finite = np.asarray(components.snr)[np.isfinite(np.asarray(components.snr))]
            top = float(np.percentile(finite, 98)) if finite.size else 10.0
            for name in ("min_SNR", "SNR_lowest"):
                self.rows[name].set_range(0.0, max(10.0, float(np.ceil(top))))
        self._show_rows()

    def _show_rows(self) -> None:
        """Hide the thresholds that are switched off, for the table to have their place."""
        for name, row in self.rows.items():
            score = next((score for score in self._known if score in name), None)
            switch = self.switches.get(f"use_{score}")
            is_on = switch is None or switch.isChecked()
            row.set_visible(score is not None and self._known[score] and is_on)
        for text, thresholds in _RULES.items():
            seen = any(not self.rows[name].slider.isHidden() for name, _, _ in thresholds)
            self.rules[text].setVisible(seen)

    def show_effects(self, effects: Mapping[str, int]) -> None:
        """Say how many components each threshold decides about by itself."""
        for name, row in self.rows.items():
            row.show_effect(effects.get(name))

    def set_quality(self, quality: QualityParams) -> None:
        """Show thresholds without telling anyone."""
        for name, row in self.rows.items():
            value = float(getattr(quality, name))
            # A box that is set, even to what it shows, has the dock laid out again.
            if value != row.box.value():
                row.set_value(value)
        for name, box in self.switches.items():
            # The classifier's scores count unless that is switched off.
            is_on = getattr(quality, name) is not False
            if is_on != box.isChecked():
                with QSignalBlocker(box):
                    box.setChecked(is_on)
        self._show_rows()

    def _on_slider(self, row: _Row) -> None:
        row.take_from_slider()
        if row.slider.isSliderDown():
            self.moved.emit({row.name: row.value()})
        else:
            self._settle(row)

    def _on_box(self, row: _Row) -> None:
        row.take_from_box()
        self._settle(row)

    def _settle(self, row: _Row) -> None:
        self.settled.emit({row.name: row.value()})


class _Row:
    """Row of one threshold: label, slider and box, in step."""

    def __init__(self, name: str, title: str, tooltip: str, low: float, high: float) -> None:
        self.name = name
        self.label = QLabel(title)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, _STEPS)
        self.slider.setPageStep(_STEPS // 20)
        self.box = DecimalBox()
        self.box.setDecimals(4)
        self.box.setKeyboardTracking(False)
        self.box.setFixedWidth(90)
        self.effect = QLabel()
        self.effect.setFixedWidth(self.effect.fontMetrics().horizontalAdvance("0,000") + 6)
        self.effect.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        for widget in (self.label, self.slider, self.box):
            widget.setToolTip(f"{tooltip} ({name})")
        self.set_range(low, high)

    def add_to(self, grid: QGridLayout, row: int) -> None:
        """Put the widgets into a row of the grid."""
        for column, widget in enumerate((self.label, self.slider, self.box, self.effect)):
            grid.addWidget(widget, row, column)

    def show_effect(self, n: int | None) -> None:
        """Say how many components this threshold alone decides about."""
        self.effect.setText("" if n is None else f"{n:,}")
        verdict = "accepted" if self.name in _ACCEPTING else "rejected"
        self.effect.setToolTip(f"Components that are {verdict} by this threshold alone")

    def set_visible(self, visible: bool) -> None:
        """Show or hide the widgets of the row."""
        for widget in (self.label, self.slider, self.box, self.effect):
            widget.setVisible(visible)

    def set_range(self, low: float, high: float) -> None:
        """Set the range of slider and box."""
        with QSignalBlocker(self.box):
            self._low, self._high = low, high
            self.box.setRange(low, high)
            self.box.setSingleStep((high - low) / 100)

    def value(self) -> float:
        """Value of the threshold, as the box shows it."""
        return round(self.box.value(), 4)

    def set_value(self, value: float) -> None:
        """Show a value without telling anyone; the range grows to hold it."""
        with QSignalBlocker(self.box):
            # A file may hold what lies outside of the range that is usual.
            self.box.setRange(min(self._low, value), max(self._high, value))
            self.box.setValue(value)
        self.take_from_box()

    def take_from_box(self) -> None:
        """Move the slider to the box's value."""
        share = (self.box.value() - self._low) / (self._high - self._low)
        with QSignalBlocker(self.slider):
            self.slider.setValue(round(share * _STEPS))

    def take_from_slider(self) -> None:
        """Take the slider's value into the box."""
        value = round(self._low + self.slider.value() / _STEPS * (self._high - self._low), 2)
        with QSignalBlocker(self.box):
            self.box.setValue(value)
