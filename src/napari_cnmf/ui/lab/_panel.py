"""Base of every page of the lab: its dock's movie, form and stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_cnmf.ui._theme import ERROR_COLOR, WARNING_COLOR

if TYPE_CHECKING:
    from napari_cnmf.ui.lab._link import FormLink
    from napari_cnmf.ui.lab._recording import Recording
    from napari_cnmf.ui.lab._stage import Stage


class Panel(QWidget):
    """Page of the lab; it draws on the canvas while it is the one that is seen."""

    def __init__(self, link: FormLink, stage: Stage) -> None:
        super().__init__()
        self.link, self.stage = link, stage
        self.recording: Recording | None = None
        self.is_shown = False
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(6, 6, 6, 6)
        self.column.setSpacing(6)
        link.changed.connect(self._on_link)

    def set_recording(self, recording: Recording | None, *, again: bool = False) -> None:
        """Set another movie, or none; or ``again`` the same one, measured anew."""
        self.recording = recording
        if not again:
            self.on_recording()
        if self.is_shown:
            self.refresh()

    def set_shown(self, is_shown: bool) -> None:
        """Note whether this is the page that is seen."""
        if is_shown == self.is_shown:
            return
        self.is_shown = is_shown
        if is_shown:
            self.refresh()
        else:
            self.clear()

    def _on_link(self) -> None:
        if self.is_shown:
            self.refresh()

    def on_recording(self) -> None:
        """Forget what belongs to another movie."""

    def on_plane(self) -> None:
        """Follow the viewer to another plane of the same volume."""

    def refresh(self) -> None:
        """Draw again; called when the parameters, the movie or the page changed."""

    def clear(self) -> None:
        """Hide what was drawn."""


def take_what_is_left(plot: QWidget, least_px: int) -> None:
    """Let a plot fill its page: the height it asks for itself would have the page scroll."""
    plot.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
    plot.setMinimumHeight(least_px)


def show_sentence(label: QLabel, text: str, *, kind: str = "") -> None:
    """Show a sentence: ``warning``, ``error``, or plain; an empty one hides the label."""
    color = {"error": ERROR_COLOR, "warning": WARNING_COLOR}.get(kind, "")
    label.setText(text)
    label.setStyleSheet(f"color: {color};" if color else "")
    label.setVisible(bool(text))
