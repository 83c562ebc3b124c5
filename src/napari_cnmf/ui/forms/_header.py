"""Top of the form: which movie, which name, what to do with it, and which engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from magicgui.widgets import CheckBox, ComboBox, LineEdit
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QVBoxLayout, QWidget
from superqt import QToggleSwitch

from napari_cnmf._names import PresetName
from napari_cnmf.batch.spec import RunSpec
from napari_cnmf.engines import engine_names, get_engine, resolve
from napari_cnmf.engines.base import Algorithm
from napari_cnmf.errors import CnmfError, EngineError
from napari_cnmf.params import PRESETS
from napari_cnmf.ui._background import call_in_background
from napari_cnmf.ui._parts import fill, in_row, text_label, with_tip
from napari_cnmf.ui._theme import ERROR_COLOR, WARNING_COLOR, WholeLabel
from napari_cnmf.ui.batch._rows import ALGORITHM_TITLES
from napari_cnmf.ui.forms._editors import keep_wheel_for_scrolling
from napari_cnmf.ui.forms._input import ChosenInput, FileInput, InputChooser, inputs_of_rows
from napari_cnmf.ui.forms._preset_pictures import PresetPictures

if TYPE_CHECKING:
    import napari

    from napari_cnmf.ui.batch._rows import ItemRow
    from napari_cnmf.ui.forms._request import Request

_HELP = "Automatic: CaImAn where it is found when the item starts, else the built-in engine."


class EngineChoice:
    """Choice of an engine; CaImAn is looked for in a thread, as that starts its interpreter."""

    def __init__(self, on_resolved: Callable[[str], None]) -> None:
        self._on_resolved = on_resolved
        self.combo = ComboBox(choices=_choices())
        self.combo.native.setToolTip(_HELP)
        self.note = WholeLabel()
        self._asked: tuple[str, str] = ("", "")

    def look(self, algorithm: str) -> None:
        """Show which engine the choice leads to for an algorithm."""
        name: str = self.combo.value
        self._asked = asked = (name, algorithm)
        self._say("looking for engines…", is_problem=False)

        def ask() -> tuple[str, str]:
            try:
                engine, reason = resolve(name, Algorithm(algorithm))
            except CnmfError as error:
                return "", str(error)
            title = f"{engine.title} {engine.version() or ''}".strip()
            return engine.name, f"{title}: {reason}" if name == "auto" else title

        def show(answer: tuple[str, str]) -> None:
            if asked == self._asked:
                engine, text = answer
                self._say(text, is_problem=not engine)
                self._on_resolved(engine)

        call_in_background(ask, done=show)

    def _say(self, text: str, *, is_problem: bool) -> None:
        self.note.setText(text)
        self.note.setStyleSheet(f"color: {WARNING_COLOR if is_problem else 'gray'};")


def _choices() -> list[tuple[str, str]]:
    choices = [("Automatic", "auto")]
    for name in engine_names():
        try:
            choices.append((get_engine(name).title, name))
        except EngineError:
            continue  # the package of others that does not load; doctor says why
    return choices


_DEFAULTS = "CaImAn's defaults"
_MOTION_FIRST = "mcorr+"
"""In front of an algorithm: motion correction first, as an item that it waits for."""
METHODS = [
    ("Motion and cells: CNMF", f"{_MOTION_FIRST}cnmf"),
    ("Motion and cells: CNMF-E", f"{_MOTION_FIRST}cnmfe"),
    *((title, key) for key, title in ALGORITHM_TITLES.items()),
]


class HeaderForm(QWidget):
    """Everything of an item that is no parameter."""

    changed = Signal()
    input_changed = Signal()
    algorithm_changed = Signal()
    preset_changed = Signal()
    advanced_toggled = Signal(bool)

    def __init__(self, viewer: napari.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: tuple[ItemRow, ...] = ()
        self._named_for: ChosenInput | None = None
        self.input = InputChooser(viewer)
        self._facts = text_label()
        self.name_edit = LineEdit()
        self.algorithm_combo = ComboBox(choices=METHODS, value="cnmf")
        self.algorithm_combo.native.setToolTip(
            "Motion and cells corrects the movie first, then looks for cells in the corrected one"
        )
        self.engine_choice = EngineChoice(self._on_engine)
        self.engine_combo = self.engine_choice.combo
        self.preset_combo = ComboBox(choices=[(_DEFAULTS, ""), *((n, n) for n in PRESETS)])
        if PRESETS:
            self.preset_combo.value = next(iter(PRESETS))
        self.pictures = PresetPictures()
        self.pictures.show_chosen(self.preset or "")
        self.refit_box = CheckBox(text="Refit", value=True)
        self.refit_box.native.setToolTip(
            "Run CNMF a second time on the whole field, from the components of the first"
        )
        self.keep_box = CheckBox(text="Keep memmap", value=False)
        self.keep_box.native.setVisible(False)
        self.keep_box.native.setToolTip(
            "CaImAn works on a copy of the movie, 4 bytes a pixel. Kept, the next item on the same "
            "movie begins at once; it goes when the item is removed."
        )
        self._run = RunSpec()
        self.advanced_switch = with_tip(
            QToggleSwitch("Advanced"), "Show what is seldom needed as well"
        )
        self._lay_out()
        self._connect()
        self._on_algorithm()

    def _lay_out(self) -> None:
        self.movie_part, movie = _form_part()
        movie.addRow("Movie", self.input)
        movie.addRow("", self._facts)
        movie.addRow("Name", self.name_edit.native)
        self._movie_form = movie
        self.method_part, method = _form_part()
        method.addRow("Method", in_row((self.algorithm_combo.native, 1), self.refit_box.native))
        method.addRow("Engine", in_row((self.engine_combo.native, 1), self.keep_box.native))
        method.addRow("", self.engine_choice.note)
        method.addRow("Preset", in_row((self.preset_combo.native, 1), self.advanced_switch))
        fill(
            QVBoxLayout(self),
            self.movie_part,
            self.pictures,
            self.method_part,
            margins=0,
            spacing=5,
        )
        for combo in (self.algorithm_combo, self.engine_combo, self.preset_combo):
            keep_wheel_for_scrolling(combo.native)

    def add_row(self, title: str, widget: QWidget) -> None:
        """Put another widget below the movie and its name."""
        self._movie_form.addRow(title, widget)

    def set_motion_first(self, is_first: bool) -> None:
        """Correct motion before the method, or not."""
        if self.algorithm in ("cnmf", "cnmfe"):
            self.algorithm_combo.value = (_MOTION_FIRST if is_first else "") + self.algorithm

    def _connect(self) -> None:
        self.input.changed.connect(self._on_input)
        self.algorithm_combo.changed.connect(lambda _: self._on_algorithm())
        self.preset_combo.changed.connect(lambda _: self._on_preset())
        self.pictures.chosen.connect(self.choose_preset)
        self.advanced_switch.toggled.connect(self.advanced_toggled)
        self.engine_combo.changed.connect(lambda _: self.look_for_engines())
        for widget in (self.name_edit, self.engine_combo, self.refit_box):
            widget.changed.connect(lambda _: self.changed.emit())

    @property
    def item_name(self) -> str:
        """The name that was typed; empty to take the movie's."""
        name: str = self.name_edit.value
        return name.strip()

    @property
    def algorithm(self) -> str:
        """Name of the chosen algorithm, such as ``cnmf``."""
        value: str = self.algorithm_combo.value
        return value.removeprefix(_MOTION_FIRST)

    @property
    def motion_first(self) -> bool:
        """Whether to correct motion before the method."""
        value: str = self.algorithm_combo.value
        return value.startswith(_MOTION_FIRST)

    @property
    def method_title(self) -> str:
        """Title of the method."""
        title = next(t for t, key in METHODS if key == self.algorithm_combo.value)
        return f"{title} with refit" if self.refit else title

    @property
    def engine(self) -> str:
        """Name of the chosen engine, or ``auto``."""
        value: str = self.engine_combo.value
        return value

    @property
    def preset(self) -> PresetName | None:
        """Name of the preset; ``None`` for the defaults."""
        value: PresetName | None = self.preset_combo.value or None
        return value

    @property
    def refit(self) -> bool:
        """Whether to refit; never for a method that fits nothing."""
        return bool(self.refit_box.value) and self.algorithm in ("cnmf", "cnmfe")

    @property
    def run(self) -> RunSpec:
        """Options of the run, with those of an item that was copied."""
        is_kept = bool(self.keep_box.value) and not self.keep_box.native.isHidden()
        return self._run.model_copy(update={"keep_memmap": is_kept})

    def choose_preset(self, name: str) -> None:
        """Choose a preset, and the method that its kind of recording needs."""
        finds_cells = self.algorithm in ("cnmf", "cnmfe")
        if finds_cells:
            algorithm = "cnmfe" if name == "one-photon" else "cnmf"
            prefix = _MOTION_FIRST if self.motion_first else ""
            self.algorithm_combo.value = prefix + algorithm
        self.preset_combo.value = name

    def look_for_engines(self) -> None:
        """Show below the engine which one the choice leads to."""
        self.engine_choice.look(self.algorithm)

    def show_facts(self, text: str, *, is_problem: bool = False) -> None:
        """Show below the movie what it is, or what is wrong with it."""
        self._facts.setText(text)
        self._facts.setStyleSheet(f"color: {ERROR_COLOR if is_problem else 'gray'};")
        self._facts.setVisible(bool(text))

    def list_items(self, rows: Iterable[ItemRow]) -> None:
        """Offer the items whose output the chosen method can take."""
        self._rows = tuple(rows)
        self.input.set_items(inputs_of_rows(self._rows, self.algorithm))

    def show_request(self, request: Request) -> None:
        """Show what an item asked for, to ask for the same."""
        prefix = _MOTION_FIRST if request.motion_first else ""
        self.algorithm_combo.value = prefix + request.algorithm
        self.input.set_value(request.input)
        self.name_edit.value = request.name
        self.engine_combo.value = request.engine
        self.refit_box.value = request.refit
        self.keep_box.value = request.run.keep_memmap
        self._run = request.run

    def _on_input(self) -> None:
        chosen = self.input.value()
        if self._named_for is not None and not _is_same_movie(self._named_for, chosen):
            self.name_edit.value = ""  # it was another movie's
        self._named_for = chosen
        self.name_edit.native.setPlaceholderText("" if chosen is None else chosen.name)
        self.input_changed.emit()

    def _on_algorithm(self) -> None:
        self.refit_box.native.setVisible(self.algorithm in ("cnmf", "cnmfe"))
        self.list_items(self._rows)
        self.look_for_engines()
        self.algorithm_changed.emit()

    def _on_engine(self, name: str) -> None:
        self.keep_box.native.setVisible(name == "caiman")

    def _on_preset(self) -> None:
        self.pictures.show_chosen(self.preset or "")
        preset = PRESETS.get(self.preset or "")
        reasons = (
            [] if preset is None else [f"{v.name} = {v.value}: {v.why}" for v in preset.values]
        )
        text = "" if preset is None else "\n".join([preset.description, *reasons])
        self.preset_combo.native.setToolTip(text)
        self.preset_changed.emit()


def _is_same_movie(one: ChosenInput, other: ChosenInput | None) -> bool:
    """Whether both are the same files, however they are opened, or the same layer or item."""
    if isinstance(one, FileInput) and isinstance(other, FileInput):
        return one.paths == other.paths
    return one == other


def _form_part() -> tuple[QWidget, QFormLayout]:
    part = QWidget()
    form = QFormLayout(part)
    form.setContentsMargins(0, 0, 0, 0)
    form.setHorizontalSpacing(10)
    form.setVerticalSpacing(5)
    # In a narrow dock wide fields stand below their titles.
    form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
    return part, form
