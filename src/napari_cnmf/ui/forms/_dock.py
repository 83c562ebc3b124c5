"""Dock that asks for an item: movie, method, parameters; adds it to the batch, or runs it too."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_info, show_warning
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QHBoxLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QElidingLabel

from napari_cnmf.batch.status import State
from napari_cnmf.errors import ParameterError
from napari_cnmf.params import (
    CNMFParams,
    InvalidParametersError,
    check_for_movie,
    propose_K,
    unused_parameters,
)
from napari_cnmf.params.cell_size import is_usual
from napari_cnmf.ui._background import run_in_background
from napari_cnmf.ui._docks import Dock, bring_to_front, open_dock
from napari_cnmf.ui._parts import STRETCH, fill, push_button, scrolling, text_label
from napari_cnmf.ui._session import session_of
from napari_cnmf.ui._theme import (
    ERROR_COLOR,
    WARNING_COLOR,
    CallSoon,
    connect_while_alive,
    make_primary,
    set_problem,
)
from napari_cnmf.ui.batch._rows import ALGORITHM_TITLES
from napari_cnmf.ui.forms._batch_row import BatchRow
from napari_cnmf.ui.forms._editors import KwargsBox
from napari_cnmf.ui.forms._given import GivenForm
from napari_cnmf.ui.forms._header import HeaderForm
from napari_cnmf.ui.forms._input import ChosenInput, FileInput, ItemInput
from napari_cnmf.ui.forms._measuring import FrameRateNotes, Measuring, MotionChoice
from napari_cnmf.ui.forms._params_form import ParamsForm
from napari_cnmf.ui.forms._request import (
    AddedItem,
    MovieFacts,
    Request,
    add_request,
    groups_of,
    inspect_input,
)
from napari_cnmf.ui.forms._sections import FoldingBox

if TYPE_CHECKING:
    import napari

    from napari_cnmf.ui._bridge import BatchBridge

ONE_PHOTON_ALONE = (
    "init.min_corr",
    "init.min_pnr",
    "init.ring_size_factor",
    "init.ssub_B",
    "init.center_psf",
    "init.init_iter",
)
_NO_RATE = "The frame rate is needed: the movie does not say it. Type it in, in Hz."
_OF_THE_RECORDING = ("data.fr", "data.dxy")
"""Parameters that a preset leaves alone: they belong to the recording."""


class FormStep(StrEnum):
    """The steps of the workspace that the form is made of."""

    MOVIE = "movie"
    MOTION = "motion"
    CELLS = "cells"


class ParametersWidget(Dock):
    """Dock of the form of one item.

    Everything is checked while typing, against the movie as well once it is known; the buttons
    work only while nothing is wrong.
    """

    checked = Signal()
    """What was entered was checked again, after an edit or for another movie."""

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self.session = session_of(napari_viewer)
        """Session of the viewer."""
        self.session.attach(self)
        self.facts: MovieFacts | None = None
        """Facts about the chosen movie; ``None`` while it is opened, or cannot be."""
        self.cannot_open = ""
        """Reason why the chosen movie cannot be opened; empty where it can."""
        self._params: CNMFParams | None = None
        self._inspected: Any = None
        self._copied: Request | None = None
        self._is_adding = False
        self._given: dict[str, Any] = {}
        # The viewer itself: napari hands plugins a proxy, which makes proxies of layers.
        viewer = self.session.viewer
        self.header = HeaderForm(viewer)
        self.batch_row = BatchRow(self.session)
        self.form = ParamsForm()
        self.rate = FrameRateNotes(self.form.row("data.fr"))
        self.cnmf_kwargs = KwargsBox("CNMF", "gSig=(4, 4), merge_thr=0.7")
        self.given = GivenForm(viewer)
        self.given_box = FoldingBox("Cells and region", [self.given])
        self.eval_kwargs = KwargsBox("Evaluation", "min_SNR=3, rval_thr=0.85")
        self.what = QElidingLabel()
        self.what.setElideMode(Qt.TextElideMode.ElideMiddle)
        self.status = text_label()
        self.add_button = QPushButton("Add to batch")
        self.run_button = QPushButton("Add and run")
        self.variants_button = push_button(
            "Variants…",
            "Many items at once: chosen values of several parameters, over several movies",
        )
        make_primary(self.run_button)
        self.motion_choice = MotionChoice()
        self.method_box = FoldingBox("Method", [])
        """Of the workspace, where the three numbers stand above the method."""
        self.measuring = Measuring(self)
        self._step: FormStep | None = None
        self._lay_out()
        # Several edits of one event, such as a preset's, are checked once.
        self._check_soon = CallSoon(self, self._check)
        self._connect()
        self._set_ready(False)
        self._on_preset()
        self._on_algorithm()
        self._on_batch(self.session.bridge)
        self.header.input.refresh()
        self._on_input()
        session = self.session
        self.destroyed.connect(lambda: session.form_closed(self))
        session.set_form(self)

    def _lay_out(self) -> None:
        self._kwargs = FoldingBox("Keyword arguments", [self.cnmf_kwargs, self.eval_kwargs])
        inner = QWidget()
        fill(
            QVBoxLayout(inner),
            self.header,
            self.motion_choice,
            self.form,
            self.given_box,
            self._kwargs,
            (STRETCH, 1),
            margins=(0, 0, 6, 0),
            spacing=2,
        )
        scroll = scrolling(inner)
        buttons = fill(
            QHBoxLayout(), (self.variants_button, 1), (self.add_button, 1), (self.run_button, 1)
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.setSpacing(6)
        self.header.add_row("Batch", self.batch_row)
        self.motion_choice.hide()
        layout.addWidget(scroll, 1)
        layout.addWidget(self.status)
        layout.addWidget(self.what)
        layout.addLayout(buttons)
        self.setMinimumWidth(350)

    def _connect(self) -> None:
        header = self.header
        header.input_changed.connect(self._on_input)
        header.preset_changed.connect(self._on_preset)
        header.algorithm_changed.connect(self._on_algorithm)
        header.advanced_toggled.connect(self.form.show_advanced)
        header.changed.connect(self._check_soon.start)
        self.form.changed.connect(self._check_soon.start)
        self.form.measure_clicked.connect(self.open_lab)
        self.form.row("data.fr").changed.connect(
            lambda: self.rate.note_typing(header.input.value())
        )
        self.given.changed.connect(self._check_soon.start)
        for box in (self.cnmf_kwargs, self.eval_kwargs):
            box.changed.connect(self._check_soon.start)
        self.add_button.clicked.connect(lambda: self.add(run=False))
        self.run_button.clicked.connect(lambda: self.add(run=True))
        self.variants_button.clicked.connect(self.edit_variants)
        self.motion_choice.toggled.connect(header.set_motion_first)
        self.motion_choice.alone_wanted.connect(self.correct_motion_alone)
        connect_while_alive(
            self,
            (self.session.batch_changed, self._on_batch),
            (self.session.engines_changed, header.look_for_engines),
        )

    # -- what others ask of it

    @property
    def chosen(self) -> ChosenInput | None:
        """Movie that is chosen."""
        return self.header.input.value()

    @property
    def is_stepped(self) -> bool:
        """Whether the form shows one step at a time, in the workspace."""
        return self._step is not None

    # -- value

    def value(self) -> CNMFParams:
        """The parameters of form and boxes together.

        Raises
        ------
        ParameterError
            While something is wrong.
        """
        return self.eval_kwargs.applied_to(self.cnmf_kwargs.applied_to(self.form.value()))

    def set_value(self, params: CNMFParams) -> None:
        """Show these parameters in the form; the boxes are emptied."""
        self.cnmf_kwargs.set_text("")
        self.eval_kwargs.set_text("")
        self.form.set_value(params)

    def show_request(self, request: Request) -> None:
        """Fill the form with what an item asked for, to run it again with changes."""
        self._copied = request
        self.header.show_request(request)
        self.set_value(request.params)
        bring_to_front(self)

    def show_movie(self, movie: FileInput) -> None:
        """Choose a movie that is not in the list yet."""
        self.header.input.set_value(movie)
        bring_to_front(self)

    def draft(self) -> Request:
        """Request of the form, whether or not a movie is chosen; what is wrong is left out."""
        self._check()
        return self.request() or self._request_for(None, self._params or CNMFParams())

    def request(self) -> Request | None:
        """Request of the form, or ``None`` while something is wrong."""
        chosen = self.header.input.value()
        if self._params is None or chosen is None:
            return None
        request = self._request_for(chosen, self._params)
        copied = self._copied
        if copied is not None and copied.input == chosen:
            # Cells and mask belong to that movie; what is chosen in the form counts more.
            request = replace(request, ain=copied.ain, mask=copied.mask, result=copied.result)
        return replace(request, **self._given)

    def _request_for(self, chosen: ChosenInput | None, params: CNMFParams) -> Request:
        header = self.header
        return Request(
            algorithm=header.algorithm,
            input=chosen,
            params=params,
            name=header.item_name or ("" if chosen is None else chosen.name),
            refit=header.refit,
            engine=header.engine,
            run=header.run,
            motion_first=header.motion_first,
        )

    # -- reactions

    def _on_preset(self) -> None:
        name = self.header.preset
        params = CNMFParams.preset(name) if name else CNMFParams()
        self.form.set_reference(params)
        self.form.set_value(params, but_keep=_OF_THE_RECORDING)
        self._show_parts()

    def _on_algorithm(self) -> None:
        self.motion_choice.show_chosen(self.header.motion_first)
        self._show_parts()
        self._check_soon.start()

    def show_step(self, step: FormStep) -> None:
        """Show what one step of the workspace asks for, and nothing else."""
        if self._step is None:
            self.run_button.setText("Find cells")
            self.method_box.add(self.header.method_part)
            self.form.put_below_essentials(self.method_box)
            self.setMinimumWidth(0)
            layout = self.layout()
            assert layout is not None
            layout.setContentsMargins(0, 0, 0, 0)  # the workspace has its own
        self._step = step
        self._show_parts()
        self.measuring.start()

    def _show_parts(self) -> None:
        """Show the parts of the form that the method and the step need."""
        algorithm, step = self.header.algorithm, self._step
        is_cells = step in (None, FormStep.CELLS)
        finds_cells = algorithm in ("cnmf", "cnmfe")
        hidden: tuple[str, ...] = () if algorithm == "cnmfe" else ONE_PHOTON_ALONE
        groups = groups_of(algorithm, motion_first=self.header.motion_first)
        if step is FormStep.MOVIE:
            groups, hidden = ("data",), ("data.decay_time",)
        elif step is FormStep.MOTION:
            groups = ("motion",)
        elif step is FormStep.CELLS and finds_cells:
            groups = groups_of(algorithm)
        self.form.show_groups(groups, hidden=hidden)
        self.form.essentials.set_title(
            "Frame rate" if step is FormStep.MOVIE else "What to measure first"
        )
        self.form.measure_button.setVisible(is_cells)
        self.header.movie_part.setVisible(step in (None, FormStep.MOVIE))
        self.header.method_part.setVisible(is_cells)
        self.header.pictures.setVisible(is_cells and finds_cells)
        self.method_box.setVisible(is_cells and self.is_stepped)
        preset = self.header.preset or "no preset"
        self.method_box.set_title(f"{ALGORITHM_TITLES[algorithm]}, {preset}")
        self.motion_choice.setVisible(step is FormStep.MOTION)
        self.given_box.setVisible(is_cells and finds_cells)
        self._kwargs.setVisible(is_cells)
        for widget in (self.what, self.variants_button, self.add_button, self.run_button):
            widget.setVisible(is_cells)

    def _on_batch(self, bridge: BatchBridge | None) -> None:
        if bridge is not None:
            bridge.rows_changed.connect(lambda _: self._list_items(bridge))
            self._list_items(bridge)

    def _list_items(self, bridge: BatchBridge) -> None:
        """Offer what items of the batch make: their movies, or results to evaluate again."""
        if bridge is self.session.bridge:
            self.header.list_items(bridge.rows)
            self.given.list_items(bridge.rows)
            self._look_at_what_was_made(bridge)

    def _look_at_what_was_made(self, bridge: BatchBridge) -> None:
        """Look again at the chosen item's movie, which was not there when it was chosen."""
        chosen, facts = self._inspected, self.facts
        if not isinstance(chosen, ItemInput) or facts is None or facts.shape is not None:
            return
        if any(r.uuid == chosen.uuid and r.state is State.COMPLETED for r in bridge.rows):
            self._inspected = None
            self._on_input()

    def _on_input(self) -> None:
        chosen = self.header.input.value()
        if chosen == self._inspected:
            return
        self._inspected = chosen
        self.batch_row.set_input(chosen)
        self.facts, self.cannot_open = None, ""
        self._set_ready(False)
        self.header.show_facts("" if chosen is None else "opening…")
        self._check_soon.start()
        if chosen is None:
            return

        def show(facts: MovieFacts) -> None:
            if chosen == self._inspected:
                self.facts = facts
                # The description of a recording says the same and more.
                self.header.show_facts("" if facts.description else facts.text)
                self.header.input.recording.show_description(facts.description)
                self._check_soon.start()

        def fail(error: Exception) -> None:
            if chosen == self._inspected:
                self.header.show_facts(str(error), is_problem=True)
                self.header.input.recording.ask(error)
                self.cannot_open = "The movie cannot be opened: see above. Choose another."
                self._check_soon.start()

        batch = self.session.batch
        run_in_background(lambda: inspect_input(chosen, batch), done=show, failed=fail)

    # -- checks

    def _check(self) -> None:
        """Find what is wrong, mark it, and say the first of it above the buttons."""
        problems = dict(self.form.problems)
        warnings: list[str] = []
        self._params = None
        try:
            params = self._apply_kwargs()
            said = [box.left_out for box in (self.cnmf_kwargs, self.eval_kwargs) if box.left_out]
            warnings = [*said, *self._check_against_movie(params)]
            self._given = self._read_given(len(params.init.gSig))
            self._params = params
        except InvalidParametersError as error:
            problems |= error.problems
        except ParameterError as error:
            problems.setdefault("parameters", str(error))
        self.form.show_problems(problems)
        self._show_proposals()
        self.measuring.start()
        self._show_what()
        if self.header.input.value() is None:
            wanted = "Choose a movie: a layer or a file, or drop one on the canvas."
            problems = {"input": wanted} | problems
        elif self.facts is None:
            problems.setdefault("input", self.cannot_open or "The movie is not open yet.")
        self._show_status(list(dict.fromkeys(problems.values())), warnings)
        self._set_ready(not problems and not self._is_adding)
        self.checked.emit()

    def _set_ready(self, is_ready: bool) -> None:
        self.add_button.setEnabled(is_ready)
        self.run_button.setEnabled(is_ready)
        self.variants_button.setEnabled(is_ready)

    def _apply_kwargs(self) -> CNMFParams:
        params = self.form.value()
        for box in (self.cnmf_kwargs, self.eval_kwargs):
            try:
                params = box.applied_to(params)
            except ParameterError as error:
                box.show_problem(error)
                raise
            box.show_problem(None)
        return params

    def _check_against_movie(self, params: CNMFParams) -> list[str]:
        """Remarks on what is probably not meant; raises for what cannot work with this movie."""
        notes = self._unused(params)
        facts = self.facts
        if facts is None:
            return notes
        notes = [*facts.remarks, *notes]
        rate = params.data.fr or facts.frame_rate_hz
        if rate is None:
            raise InvalidParametersError({"data.fr": _NO_RATE})
        if doubt := self.rate.doubt(params.data.fr, facts, self.header.input.value()):
            notes.append(doubt)
        if facts.shape is None:
            return notes
        for algorithm in self._algorithms():
            found = check_for_movie(params, facts.shape, rate, algorithm=algorithm)
            notes += [note for note in found if note not in notes]
        return notes

    def _algorithms(self) -> tuple[str, ...]:
        first = ("mcorr",) if self.header.motion_first else ()
        return (*first, self.header.algorithm)

    def _read_given(self, n_axes: int) -> dict[str, Any]:
        """Read the chosen cells and region; raises for a layer that holds nothing."""
        if self.header.algorithm not in ("cnmf", "cnmfe"):
            return {}
        return self.given.values(n_axes)

    def _unused(self, params: CNMFParams) -> list[str]:
        """Parameters that the user set and the chosen engine does not use; presets do not count."""
        engine, preset = self.header.engine, self.header.preset
        if engine == "auto":
            return []
        by_hand = params.diff(CNMFParams.preset(preset) if preset else CNMFParams())
        return [
            f"{name} is not used by this engine. {why}"
            for name, why in unused_parameters(params, engine).items()
            if name in by_hand
            # The lab sets both sizes: that this one is not used says nothing then.
            and not (name == "init.gSiz" and is_usual(params.init.gSig, params.init.gSiz))
        ]

    def _show_proposals(self) -> None:
        """Show beside an empty field the value that will be taken."""
        facts, params = self.facts, self._params
        self.rate.show(facts, self.header.input.value())
        row = self.form.row("init.K")
        note = ""
        if params is not None and facts is not None and facts.shape and row.value is None:
            gSig = params.init.gSig
            if len(gSig) == len(facts.shape) - 1 and self.header.engine == "caiman":
                note = f"≈ {propose_K(facts.shape[1:], gSig, params.patch.rf)}"
        row.show_note(note)

    def _show_what(self) -> None:
        """Show what will run: nobody runs another movie than the one they look at."""
        chosen = self.header.input.value()
        if chosen is None:
            self.what.setText("")
            return
        text = f"{self.header.method_title} of {chosen.name}"
        self.what.setText(text)
        paths = chosen.paths if isinstance(chosen, FileInput) else ()
        self.what.setToolTip("\n".join([text, *map(str, paths)]))

    def open_lab(self) -> None:
        """Open the dock that measures what the form asks for."""
        from napari_cnmf.ui.lab._dock import LabWidget

        lab = open_dock(self.session.viewer, LabWidget, "Parameter lab")
        bring_to_front(lab)

    def _show_status(self, problems: list[str], warnings: list[str]) -> None:
        sentences, color = (problems, ERROR_COLOR) if problems else (warnings, WARNING_COLOR)
        more = f"  (+{len(sentences) - 1} more)" if len(sentences) > 1 else ""
        self.status.setText(sentences[0] + more if sentences else "")
        self.status.setToolTip("\n".join(sentences))
        self.status.setStyleSheet(f"color: {color};")
        self.status.setVisible(bool(sentences))
        set_problem(self.header.input.combo.native, None)

    # -- adding

    def add(self, *, run: bool) -> None:
        """Add the item to the batch; with ``run`` start it too."""
        self._check()
        request = self.request()
        if request is None or not self.add_button.isEnabled():
            return
        self.batch_row.with_batch(lambda: self._add(request, run=run))

    def _add(self, request: Request, *, run: bool) -> None:
        bridge = self.session.bridge
        assert bridge is not None, "a batch is open by now"

        def added(item: AddedItem) -> None:
            self._set_adding(False)
            if item.duplicate_of:
                show_warning(
                    f"The batch already has an item that asks for the same: {item.duplicate_of}."
                )
            bridge.look()
            if run:
                bridge.start([*item.to_start, item.uuid])
                self.session.run_started.emit((*item.before, item.uuid))
            else:
                show_info(f"{item.name} was added to the batch. Start it from there.")

        self._set_adding(True)
        run_in_background(
            lambda: add_request(bridge.batch, request),
            title="CNMF",
            done=added,
            failed=lambda _: self._set_adding(False),
        )

    def correct_motion_alone(self) -> None:
        """Run the motion correction by itself, and leave the chosen method as it is."""
        method = self.header.algorithm_combo.value
        self.header.algorithm_combo.value = "mcorr"
        self.add(run=True)
        self.header.algorithm_combo.value = method

    def take_corrected(self, uuid: str, title: str) -> None:
        """Go on with the corrected movie of an item."""
        self.header.set_motion_first(False)
        self.header.input.set_value(ItemInput(uuid, title))

    def edit_variants(self) -> None:
        """Open the grid editor on what the form asks for."""
        from napari_cnmf.ui.grid import edit_grid

        self._check()
        request = self.request()
        if request is not None:
            edit_grid(self.session, request)

    def _set_adding(self, is_adding: bool) -> None:
        self._is_adding = is_adding
        self._check_soon.start()
