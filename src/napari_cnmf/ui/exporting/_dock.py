"""Dock that writes the result on screen for other programs, and the buttons that open it."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from napari.utils.notifications import show_info
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QPixmap
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMessageBox,
    QProgressBar,
    QVBoxLayout,
    QWidget,
)

from napari_cnmf._names import FormatName
from napari_cnmf._portable import expand_home
from napari_cnmf.batch.exporting import export
from napari_cnmf.batch.spec import ITEM_FILE
from napari_cnmf.errors import CancelledByUser, EarlierExportError, ExportError
from napari_cnmf.io.exports import EXPORTERS, MovieIn, Session
from napari_cnmf.settings import read_settings
from napari_cnmf.ui._background import run_in_background
from napari_cnmf.ui._docks import Dock, bring_to_front, open_dock
from napari_cnmf.ui._parts import (
    STRETCH,
    fill,
    in_column,
    push_button,
    scrolling,
    text_label,
    with_tip,
)
from napari_cnmf.ui._remembering import remember
from napari_cnmf.ui._session import ShownResult, session_of
from napari_cnmf.ui._theme import connect_while_alive, make_primary

if TYPE_CHECKING:
    from collections.abc import Generator

    import napari

_TEXTS = {
    "subject_id": ("Animal", "Its id"),
    "species": ("Species", "In Latin, such as Mus musculus"),
    "sex": ("Sex", "M, F, U or O"),
    "age": ("Age", "ISO 8601 duration, such as P90D"),
    "genotype": ("Genotype", "Of the animal"),
    "experimenter": ("Experimenter", "Last name, first name; several with ; between them"),
    "indicator": ("Indicator", "Such as GCaMP6f"),
    "location": ("Location", "Brain area"),
    "device": ("Microscope", "Its name"),
}
_MOVIES = {
    "leave the movie out": MovieIn.NOT,
    "link to the movie's file": MovieIn.LINKED,
    "copy the movie into the file": MovieIn.COPIED,
}


class SessionForm(QWidget):
    """Form of a ``Session`` and of what becomes of the movie; empty fields stay unset."""

    def __init__(self) -> None:
        super().__init__()
        self.movie = QComboBox()
        self.movie.addItems(list(_MOVIES))
        self.movie.setMinimumContentsLength(8)
        self.movie.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.fields = {name: QLineEdit() for name in _TEXTS}
        layout = QFormLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addRow("Movie", self.movie)
        for name, (label, said) in _TEXTS.items():
            self.fields[name].setPlaceholderText(said)
            layout.addRow(label, self.fields[name])

    def movie_in_nwb(self) -> MovieIn:
        """Choice of what becomes of the movie."""
        return _MOVIES[self.movie.currentText()]

    def value(self) -> Session:
        """Session as it was filled in."""
        said: dict[str, Any] = {
            name: field.text().strip()
            for name, field in self.fields.items()
            if field.text().strip()
        }
        if "experimenter" in said:
            names = (name.strip() for name in said["experimenter"].split(";"))
            said["experimenter"] = tuple(name for name in names if name)
        return Session(**said)


_COLUMNS = 2


class TickedFormats(QWidget):
    """List of formats with a tick each, the folder, and the button."""

    wanted = Signal()
    names_changed = Signal()

    def __init__(
        self, names: Iterable[str], beside: str | None = None, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._beside = None if beside is None else Path(beside)
        self._proposed: Path | None = None
        self.boxes: dict[str, QCheckBox] = {}
        ticks = QGridLayout()
        ticks.setHorizontalSpacing(0)
        ticks.setVerticalSpacing(2)
        chosen = set(names)
        for name, exporter in EXPORTERS.items():
            box = with_tip(QCheckBox(exporter.title), exporter.about)
            box.setChecked(name in chosen)
            box.toggled.connect(lambda _: self.names_changed.emit())
            ticks.addWidget(box, len(self.boxes) // _COLUMNS, len(self.boxes) % _COLUMNS)
            self.boxes[name] = box
        self.path = QLineEdit()
        self.path.setPlaceholderText("folder to write into")
        self.path.textEdited.connect(lambda _="": self._on_typed())
        browse = push_button("Browse…", clicked=self._ask_where)
        self.button = push_button(
            "Export", "Write every format that is ticked into the folder", self.wanted.emit
        )
        make_primary(self.button)
        where = fill(QHBoxLayout(), QLabel("Folder"), (self.path, 1), browse)
        fill(QVBoxLayout(self), ticks, where, self.button, margins=0)

    def names(self) -> tuple[FormatName, ...]:
        """Formats that are ticked."""
        ticked = (name for name, box in self.boxes.items() if box.isChecked())
        return tuple(cast("FormatName", name) for name in ticked)

    def folder(self) -> Path | None:
        """Folder that the formats are written into; ``None`` while the line is empty."""
        text = self.path.text().strip()
        return expand_home(text) if text else None

    @property
    def beside(self) -> str | None:
        """Folder that was chosen by hand for the folder of each result; ``None`` where none was."""
        return None if self._beside is None else str(self._beside)

    def propose(self, folder: Path) -> None:
        """Propose the folder of another result; beside one chosen by hand, if one was."""
        beside = self._beside
        if beside is None or not beside.is_dir():
            beside = folder.parent
        self._proposed = folder.parent
        self.path.setText(str(beside / folder.name))
        self.path.setCursorPosition(0)

    def _on_typed(self) -> None:
        """Keep the choice for the next results; the movie's own folder is no other choice."""
        folder = self.folder()
        self._beside = None if folder is None else folder.parent
        if self._beside == self._proposed:
            self._beside = None

    def _ask_where(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Export into", self.path.text())
        if folder:
            self.path.setText(folder)
            self._on_typed()


_NO_RESULT = "Open a result to export it: double-click a completed item of the batch."
_Outcome = tuple[Path, bytes | None] | CancelledByUser | EarlierExportError


class ExportWidget(Dock):
    """Dock of formats, what to write, and where; the writing happens in the background."""

    progressed = Signal(int)
    state_changed = Signal()
    """An export of the result on screen began or ended."""

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self._session = session_of(napari_viewer)
        settings = read_settings()
        self.ticked = TickedFormats(settings.export_formats, settings.exports_beside)
        self.rejected = with_tip(
            QCheckBox("rejected components in every format"),
            "Otherwise they are written, marked as such, where a file is to be curated further",
        )
        self.session_form = SessionForm()
        self.stands = ""
        """``running``, ``done`` or ``failed`` for the result on screen; empty before."""
        self.bar = QProgressBar()
        self.stop = push_button("Cancel", "Stop writing; nothing of it is left behind", self.cancel)
        self._stop = threading.Event()
        self._gone = threading.Event()
        self.destroyed.connect(self._gone.set)
        self.status = text_label(selectable=True)
        self.picture = QLabel()
        self.picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        inner = in_column(
            self.ticked,
            self.rejected,
            self.session_form,
            fill(QHBoxLayout(), (self.bar, 1), self.stop),
            self.status,
            self.picture,
            STRETCH,
        )
        fill(QVBoxLayout(self), scrolling(inner), margins=(6, 6, 0, 6))
        self.ticked.wanted.connect(self.export)
        self.ticked.names_changed.connect(self._on_names)
        self.progressed.connect(self.bar.setValue)
        connect_while_alive(self, (self._session.result_changed, self._on_result))
        self._show_running(False)
        self._on_names()
        self._on_result(self._session.result)

    def export(self, *, overwrite: bool = False) -> None:
        """Write every format that is ticked into the folder that is shown, in the background.

        Parameters
        ----------
        overwrite
            Replace earlier exports without asking.
        """
        result, folder, names = self._session.result, self.ticked.folder(), self.ticked.names()
        if result is None or folder is None or not names:
            said = "Tick a format." if folder else "Choose a folder."
            self.status.setText(said if result else _NO_RESULT)
            return
        remember(export_formats=names, exports_beside=self.ticked.beside)
        outs = {name: folder / f"{result.name}-{name}{EXPORTERS[name].suffix}" for name in names}
        with_rejected = self.rejected.isChecked()
        stop, gone = threading.Event(), self._gone
        self._stop = stop

        def on_progress(number: int, done: int, total: int) -> None:
            if stop.is_set():
                raise CancelledByUser("The export was cancelled.")
            share = (number + done / max(total, 1)) / len(outs)
            with suppress(RuntimeError):  # the dock may be closed while its export goes on
                self.progressed.emit(round(100 * share))

        write = partial(
            export,
            result.curation,
            overwrite=overwrite,
            movie=result.loaded.movie,
            session=self.session_form.value(),
            movie_in_nwb=self.session_form.movie_in_nwb(),
        )

        def steps() -> Generator[str, None, _Outcome]:
            _make_folder(folder)
            written = folder
            for number, (name, out) in enumerate(outs.items()):
                yield f"writing {out.name}"
                try:
                    written = write(
                        name, out, on_progress=partial(on_progress, number),
                        include_rejected=with_rejected or EXPORTERS[name].include_rejected,
                    )  # fmt: skip
                except (CancelledByUser, EarlierExportError) as error:
                    return error  # no failure: the user said so, or is asked
            # bytes are read here, the pixmap is made on the GUI thread
            return folder, written.read_bytes() if written.suffix == ".png" else None

        names_told = next(iter(outs.values())).name if len(outs) == 1 else f"{len(outs)} formats"
        self._set_stands("running")
        self.picture.clear()
        self.status.setText(f"Writing {names_told} …")
        self.bar.setValue(0)
        self._show_running(True)
        run_in_background(
            steps,
            title="Export",
            done=lambda outcome: None if gone.is_set() else self._on_done(outcome),
            failed=lambda error: None if gone.is_set() else self._on_failed(error),
        )

    def cancel(self) -> None:
        """Stop what is being written; nothing of it is left behind."""
        self._stop.set()

    def _set_stands(self, stands: str) -> None:
        self.stands = stands
        self.state_changed.emit()

    def _show_running(self, running: bool) -> None:
        self.bar.setVisible(running)
        self.stop.setVisible(running)
        self.ticked.button.setEnabled(not running and self._session.result is not None)

    def _on_done(self, outcome: _Outcome) -> None:
        self._show_running(False)
        is_written = not isinstance(outcome, CancelledByUser | EarlierExportError)
        self._set_stands("done" if is_written else "")
        if isinstance(outcome, CancelledByUser):
            self.status.setText(str(outcome))
            return
        if isinstance(outcome, EarlierExportError):
            self.status.setText(f"Not written: {outcome.path} holds an earlier export.")
            if self._may_replace(outcome.path):
                self.export(overwrite=True)
            return
        folder, png = outcome
        self.status.setText(f"Written: {folder}")
        show_info(f"Exported to {folder}")
        if png is not None:
            pixmap = QPixmap()
            pixmap.loadFromData(png)
            width = max(200, self.width() - 40)
            self.picture.setPixmap(
                pixmap.scaledToWidth(width, Qt.TransformationMode.SmoothTransformation)
            )

    def _may_replace(self, path: Path) -> bool:
        """Ask whether an earlier export may be replaced."""
        answer = QMessageBox.question(
            self,
            "Replace the earlier export?",
            f"{path} holds an earlier export of this format. Replace it?",
        )
        return bool(answer == QMessageBox.StandardButton.Yes)

    def _on_failed(self, error: Exception) -> None:
        self._show_running(False)
        self._set_stands("failed")
        self.status.setText(f"Not written: {error}")

    def _on_names(self) -> None:
        """Ask for the session where a format has a place for it."""
        self.session_form.setVisible(not {"nwb", "dandi"}.isdisjoint(self.ticked.names()))

    def _on_result(self, result: ShownResult | None) -> None:
        self._show_running(False)
        self._set_stands("")
        if result is not None:
            self.ticked.propose(_folder_beside(result))
        self.status.setText("" if result is not None else _NO_RESULT)
        self.picture.clear()


def _folder_beside(result: ShownResult) -> Path:
    """Folder for exports of this result beside its movie, else beside its batch or file."""
    movie, item, source = result.loaded.movie, result.loaded.item, result.curation.path
    batch = None if item is None else item.batch.path
    if movie is not None and movie.paths and (batch not in movie.paths[0].parents):
        beside = movie.paths[0].parent
    elif batch is not None:  # a corrected movie lies in the batch, itself beside the recording
        beside = batch.parent
    elif source is None:
        beside = Path.home()
    else:  # the folder of an item belongs to its batch
        is_item = (source.parent / ITEM_FILE).is_file() and len(source.parents) > 3
        beside = source.parents[3] if is_item else source.parent
    return beside / f"{result.name} export"


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ExportError(
            f"The folder {folder} cannot be made: {error.strerror or error}. Choose another."
        ) from error


class ResultButtons(QWidget):
    """Buttons ``Export…`` and ``Add to project…``; each opens its dock."""

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self._session = session_of(napari_viewer)
        self.export = push_button(
            "Export…", "Write the result for another program, or draw its traces"
        )
        self.project = push_button("Add to project…", "Keep the result as a sample of a project")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(6, 0, 6, 6)
        for button in (self.export, self.project):
            # Keys go to the table, not to the button that was clicked last.
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            layout.addWidget(button)
        self.export.clicked.connect(lambda _=False: self.open_export())
        self.project.clicked.connect(lambda _=False: self.open_project())
        connect_while_alive(self, (self._session.result_changed, self._on_result))
        self._on_result(self._session.result)

    def open_export(self) -> ExportWidget:
        """Show the export dock."""
        widget: ExportWidget = open_dock(self._session.viewer, ExportWidget, "Export")
        bring_to_front(widget)
        return widget

    def open_project(self) -> Any:
        """Show the project dock and its form for the result on screen."""
        from napari_cnmf.ui.projects._dock import ProjectWidget

        widget: ProjectWidget = open_dock(self._session.viewer, ProjectWidget, "Project")
        bring_to_front(widget)
        widget.start_adding()
        return widget

    def _on_result(self, result: Any) -> None:
        self.setEnabled(result is not None)
