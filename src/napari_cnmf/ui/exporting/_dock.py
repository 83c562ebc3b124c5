"""Dock that writes the result on screen for other programs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
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
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMessageBox,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from napari_cnmf._names import FormatName
from napari_cnmf.batch.exporting import export
from napari_cnmf.batch.spec import ITEM_FILE
from napari_cnmf.errors import CancelledByUser, EarlierExportError, ExportError
from napari_cnmf.io.exports import EXPORTERS, Exporter, MovieIn, Session
from napari_cnmf.settings import read_settings
from napari_cnmf.ui._background import run_in_background
from napari_cnmf.ui._docks import Dock
from napari_cnmf.ui._remembering import remember
from napari_cnmf.ui._session import ShownResult, session_of
from napari_cnmf.ui._theme import make_primary
from napari_cnmf.ui.exporting._ticked import TickedFormats
from napari_cnmf.ui.forms._sections import FoldingBox

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


_NO_RESULT = "Open a result to export it: double-click a completed item of the batch."


_SUFFIXES = {exporter.suffix for exporter in EXPORTERS.values() if exporter.suffix} | {
    ".h5", ".tiff", ".pdf", ".svg", ".json", ".md",
}  # fmt: skip


@dataclass(frozen=True)
class _Job:
    """One export: the format's name, where it goes, and whether rejected components go too."""

    name: FormatName
    out: Path
    include_rejected: bool


_Outcome = tuple[Path, bytes | None] | CancelledByUser | EarlierExportError


class ExportWidget(Dock):
    """Dock of format, what to write, and where; the writing happens in the background."""

    progressed = Signal(int)
    state_changed = Signal()
    """An export of the result on screen began or ended."""

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self._session = session_of(napari_viewer)
        self.format = QComboBox()
        for name, exporter in EXPORTERS.items():
            self.format.addItem(exporter.title, name)
        self.about = QLabel()
        self.about.setWordWrap(True)
        self.rejected = QCheckBox("rejected components too")
        self.path = QLineEdit()
        self.path.setPlaceholderText("where to write it")
        self.browse = QPushButton("Browse…")
        self.session_form = SessionForm()
        settings = read_settings()
        self.ticked = TickedFormats(settings.export_formats, settings.exports_beside)
        self.stands = ""
        """``running``, ``done`` or ``failed`` for the result on screen; empty before."""
        self.write = QPushButton("Export")
        make_primary(self.write)
        self.bar = QProgressBar()
        self.stop = QPushButton("Cancel")
        self.stop.setToolTip("Stop writing; nothing of it is left behind")
        self._stop = threading.Event()
        self._gone = threading.Event()
        self.destroyed.connect(self._gone.set)
        self._is_typed = False
        self._again: Callable[[], None] = self.export
        self.status = QLabel()
        self.status.setWordWrap(True)
        self.status.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.picture = QLabel()
        self.picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._lay_out()
        self.format.currentIndexChanged.connect(lambda _=0: self._on_format())
        self.browse.clicked.connect(lambda _=False: self._ask_where())
        self.write.clicked.connect(lambda _=False: self.export())
        self.ticked.wanted.connect(self.export_ticked)
        self.stop.clicked.connect(lambda _=False: self.cancel())
        self.progressed.connect(self.bar.setValue)
        self.path.textEdited.connect(lambda _="": self._on_typed())
        self._session.result_changed.connect(self._on_result)
        session, on_result = self._session, self._on_result
        # Python may keep this object longer than Qt does.
        self.destroyed.connect(
            lambda: session.result_changed.disconnect(on_result, missing_ok=True)
        )
        self._on_format()
        self._on_result(self._session.result)

    def _lay_out(self) -> None:
        where = QHBoxLayout()
        where.addWidget(self.path, 1)
        where.addWidget(self.browse)
        one = QWidget()
        form = QFormLayout(one)
        form.addRow("Format", self.format)
        form.addRow("", self.about)
        form.addRow("", self.rejected)
        form.addRow("To", where)
        inner = QWidget()
        column = QVBoxLayout(inner)
        self.one_box = FoldingBox("One format by itself", [one, self.write], is_expanded=True)
        column.addWidget(self.ticked)
        column.addWidget(self.one_box)
        column.addWidget(self.session_form)
        running = QHBoxLayout()
        running.addWidget(self.bar, 1)
        running.addWidget(self.stop)
        column.addLayout(running)
        self._show_running(False)
        column.addWidget(self.status)
        column.addWidget(self.picture)
        column.addStretch()
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setWidget(inner)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scroll)

    @property
    def exporter(self) -> Exporter:
        """Format that is chosen."""
        return EXPORTERS[self.format.currentData()]

    def choose(self, name: str) -> None:
        """Choose a format by the name that the command line takes."""
        self.format.setCurrentIndex(self.format.findData(name))

    def export(self, *, overwrite: bool = False) -> None:
        """Write what is chosen, in the background; errors become notifications."""
        result, text = self._session.result, self.path.text().strip()
        if result is None or not text:
            self.status.setText("Choose where to write it." if result else _NO_RESULT)
            return
        out = Path(text).expanduser()
        jobs = [_Job(self.format.currentData(), out, self.rejected.isChecked())]
        self._write(result, jobs, overwrite=overwrite, again=partial(self.export, overwrite=True))

    def export_ticked(self, *, overwrite: bool = False) -> None:
        """Write every format that is ticked into the folder that is shown."""
        result, folder, names = self._session.result, self.ticked.folder(), self.ticked.names()
        if result is None or folder is None or not names:
            said = "Tick a format." if folder else "Choose a folder."
            self.status.setText(said if result else _NO_RESULT)
            return
        remember(export_formats=names, exports_beside=self.ticked.beside)
        jobs = [
            _Job(
                cast("FormatName", name),
                folder / f"{result.name}-{name}{EXPORTERS[name].suffix}",
                EXPORTERS[name].include_rejected,
            )
            for name in names
        ]
        again = partial(self.export_ticked, overwrite=True)
        self._write(result, jobs, overwrite=overwrite, again=again, folder=folder)

    def _write(
        self,
        result: ShownResult,
        jobs: list[_Job],
        *,
        overwrite: bool,
        again: Callable[[], None],
        folder: Path | None = None,
    ) -> None:
        """Write files one after the other, in the background; ``folder`` is made if it is new."""
        stop, gone = threading.Event(), self._gone
        self._stop = stop

        def on_progress(number: int, done: int, total: int) -> None:
            if stop.is_set():
                raise CancelledByUser("The export was cancelled.")
            share = (number + done / max(total, 1)) / len(jobs)
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
            written = jobs[0].out
            if folder is not None:
                _make_folder(folder)
            for number, job in enumerate(jobs):
                yield f"writing {job.out.name}"
                try:
                    written = write(
                        job.name, job.out, include_rejected=job.include_rejected,
                        on_progress=partial(on_progress, number),
                    )  # fmt: skip
                except (CancelledByUser, EarlierExportError) as error:
                    return error  # no failure: the user said so, or is asked
            # bytes are read here, the pixmap is made on the GUI thread
            picture = written.read_bytes() if written.suffix == ".png" else None
            return (written if folder is None else folder), picture

        names = jobs[0].out.name if len(jobs) == 1 else f"{len(jobs)} formats"
        self._again = again
        self._show_busy(f"Writing {names} …")
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

    def _show_busy(self, text: str) -> None:
        self._enable(False)
        self._set_stands("running")
        self.picture.clear()
        self.status.setText(text)
        self.bar.setValue(0)
        self._show_running(True)

    def _show_running(self, running: bool) -> None:
        self.bar.setVisible(running)
        self.stop.setVisible(running)

    def _on_done(self, outcome: _Outcome) -> None:
        self._show_running(False)
        self._enable(self._session.result is not None)
        is_written = not isinstance(outcome, CancelledByUser | EarlierExportError)
        self._set_stands("done" if is_written else "")
        if isinstance(outcome, CancelledByUser):
            self.status.setText(str(outcome))
            return
        if isinstance(outcome, EarlierExportError):
            self.status.setText(f"Not written: {outcome.path} holds an earlier export.")
            if self._may_replace(outcome.path):
                self._again()
            return
        path, png = outcome
        self.status.setText(f"Written: {path}")
        remember(export_folder=str(path.parent))
        show_info(f"Exported to {path}")
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
        self._enable(self._session.result is not None)
        self._set_stands("failed")
        self.status.setText(f"Not written: {error}")

    def _enable(self, enabled: bool) -> None:
        self.write.setEnabled(enabled)
        self.ticked.button.setEnabled(enabled)

    def _on_format(self) -> None:
        exporter = self.exporter
        self.about.setText(exporter.about)
        self.rejected.setChecked(exporter.include_rejected)
        self.session_form.setVisible(self.format.currentData() in ("nwb", "dandi"))
        self._propose()

    def _on_result(self, result: ShownResult | None) -> None:
        self._enable(result is not None)
        self._set_stands("")
        if result is not None:
            self.ticked.propose(self._folder_beside(result))
        self.status.setText("" if result is not None else _NO_RESULT)
        self.picture.clear()
        self._is_typed = False
        self._propose()

    def _propose(self) -> None:
        """Propose a place: a name that was typed keeps all but its ending."""
        result, exporter = self._session.result, self.exporter
        if result is None:
            return
        current = self.path.text().strip()
        folder = Path(current).parent if current else self._usual_folder(result)
        stem = f"{result.name}-{self.format.currentData()}"
        if self._is_typed and current:
            stem = _without_suffix(Path(current).name)
        self.path.setText(str(folder / f"{stem}{exporter.suffix}"))

    def _usual_folder(self, result: ShownResult) -> Path:
        """Folder that the user exported to last; else that of the batch or the result's file."""
        last, source = read_settings().export_folder, result.curation.path
        if last is not None and Path(last).is_dir():
            return Path(last)
        if source is None:
            return Path.home()
        # the folder of an item belongs to its batch
        is_item = (source.parent / ITEM_FILE).is_file()
        return source.parents[3] if is_item and len(source.parents) > 3 else source.parent

    def _folder_beside(self, result: ShownResult) -> Path:
        """Folder for exports of this result beside its movie."""
        movie, item = result.loaded.movie, result.loaded.item
        batch = None if item is None else item.batch.path
        if movie is not None and movie.paths and (batch not in movie.paths[0].parents):
            beside = movie.paths[0].parent
        else:  # a corrected movie lies in the batch, which itself lies beside the recording
            beside = self._usual_folder(result) if batch is None else batch.parent
        return beside / f"{result.name} export"

    def _on_typed(self) -> None:
        self._is_typed = True

    def _ask_where(self) -> None:
        exporter, start = self.exporter, self.path.text()
        # whether something may be replaced is asked once, when it is written
        options = QFileDialog.Option.DontConfirmOverwrite
        kinds = f"{exporter.title} (*{exporter.suffix})"
        if exporter.is_folder:
            options, kinds = options | QFileDialog.Option.ShowDirsOnly, ""
        path, _ = QFileDialog.getSaveFileName(self, "Export to", start, kinds, options=options)
        if path:
            self.path.setText(path)
            self._on_typed()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ExportError(
            f"The folder {folder} cannot be made: {error.strerror or error}. Choose another."
        ) from error


def _without_suffix(name: str) -> str:
    """Name of a file without the ending of any format; a dot within the name stays."""
    suffix = Path(name).suffix
    return name.removesuffix(suffix) if suffix.lower() in _SUFFIXES else name
