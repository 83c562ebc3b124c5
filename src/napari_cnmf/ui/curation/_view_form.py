"""The form that says how a result looks: widgets in, signals out."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QLabel,
    QSlider,
    QWidget,
)

from napari_cnmf.model.contours import CONTOUR_LEVEL
from napari_cnmf.ui._parts import in_lines, in_row, push_button, text_label, with_tip
from napari_cnmf.ui._theme import show_row
from napari_cnmf.ui.curation._coloring import ColorBy
from napari_cnmf.ui.layers._convert import IMAGE_KINDS, STACK_KINDS, Arrangement


class ViewForm(QWidget):
    """Form of what is shown, and how; it knows no result."""

    stacks_changed = Signal()
    images_changed = Signal()
    filled_changed = Signal()
    level_changed = Signal()
    coloring_changed = Signal()
    numbers_changed = Signal()
    contours_changed = Signal()
    images_wanted = Signal()
    follow_changed = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self.stacks = {kind: QCheckBox(kind) for kind in STACK_KINDS}
        self.images = {kind: QCheckBox(kind) for kind in IMAGE_KINDS}
        for kind, box in self.images.items():
            box.setToolTip(f"Show the {kind} image above the movies")
        self.arrangement_box = _choice(Arrangement, "How the movies that are ticked are shown")
        self.style_box = _choice(("outline", "filled"), "How the components are drawn")
        self.level_slider = QSlider(Qt.Orientation.Horizontal)
        self.level_slider.setRange(5, 95)
        self.level_slider.setValue(round(CONTOUR_LEVEL * 100))
        self.level_slider.setTracking(False)
        self.level_slider.setToolTip("Components are drawn down to this share of their maximum")
        self._level_text = QLabel()
        self.color_box = _choice(ColorBy, "What the colour of a component says")
        self._legend = text_label()
        self._legend.setTextFormat(Qt.TextFormat.RichText)
        self.numbers = with_tip(QCheckBox("numbers"), "Write its id at each component")
        self.follow = with_tip(
            QCheckBox("moves to what is selected"),
            "What is selected in the table, in the plots or by a key, and is out of sight, is "
            "brought into view",
        )
        self.follow.setChecked(True)
        self.contours = with_tip(
            QCheckBox("contours as shapes"),
            "Smooth contours of all components, the overlapping ones whole; thousands of them take "
            "seconds to draw",
        )
        self.find_button = push_button(
            "Show what was missed",
            "Maximum and local correlation of the residual, from one pass over the movie: cells "
            "that were missed are bright",
        )
        self._lay_out()
        self._connect()
        self._show_level()

    def _lay_out(self) -> None:
        form = self._form = QFormLayout(self)
        form.setContentsMargins(6, 6, 6, 6)
        form.addRow("movies", in_lines(*self.stacks.values()))
        form.addRow("shown", self.arrangement_box)
        self._images_row = in_lines(*self.images.values())
        form.addRow("images", self._images_row)
        form.addRow("components", in_lines(self.style_box, self.numbers, self.contours))
        form.addRow("drawn down to", in_row(self.level_slider, self._level_text))
        form.addRow("colour by", self.color_box)
        form.addRow("", self._legend)
        form.addRow("view", self.follow)
        form.addRow("", self.find_button)

    def _connect(self) -> None:
        for box in self.stacks.values():
            box.toggled.connect(lambda _=False: self.stacks_changed.emit())
        for box in self.images.values():
            box.toggled.connect(lambda _=False: self.images_changed.emit())
        self.arrangement_box.currentIndexChanged.connect(lambda _=0: self.stacks_changed.emit())
        self.style_box.currentIndexChanged.connect(lambda _=0: self.filled_changed.emit())
        self.level_slider.sliderMoved.connect(self._show_level)
        self.level_slider.valueChanged.connect(self._on_level)
        self.color_box.currentIndexChanged.connect(lambda _=0: self.coloring_changed.emit())
        self.numbers.toggled.connect(lambda _=False: self.numbers_changed.emit())
        self.contours.toggled.connect(lambda _=False: self.contours_changed.emit())
        self.follow.toggled.connect(self.follow_changed)
        self.find_button.clicked.connect(lambda _=False: self.images_wanted.emit())

    # -- what is chosen

    @property
    def kinds(self) -> list[str]:
        """Kinds of the stacks that are switched on."""
        return [k for k, box in self.stacks.items() if box.isEnabled() and box.isChecked()]

    @property
    def image_kinds(self) -> list[str]:
        """Kinds of the summary images that are switched on."""
        return [k for k, box in self.images.items() if not box.isHidden() and box.isChecked()]

    @property
    def arrangement(self) -> Arrangement:
        """Arrangement of the stacks that is chosen."""
        return Arrangement(self.arrangement_box.currentText())

    @property
    def is_filled(self) -> bool:
        """Whether components are drawn as areas rather than as outlines."""
        return self.style_box.currentText() == "filled"

    @property
    def level(self) -> float:
        """Share of its maximum that a component is drawn down to."""
        return self.level_slider.value() / 100

    @property
    def coloring(self) -> ColorBy:
        """Property that components are coloured by."""
        return ColorBy(self.color_box.currentText())

    @property
    def numbers_shown(self) -> bool:
        """Whether numbers are shown at the components."""
        return self.numbers.isChecked()

    @property
    def contours_shown(self) -> bool:
        """Whether the contours of all components are shown."""
        return self.contours.isChecked()

    # -- what there is

    def offer(self, kinds: Sequence[str], shown: Sequence[str], *, has_movie: bool) -> None:
        """Offer the movies and images of another result, without telling anyone."""
        for kind, box in self.stacks.items():
            box.setEnabled(kind in kinds)
        for kind, box in self.images.items():
            box.setVisible(kind in kinds)
        show_row(self._form, self._images_row, any(kind in kinds for kind in self.images))
        self.show_shown(shown)
        with QSignalBlocker(self.arrangement_box):
            self.arrangement_box.setCurrentIndex(0)
        self.find_button.setEnabled(has_movie)

    def show_shown(self, shown: Sequence[str]) -> None:
        """Tick the movies and images that are seen, without telling anyone."""
        for kind, box in (*self.stacks.items(), *self.images.items()):
            with QSignalBlocker(box):
                box.setChecked(kind in shown)

    def set_follows(self, follows: bool) -> None:
        """Show whether the view follows the selection, without telling anyone."""
        with QSignalBlocker(self.follow):
            self.follow.setChecked(follows)

    def set_filled(self, filled: bool) -> None:
        """Show whether components are drawn as areas, without telling anyone."""
        with QSignalBlocker(self.style_box):
            self.style_box.setCurrentText("filled" if filled else "outline")

    def set_legend(self, html: str) -> None:
        """Show a legend of the colours, given as HTML."""
        self._legend.setText(html)

    def legend(self) -> str:
        """Legend of the colours, as HTML."""
        return self._legend.text()

    def show_busy(self, busy: bool) -> None:
        """Disable the search for missed cells while it runs."""
        self.find_button.setEnabled(not busy)

    def _on_level(self) -> None:
        self._show_level()
        self.level_changed.emit()

    def _show_level(self, value: int | None = None) -> None:
        self._level_text.setText(f"{self.level_slider.value() if value is None else value} %")


def _choice(texts: Sequence[str] | type, tooltip: str) -> QComboBox:
    box = QComboBox()
    box.addItems([str(text) for text in texts])  # type: ignore[union-attr]
    box.setToolTip(tooltip)
    box.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return box
