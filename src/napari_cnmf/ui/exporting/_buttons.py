"""Two buttons below the curation: export the result, or add it to a project."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget

from napari_cnmf.ui._docks import bring_to_front, open_dock
from napari_cnmf.ui._session import session_of
from napari_cnmf.ui.exporting._dock import ExportWidget

if TYPE_CHECKING:
    import napari


class ResultButtons(QWidget):
    """Buttons ``Export…`` and ``Add to project…``; each opens its dock."""

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self._session = session_of(napari_viewer)
        self.export = QPushButton("Export…")
        self.export.setToolTip("Write the result for another program, or draw its traces")
        self.project = QPushButton("Add to project…")
        self.project.setToolTip("Keep the result as a sample of a project")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(6, 0, 6, 6)
        for button in (self.export, self.project):
            # Keys go to the table, not to the button that was clicked last.
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            layout.addWidget(button)
        self.export.clicked.connect(lambda _=False: self.open_export())
        self.project.clicked.connect(lambda _=False: self.open_project())
        self._session.result_changed.connect(self._on_result)
        session, on_result = self._session, self._on_result
        # Python may keep this object longer than Qt does.
        self.destroyed.connect(
            lambda: session.result_changed.disconnect(on_result, missing_ok=True)
        )
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
