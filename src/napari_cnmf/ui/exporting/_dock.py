"""Dock that writes the result on screen for other programs."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_info
from qtpy.QtCore import Qt
from qtpy.QtGui import QPixmap
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from napari_cnmf.batch.exporting import export
from napari_cnmf.io.exports import EXPORTERS, Exporter
from napari_cnmf.ui._background import run_in_background
from napari_cnmf.ui._docks import Dock
from napari_cnmf.ui._session import ShownResult, session_of
from napari_cnmf.ui._theme import make_primary
from napari_cnmf.ui.exporting._session_form import SessionForm

if TYPE_CHECKING:
    from collections.abc import Generator

    import napari

_NO_RESULT = "Open a result to export it: double-click a completed item of the batch."


class ExportWidget(Dock):
    """Format, what to write, and where; the writing happens in the background."""

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
        self.write = QPushButton("Export")
        make_primary(self.write)
        self.status = QLabel()
        self.status.setWordWrap(True)
        self.status.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.picture = QLabel()
        self.picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._lay_out()
        self.format.currentIndexChanged.connect(lambda _=0: self._on_format())
        self.browse.clicked.connect(lambda _=False: self._ask_where())
        self.write.clicked.connect(lambda _=False: self.export())
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
        form = QFormLayout()
        form.addRow("Format", self.format)
        form.addRow("", self.about)
        form.addRow("", self.rejected)
        form.addRow("To", where)
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.addLayout(form)
        column.addWidget(self.session_form)
        column.addWidget(self.write)
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
        """The format that is chosen."""
        return EXPORTERS[self.format.currentData()]

    def choose(self, name: str) -> None:
        """Choose a format by the name that the command line takes."""
        self.format.setCurrentIndex(self.format.findData(name))

    def export(self) -> None:
        """Write what is chosen, in the background; errors become notifications."""
        result, text = self._session.result, self.path.text().strip()
        if result is None or not text:
            self.status.setText("Choose where to write it." if result else _NO_RESULT)
            return
        out = Path(text).expanduser()
        write = partial(
            export,
            result.curation,
            self.format.currentData(),
            out,
            include_rejected=self.rejected.isChecked(),
            movie=result.loaded.movie,
            session=self.session_form.value(),
            movie_in_nwb=self.session_form.movie_in_nwb(),
        )

        def steps() -> Generator[str, None, tuple[Path, bytes | None]]:
            yield f"writing {out.name}"
            written = write()
            # bytes are read here, the pixmap is made on the GUI thread
            return written, written.read_bytes() if written.suffix == ".png" else None

        self._show_busy(f"Writing {out.name} …")
        run_in_background(steps, title="Export", done=self._on_written, failed=self._on_failed)

    def _show_busy(self, text: str) -> None:
        self.write.setEnabled(False)
        self.picture.clear()
        self.status.setText(text)

    def _on_written(self, written: tuple[Path, bytes | None]) -> None:
        path, png = written
        self.write.setEnabled(self._session.result is not None)
        self.status.setText(f"Written: {path}")
        show_info(f"Exported to {path}")
        if png is not None:
            pixmap = QPixmap()
            pixmap.loadFromData(png)
            width = max(200, self.width() - 40)
            self.picture.setPixmap(
                pixmap.scaledToWidth(width, Qt.TransformationMode.SmoothTransformation)
            )

    def _on_failed(self, error: Exception) -> None:
        self.write.setEnabled(self._session.result is not None)
        self.status.setText(f"Not written: {error}")

    def _on_format(self) -> None:
        exporter = self.exporter
        self.about.setText(exporter.about)
        self.rejected.setChecked(exporter.include_rejected)
        self.session_form.setVisible(self.format.currentData() == "nwb")
        self._propose()

    def _on_result(self, result: ShownResult | None) -> None:
        self.write.setEnabled(result is not None)
        self.status.setText("" if result is not None else _NO_RESULT)
        self.picture.clear()
        self._propose()

    def _propose(self) -> None:
        """Another ending for another format; the folder of the result until one was chosen."""
        result, exporter = self._session.result, self.exporter
        if result is None:
            return
        current = self.path.text().strip()
        source = result.curation.path
        folder = Path.home() if source is None else source.parent
        if current:
            folder = Path(current).parent
        name = f"{result.name}-{self.format.currentData()}"
        self.path.setText(str(folder / f"{name}{exporter.suffix}"))

    def _ask_where(self) -> None:
        exporter, start = self.exporter, self.path.text()
        options = QFileDialog.Option(0)
        kinds = f"{exporter.title} (*{exporter.suffix})"
        if exporter.is_folder:
            options, kinds = QFileDialog.Option.ShowDirsOnly, ""
        path, _ = QFileDialog.getSaveFileName(self, "Export to", start, kinds, options=options)
        if path:
            self.path.setText(path)
