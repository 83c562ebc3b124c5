"""The workspace: the path from a movie to exported cells in one dock, beside the canvas.

It holds the docks that also stand alone, one page for each step, and adds a strip that says where
each step stands, the run that goes on, and one button that does the next thing. The user is led,
never locked in: every step can be chosen at any time.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import Notification, notification_manager
from qtpy.QtCore import Qt
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import (
    QMainWindow,
    QPushButton,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from napari_cnmf.batch import Batch
from napari_cnmf.batch.status import RETRIABLE, State
from napari_cnmf.errors import CnmfError
from napari_cnmf.settings import read_settings
from napari_cnmf.ui._background import call_in_background, run_in_background
from napari_cnmf.ui._bridge import BatchBridge
from napari_cnmf.ui._docks import Dock, dock_of, give_columns_the_height, open_dock
from napari_cnmf.ui._loading import load_item, load_movie
from napari_cnmf.ui._opening import show_opened
from napari_cnmf.ui._parts import fill
from napari_cnmf.ui._remembering import remember
from napari_cnmf.ui._session import ShownResult, session_of
from napari_cnmf.ui._theme import (
    CallSoon,
    call_later,
    connect_while_alive,
    follow_theme,
    make_primary,
)
from napari_cnmf.ui.batch._choosing import recent_batches
from napari_cnmf.ui.batch._dock import BatchWidget
from napari_cnmf.ui.batch._rows import ALGORITHM_TITLES, ItemRow
from napari_cnmf.ui.curation._dock import CurationWidget
from napari_cnmf.ui.exporting._dock import ExportWidget, ResultButtons
from napari_cnmf.ui.forms._dock import FormStep, ParametersWidget
from napari_cnmf.ui.forms._input import ItemInput
from napari_cnmf.ui.traces._dock import TracesWidget
from napari_cnmf.ui.workspace._run_bar import RunBar
from napari_cnmf.ui.workspace._steps import Step, StepState, StepStrip

if TYPE_CHECKING:
    import napari

_LEAST_WIDTH_PX, _WIDTH_PX, _BELOW_PX = 340, 430, 190
"""Width of the workspace and height of the docks below the canvas, where nothing is remembered."""
_LARGE_WINDOW = (1500, 900)
"""In smaller windows the workspace takes its least width, and the thresholds begin folded."""
_FORM_STEPS = {Step.MOVIE: FormStep.MOVIE, Step.MOTION: FormStep.MOTION, Step.CELLS: FormStep.CELLS}
_AFTER_EXPORT = {"running": StepState.RUNNING, "done": StepState.DONE, "failed": StepState.FAILED}
_OF_RUN = {
    State.QUEUED: StepState.ASKED,
    State.WAITING: StepState.ASKED,
    State.RUNNING: StepState.RUNNING,
    State.COMPLETED: StepState.DONE,
    State.FAILED: StepState.FAILED,
    State.INTERRUPTED: StepState.FAILED,
    State.CANCELLED: StepState.TO_DO,
}


class WorkspaceWidget(Dock):
    """Dock of steps, run and next button around the form, the curation and the export."""

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self._session = session_of(napari_viewer)
        self._session.attach(self)
        self._remembered = dict(read_settings().workspace)
        self.step = Step.MOVIE
        """Step that is seen."""
        self._is_exporting_seen = False
        self._below: list[QWidget] = []
        self._last_run: tuple[Any, tuple[str, ...]] = (None, ())
        self.strip = StepStrip()
        self.run_bar = RunBar()
        self.stack = QStackedWidget()
        # A page may be higher than a small window: its own list scrolls.
        self.stack.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Ignored)
        self.next_button = QPushButton()
        make_primary(self.next_button)
        self.form: ParametersWidget = self._take_in(ParametersWidget)
        self.curation: CurationWidget = self._take_in(CurationWidget)
        self.export: ExportWidget = self._take_in(ExportWidget)
        for buttons in self.curation.findChildren(ResultButtons):
            buttons.export.hide()
            page = self.export.layout()
            assert page is not None
            page.addWidget(buttons)  # the last step has what is done with a result
        self.curation.panel.save.hide()
        self._lay_out()
        self._update_soon = call_later(self, self._update, 30)
        self._remember_soon = call_later(self, self._remember_layout, 800)
        self._connect()
        self._on_batch(self._session.bridge)
        self._restore_batch()
        self.go_to(self._first_step())

    def _take_in(self, make: type[Any]) -> Any:
        """Take in a dock of a class, open already or new, as a page."""
        viewer = self._session.viewer
        there = [w for w in viewer.window.dock_widgets.values() if type(w) is make]
        panel = there[0] if there else make(viewer)
        panel.move_into(self.stack)
        return panel

    def _lay_out(self) -> None:
        fill(
            QVBoxLayout(self),
            self.strip,
            self.run_bar,
            (self.stack, 1),
            self.next_button,
            margins=6,
            spacing=5,
        )
        self.setMinimumWidth(_LEAST_WIDTH_PX)

    def _connect(self) -> None:
        session = self._session
        connect_while_alive(
            self,
            (session.batch_changed, self._on_batch),
            (session.result_changed, self._on_result),
            (session.verdicts_changed, self._on_verdicts),
            (session.selection_changed, self._on_verdicts),
            (session.run_started, self._on_run_started),
        )
        self.strip.chosen.connect(lambda number: self.go_to(Step(number)))
        self.next_button.clicked.connect(lambda _=False: self.do_next())
        self.run_bar.cancel_wanted.connect(self._cancel)
        self.run_bar.retry_wanted.connect(self._retry)
        self.run_bar.open_wanted.connect(self._open_row)
        self.run_bar.ended.connect(self._on_run_ended)
        self.form.checked.connect(self._update_soon.start)
        self.form.motion_choice.toggled.connect(lambda _: self._update_soon.start())
        self.export.state_changed.connect(self._update_soon.start)
        follow_theme(self, session.viewer, lambda theme: self.strip.set_ring(theme.text.as_hex()))

    # -- steps

    def go_to(self, step: Step) -> None:
        """Show a step."""
        self.step = step
        if step in _FORM_STEPS:
            self.form.show_step(_FORM_STEPS[step])
            self.stack.setCurrentWidget(self.form)
        else:
            self.stack.setCurrentWidget(self.curation if step is Step.CURATE else self.export)
        self.strip.set_step(step)
        self._remember_soon.start()
        self._update()

    def do_next(self) -> None:
        """Do what the button of the next step says."""
        if self.step is Step.MOTION and self._is_motion_advised:
            self.form.motion_choice.tick.setChecked(True)
        if self.step < Step.EXPORT:
            self.go_to(Step(self.step + 1))

    @property
    def _is_motion_advised(self) -> bool:
        """Whether the movie moves, and the user has not asked for the correction yet."""
        found = self.form.measuring.found
        moves = found is not None and bool(found.motion)
        return moves and not self.form.header.motion_first

    def _first_step(self) -> Step:
        if self._session.result is not None:
            return Step.CURATE
        number = self._remembered.get("step", 0)
        is_of_form = number in tuple(_FORM_STEPS) and self.form.chosen is not None
        return Step(number) if is_of_form else Step.MOVIE

    def panel_of(self, make: type[Dock]) -> Dock | None:
        """Page that is of this class; ``None`` where there is none."""
        panels: tuple[Dock, ...] = (self.form, self.curation, self.export)
        return next((panel for panel in panels if type(panel) is make), None)

    def show_panel(self, panel: Dock) -> None:
        """Show the step that a page belongs to."""
        if panel is self.curation:
            self.go_to(Step.CURATE)
        elif panel is self.export:
            self.go_to(Step.EXPORT)
        elif self.step not in _FORM_STEPS:
            self.go_to(Step.MOVIE)

    # -- the batch and its runs

    def _restore_batch(self) -> None:
        """Open the batch of the last time, where none is open."""
        if self._session.batch is not None:
            return

        def open_last() -> Batch | None:
            for folder in recent_batches()[:1]:
                try:
                    return Batch.open(folder)
                except CnmfError:
                    return None  # it is damaged or away; the batch dock says so when it is opened
            return None

        def show(batch: Batch | None) -> None:
            if batch is not None and self._session.batch is None:
                self._session.set_batch(batch, is_restored=True)

        call_in_background(open_last, done=show)

    def _on_batch(self, bridge: BatchBridge | None) -> None:
        self.run_bar.forget()
        if bridge is not None:
            bridge.rows_changed.connect(self._on_rows)
        self._update_soon.start()

    def _rows(self) -> dict[str, ItemRow]:
        bridge = self._session.bridge
        return {} if bridge is None else {row.uuid: row for row in bridge.rows}

    def _on_rows(self, _changes: Any = None) -> None:
        if self.sender() not in (None, self._session.bridge):
            return
        rows = self._rows()
        if not self.run_bar.uuids or self.run_bar.is_over:
            # Also what was started from the batch, or by another program, is shown.
            running = [r.uuid for r in rows.values() if r.state is State.RUNNING]
            if running and running[0] not in self.run_bar.uuids:
                self._announce_end_of(running[:1])
                self.run_bar.follow(running[:1])
        self.run_bar.show_rows(rows)
        self._update_soon.start()

    def _on_run_started(self, uuids: tuple[str, ...]) -> None:
        self._announce_end_of(uuids)
        self.run_bar.follow(uuids)
        self._last_run = (self.form.chosen, uuids)
        self._on_rows()

    def _announce_end_of(self, uuids: Iterable[str]) -> None:
        """Announce the end of these items here, with a button that opens them, and not twice."""
        if self._session.bridge is not None:
            self._session.bridge.awaited.update(uuids)

    def _cancel(self, uuids: tuple[str, ...]) -> None:
        rows = self._rows()
        live = [uuid for uuid in uuids if uuid in rows and not rows[uuid].state.ended]
        if self._session.bridge is not None and live:
            self._session.bridge.cancel(live)

    def _retry(self, uuids: tuple[str, ...]) -> None:
        bridge = self._session.bridge
        if bridge is None:
            return
        again = [u for u in uuids if u in self._rows() and self._rows()[u].state in RETRIABLE]
        batch = bridge.batch

        def started(_value: object) -> None:
            bridge.start(again)
            self._on_run_started(uuids)

        def retry() -> None:
            for uuid in again:
                batch[uuid].retry()

        call_in_background(retry, done=started)

    def _on_run_ended(self, row: ItemRow) -> None:
        """Open what the user has waited for; offer it to a user who does something else."""
        if row.state is not State.COMPLETED:
            return
        if self.isVisible() and self.step in _FORM_STEPS:
            self._open_row(row)
            return
        actions = [("Open", lambda _toast=None: self._open_row(row))]
        notification_manager.dispatch(
            Notification(self.run_bar.words.text(), "info", actions=actions)
        )

    def _open_row(self, row: ItemRow) -> None:
        bridge, session = self._session.bridge, self._session
        if bridge is None:
            return
        is_movie = row.algorithm == ALGORITHM_TITLES["mcorr"]
        load = load_movie if is_movie else load_item

        def steps() -> Generator[str, None, Any]:
            return (yield from load(bridge.batch, row.uuid))

        def show(loaded: Any) -> None:
            show_opened(session, (None, loaded))
            if is_movie:
                self.form.take_corrected(row.uuid, row.name)
                self.go_to(Step.CELLS)
            else:
                self.run_bar.forget()

        run_in_background(steps, title=row.name, done=show)

    # -- what is seen

    def _on_result(self, _result: ShownResult | None) -> None:
        self._is_exporting_seen = False
        self._update_soon.start()

    def _on_verdicts(self, _selection: tuple[int, ...] = ()) -> None:
        self._update_soon.start()

    def _update(self) -> None:
        """Show where each step stands, and what the button does."""
        self._is_exporting_seen |= self.step is Step.EXPORT and self._session.result is not None
        for step, (state, why) in (
            (Step.MOVIE, self._movie_state()),
            (Step.MOTION, self._motion_state()),
            (Step.CELLS, self._cells_state()),
            (Step.CURATE, self._curate_state()),
            (Step.EXPORT, (_AFTER_EXPORT.get(self.export.stands, StepState.TO_DO), "")),
        ):
            self.strip.show_state(step, state, why)
        self._show_next()

    def _show_next(self) -> None:
        step, has_result = self.step, self._session.result is not None
        title = "" if step is Step.EXPORT else Step(step + 1).title
        text = f"Next: {title}"
        if step is Step.MOTION and self._is_motion_advised:
            text = "Correct motion, and on to Cells"
        self.next_button.setText(text)
        leads_on = step in (Step.MOVIE, Step.MOTION, Step.CURATE)
        self.next_button.setVisible(leads_on or (step is Step.CELLS and has_result))
        is_ready = has_result if step in (Step.CELLS, Step.CURATE) else self.form.facts is not None
        self.next_button.setEnabled(is_ready)

    def _movie_state(self) -> tuple[StepState, str]:
        form = self.form
        if form.chosen is None:
            return StepState.TO_DO, "Choose a movie, or drop one on the canvas."
        if form.cannot_open:
            return StepState.FAILED, form.cannot_open
        if form.facts is None:
            return StepState.RUNNING, "The movie is being opened."
        if form.facts.frame_rate_hz is None and form.form.row("data.fr").value is None:
            return StepState.ASKED, "The movie does not say its frame rate: type it in."
        return StepState.DONE, form.facts.text

    def _of_run(self, *, is_motion: bool) -> tuple[StepState, str] | None:
        """State of the motion correction, or of the rest, in the followed run."""
        rows = self._rows()
        movie, last = self._last_run
        # The bar lets go of a run whose result is open; its steps stay done for this movie.
        for uuid in self.run_bar.uuids or (last if movie == self.form.chosen else ()):
            row = rows.get(uuid)
            if row is not None and (row.algorithm == ALGORITHM_TITLES["mcorr"]) is is_motion:
                return _OF_RUN[row.state], row.error
        return None

    def _motion_state(self) -> tuple[StepState, str]:
        if (found := self._of_run(is_motion=True)) is not None:
            return found
        if isinstance(self.form.chosen, ItemInput):
            return StepState.DONE, "The chosen movie is corrected already."
        if self.form.header.motion_first:
            return StepState.ASKED, "It runs before cells are found."
        measured = self.form.measuring.found
        return StepState.TO_DO, "" if measured is None else measured.motion

    def _cells_state(self) -> tuple[StepState, str]:
        if (found := self._of_run(is_motion=False)) is not None:
            return found
        result = self._session.result
        if result is None:
            return StepState.TO_DO, ""
        return StepState.DONE, f"{result.components.n_components} components"

    def _curate_state(self) -> tuple[StepState, str]:
        result = self._session.result
        if result is None:
            return StepState.TO_DO, "There is no result yet."
        n, n_seen = result.components.n_components, int(result.curation.seen.sum())
        is_done = n_seen >= n or self._is_exporting_seen
        return (StepState.DONE if is_done else StepState.ASKED), f"{n_seen} of {n} seen"

    # -- its place in the window

    def take_place(self) -> None:
        """Stand at the right of the canvas over the whole height; batch and traces go below."""
        window = self._session.viewer.window._qt_window
        dock = dock_of(self)
        if self._has_place or dock is None or not isinstance(window, QMainWindow):
            return
        give_columns_the_height(window)
        viewer = self._session.viewer
        self._has_place = True
        self._below = [
            open_dock(viewer, make, title)
            for make, title in ((BatchWidget, "Batch manager"), (TracesWidget, "Traces"))
        ]
        CallSoon(self, self.give_sizes).start()

    def give_sizes(self) -> None:
        """Take the sizes of the last time, or those that suit the window."""
        window, dock = self._session.viewer.window._qt_window, dock_of(self)
        if dock is None:
            return
        is_large = window.width() >= _LARGE_WINDOW[0]
        usual = _WIDTH_PX if is_large else _LEAST_WIDTH_PX
        if window.height() < _LARGE_WINDOW[1]:
            self.curation.panel.threshold_box.collapse()
        width = self._remembered.get("width", usual)
        height = self._remembered.get("below", _BELOW_PX)
        window.resizeDocks([dock], [width], Qt.Orientation.Horizontal)
        docks = [d for d in map(dock_of, self._below) if d is not None]
        window.resizeDocks(docks, [height] * len(docks), Qt.Orientation.Vertical)
        dock.raise_()
        if self._session.viewer.layers:
            self._session.viewer.reset_view()  # the canvas has another size

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Remember the new size soon."""
        super().resizeEvent(event)
        if self._has_place:
            self._remember_soon.start()

    def _remember_layout(self) -> None:
        """Note the step and the sizes for the next time."""
        kept = {"step": int(self.step)}
        if self._has_place and self.isVisible():
            kept["width"] = self.width()
            batch = self._session.viewer.window.dock_widgets.get("Batch manager (CNMF)")
            if batch is not None and batch.isVisible():
                kept["below"] = batch.height()
        if kept.items() - self._remembered.items():
            self._remembered |= kept
            remember(workspace=dict(self._remembered))
