"""What the curation dock looks like: widgets in, signals out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QTabWidget,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from napari_cnmf.ui._theme import make_primary, set_problem
from napari_cnmf.ui.curation._actions import N_TAGS, Action
from napari_cnmf.ui.curation._history import HistoryList
from napari_cnmf.ui.curation._states import Counts
from napari_cnmf.ui.curation._table_model import CurationTableModel
from napari_cnmf.ui.curation._table_view import CurationTable
from napari_cnmf.ui.curation._thresholds import ThresholdSliders
from napari_cnmf.ui.layers._colors import VERDICT_COLORS, Verdict

_BUTTONS = (
    ("accept", "reject", "unsure", "auto"),
    ("merge", "split", "cut", "delete"),
    ("draw", "redraw", "undo", "redo"),
)
_SWITCHES = {
    "accepted": (Verdict.ACCEPTED, Verdict.ACCEPTED_BY_HAND),
    "rejected": (Verdict.REJECTED, Verdict.REJECTED_BY_HAND),
    "unsure": (Verdict.UNSURE, Verdict.UNJUDGED),
    "auto": (Verdict.ACCEPTED, Verdict.REJECTED, Verdict.UNJUDGED),
    "by hand": (Verdict.ACCEPTED_BY_HAND, Verdict.REJECTED_BY_HAND, Verdict.UNSURE),
}
"""What is seen must be switched on as what it is, and as who decided it."""
_BY_ORIGIN = ("auto", "by hand")
_NO_RESULT = "Open a result to curate it: double-click a completed item of the batch."


class CurationPanel(QWidget):
    """Progress, filter, table, thresholds, buttons; history and keys behind tabs."""

    filter_changed = Signal(str)
    shown_changed = Signal()
    """Something is switched on or off."""
    save_wanted = Signal()

    def __init__(self, actions: Sequence[Action], run: Callable[[Action], None]) -> None:
        super().__init__()
        self.model = CurationTableModel(self)
        self.table = CurationTable(self.model)
        self.thresholds = ThresholdSliders()
        self.history = HistoryList()
        self.progress = QProgressBar()
        self.progress.setFormat("%v of %m seen")
        self.counts = QLabel(_NO_RESULT)
        self.counts.setTextFormat(Qt.TextFormat.RichText)
        self.counts.setWordWrap(True)
        self.status = QLabel()
        self.status.setWordWrap(True)
        self.filter = QLineEdit()
        self.filter.setPlaceholderText("filter: snr>3 area<200 soma unseen tag …")
        self.filter.setToolTip(
            "Words that all have to fit: ranges of id, snr, r, cnn, area, events (snr>3), seen, "
            "unseen, and any text of decision, class, tags and note. Return applies it again."
        )
        self.filter.setClearButtonEnabled(True)
        self.filter.textChanged.connect(self.filter_changed)
        self.filter.returnPressed.connect(lambda: self.filter_changed.emit(self.filter.text()))
        self.tags = QLineEdit()
        self.tags.setToolTip("Names of the tags that keys 1 to 9 give, with commas between them")
        self._advance = QCheckBox("then next")
        self._advance.setToolTip("After a decision go on to the next component")
        self._advance.setChecked(True)
        self.switches = {name: self._switch(name) for name in _SWITCHES}
        self.buttons = {a.name: _button(a, run) for a in actions}
        self.save = QPushButton("Save…")
        self.save.setToolTip("Write a CaImAn file with these decisions. The journal saves itself.")
        make_primary(self.save)
        self.save.clicked.connect(lambda _=False: self.save_wanted.emit())
        self._keys = QTextBrowser()
        self._keys.setHtml(_keys_as_html(actions))
        self._lay_out()
        self.set_tags([])

    def _switch(self, name: str) -> QCheckBox:
        box = QCheckBox(name)
        box.setChecked(True)
        said = "components that were decided " if name == "by hand" else ""
        box.setToolTip(f"Show {said}{name}{'' if said else ' components'} on the canvas")
        if name not in _BY_ORIGIN:
            box.setStyleSheet(f"color: {VERDICT_COLORS[_SWITCHES[name][0]]};")
        box.toggled.connect(lambda _=False: self.shown_changed.emit())
        return box

    def _lay_out(self) -> None:
        switches = QHBoxLayout()
        for box in self.switches.values():
            switches.addWidget(box)
        switches.addStretch()
        buttons = QGridLayout()
        buttons.setSpacing(3)
        for row, names in enumerate(_BUTTONS):
            for column, name in enumerate(names):
                buttons.addWidget(self.buttons[name], row, column)
        last = QHBoxLayout()
        last.addWidget(QLabel("Tags 1-9"))
        last.addWidget(self.tags, 1)
        last.addWidget(self._advance)
        last.addWidget(self.save)
        page = QWidget()
        inner = QVBoxLayout(page)
        inner.setContentsMargins(4, 4, 4, 4)
        inner.setSpacing(5)
        inner.addWidget(self.filter)
        inner.addWidget(self.table, 1)
        inner.addWidget(self.thresholds)
        inner.addLayout(switches)
        inner.addLayout(buttons)
        inner.addLayout(last)
        self.tabs = QTabWidget()
        self.tabs.addTab(page, "Components")
        self.tabs.addTab(self.history, "History")
        self.tabs.addTab(self._keys, "Keys")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addWidget(self.progress)
        layout.addWidget(self.counts)
        layout.addWidget(self.status)
        layout.addWidget(self.tabs, 1)
        self.status.hide()

    @property
    def advances(self) -> bool:
        """Whether a decision goes on to the next component."""
        return self._advance.isChecked()

    def set_advances(self, advances: bool) -> None:
        self._advance.setChecked(advances)

    def set_enabled(self, enabled: bool) -> None:
        """Without a result there is nothing to do."""
        self.tabs.setEnabled(enabled)
        self.progress.setVisible(enabled)
        if not enabled:
            self.counts.setText(_NO_RESULT)

    def show_counts(self, counts: Counts, before: Counts | None = None) -> None:
        """How many there are of each; with ``before``, what a moving slider changes."""
        # A progress bar that is seen paints at once, 20 ms each time: this way it is left to Qt.
        self.progress.setUpdatesEnabled(False)
        self.progress.setRange(0, max(counts.total, 1))
        self.progress.setValue(counts.seen)
        self.progress.setUpdatesEnabled(True)
        change = "" if before is None else f" ({counts.accepted - before.accepted:+d})"
        accepted, rejected, unsure = (
            VERDICT_COLORS[v] for v in (Verdict.ACCEPTED, Verdict.REJECTED, Verdict.UNSURE)
        )
        self.counts.setText(
            f"<b style='color:{accepted}'>{counts.accepted} accepted{change}</b> · "
            f"<b style='color:{rejected}'>{counts.rejected} rejected</b> · "
            f"<b style='color:{unsure}'>{counts.unsure} unsure</b> · {counts.by_hand} by hand"
        )

    def show_busy(self, what: str) -> None:
        """What is going on, or what to do next; nothing when empty."""
        self.status.setText(what)
        self.status.setVisible(bool(what))

    def show_filter_problem(self, problem: str) -> None:
        set_problem(self.filter, problem or None)
        self.show_busy(problem)

    def show_possible(self, can_undo: bool, can_redo: bool) -> None:
        self.buttons["undo"].setEnabled(can_undo)
        self.buttons["redo"].setEnabled(can_redo)

    def shown_states(self) -> list[str]:
        """Verdicts that are switched on."""
        on = {name: set(_SWITCHES[name]) for name, box in self.switches.items() if box.isChecked()}
        origins = set[Verdict]().union(*(on.get(name, ()) for name in _BY_ORIGIN))
        kinds = set[Verdict]().union(*(v for name, v in on.items() if name not in _BY_ORIGIN))
        return sorted(verdict.value for verdict in origins & kinds)

    def set_tags(self, in_use: Sequence[str]) -> None:
        """Offer the tags that are in use, then plain names."""
        names = list(in_use[:N_TAGS])
        spare = (f"tag {i}" for i in range(1, N_TAGS + 1))
        names += [name for name in spare if name not in names][: N_TAGS - len(names)]
        self.tags.setText(", ".join(names))
        self.tags.setCursorPosition(0)

    def tag_name(self, number: int) -> str:
        """The tag of a digit."""
        names = [name.strip() for name in self.tags.text().split(",")]
        named = number <= len(names) and names[number - 1]
        return str(names[number - 1]) if named else f"tag {number}"


def _button(action: Action, run: Callable[[Action], None]) -> QPushButton:
    button = QPushButton(action.text)
    button.setToolTip(f"{action.tooltip} ({action.key})")
    # Keys go to the table, not to the button that was clicked last.
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    button.clicked.connect(lambda _=False: run(action))
    return button


def _keys_as_html(actions: Sequence[Action]) -> str:
    rows = [(a.key, a.tooltip) for a in actions]
    rows += [("1 … 9", "Give the selected components a tag, or take it away"),
             ("Esc", "Stop drawing")]  # fmt: skip
    lines = "".join(
        f"<tr><td><b>{key}</b>&nbsp;&nbsp;</td><td>{text}</td></tr>" for key, text in rows
    )
    return (
        f"<table cellpadding='3'>{lines}</table><p>Keys are changed in the settings file, under "
        '<i>keys</i>: for example <i>accept = "Y"</i>.</p>'
    )
