"""Dock of a project: its samples, and the form that adds the result on screen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_info
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QInputDialog,
    QLabel,
    QLineEdit,
    QMessageBox,
    QScrollArea,
    QSplitter,
    QVBoxLayout,
    QWidget,
)
from superqt import QElidingLabel

from napari_cnmf.batch.exporting import context_for
from napari_cnmf.errors import CnmfError, ProjectError
from napari_cnmf.io.projects import Project, ProjectConfig, Sample, matching_rows
from napari_cnmf.io.projects.sample import NWB_FILE, join_id
from napari_cnmf.ui._background import call_in_background, run_in_background
from napari_cnmf.ui._docks import Dock
from napari_cnmf.ui._frame_table import FrameTable
from napari_cnmf.ui._loading import LoadedResult, load_file
from napari_cnmf.ui._parts import STRETCH, fill, push_button, text_label
from napari_cnmf.ui._session import session_of
from napari_cnmf.ui._theme import connect_while_alive, make_primary, set_problem
from napari_cnmf.ui.projects._form import SampleForm

if TYPE_CHECKING:
    from collections.abc import Generator

    import napari
    import pandas as pd


@dataclass(frozen=True, eq=False)
class ProjectContent:
    """A project as it was at one moment.

    Attributes
    ----------
    stamp
        Another value whenever somebody changed something.
    known
        Values of each column so far.
    """

    project: Project
    config: ProjectConfig
    samples: pd.DataFrame
    rois: pd.DataFrame
    known: dict[str, list[str]]
    stamp: object


def read_content(project: Project) -> ProjectContent:
    """Read everything that is shown of a project."""
    stamp, config = project.stamp(), project.config
    known = {column.name: project.known_values(column.name) for column in config.columns}
    return ProjectContent(project, config, project.df, project.rois, known, stamp)


_NO_PROJECT = "Make a new project, or open one: a project is a folder of samples."
_LOOK_EVERY_MS = 2000


class ProjectWidget(Dock):
    """Dock with a table of samples or ROIs; adds, updates, removes, opens."""

    edge = "bottom"

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self._session = session_of(napari_viewer)
        self._content: ProjectContent | None = None
        self._shown_ids: list[str] = []
        self._shown_frame: Any = {}
        self._is_reading = False
        self.path = QElidingLabel(_NO_PROJECT)
        self.path.setElideMode(Qt.TextElideMode.ElideLeft)
        self.new_button = push_button("New…", "Make a new project", self._ask_for_new)
        self.open_button = push_button("Open…", "Open a project folder", self._ask_for_one)
        self.column_button = push_button(
            "Add column…", "Ask for one more thing", self._ask_for_column
        )
        self.filter = QLineEdit()
        self.filter.setPlaceholderText("filter: genotype=wt n_accepted>20 …")
        self.filter.setClearButtonEnabled(True)
        self.filter.textChanged.connect(lambda _="": self._show_table())
        self.kind = QComboBox()
        self.kind.addItems(["samples", "ROIs"])
        self.kind.currentIndexChanged.connect(lambda _=0: self._show_table())
        self.table = FrameTable()
        self.table.rows_selected.connect(self._on_selection)
        self.table.doubleClicked.connect(lambda _index: self.open_sample())
        self.view_button = push_button(
            "Open in viewer", "Show the sample's cells", self.open_sample
        )
        self.remove_button = push_button(
            "Remove…", "Take samples out, with files", self._ask_to_remove
        )
        self.form = SampleForm()
        self.add_button = push_button("Add", "Write the result on screen as a sample", self.add)
        make_primary(self.add_button)
        self.replace_button = push_button(
            "Replace", "Write the result on screen over the sample of this id", self.replace
        )
        self.change_button = push_button(
            "Change values", "Change what is said of the sample; its file stays", self.change
        )
        self.fill_button = push_button(
            "Take from row", "Put the values of the selected sample into the form", self.fill
        )
        self.status = text_label()
        self._is_lost = False
        self._lay_out()
        self._clock = QTimer(self)
        self._clock.setInterval(_LOOK_EVERY_MS)
        self._clock.timeout.connect(self._look)
        self._clock.start()
        connect_while_alive(self, (self._session.result_changed, self._on_result))
        self._show_possible()

    def _lay_out(self) -> None:
        top = fill(
            QHBoxLayout(), (self.path, 1), self.new_button, self.open_button, self.column_button
        )
        tools = fill(QHBoxLayout(), self.kind, (self.filter, 1))
        actions = fill(QHBoxLayout(), self.view_button, self.remove_button, STRETCH)
        left = QWidget()
        fill(QVBoxLayout(left), tools, (self.table, 1), actions, margins=0)
        inside = QWidget()
        fill(QVBoxLayout(inside), self.form, STRETCH, margins=0)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(inside)
        buttons = QGridLayout()
        places = ((self.add_button, 0, 0), (self.replace_button, 0, 1),
                  (self.change_button, 1, 0), (self.fill_button, 1, 1))  # fmt: skip
        for button, row, place in places:
            buttons.addWidget(button, row, place)
        # Heading, buttons and status stay in sight however low the dock is.
        right = QWidget()
        around = fill(
            QVBoxLayout(right),
            QLabel("<b>The result on screen as a sample</b>"),
            (scroll, 1),
            margins=(6, 0, 0, 0),
        )
        self._scroll = scroll
        around.addWidget(self.status)
        around.addLayout(buttons)
        self._fit_form()
        self._splitter = QSplitter()
        self._splitter.addWidget(left)
        self._splitter.addWidget(right)
        self._splitter.setStretchFactor(0, 3)
        self._splitter.setStretchFactor(1, 2)
        fill(QVBoxLayout(self), top, (self._splitter, 1), margins=6)

    def _fit_form(self) -> None:
        """Keep the form's labels and fields in sight: it scrolls up and down alone."""
        bar = self._scroll.verticalScrollBar()
        room = 0 if bar is None else bar.sizeHint().width()
        self._scroll.setMinimumWidth(self.form.minimumSizeHint().width() + room + 2)

    # -- which project

    @property
    def project(self) -> Project | None:
        """Project that is open."""
        return None if self._content is None else self._content.project

    def open(self, path: Path) -> None:
        """Open a project, or make one where there is none; in the background."""
        call_in_background(lambda: read_content(Project.open(path, create=True)), done=self._show)

    def start_adding(self) -> None:
        """Go to the first field; without a project say what to do."""
        self.status.setText("" if self._content is not None else _NO_PROJECT)
        if self.form.fields:
            next(iter(self.form.fields.values())).setFocus()

    def _ask_for_new(self) -> None:
        name, _ = QFileDialog.getSaveFileName(
            self,
            "Where should the new project be?",
            str(Path.home() / "cnmf project"),
            options=QFileDialog.Option.ShowDirsOnly | QFileDialog.Option.DontConfirmOverwrite,
        )
        if name:
            self.open(Path(name))

    def _ask_for_one(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "Open a project", str(Path.home()))
        if name:
            path = Path(name)
            call_in_background(lambda: read_content(Project.open(path)), done=self._show)

    def _ask_for_column(self) -> None:
        name, done = QInputDialog.getText(self, "Add a column", "What should be asked for?")
        if done and name.strip():
            self._change(lambda project: project.add_column(name.strip()))

    # -- samples

    def add(self) -> None:
        """Write the result on screen as a new sample."""
        self._write(update=False)

    def replace(self) -> None:
        """Write the result on screen over the sample of this id."""
        self._write(update=True)

    def _write(self, *, update: bool) -> None:
        result, content = self._session.result, self._content
        if result is None or content is None:
            return
        project, curation, movie = content.project, result.curation, result.loaded.movie
        values, movie_in = self.form.value(), self.form.movie_in_nwb()
        was_shown = self._shown_sample()
        path = self.form.stimuli_path()

        def steps() -> Generator[str, None, tuple[Sample, ProjectContent]]:
            from napari_cnmf.io.projects.stimuli import read_stimuli

            yield "reading"
            stimuli = None if path is None else read_stimuli(path)
            context = context_for(curation, movie=movie, movie_in_nwb=movie_in)
            yield "writing the sample"
            sample = project.add(curation, values, stimuli=stimuli, context=context, update=update)
            return sample, read_content(project)

        def written(answer: tuple[Sample, ProjectContent]) -> None:
            self._on_written(*answer)
            if was_shown == answer[0].id and self._session.result is result:
                # Its files are others now: decisions would go into a folder that is gone.
                self._open(was_shown)

        self._set_busy("Writing the sample …")
        run_in_background(steps, title="Project", done=written, failed=self._on_failed)

    def _shown_sample(self) -> str:
        """Id of the sample that is on screen; empty when it is none of this project's."""
        result, content = self._session.result, self._content
        path = None if result is None else result.curation.path
        if path is None or content is None:
            return ""
        parent = path.absolute().parent
        is_ours = parent.parent.parent == content.project.path and path.name == NWB_FILE
        return parent.name if is_ours else ""

    def change(self) -> None:
        """Change the values of the sample whose ids stand in the form."""
        values = self.form.value()

        def act(project: Project) -> None:
            project.update(join_id(values["AnimalID"], values["TrialID"]), **values)

        self._change(act, then=self.form.set_written)

    def fill(self) -> None:
        """Put the values of the selected sample into the form, over what was typed."""
        rows, content = self.selected_ids(), self._content
        if len(rows) != 1 or content is None:
            return
        samples = content.samples
        values = samples[samples["SampleID"] == rows[0]].iloc[0].to_dict()
        self.form.set_value({name: values.get(name) for name in self.form.fields})
        self.form.is_typed = False

    def open_sample(self) -> None:
        """Show the selected sample in the viewer, with its decisions; of a ROI, select the cell."""
        ids = self.selected_ids()
        if ids:
            self._open(ids[0], cell=self._selected_cell())

    def _selected_cell(self) -> int | None:
        """Id of the component whose row is selected; ``None`` in the table of samples."""
        rows = self.table.selected_rows()
        if not rows or "id" not in self._shown_frame:
            return None
        return int(self._shown_frame["id"].iloc[rows[0]])

    def _open(self, id_: str, *, cell: int | None = None) -> None:
        content = self._content
        if content is None:
            return
        project = content.project
        if self._shown_sample() == id_ and cell is not None:
            self._select(cell)
            return

        def steps() -> Generator[str, None, LoadedResult]:
            yield f"opening {id_}"
            return (yield from load_file(project[id_].path, name=id_))

        def show(loaded: LoadedResult) -> None:
            self._session.show(loaded)
            if cell is not None:
                self._select(cell)

        run_in_background(steps, title="Project", done=show)

    def _select(self, cell: int) -> None:
        """Select a component of the result on screen by its id."""
        result = self._session.result
        if result is not None:
            self._session.select(int(i) for i in (result.ids == cell).nonzero()[0])

    def selected_ids(self) -> list[str]:
        """Samples of the selected rows."""
        return list(dict.fromkeys(self._shown_ids[row] for row in self.table.selected_rows()))

    def _ask_to_remove(self) -> None:
        ids = self.selected_ids()
        if not ids:
            return
        text = f"Remove {', '.join(ids)} from the project, with files and later decisions?"
        answer = QMessageBox.question(self, "Remove samples", text)
        if answer == QMessageBox.StandardButton.Yes:
            if self._shown_sample() in ids:
                self._session.close_result()  # decisions would have no folder to go to
            self._change(lambda project: project.remove(*ids))

    def _change(
        self, act: Callable[[Project], Any], *, then: Callable[[], None] = lambda: None
    ) -> None:
        """Do something to the project in the background, then show it anew."""
        content = self._content
        if content is None:
            return
        project = content.project

        def work() -> ProjectContent:
            act(project)
            return read_content(project)

        def show(fresh: ProjectContent) -> None:
            then()
            self._show(fresh)

        self._set_busy("Working …")
        call_in_background(work, done=show, failed=self._on_failed)

    # -- showing

    def _show(self, content: ProjectContent) -> None:
        is_other = self._content is None or self._content.config != content.config
        self._content = content
        self.path.setText(str(content.project.path))
        if is_other or not self.form.isAncestorOf(self.focusWidget() or self):
            self.form.set_config(content.config, content.known)
            self._fit_form()
        self.status.setText("")
        self._show_table()

    def _show_table(self) -> None:
        content = self._content
        if content is None:
            return
        frame = content.rois if self.kind.currentText() == "ROIs" else content.samples
        try:
            frame = frame[matching_rows(frame, self.filter.text())] if len(frame) else frame
            set_problem(self.filter, None)
        except ProjectError as error:
            set_problem(self.filter, str(error))
            self.filter.setToolTip(str(error))
            return
        before = self.selected_ids()
        self._shown_ids = frame["SampleID"].tolist() if "SampleID" in frame else []
        self._shown_frame = frame
        self.table.set_frame(frame)
        if self.kind.currentText() == "samples":
            rows = [row for row, id_ in enumerate(self._shown_ids) if id_ in before]
            self.table.select_rows(rows)
        self._show_possible()

    def _on_selection(self) -> None:
        if not self.form.is_typed:
            self.fill()
        self._show_possible()

    def _show_possible(self) -> None:
        has_project, has_result = self._content is not None, self._session.result is not None
        some = bool(self.selected_ids())
        for button in (self.add_button, self.replace_button):
            button.setEnabled(has_project and has_result)
        self.change_button.setEnabled(has_project)
        self.column_button.setEnabled(has_project)
        self.view_button.setEnabled(some)
        self.fill_button.setEnabled(len(self.selected_ids()) == 1)
        self.remove_button.setEnabled(some)

    def _on_result(self, _result: Any) -> None:
        self._show_possible()

    def _set_busy(self, text: str) -> None:
        self.status.setText(text)
        for button in (self.add_button, self.replace_button, self.change_button):
            button.setEnabled(False)

    def _on_written(self, sample: Sample, content: ProjectContent) -> None:
        self.form.set_written()
        self._show(content)
        self.status.setText(f"{sample.id} is in the project.")
        show_info(f"Added {sample.id}")

    def _on_failed(self, error: Exception) -> None:
        self.status.setText(str(error))
        self._show_possible()

    def _look(self) -> None:
        """Look whether somebody else changed something."""
        content = self._content
        if content is None or self._is_reading or not self.isVisible():
            return
        self._is_reading = True

        def read() -> ProjectContent | str | None:
            try:
                same = content.project.stamp() == content.stamp
                return None if same else read_content(content.project)
            except (CnmfError, OSError) as error:
                return str(error)  # a share that is away for a moment comes back

        def show(fresh: ProjectContent | str | None) -> None:
            self._is_reading = False
            if self._content is not content:
                return
            if isinstance(fresh, str):
                self._on_lost(fresh)
                return
            if self._is_lost:
                self._is_lost = False
                self.status.setText("")
            if fresh is not None:
                self._show(fresh)

        call_in_background(read, done=show, failed=self._on_reading_failed)

    def _on_lost(self, problem: str) -> None:
        """Report once that the folder cannot be read; it is looked for again and again."""
        if not self._is_lost:
            self._is_lost = True
            self.status.setText(f"The project cannot be read at the moment. {problem}")

    def _on_reading_failed(self, error: Exception) -> None:
        self._is_reading = False
        self._on_lost(str(error))
