"""Controls how a result looks: stacks, outlines, colours, numbers, images."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QLabel,
    QSlider,
    QWidget,
)

from napari_cnmf.errors import CurationError
from napari_cnmf.model.contours import CONTOUR_LEVEL
from napari_cnmf.model.figures import centres
from napari_cnmf.ui._background import call_in_background, report, run_in_background
from napari_cnmf.ui._parts import in_lines, in_row, push_button, text_label, with_tip
from napari_cnmf.ui._session import Session, ShownResult
from napari_cnmf.ui._theme import connect_while_alive, show_row
from napari_cnmf.ui.curation._actions import Tag
from napari_cnmf.ui.curation._coloring import ColorBy, colors_by
from napari_cnmf.ui.curation._link import draw
from napari_cnmf.ui.layers._convert import IMAGE_KINDS, STACK_KINDS, Arrangement

if TYPE_CHECKING:
    from napari_cnmf.model.components import Components
    from napari_cnmf.ui.layers import ResultLayers
    from napari_cnmf.ui.layers._drawing import Drawing


class ViewPanel(QWidget):
    """Panel of what is shown of the result of a session, and how."""

    follow_changed = Signal(bool)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._tags: tuple[Tag, ...] = ()
        self._watched: ResultLayers | None = None
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
            QCheckBox("follows the selection"),
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
        self._show_level()
        self._connect()
        self._on_result(session.result)

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
            box.toggled.connect(lambda _=False: self._arrange())
        for box in self.images.values():
            box.toggled.connect(lambda _=False: self._show_images())
        self.arrangement_box.currentIndexChanged.connect(lambda _=0: self._arrange())
        self.style_box.currentIndexChanged.connect(lambda _=0: self._set_filled())
        self.level_slider.sliderMoved.connect(self._show_level)
        self.level_slider.valueChanged.connect(lambda _=0: self._on_level())
        self.color_box.currentIndexChanged.connect(lambda _=0: self._recolour())
        self.numbers.toggled.connect(lambda _=False: self._show_numbers())
        self.contours.toggled.connect(lambda _=False: self._show_contours())
        self.follow.toggled.connect(self.follow_changed)
        self.find_button.clicked.connect(lambda _=False: self._find_missed())
        session = self._session
        connect_while_alive(
            self,
            (session.result_changed, self._on_result),
            (session.components_changed, self._on_components),
            (session.verdicts_changed, self._on_verdicts),
        )
        self.destroyed.connect(lambda: self._watch_images(None))

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

    def _on_level(self) -> None:
        self._show_level()
        self._set_level()

    def _show_level(self, value: int | None = None) -> None:
        self._level_text.setText(f"{self.level_slider.value() if value is None else value} %")

    # -- at work on the result

    @property
    def _result(self) -> ShownResult | None:
        return self._session.result

    def _on_result(self, result: ShownResult | None) -> None:
        if result is None:
            self._watch_images(None)
            self.setEnabled(False)
            return
        self.setEnabled(True)
        layers = result.layers
        kinds = (*layers.stack_kinds(), *layers.image_kinds())
        self.offer(kinds, layers.visible_kinds(), has_movie="residual" in kinds)
        self._watch_images(layers)
        self.set_filled(result.layers.is_filled)
        self._set_level()
        self._on_components()

    def _on_components(self) -> None:
        """Draw everything anew after an edit, with what was asked for beside it."""
        self._recolour()
        self._show_numbers()
        if self.contours.isChecked():
            self._show_contours()

    def set_tags(self, tags: tuple[Tag, ...]) -> None:
        """Set the colours of the tags, as they were chosen."""
        self._tags = tags
        self._on_verdicts()

    def _on_verdicts(self) -> None:
        if self.coloring is ColorBy.TAG:
            self._recolour()

    def _arrange(self) -> None:
        result = self._result
        if result is None:
            return
        before = result.layers.tiles
        result.layers.arrange(self.arrangement, self.kinds)
        if result.layers.tiles != before:
            result.layers.set_selection(self._session.selection)
            self._show_numbers()
            if self.contours.isChecked():
                self._show_contours()
            self._session.viewer.reset_view()

    def _watch_images(self, layers: ResultLayers | None) -> None:
        if self._watched is not None:
            self._watched.images_changed.disconnect(self._on_images_removed, missing_ok=True)
        self._watched = layers
        if layers is not None:
            layers.images_changed.connect(self._on_images_removed)

    def _show_images(self) -> None:
        if self._result is not None:
            self._result.layers.show_images(self.image_kinds)

    def _on_images_removed(self) -> None:
        """Untick a layer that was removed by hand, so that a tick brings it back."""
        if self._result is not None:
            self.show_shown(self._result.layers.visible_kinds())

    def _set_filled(self) -> None:
        if self._result is not None:
            self._result.layers.set_filled(self.is_filled)

    def _set_level(self) -> None:
        """Draw all components down to another level, in the background."""
        result, level = self._result, self.level
        if result is None or result.layers.drawing.level == level:
            return
        components = result.components

        def show(drawing: Drawing) -> None:
            if self._result is not result or result.components is not components:
                return
            if self.level != level:
                self._set_level()
                return
            result.layers.set_level(drawing)
            result.layers.set_selection(self._session.selection)
            if self.contours.isChecked():
                self._show_contours()

        call_in_background(lambda: draw(components, level), done=show)

    def _recolour(self) -> None:
        result, what = self._result, self.coloring
        if result is None:
            return
        if what is ColorBy.DECISION:
            self.set_legend("")
            result.layers.set_colors(None)
            return
        components, ids, tags = result.components, result.ids, self._tags

        def show(found: tuple[Any, str]) -> None:
            rgba, legend = found
            asked = self.coloring is what and self._tags == tags
            if self._is_current(result, components) and asked:
                result.layers.set_colors(rgba)
                self.set_legend(legend)

        call_in_background(
            lambda: colors_by(what, components, ids, result.curation, tags), done=show
        )

    def _is_current(self, result: ShownResult, components: Components) -> bool:
        return self._result is result and result.components is components

    def _show_numbers(self) -> None:
        result = self._result
        if result is not None:
            texts = [str(i) for i in result.ids.tolist()] if self.numbers.isChecked() else None
            result.layers.extras.show_numbers(texts, centres(result.components))

    def _show_contours(self) -> None:
        """Compute the contours of all components in the background, and add them in one go."""
        result = self._result
        if result is None:
            return
        if not self.contours.isChecked():
            result.layers.extras.show_contours(None)
            return
        components, drawing = result.components, result.layers.drawing

        def compute() -> list[Any]:
            return [drawing.contours(i) for i in range(components.n_components)]

        def show(found: list[Any]) -> None:
            same = result.layers.drawing is drawing
            if self._is_current(result, components) and same and self.contours.isChecked():
                result.layers.extras.show_contours(found)

        call_in_background(compute, done=show)

    def _find_missed(self) -> None:
        """Compute images of the residual in the background, in a pass over the movie."""
        result = self._result
        if result is None:
            return
        layers, components = result.layers, result.components
        if result.loaded.movie is None:
            report(
                CurationError("Images of the residual need the movie. Locate it in the Edit tab.")
            )
            return
        stack = layers.stack("residual")

        def compute() -> Generator[str, None, dict[str, Any]]:
            from napari_cnmf.core.reestimate import residual_images

            yield "looking for what was missed"
            return residual_images(stack)

        def show(images: dict[str, Any]) -> None:
            self.find_button.setEnabled(True)
            if self._is_current(result, components):
                for kind, image in images.items():
                    layers.extras.show_image(kind, image)

        self.find_button.setEnabled(False)
        run_in_background(
            compute, title="residual", done=show, failed=lambda _: self.find_button.setEnabled(True)
        )


def _choice(texts: Sequence[str] | type, tooltip: str) -> QComboBox:
    box = QComboBox()
    box.addItems([str(text) for text in texts])  # type: ignore[union-attr]
    box.setToolTip(tooltip)
    box.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return box
