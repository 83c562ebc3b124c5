"""The table's columns as arrays, which rows a filter keeps, and both for all docks of a viewer."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_cnmf.errors import CurationError
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation import Curation
from napari_cnmf.model.figures import areas, event_counts

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_cnmf.ui._session import Session


class Column(IntEnum):
    """Columns of the table, in the order they stand."""

    ID = 0
    DECISION = 1
    CLASS = 2
    SNR = 3
    R = 4
    P_CELL = 5
    AREA = 6
    EVENTS = 7
    TAGS = 8
    NOTE = 9


TITLES = ("id", "decision", "class", "SNR", "r", "p(cell)", "area", "events", "tags", "note")
TOOLTIPS = (
    "Stays the same whatever is edited",
    "accepted and rejected follow the thresholds, unless it says by hand",
    "Shape class of the built-in engine",
    "Peak signal-to-noise of the transients",
    "Correlation of the footprint with the movie at its transients",
    "Probability that it is a cell; of a result of CaImAn the score of its network",
    "Pixels above a fifth of the footprint's maximum",
    "Onsets of activity in the deconvolved trace",
    "Keys 1 to 9 give and take tags",
    "Double-click to write one",
)

_NUMBERS = {"id": Column.ID, "snr": Column.SNR, "r": Column.R, "r_value": Column.R,
            "p": Column.P_CELL, "cnn": Column.P_CELL, "p_soma": Column.P_CELL, "area": Column.AREA,
            "events": Column.EVENTS}  # fmt: skip
_COMPARISON = re.compile(r"^(\w+)(<=|>=|<|>|=)(-?[\d.]+(?:e-?\d+)?)$")
_COMPARE: dict[str, Callable[[NDArray[np.float64], float], NDArray[np.bool_]]] = {
    "<": np.less,
    ">": np.greater,
    "<=": np.less_equal,
    ">=": np.greater_equal,
    "=": np.equal,
}


@dataclass(frozen=True, eq=False)
class Figures:
    """Figures of the components on screen that no decision changes.

    Attributes
    ----------
    ids
        ``(n,)``.
    numbers
        For each numeric column, ``(n,)`` float64, NaN where unknown.
    classes
        ``(n,)``; empty strings without classes.
    others
        Figures that have no column, by name, ``(n,)``.
    """

    ids: NDArray[np.intp]
    numbers: dict[Column, NDArray[np.float64]]
    classes: NDArray[np.str_]
    others: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    @classmethod
    def of(cls, components: Components, ids: NDArray[np.intp]) -> Figures:
        """Compute the figures; takes a moment for thousands: not on the GUI thread."""
        n = components.n_components
        unknown = np.full(n, np.nan)

        def known(values: NDArray[np.floating] | None) -> NDArray[np.float64]:
            has = values is not None and values.size == n
            return np.asarray(values, np.float64) if has else unknown

        numbers = {
            Column.ID: ids.astype(np.float64),
            Column.SNR: known(components.snr),
            Column.R: known(components.r_values),
            Column.P_CELL: known(components.cnn_preds),
            Column.AREA: areas(components).astype(np.float64),
            Column.EVENTS: event_counts(components).astype(np.float64),
        }
        others = {"elongation": known(components.ecc), "noise": known(components.neurons_sn)}
        classes = components.classes if components.classes is not None else np.full(n, "")
        return cls(ids, numbers, classes, others)

    def has(self, column: Column) -> bool:
        """Whether there is anything to show in a column of scores or classes."""
        if column is Column.CLASS:
            return bool((self.classes != "").any())
        return column not in self.numbers or bool(np.isfinite(self.numbers[column]).any())

    @property
    def metrics(self) -> dict[str, NDArray[np.float64]]:
        """Every figure by title, ``(n,)``, of those that are known of any component."""
        values = {TITLES[column]: numbers for column, numbers in self.numbers.items()}
        return {t: v for t, v in {**values, **self.others}.items() if np.isfinite(v).any()}

    @classmethod
    def empty(cls) -> Figures:
        """Figures of no component."""
        nothing = np.zeros(0)
        return cls(
            np.zeros(0, np.intp), dict.fromkeys(_NUMBERS.values(), nothing), np.zeros(0, str)
        )

    def __len__(self) -> int:
        return len(self.ids)


def filter_rows(
    text: str, figures: Figures, states: NDArray[np.str_], cur: Curation
) -> NDArray[np.bool_]:
    """Whether each row satisfies every word of a filter, ``(n,)``.

    Parameters
    ----------
    text
        Words: ranges such as ``snr>3`` or ``area<=80``, ``unseen``, and anything else is looked
        for in decision, class, tags and note.

    Raises
    ------
    CurationError
        When a range names a column that has no numbers.
    """
    kept = np.ones(len(figures), bool)
    for word in text.lower().split():
        match = _COMPARISON.match(word)
        if match is not None:
            name, sign, limit = match.groups()
            kept &= _in_range(str(name), str(sign), str(limit), figures)
        elif word in ("seen", "unseen"):
            kept &= np.isin(figures.ids, cur.ids[cur.seen]) == (word == "seen")
        else:
            kept &= _mentions(word, figures, states, cur)
    return kept


def _in_range(name: str, sign: str, limit: str, figures: Figures) -> NDArray[np.bool_]:
    known = {key: figures.numbers[column] for key, column in _NUMBERS.items()} | figures.others
    if name not in known:
        raise CurationError(
            f"A range must be one of {', '.join(known)}, got {name!r}. For example snr>3."
        )
    try:
        number = float(limit)
    except ValueError as error:
        raise CurationError(
            f"A range must end in a number, got {limit!r}. For example snr>3."
        ) from error
    with np.errstate(invalid="ignore"):
        return _COMPARE[sign](known[name], number)


def _mentions(
    word: str, figures: Figures, states: NDArray[np.str_], cur: Curation
) -> NDArray[np.bool_]:
    found = np.char.find(states, word) >= 0
    found |= np.char.find(figures.classes, word) >= 0
    for id_, text in cur.words().items():
        if word in text.lower():
            found |= figures.ids == id_
    return found


class Overview:
    """State that the table and the plots of one viewer share.

    Figures are computed in the background, and only while a dock wants them.
    """

    figures_changed = Signal()
    """Other components, counted and measured."""
    order_changed = Signal()
    """Rows are sorted or filtered otherwise."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._users = 0
        self._measured: Any = None
        self.figures = Figures.empty()
        self.order: NDArray[np.intp] = np.zeros(0, np.intp)
        """Rows of the components in the order and filter of the table."""
        session.result_changed.connect(self._measure)
        session.components_changed.connect(self._measure)

    def attach(self, dock: QWidget) -> None:
        """Measure components from now on, until the dock is gone."""
        self._users += 1
        dock.destroyed.connect(self._detach)
        self._measure()

    def _detach(self) -> None:
        self._users -= 1

    def set_order(self, order: NDArray[np.intp]) -> None:
        """Tell the plots in which order the table stands."""
        if not np.array_equal(order, self.order):
            self.order = order
            self.order_changed.emit()

    def _measure(self, _result: Any = None) -> None:
        result = self._session.result
        if result is None:
            self._measured = None
            self._show(Figures.empty())
            return
        components, ids = result.components, result.ids
        if not self._users or self._measured is components:
            return
        self._measured = components

        def show(figures: Figures) -> None:
            now = self._session.result
            if now is not None and now.components is components:
                self._show(figures)

        # Imported late: napari's threads need its Qt side, which a scripted session may lack.
        from napari_cnmf.ui._background import call_in_background

        call_in_background(lambda: Figures.of(components, ids), done=show)

    def _show(self, figures: Figures) -> None:
        self.figures = figures
        self.order = np.arange(len(figures))
        self.figures_changed.emit()
