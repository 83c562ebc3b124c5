"""Dock of a project: its samples, and the form that adds the result on screen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_info
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QInputDialog,
    QLabel,
    QLineEdit,
    QMessageBox,
    QPushButton,
    QScrollArea,
    QSplitter,
    QVBoxLayout,
    QWidget,
)
from superqt import QElidingLabel

from napari_cnmf.batch.exporting import context_for
from napari_cnmf.errors import ProjectError
from napari_cnmf.io.projects import Project, Sample, matching_rows
from napari_cnmf.io.projects.project import PROJECT_FILE
from napari_cnmf.ui._background import call_in_background, run_in_background
from napari_cnmf.ui._docks import Dock
from napari_cnmf.ui._frame_table import FrameTable
from napari_cnmf.ui._loading import LoadedResult, load_file
from napari_cnmf.ui._session import session_of
from napari_cnmf.ui._theme import make_primary, set_problem
from napari_cnmf.ui.projects._content import ProjectContent, read_content
from napari_cnmf.ui.projects._form import SampleForm

if TYPE_CHECKING:
    from collections.abc import Generator

    import napari

_NO_PROJECT = "Make a new project, or open one: a project is a folder of samples."
_LOOK_EVERY_MS = 2000


class ProjectWidget(Dock):
    """Table of samples or ROIs; adds, updates, removes, opens."""

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self._session = session_of(napari_viewer)
        self._content: ProjectContent | None = None
        self._shown_ids: list[str] = []
        self._is_reading = False
        self.path = QElidingLabel(_NO_PROJECT)
        self.path.setElideMode(Qt.TextElideMode.ElideLeft)
        self.new_button = _button("New…", "Make a new project", self._ask_for_new)
        self.open_button = _button("Open…", "Open a project folder", self._ask_for_one)
        self.column_button = _button("Add column…", "Ask for one more thing", self._ask_for_column)
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
        self.view_button = _button("Open in viewer", "Show the sample's cells", self.open_sample)
        self.remove_button = _button("Remove…", "Take samples out, with files", self._ask_to_remove)
        self.form = SampleForm()
        self.add_button = _button("Add", "Write the result on screen as a sample", self.add)
        make_primary(self.add_button)
        self.replace_button = _button(
            "Replace", "Write the result on screen over the sample of this id", self.replace
        )
        self.change_button = _button(
            "Change values", "Change what is said of the sample; its file stays", self.change
        )
        self.status = QLabel()
        self.status.setWordWrap(True)
        self._lay_out()
        self._clock = QTimer(self)
        self._clock.setInterval(_LOOK_EVERY_MS)
        self._clock.timeout.connect(self._look)
        self._clock.start()
        self._session.result_changed.connect(self._on_result)
        session, on_result = self._session, self._on_result
        # Python may keep this object longer than Qt does.
        self.destroyed.connect(
            lambda: session.result_changed.disconnect(on_result, missing_ok=True)
        )
        self._show_possible()

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.addWidget(self.path, 1)
        for button in (self.new_button, self.open_button, self.column_button):
            top.addWidget(button)
        tools = QHBoxLayout()
        tools.addWidget(self.kind)
        tools.addWidget(self.filter, 1)
        tools.addWidget(self.view_button)
        tools.addWidget(self.remove_button)
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(tools)
        column.addWidget(self.table, 1)
        inside = QWidget()
        form = QVBoxLayout(inside)
        form.addWidget(QLabel("<b>The result on screen as a sample</b>"))
        form.addWidget(self.form)
        buttons = QHBoxLayout()
        for button in (self.add_button, self.replace_button, self.change_button):
            buttons.addWidget(button)
        form.addLayout(buttons)
        form.addWidget(self.status)
        form.addStretch()
        right = QScrollArea()
        right.setWidgetResizable(True)
        right.setFrameShape(QScrollArea.Shape.NoFrame)
        right.setWidget(inside)
        self._splitter = QSplitter()
        self._splitter.addWidget(left)
        self._splitter.addWidget(right)
        self._splitter.setStretchFactor(0, 3)
        self._splitter.setStretchFactor(1, 2)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addLayout(top)
        layout.addWidget(self._splitter, 1)

    # -- which project

    @property
    def project(self) -> Project | None:
        """The project that is open."""
        return None if self._content is None else self._content.project

    def open(self, path: Path) -> None:
        """Open a project, or make one where there is none; in the background."""

        def read() -> ProjectContent:
            there = (path / PROJECT_FILE).is_file()
            return read_content(Project.open(path) if there else Project.create(path))

        call_in_background(read, done=self._show)

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
        """Write it over the sample of this id."""
        self._write(update=True)

    def _write(self, *, update: bool) -> None:
        result, content = self._session.result, self._content
        if result is None or content is None:
            return
        project, curation, movie = content.project, result.curation, result.loaded.movie
        values, movie_in = self.form.value(), self.form.movie_in_nwb()
        path = self.form.stimuli_path()

        def steps() -> Generator[str, None, tuple[Sample, ProjectContent]]:
            from napari_cnmf.io.projects.stimuli import read_stimuli

            yield "reading"
            stimuli = None if path is None else read_stimuli(path)
            context = context_for(curation, movie=movie, movie_in_nwb=movie_in)
            yield "writing the sample"
            sample = project.add(curation, values, stimuli=stimuli, context=context, update=update)
            return sample, read_content(project)

        self._set_busy("Writing the sample …")
        run_in_background(steps, title="Project", done=self._on_written, failed=self._on_failed)

    def change(self) -> None:
        """Change the values of the sample whose ids stand in the form."""
        values = self.form.value()

        def act(project: Project) -> None:
            from napari_cnmf.io.projects import sample_id

            project.update(sample_id(values["AnimalID"], values["TrialID"]), **values)

        self._change(act)

    def open_sample(self) -> None:
        """Show the selected sample in the viewer, with its decisions."""
        ids = self.selected_ids()
        content = self._content
        if not ids or content is None:
            return
        project, id_ = content.project, ids[0]

        def steps() -> Generator[str, None, LoadedResult]:
            yield f"opening {id_}"
            return (yield from load_file(project[id_].path, name=id_))

        run_in_background(steps, title="Project", done=self._show_result)

    def _show_result(self, loaded: LoadedResult) -> None:
        self._session.show(loaded)

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
            self._change(lambda project: project.remove(*ids))

    def _change(self, act: Callable[[Project], Any]) -> None:
        """Do something to the project in the background, then show it anew."""
        content = self._content
        if content is None:
            return
        project = content.project

        def work() -> ProjectContent:
            act(project)
            return read_content(project)

        self._set_busy("Working …")
        call_in_background(work, done=self._show, failed=self._on_failed)

    # -- showing

    def _show(self, content: ProjectContent) -> None:
        is_other = self._content is None or self._content.config != content.config
        self._content = content
        self.path.setText(str(content.project.path))
        if is_other or not self.form.isAncestorOf(self.focusWidget() or self):
            self.form.set_config(content.config, content.known)
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
        self.table.set_frame(frame)
        if self.kind.currentText() == "samples":
            rows = [row for row, id_ in enumerate(self._shown_ids) if id_ in before]
            self.table.select_rows(rows)
        self._show_possible()

    def _on_selection(self) -> None:
        rows, content = self.selected_ids(), self._content
        if len(rows) == 1 and content is not None:
            samples = content.samples
            values = samples[samples["SampleID"] == rows[0]].iloc[0].to_dict()
            self.form.set_value({name: values.get(name) for name in self.form.fields})
        self._show_possible()

    def _show_possible(self) -> None:
        has_project, has_result = self._content is not None, self._session.result is not None
        some = bool(self.selected_ids())
        for button in (self.add_button, self.replace_button):
            button.setEnabled(has_project and has_result)
        self.change_button.setEnabled(has_project)
        self.column_button.setEnabled(has_project)
        self.view_button.setEnabled(some)
        self.remove_button.setEnabled(some)

    def _on_result(self, _result: Any) -> None:
        self._show_possible()

    def _set_busy(self, text: str) -> None:
        self.status.setText(text)
        for button in (self.add_button, self.replace_button, self.change_button):
            button.setEnabled(False)

    def _on_written(self, written: tuple[Sample, ProjectContent]) -> None:
        sample, content = written
        self._show(content)
        self.status.setText(f"{sample.id} is in the project.")
        show_info(f"Added {sample.id}")

    def _on_failed(self, error: Exception) -> None:
        self.status.setText(str(error))
        self._show_possible()

    def _look(self) -> None:
        """See whether somebody else changed something."""
        content = self._content
        if content is None or self._is_reading or not self.isVisible():
            return
        self._is_reading = True

        def read() -> ProjectContent | None:
            same = content.project.stamp() == content.stamp
            return None if same else read_content(content.project)

        def show(fresh: ProjectContent | None) -> None:
            self._is_reading = False
            if fresh is not None and self._content is content:
                self._show(fresh)

        call_in_background(read, done=show, failed=self._on_lost)

    def _on_lost(self, _error: Exception) -> None:
        """The folder is gone: said once, not every two seconds."""
        self._is_reading = False
        self._clock.stop()


def _button(text: str, tooltip: str, slot: Callable[[], Any]) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tooltip)
    button.clicked.connect(lambda _=False: slot())
    return button
