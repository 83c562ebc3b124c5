"""Window of the grid editor, with its list of movies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_info, show_warning
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QDialog,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_cnmf.errors import ParameterError
from napari_cnmf.io.movies import natural_key
from napari_cnmf.params import iter_fields
from napari_cnmf.ui._background import run_in_background
from napari_cnmf.ui._parts import STRETCH, fill, push_button, text_label
from napari_cnmf.ui._theme import ERROR_COLOR, WARNING_COLOR, call_later, make_primary
from napari_cnmf.ui.batch._choosing import ask_for_new_batch
from napari_cnmf.ui.batch._rows import ALGORITHM_TITLES
from napari_cnmf.ui.forms._input import (
    ChosenInput,
    FileInput,
    ItemInput,
    input_of_layer,
    inputs_of_rows,
    movie_file_filter,
)
from napari_cnmf.ui.forms._request import GROUPS_OF, Request
from napari_cnmf.ui.grid._axis import AxisRow
from napari_cnmf.ui.grid._plan import Added, GridRequest, PlannedItem, add_grid, plan_grid

if TYPE_CHECKING:
    from napari_cnmf.ui._session import Session

_FIRST = {"mcorr": "motion.max_shifts", "evaluate": "quality.min_SNR"}
_MANY = 1000


class MovieList(QWidget):
    """List of movies with a tick each."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._inputs: list[ChosenInput] = []
        self.list = QListWidget()
        self.list.setSpacing(2)
        self.add_button = push_button("Add files…", "Each file is a movie of its own")
        fill(QVBoxLayout(self), (self.list, 1), self.add_button, margins=0)
        self.list.itemChanged.connect(lambda _: self.changed.emit())
        self.add_button.clicked.connect(lambda _=False: self._browse())

    def add(self, inputs: Iterable[ChosenInput], *, ticked: bool) -> None:
        """Offer movies; one that is there already is not offered twice."""
        for chosen in inputs:
            if chosen in self._inputs:
                continue
            self._inputs.append(chosen)
            entry = QListWidgetItem(_title(chosen))
            entry.setToolTip(_tooltip(chosen))
            entry.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable)
            entry.setCheckState(Qt.CheckState.Checked if ticked else Qt.CheckState.Unchecked)
            self.list.addItem(entry)
        self.changed.emit()

    @property
    def ticked(self) -> tuple[ChosenInput, ...]:
        """Movies that are ticked."""
        entries = [self.list.item(i) for i in range(self.list.count())]
        return tuple(
            chosen
            for chosen, entry in zip(self._inputs, entries, strict=True)
            if entry is not None and entry.checkState() is Qt.CheckState.Checked
        )

    def _browse(self) -> None:
        names, _ = QFileDialog.getOpenFileNames(self, "Choose movies", filter=movie_file_filter())
        self.add(_files(names), ticked=True)


def _files(names: Sequence[str]) -> list[FileInput]:
    paths = sorted((Path(name) for name in names), key=lambda p: natural_key(p.name))
    return [FileInput((path,)) for path in paths]


def _title(chosen: ChosenInput) -> str:
    if isinstance(chosen, FileInput):
        more = f" + {len(chosen.paths) - 1} more" if len(chosen.paths) > 1 else ""
        return chosen.paths[0].name + more
    return f"{chosen.name}  (item)" if isinstance(chosen, ItemInput) else f"{chosen.name}  (layer)"


def _tooltip(chosen: ChosenInput) -> str:
    return "\n".join(str(p) for p in chosen.paths) if isinstance(chosen, FileInput) else chosen.name


class GridDialog(QDialog):
    """Window of parameters with their values, movies with ticks, and the items they make."""

    def __init__(
        self, session: Session, base: Request, movies: Sequence[ChosenInput], parent: QWidget
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Variants")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._session = session
        self._base = base
        self._planning: Any = None
        self.rows: list[AxisRow] = []
        self.movies = MovieList()
        self.summary = text_label()
        self.preview = QTreeWidget()
        self.skip = QCheckBox("Leave out what the batch has already")
        self.skip.setChecked(True)
        self.add_button = QPushButton("Add")
        self.run_button = QPushButton("Add and run")
        self.more_button = QPushButton("Add parameter")
        self._plan_soon = call_later(self, self._plan, 150)
        groups = GROUPS_OF[base.algorithm]
        self._fields = [field for field in iter_fields() if field.group in groups]
        self._lay_out()
        self._connect()
        self._offer_movies(movies)
        self.add_parameter().choose(_FIRST.get(base.algorithm, "init.gSig"))

    def _lay_out(self) -> None:
        refit = ", with refit" if self._base.refit else ""
        title = text_label(
            f"<b>{ALGORITHM_TITLES[self._base.algorithm]}</b>{refit}: every combination of these "
            "values for every movie. Everything else is as in the form or item you came from."
        )
        self._axes = QVBoxLayout()
        self._axes.setSpacing(4)
        left = QVBoxLayout()
        left.addLayout(self._axes)
        left.addSpacing(4)
        left.addWidget(self.more_button, 0, Qt.AlignmentFlag.AlignLeft)
        left.addStretch()
        self.preview.setHeaderLabels(["Item", "Note"])
        self.preview.setRootIsDecorated(False)
        self.preview.setUniformRowHeights(True)
        header = self.preview.header()
        if header is not None:
            header.setSectionResizeMode(0, QHeaderView.ResizeMode.Interactive)
        self.preview.setColumnWidth(0, 380)
        grid = QGridLayout()
        grid.setHorizontalSpacing(14)
        grid.addWidget(QLabel("Parameters and their values"), 0, 0)
        grid.addWidget(QLabel("Movies"), 0, 1)
        grid.addLayout(left, 1, 0)
        grid.addWidget(self.movies, 1, 1)
        grid.setColumnStretch(0, 3)
        grid.setColumnStretch(1, 2)
        buttons = fill(QHBoxLayout(), self.skip, STRETCH, self.add_button, self.run_button)
        make_primary(self.run_button)
        self.add_button.setAutoDefault(False)
        self.more_button.setAutoDefault(False)
        self.movies.add_button.setAutoDefault(False)
        fill(
            QVBoxLayout(self),
            title,
            (grid, 2),
            self.summary,
            (self.preview, 3),
            buttons,
            spacing=10,
        )
        self.resize(860, 620)

    def _connect(self) -> None:
        self.more_button.clicked.connect(lambda _=False: self.add_parameter())
        self.movies.changed.connect(self._plan_soon.start)
        self.skip.toggled.connect(lambda _: self._plan_soon.start())
        self.add_button.clicked.connect(lambda _=False: self.add(run=False))
        self.run_button.clicked.connect(lambda _=False: self.add(run=True))

    def _offer_movies(self, movies: Sequence[ChosenInput]) -> None:
        chosen = [] if self._base.input is None else [self._base.input]
        self.movies.add(movies or chosen, ticked=True)
        layers = (input_of_layer(layer) for layer in self._session.viewer.layers)
        self.movies.add([each for each in layers if each is not None], ticked=False)
        bridge = self._session.bridge
        if bridge is not None:
            items = inputs_of_rows(bridge.rows, self._base.algorithm)
            self.movies.add(items, ticked=False)

    # -- parameters

    def add_parameter(self) -> AxisRow:
        """Add another row, with the first parameter that no row has."""
        row = AxisRow(self._fields, self._base.params)
        taken = {other.field.name for other in self.rows}
        row.choose(next(f.name for f in self._fields if f.name not in taken))
        row.changed.connect(self._plan_soon.start)
        row.removed.connect(lambda: self._remove(row))
        self.rows.append(row)
        self._axes.addWidget(row)
        self._plan_soon.start()
        return row

    def _remove(self, row: AxisRow) -> None:
        self.rows.remove(row)
        self._axes.removeWidget(row)
        row.hide()
        row.deleteLater()
        self._plan_soon.start()

    def value(self) -> GridRequest:
        """Request that the window stands for.

        Raises
        ------
        ParameterError
            While a value is wrong, or a parameter stands in two rows.
        """
        grid: dict[str, tuple[Any, ...]] = {}
        for row in self.rows:
            values = row.read()
            if row.field.name in grid:
                raise ParameterError(f"{row.field.name} has two rows. Write all values in one.")
            grid[row.field.name] = values
        return GridRequest(self._base, self.movies.ticked, grid)

    # -- what it comes to

    def _plan(self) -> None:
        """Find out, in the background, what would be added; an older search is given up."""
        self._give_up_planning()
        self._set_ready(0)
        try:
            request = self.value()
        except ParameterError as error:
            self.preview.clear()
            self._say(str(error), ERROR_COLOR)
            return
        if not request.inputs:
            self.preview.clear()
            self._say("Tick a movie.", WARNING_COLOR)
            return
        self._say(f"{_product(request)}: looking for duplicates…", "gray")

        def show(planned: tuple[PlannedItem, ...]) -> None:
            if self._planning is worker:
                self._planning = None
                self._show_plan(request, planned)

        batch = self._session.batch
        worker = run_in_background(lambda: plan_grid(batch, request), done=show)
        self._planning = worker

    def _give_up_planning(self) -> None:
        """Give up planning: what it finds is not shown any more."""
        if self._planning is not None:
            self._planning.quit()
            self._planning = None

    def done(self, result: int) -> None:
        """Give up planning however the dialog is closed, so that what it finds does not miss it."""
        self._give_up_planning()
        super().done(result)

    def _show_plan(self, request: GridRequest, planned: Sequence[PlannedItem]) -> None:
        same = sum(bool(item.duplicate_of) for item in planned)
        wrong = sum(bool(item.problem) for item in planned)
        n_new = len(planned) - wrong - (same if self.skip.isChecked() else 0)
        notes = []
        if same:
            done = "left out" if self.skip.isChecked() else "added once more"
            notes.append(f"{same} in the batch already ({done})")
        if wrong:
            notes.append(f"{wrong} cannot run")
        text = "; ".join([_product(request), *notes])
        self._say(text + ".", WARNING_COLOR if notes else None)
        self.preview.clear()
        for item in planned[:_MANY]:
            note = item.problem or (f"same as {item.duplicate_of}" if item.duplicate_of else "")
            entry = QTreeWidgetItem([item.name, note])
            for column, tip in enumerate((item.name, note)):
                entry.setToolTip(column, tip)
            self.preview.addTopLevelItem(entry)
        if len(planned) > _MANY:
            self.preview.addTopLevelItem(QTreeWidgetItem([f"… and {len(planned) - _MANY} more"]))
        # One that cannot run would stop the others of its movie in the middle.
        self._set_ready(0 if wrong else n_new)

    def _say(self, text: str, color: str | None) -> None:
        self.summary.setText(text)
        self.summary.setStyleSheet(f"color: {color};" if color else "")

    def _set_ready(self, n_items: int) -> None:
        for button, text in ((self.add_button, "Add"), (self.run_button, "Add and run")):
            items = "item" if n_items == 1 else "items"
            button.setText(f"{text} {n_items:,} {items}" if n_items else text)
            button.setEnabled(n_items > 0)

    def add(self, *, run: bool) -> None:
        """Add the items, and start them with ``run``; asks for a batch when none is open."""
        bridge = self._session.bridge
        if bridge is None:
            ask_for_new_batch(self, self._session, then=lambda: self.add(run=run))
            return
        request, skip = self.value(), self.skip.isChecked()

        def added(outcome: Added) -> None:
            for problem in outcome.problems:
                show_warning(problem)
            bridge.look()
            if run:
                bridge.start(outcome.uuids)
            else:
                show_info(f"{len(outcome.uuids)} items were added. Start them from the batch.")

        run_in_background(
            lambda: add_grid(bridge.batch, request, skip_duplicates=skip),
            title="Adding variants",
            done=added,
        )
        self.close()


def _product(request: GridRequest) -> str:
    """Text of the product: ``2 x 3 values x 2 movies = 12 items``."""
    n_movies, n_items = len(request.inputs), request.n_items
    parts = " × ".join(str(len(values)) for values in request.grid.values())
    values = f"{parts} values × " if parts else ""
    movies = "movie" if n_movies == 1 else "movies"
    return f"{values}{n_movies} {movies} = {n_items:,} {'item' if n_items == 1 else 'items'}"


def edit_grid(session: Session, base: Request, *, movies: Sequence[ChosenInput] = ()) -> GridDialog:
    """Open the grid editor on what ``base`` asks for."""
    dialog = GridDialog(session, base, movies, session.viewer.window._qt_window)
    dialog.show()
    return dialog
