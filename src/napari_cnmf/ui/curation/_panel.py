"""Widgets of the curation dock: widgets in, signals out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QTabWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_cnmf.model.verdict_colors import VERDICT_COLORS, Verdict
from napari_cnmf.ui._parts import fill, in_lines, push_button, text_label, tool_button, with_tip
from napari_cnmf.ui._theme import make_primary, readable_on, set_problem
from napari_cnmf.ui.curation._actions import N_TAGS, Action, Tag, tags_of_keys
from napari_cnmf.ui.curation._history import HistoryList
from napari_cnmf.ui.curation._preferences import PreferencesPage
from napari_cnmf.ui.curation._states import Counts
from napari_cnmf.ui.curation._table_model import CurationTableModel
from napari_cnmf.ui.curation._table_view import CurationTable
from napari_cnmf.ui.curation._thresholds import ThresholdSliders
from napari_cnmf.ui.forms._sections import FoldingBox

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
    """Panel with progress, filter, table, thresholds, buttons; history and more behind tabs."""

    filter_changed = Signal(str)
    shown_changed = Signal()
    """Something is switched on or off."""
    save_wanted = Signal()
    read_again_wanted = Signal()
    """The result is to be opened once more."""
    advance_changed = Signal(bool)
    tag_wanted = Signal(int)
    """The number of a tag's key."""

    def __init__(
        self,
        actions: Sequence[Action],
        run: Callable[[Action], None],
        *,
        curator: str | None = None,
    ) -> None:
        super().__init__()
        self._colors = dict(VERDICT_COLORS)
        self._last_counts: tuple[Counts, Counts | None] | None = None
        self._done = ""
        self.model = CurationTableModel(self)
        self.table = CurationTable(self.model)
        self.thresholds = ThresholdSliders()
        self.threshold_box = FoldingBox("Thresholds", [self.thresholds], is_expanded=True)
        self.history = HistoryList()
        self.progress = QProgressBar()
        self.progress.setFormat("%v of %m seen")
        self.counts = QLabel(_NO_RESULT)
        self.counts.setTextFormat(Qt.TextFormat.RichText)
        self.counts.setWordWrap(True)
        self.status = text_label()
        self.conflict = text_label()
        self.read_again = push_button(
            "Read again",
            "Open the result with what was done to it elsewhere",
            self.read_again_wanted.emit,
        )
        self.filter = QLineEdit()
        self.filter.setPlaceholderText("filter: snr>3 area<200 soma unseen tag …")
        self.filter.setToolTip(
            "Words that all have to fit: ranges of id, snr, r, p, area, events, elongation and "
            "noise (snr>3), seen, unseen, and any text of decision, class, tags and note. Return "
            "applies it again."
        )
        self.filter.setClearButtonEnabled(True)
        self.matches = with_tip(
            QLabel(), "The canvas shows those that match; an empty filter shows all"
        )
        self.filter.textChanged.connect(self.filter_changed)
        self.filter.returnPressed.connect(lambda: self.filter_changed.emit(self.filter.text()))
        self.tags = [self._tag_button(number) for number in range(1, N_TAGS + 1)]
        self._tags: tuple[Tag, ...] = ()
        self.advance = with_tip(
            QCheckBox("then next"), "After a decision go on to the next component"
        )
        self.advance.setChecked(True)
        self.advance.toggled.connect(self.advance_changed)
        self.switches = {name: self._switch(name) for name in _SWITCHES}
        self.buttons = {a.name: _button(a, run) for a in actions if a.tag is None}
        self._tag_keys = _keys_of_tags(actions)
        self.save = push_button(
            "Save…", "Write a CaImAn file with these decisions. The journal saves itself."
        )
        make_primary(self.save)
        self.save.clicked.connect(lambda _=False: self.save_wanted.emit())
        self.preferences = PreferencesPage(actions, curator)
        self._lay_out()
        self.set_tags(tags_of_keys({}))

    def _tag_button(self, number: int) -> QToolButton:
        button = tool_button(str(number))
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        button.clicked.connect(lambda _=False: self.tag_wanted.emit(number))
        return button

    def _switch(self, name: str) -> QCheckBox:
        box = QCheckBox(name)
        box.setChecked(True)
        said = "components that were decided " if name == "by hand" else ""
        box.setToolTip(f"Show {said}{name}{'' if said else ' components'} on the canvas")
        box.toggled.connect(lambda _=False: self.shown_changed.emit())
        return box

    def _lay_out(self) -> None:
        switches = in_lines(*self.switches.values())
        buttons = QGridLayout()
        buttons.setSpacing(3)
        for row, names in enumerate(_BUTTONS):
            for column, name in enumerate(names):
                buttons.addWidget(self.buttons[name], row, column)
        # It wraps where the dock is narrow, instead of asking for more room.
        last = in_lines(*self.tags, self.advance, self.save)
        page = QWidget()
        inner = QVBoxLayout(page)
        inner.setContentsMargins(4, 4, 4, 4)
        inner.setSpacing(5)
        filtering = fill(QHBoxLayout(), (self.filter, 1), self.matches)
        inner.addLayout(filtering)
        inner.addWidget(self.table, 1)
        inner.addWidget(self.threshold_box)
        inner.addWidget(switches)
        inner.addLayout(buttons)
        inner.addWidget(last)
        self.tabs = QTabWidget()
        self.tabs.addTab(page, "Components")
        self.tabs.addTab(self.history, "History")
        self.tabs.addTab(self.preferences, "Keys")
        fill(
            QVBoxLayout(self),
            self.progress,
            self.counts,
            self.status,
            self.conflict,
            self.read_again,
            (self.tabs, 1),
            margins=6,
        )
        self.status.hide()
        self.show_conflict("")

    @property
    def advances(self) -> bool:
        """Whether a decision goes on to the next component."""
        return self.advance.isChecked()

    def set_advances(self, advances: bool) -> None:
        """Show whether a decision goes on to the next component, without telling anyone."""
        with QSignalBlocker(self.advance):
            self.advance.setChecked(advances)

    def set_enabled(self, enabled: bool) -> None:
        """Enable the widgets, or disable them without a result."""
        self.tabs.setEnabled(enabled)
        self.progress.setVisible(enabled)
        if not enabled:
            self._last_counts = None
            self.counts.setText(_NO_RESULT)

    def show_counts(self, counts: Counts, before: Counts | None = None) -> None:
        """Show the number of components of each verdict; with ``before``, the slider's change."""
        self._last_counts = (counts, before)
        # A progress bar that is seen paints at once, 20 ms each time: this way it is left to Qt.
        self.progress.setUpdatesEnabled(False)
        self.progress.setRange(0, max(counts.total, 1))
        self.progress.setValue(counts.seen)
        self.progress.setUpdatesEnabled(True)
        change = "" if before is None else f" ({counts.accepted - before.accepted:+d})"
        accepted, rejected, unsure = (
            self._colors[v] for v in (Verdict.ACCEPTED, Verdict.REJECTED, Verdict.UNSURE)
        )
        self.counts.setText(
            f"<b style='color:{accepted}'>{counts.accepted} accepted{change}</b> · "
            f"<b style='color:{rejected}'>{counts.rejected} rejected</b> · "
            f"<b style='color:{unsure}'>{counts.unsure} unsure</b> · {counts.by_hand} by hand"
        )

    def show_busy(self, what: str) -> None:
        """Show what is going on, or what to do next; hide the label when empty."""
        self.status.setText(what)
        self.status.setVisible(bool(what))

    def show_done(self, what: str) -> None:
        """Show what was just done, until something else happens."""
        self._done = what
        self.show_busy(what)

    def clear_done(self) -> None:
        """Take away the sentence about what was just done."""
        if self._done and self.status.text() == self._done:
            self.show_busy("")
        self._done = ""

    def show_conflict(self, problem: str) -> None:
        """Show why nothing can be written until the result is read again; hide it when empty."""
        self.conflict.setText(problem)
        for widget in (self.conflict, self.read_again):
            widget.setVisible(bool(problem))

    def show_matches(self, n_matching: int, n_components: int) -> None:
        """Show how many components the filter keeps; nothing where it keeps all."""
        is_filtered = n_matching != n_components
        said = f"{n_matching:,} of {n_components:,} match" if is_filtered else ""
        if said != self.matches.text():
            self.matches.setText(said)

    def show_filter_problem(self, problem: str) -> None:
        """Mark the filter's line and show what is wrong with it; an empty text clears both."""
        set_problem(self.filter, problem or None)
        self.show_busy(problem)

    def show_possible(self, can_undo: bool, can_redo: bool) -> None:
        """Enable the buttons of undo and redo where they lead somewhere."""
        self.buttons["undo"].setEnabled(can_undo)
        self.buttons["redo"].setEnabled(can_redo)

    def shown_states(self) -> list[str]:
        """Verdicts that are switched on."""
        on = {name: set(_SWITCHES[name]) for name, box in self.switches.items() if box.isChecked()}
        origins = set[Verdict]().union(*(on.get(name, ()) for name in _BY_ORIGIN))
        kinds = set[Verdict]().union(*(v for name, v in on.items() if name not in _BY_ORIGIN))
        return sorted(verdict.value for verdict in origins & kinds)

    def set_tags(self, tags: tuple[Tag, ...]) -> None:
        """Show what the nine tag keys give."""
        self._tags = tags
        self.preferences.set_tags(tags)
        self.model.set_tags(tags)
        for number, (tag, button) in enumerate(zip(tags, self.tags, strict=True), start=1):
            button.setToolTip(f"{tag.name} ({self._tag_keys[number]})")
            button.setStyleSheet(
                f"background: {tag.color}; color: black; padding: 1px 4px; border-radius: 3px;"
            )

    def set_tag_keys(self, actions: Sequence[Action]) -> None:
        """Show which keys give the tags."""
        self._tag_keys = _keys_of_tags(actions)
        self.set_tags(self._tags)

    def tag_name(self, number: int) -> str:
        """Name of the ``number``-th tag."""
        return self._tags[number - 1].name

    def set_background(self, background: str) -> None:
        """Choose colours that can be read on this background."""
        self._colors = {v: readable_on(background, color) for v, color in VERDICT_COLORS.items()}
        self.model.set_colors({v.value: color for v, color in self._colors.items()})
        for name, box in self.switches.items():
            if name not in _BY_ORIGIN:
                box.setStyleSheet(f"color: {self._colors[_SWITCHES[name][0]]};")
        if self._last_counts is not None:
            self.show_counts(*self._last_counts)


def _button(action: Action, run: Callable[[Action], None]) -> QPushButton:
    button = QPushButton(action.text)
    set_key_tip(button, action)
    # Keys go to the table, not to the button that was clicked last.
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    button.clicked.connect(lambda _=False: run(action))
    return button


def _keys_of_tags(actions: Sequence[Action]) -> dict[int, str]:
    return {action.tag: action.key for action in actions if action.tag is not None}


def set_key_tip(button: QPushButton, action: Action) -> None:
    """Show in a button's tooltip what it does, and which key does it."""
    button.setToolTip(f"{action.tooltip} ({action.key})")
