"""An edit of shapes that is estimated but not made yet: off the GUI thread, then in one go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.errors import CurationError
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation.edits import EditKind
from napari_cnmf.model.curation.estimator import Estimator
from napari_cnmf.model.curation.stored import EditedComponent


@dataclass(frozen=True, eq=False)
class PreparedEdit:
    """What an edit will change.

    Attributes
    ----------
    kind
        ``MERGE``, ``SPLIT``, ``ADD`` or ``REDRAW``.
    ids
        Components that it takes the place of, or redraws.
    made
        The estimated components.
    """

    kind: EditKind
    ids: tuple[int, ...]
    made: tuple[EditedComponent, ...]


class ShapeEdits:
    """Estimates edits of shapes on one state of the components; changes nothing.

    Parameters
    ----------
    components, ids
        The state, and the id of each of its rows.
    estimator
        ``None`` refuses every edit.
    """

    def __init__(
        self, components: Components, ids: NDArray[np.intp], estimator: Estimator | None
    ) -> None:
        self._components = components
        self._ids = ids
        self._estimator = estimator

    def merge(self, ids: Sequence[int]) -> PreparedEdit:
        """One component of several."""
        if len(set(ids)) < 2:
            raise CurationError(f"A merge needs two components or more, got {list(ids)}.")
        rows = np.asarray([self._row_of(i) for i in ids], dtype=np.intp)
        merged = self._ready().merge(self._components, rows)
        return PreparedEdit(EditKind.MERGE, tuple(ids), (merged,))

    def split(self, id_: int, parts: Sequence[NDArray[np.int64]] | None = None) -> PreparedEdit:
        """Several components of one: by time course, or by the pixels of ``parts``."""
        row = self._row_of(id_)
        for part in parts or ():
            self._require_pixels(part)
        made = self._ready().split(self._components, row, parts)
        return PreparedEdit(EditKind.SPLIT, (id_,), tuple(made))

    def add(self, pixels: NDArray[np.int64]) -> PreparedEdit:
        """A new component inside the drawn C-order ``pixels``."""
        self._require_pixels(pixels)
        return PreparedEdit(EditKind.ADD, (), (self._ready().add(self._components, pixels),))

    def find(self, pixels: NDArray[np.int64]) -> PreparedEdit:
        """New components in the residual of a region, given as C-order ``pixels``."""
        self._require_pixels(pixels)
        made = self._ready().find(self._components, pixels)
        return PreparedEdit(EditKind.ADD, (), tuple(made))

    def raw_trace(self, pixels: NDArray[np.int64]) -> NDArray[np.float32] | None:
        """Mean of the movie over some pixels ``(n_frames,)``; ``None`` where it is missing."""
        self._require_pixels(pixels)
        return self._ready().raw_trace(self._components, pixels)

    def trim(self, id_: int, pixels: NDArray[np.int64]) -> PreparedEdit:
        """A component without some C-order ``pixels``."""
        mine = self._components.A[:, [self._row_of(id_)]].indices
        kept = np.setdiff1d(mine, pixels).astype(np.int64)
        if kept.size in (0, mine.size):
            raise CurationError(
                f"Trimming must leave a part of component {id_} and take a part away; "
                f"{kept.size} of its {mine.size} pixels would be left. Draw over its edge, or "
                "delete it."
            )
        return self.redraw(id_, kept)

    def redraw(self, id_: int, pixels: NDArray[np.int64]) -> PreparedEdit:
        """The same component with another outline."""
        row = self._row_of(id_)
        self._require_pixels(pixels)
        redrawn = self._ready().redraw(self._components, row, pixels)
        return PreparedEdit(EditKind.REDRAW, (id_,), (redrawn,))

    def _row_of(self, id_: int) -> int:
        row = int(np.searchsorted(self._ids, id_))
        if row >= self._ids.size or self._ids[row] != id_:
            raise CurationError(
                f"There is no component {id_} in this result. "
                "It was never there, or was deleted, merged or split: see the history."
            )
        return row

    def _ready(self) -> Estimator:
        if self._estimator is None:
            raise CurationError(
                "Merging, splitting and drawing re-estimate components, and this result was opened "
                "without an estimator. Open it with its movie."
            )
        return self._estimator

    def _require_pixels(self, pixels: NDArray[np.int64]) -> None:
        n_pixels = self._components.n_pixels
        if pixels.size == 0 or pixels.min() < 0 or pixels.max() >= n_pixels:
            raise CurationError(
                "A drawn component must cover at least one pixel of the field. "
                "Draw it inside the image, with an outline that does not cross itself."
            )
