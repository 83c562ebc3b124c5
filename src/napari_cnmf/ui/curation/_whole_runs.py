"""Actions on the whole result: locating its movie, and a run that refines it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_info
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_cnmf.batch.inputs import movie_paths
from napari_cnmf.engines.base import Algorithm
from napari_cnmf.errors import CnmfError, CurationError
from napari_cnmf.ui._background import call_in_background, report, run_in_background
from napari_cnmf.ui._loading import LoadedResult, located

if TYPE_CHECKING:
    from napari_cnmf.batch import Item
    from napari_cnmf.ui._session import Session
    from napari_cnmf.ui.curation._edit_panel import EditPanel


class WholeRuns:
    """Controller that locates the movie of the result, and adds runs that begin with its cells."""

    def __init__(self, session: Session, panel: EditPanel, dock: QWidget) -> None:
        self._session = session
        self._panel = panel
        self._dock = dock
        panel.locate_wanted.connect(self._ask_where)
        panel.refine_wanted.connect(self._try_refine)

    def show_result(self) -> None:
        """Say whether the movie is there, and offer what can be done."""
        result = self._session.result
        is_missing = result is not None and result.loaded.movie is None
        self._panel.show_movie(
            "The movie is not there: deciding, merging and cutting work with the model; raw, "
            "residual, drawing and splitting by time course need the movie."
            if is_missing
            else "",
            is_missing=is_missing,
        )
        self._panel.refine_button.setEnabled(result is not None and result.loaded.item is not None)

    def _ask_where(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self._dock, "The movie of this result")
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

    def _try_refine(self) -> None:
        try:
            self.refine()
        except CnmfError as error:
            report(error)

    def refine(self) -> None:
        """Add an item that takes the accepted components as its start.

        Raises
        ------
        CurationError
            When the result is of no batch, or nothing is accepted.
        """
        result = self._session.result
        if result is None or result.loaded.item is None:
            raise CurationError(
                "A refining run is an item of a batch, and this result is of none. Add its movie "
                "to a batch, with these components as Ain."
            )
        cur = result.curation
        ain = cur.components.A[:, cur.accepted]
        if ain.shape[1] == 0:
            raise CurationError("A refining run needs accepted components, and there are none.")
        source = _found_by(result.loaded.item)

        def add() -> Item:
            spec = source.spec
            options: dict[str, Any] = {
                "params": source.params,
                "name": f"{source.name} refined",
                "comment": f"from {ain.shape[1]} curated components of {source.name}",
                "refit": spec.refit,
                "engine": spec.engine,
                "ain": ain,
            }
            if spec.movie is None:
                return source.batch.add(source.algorithm, _parent_of(source), **options)
            paths = list(movie_paths(source.batch.path, spec.movie))
            return source.batch.add(
                source.algorithm, paths, open_with=spec.movie.open_with, **options
            )

        call_in_background(
            add,
            done=lambda item: show_info(
                f"{item.name} was added to the batch: it begins with {ain.shape[1]} accepted "
                "components. Start it when you like."
            ),
        )


def _parent_of(item: Item) -> Item:
    parent = item.parent
    if parent is None:
        raise CurationError(f"{item.name!r} must have a movie or a parent item, and has none.")
    return parent


def _found_by(item: Item) -> Item:
    """Item whose run found the components: scoring alone finds none."""
    while item.algorithm is Algorithm.EVALUATE and item.parent is not None:
        item = item.parent
    return item
