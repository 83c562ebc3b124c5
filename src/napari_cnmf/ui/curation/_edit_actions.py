"""Actions that change shapes: every method is an action of that name, with a key and a button."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFileDialog

from napari_cnmf.errors import CnmfError, CurationError
from napari_cnmf.model.curation import Curation, PreparedEdit, ShapeEdits
from napari_cnmf.model.outline import pixels_inside, sides_of_line
from napari_cnmf.ui._background import call_in_background, report, run_in_background
from napari_cnmf.ui._loading import LoadedResult, located
from napari_cnmf.ui._session import Session, ShownResult
from napari_cnmf.ui.curation._drawing_tool import HINTS, DrawingTool, Tool
from napari_cnmf.ui.curation._edit_panel import EditPanel
from napari_cnmf.ui.curation._link import CurationLink
from napari_cnmf.ui.curation._suggesting import Suggesting

Estimate = Callable[[ShapeEdits], PreparedEdit]


class ShapeEditor(QObject):
    """Editor that estimates in the background and makes the edit on the GUI thread."""

    busy_changed = Signal(str)
    """What is estimated now; empty when nothing is."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._waiting: deque[tuple[CurationLink, Estimate, str]] = deque()
        self._is_busy = False

    @property
    def is_busy(self) -> bool:
        """Whether an edit is being estimated, or waits for that."""
        return self._is_busy or bool(self._waiting)

    def edit(self, link: CurationLink, estimate: Estimate, what: str) -> None:
        """Estimate an edit, then make it; it waits for those that were asked for before."""
        self._waiting.append((link, estimate, what))
        self._next()

    def _next(self) -> None:
        if self._is_busy:
            return
        if not self._waiting:
            self.busy_changed.emit("")
            return
        link, estimate, what = self._waiting.popleft()
        self._is_busy = True
        self.busy_changed.emit(what)
        cur = link.curation

        def done(prepared: PreparedEdit) -> None:
            self._commit(link, cur, prepared)
            self._is_busy = False
            self._next()

        def failed(_error: Exception) -> None:
            self._is_busy = False
            self._next()

        call_in_background(lambda: estimate(cur.shape_edits), done=done, failed=failed)

    @staticmethod
    def _commit(link: CurationLink, cur: Curation, prepared: PreparedEdit) -> None:
        try:
            link.just_made = cur.commit(prepared)
        except CnmfError as error:
            # Decided or undone otherwise while it was estimated.
            report(error)


Pixels = NDArray[np.int64]


class EditActions(QObject):
    """Actions that edit shapes of the result on screen."""

    def __init__(
        self, session: Session, panel: EditPanel, say: Callable[[str], None], parent: QObject
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._panel = panel
        self._say = say
        self.editor = ShapeEditor(self)
        self.editor.busy_changed.connect(say)
        self.tool = DrawingTool(session.viewer, self)
        self.tool.painting.connect(panel.show_painting)
        self.tool.cancelled.connect(lambda: say(""))
        self.suggesting = Suggesting(session, panel.show_suggestion)
        panel.done_wanted.connect(self.tool.finish_painting)
        panel.locate_wanted.connect(self._ask_where)

    # -- what is edited

    @property
    def _result(self) -> ShownResult:
        result = self._session.result
        if result is None:
            raise CurationError("Open a result first: double-click a completed item of the batch.")
        return result

    @property
    def _cur(self) -> Curation:
        return self._result.curation

    @property
    def _selected(self) -> list[int]:
        result = self._result
        return [int(result.ids[row]) for row in self._session.selection]

    def _only_one(self, what: str) -> int:
        ids = self._selected
        if len(ids) != 1:
            raise CurationError(f"Select one component to {what}; {len(ids)} are selected.")
        return ids[0]

    # -- of what is there

    def merge(self) -> None:
        """Merge the selected components."""
        ids = self._selected
        self._estimate(lambda edits: edits.merge(ids), f"merging {_named(ids)}")

    def split(self) -> None:
        """Split the selected component by time course."""
        id_ = self._only_one("split")
        self._estimate(lambda edits: edits.split(id_), f"splitting {id_}")

    def delete(self) -> None:
        """Delete the selected components."""
        ids = self._selected
        if ids:
            self._cur.delete(ids)
            self.show_deleted()

    def restore(self) -> None:
        """Bring back deleted components: the last one, unless others are chosen."""
        deleted = self._cur.deleted
        if not deleted:
            raise CurationError("Nothing is deleted that could be restored.")
        chosen = self._panel.to_restore
        id_ = chosen if chosen in deleted else deleted[-1]
        self._result.link.just_made = [id_]
        self._cur.restore(id_)
        self.show_deleted()

    def show_deleted(self) -> None:
        """Offer the deleted components that can be restored."""
        result = self._session.result
        self._panel.show_deleted([] if result is None else result.curation.deleted)

    # -- suggestions

    def suggest(self) -> None:
        """Select the next pair that looks like one cell."""
        self.suggesting.next()

    def merge_pair(self) -> None:
        """Merge the suggested pair, and go on to the next."""
        ids = self.suggesting.take()
        self._estimate(lambda edits: edits.merge(ids), f"merging {_named(ids)}")

    def skip(self) -> None:
        """Leave the suggested pair as it is, and go on to the next."""
        self.suggesting.skip()

    # -- by drawing

    def cut(self) -> None:
        """Split the selected component by a line that is drawn next."""
        id_ = self._only_one("cut")
        result = self._result
        components = result.components
        pixels = components.A[:, [int(np.flatnonzero(result.ids == id_)[0])]].indices

        def done(vertices: NDArray[np.float64]) -> None:
            line = result.layers.tiles.fold(vertices)
            parts = sides_of_line(line, pixels, components.dims)
            self._estimate(lambda edits: edits.split(id_, parts), f"cutting {id_}")

        self._require_plane()
        self._say(f"Drag a line through component {id_}. Escape cancels.")
        self.tool.draw_line(result.layers.selection, done)

    def draw(self) -> None:
        """Have a new component drawn."""
        self._draw("Draw a cell", ShapeEdits.add, "estimating the new component")

    def redraw(self) -> None:
        """Have the selected component drawn anew."""
        id_ = self._only_one("redraw")
        self._draw(
            f"Draw component {id_} anew",
            lambda edits, pixels: edits.redraw(id_, pixels),
            f"redrawing {id_}",
        )

    def trim(self) -> None:
        """Have the pixels drawn that do not belong to the selected component."""
        id_ = self._only_one("trim")
        self._draw(
            f"Draw over what does not belong to component {id_}",
            lambda edits, pixels: edits.trim(id_, pixels),
            f"trimming {id_}",
        )

    def find(self) -> None:
        """Have a region drawn in whose residual new cells are looked for."""
        what = "Draw the region in which to look for cells that were missed"
        self._draw(what, ShapeEdits.find, "looking for cells in the residual")

    def _draw(
        self, what: str, estimate: Callable[[ShapeEdits, Pixels], PreparedEdit], doing: str
    ) -> None:
        """Have a region drawn; its raw trace is shown at once, then the edit is estimated."""
        if self.tool.is_drawing and self._panel.tool is Tool.BRUSH:
            # The same key again: what is painted is what is meant.
            self.tool.finish_painting()
            return
        self._require_plane()
        result, tool = self._result, self._panel.tool

        def take(pixels: Pixels) -> None:
            self._say("")
            if pixels.size == 0:
                report(CurationError("Nothing was painted. Paint over the cell, then press Enter."))
                return
            self._show_raw_trace(result, pixels)
            self._estimate(lambda edits: estimate(edits, pixels), doing)

        def take_outline(vertices: NDArray[np.float64]) -> None:
            dims = result.components.dims
            below, above = self._panel.planes
            try:
                pixels = pixels_inside(
                    result.layers.tiles.fold(vertices), dims, below=below, above=above
                )
            except CnmfError as error:
                self._say("")
                report(error)
                return
            take(pixels)

        self._say(f"{what}: {HINTS[tool]}. Escape cancels.")
        if tool is Tool.BRUSH:
            self.tool.paint(result.components.dims, result.layers.selection, take)
        else:
            self.tool.draw_outline(tool, result.layers.selection, take_outline)

    def _require_plane(self) -> None:
        if self._session.viewer.dims.ndisplay == 3:
            raise CurationError(
                "Drawing needs a plane to draw on. Switch the viewer to 2D and choose the plane."
            )

    def _show_raw_trace(self, result: ShownResult, pixels: Pixels) -> None:
        edits, rate = result.curation.shape_edits, result.loaded.frame_rate_hz

        def show(trace: NDArray[np.float32] | None) -> None:
            if trace is not None and self._session.result is result:
                self._panel.show_raw_trace(trace, rate)

        call_in_background(lambda: edits.raw_trace(pixels), done=show)

    def _estimate(self, estimate: Callable[[ShapeEdits], PreparedEdit], what: str) -> None:
        self.editor.edit(self._result.link, estimate, what)

    def cancel_drawing(self) -> None:
        """Stop drawing, and take the sentence away that says how to draw."""
        if self.tool.is_drawing:
            self.tool.cancel()
            self._say("")

    def close(self, _result: Any = None) -> None:
        """Stop drawing and suggesting: another result, or none, is shown."""
        self.cancel_drawing()
        self.suggesting.forget()
        self._panel.show_raw_trace(None, None)
        result = self._session.result
        self.show_deleted()
        self._panel.offer_planes(result is not None and len(result.components.dims) == 3)
        self._panel.show_movie(is_missing=result is not None and result.loaded.movie is None)

    # -- the movie

    def _ask_where(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self._panel, "The movie of this result")
        if path:
            self.locate(Path(path))

    def locate(self, path: Path) -> None:
        """Show the result on screen again, with the movie at ``path``."""
        result = self._session.result
        if result is None:
            return
        loaded = result.loaded

        def show(again: LoadedResult) -> None:
            if self._session.result is result:
                self._session.show(again)

        run_in_background(lambda: located(loaded, path), title="CNMF", done=show)


def _named(ids: list[int]) -> str:
    return ", ".join(map(str, ids[:4])) + ("…" if len(ids) > 4 else "")
