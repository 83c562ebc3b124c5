"""Controls how a result looks: stacks, outlines, colours, numbers, images."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from napari_cnmf.errors import CurationError
from napari_cnmf.model.figures import centres
from napari_cnmf.ui._background import call_in_background, report, run_in_background
from napari_cnmf.ui._session import Session, ShownResult
from napari_cnmf.ui.curation._actions import Tag
from napari_cnmf.ui.curation._coloring import ColorBy, colors_by
from napari_cnmf.ui.curation._link import draw
from napari_cnmf.ui.curation._view_form import ViewForm

if TYPE_CHECKING:
    from napari_cnmf.model.components import Components
    from napari_cnmf.ui.layers import ResultLayers
    from napari_cnmf.ui.layers._drawing import Drawing


class ViewPanel(ViewForm):
    """Panel of the form, at work on the result of a session."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._tags: tuple[Tag, ...] = ()
        self._watched: ResultLayers | None = None
        self.stacks_changed.connect(self._arrange)
        self.images_changed.connect(self._show_images)
        self.filled_changed.connect(self._set_filled)
        self.level_changed.connect(self._set_level)
        self.coloring_changed.connect(self._recolour)
        self.numbers_changed.connect(self._show_numbers)
        self.contours_changed.connect(self._show_contours)
        self.images_wanted.connect(self._find_missed)
        connections = (
            (session.result_changed, self._on_result),
            (session.components_changed, self._on_components),
            (session.verdicts_changed, self._on_verdicts),
        )
        for signal, slot in connections:
            signal.connect(slot)

        def disconnect() -> None:
            for signal, slot in connections:
                signal.disconnect(slot, missing_ok=True)
            self._watch_images(None)

        # Python may keep this object longer than Qt does.
        self.destroyed.connect(disconnect)
        self._on_result(session.result)

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
        if self.contours_shown:
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
            if self.contours_shown:
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
            if self.contours_shown:
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
            texts = [str(i) for i in result.ids.tolist()] if self.numbers_shown else None
            result.layers.extras.show_numbers(texts, centres(result.components))

    def _show_contours(self) -> None:
        """Compute the contours of all components in the background, and add them in one go."""
        result = self._result
        if result is None:
            return
        if not self.contours_shown:
            result.layers.extras.show_contours(None)
            return
        components, drawing = result.components, result.layers.drawing

        def compute() -> list[Any]:
            return [drawing.contours(i) for i in range(components.n_components)]

        def show(found: list[Any]) -> None:
            same = result.layers.drawing is drawing
            if self._is_current(result, components) and same and self.contours_shown:
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
            self.show_busy(False)
            if self._is_current(result, components):
                for kind, image in images.items():
                    layers.extras.show_image(kind, image)

        self.show_busy(True)
        run_in_background(
            compute, title="residual", done=show, failed=lambda _e: self.show_busy(False)
        )
