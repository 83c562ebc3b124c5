"""Edits of shapes that are estimated off the GUI thread, and then made in one go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf._checks import check_array, shown
from napari_cnmf.errors import CurationError
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation.edits import EditKind
from napari_cnmf.model.curation.estimator import Estimator
from napari_cnmf.model.curation.stored import EditedComponent
from napari_cnmf.model.ids import Ids, as_id, as_ids


@dataclass(frozen=True, eq=False)
class PreparedEdit:
    """Components that an edit will remove and add.

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

    def merge(self, ids: Ids) -> PreparedEdit:
        """Estimate one component of several."""
        listed = as_ids(ids, self._ids)
        if len(listed) < 2:
            raise CurationError(f"A merge needs two components or more, got {listed}.")
        rows = np.searchsorted(self._ids, listed)
        merged = self._ready().merge(self._components, rows)
        return PreparedEdit(EditKind.MERGE, tuple(listed), (merged,))

    def split(self, id_: int, parts: Sequence[NDArray[np.int64]] | None = None) -> PreparedEdit:
        """Estimate several components of one: by time course, or by the pixels of ``parts``."""
        row = self._row_of(id_)
        if parts is not None:
            parts = self._checked_parts(parts)
        made = self._ready().split(self._components, row, parts)
        return PreparedEdit(EditKind.SPLIT, (int(id_),), tuple(made))

    def add(self, pixels: NDArray[np.int64]) -> PreparedEdit:
        """Estimate a new component inside the drawn C-order ``pixels``."""
        pixels = self._checked_pixels(pixels)
        return PreparedEdit(EditKind.ADD, (), (self._ready().add(self._components, pixels),))

    def find(self, pixels: NDArray[np.int64]) -> PreparedEdit:
        """Find new components in the residual of a region, given as C-order ``pixels``."""
        pixels = self._checked_pixels(pixels)
        made = self._ready().find(self._components, pixels)
        return PreparedEdit(EditKind.ADD, (), tuple(made))

    def raw_trace(self, pixels: NDArray[np.int64]) -> NDArray[np.float32] | None:
        """Mean of the movie over some pixels ``(n_frames,)``; ``None`` where it is missing."""
        pixels = self._checked_pixels(pixels)
        return self._ready().raw_trace(self._components, pixels)

    def trim(self, id_: int, pixels: NDArray[np.int64]) -> PreparedEdit:
        """Estimate a component without some of its C-order ``pixels``."""
        mine = self._components.A[:, [self._row_of(id_)]].indices
        kept = np.setdiff1d(mine, _whole(pixels)).astype(np.int64)
        if kept.size in (0, mine.size):
            raise CurationError(
                f"Trimming must leave a part of component {id_} and take a part away; "
                f"{kept.size} of its {mine.size} pixels would be left. Draw over its edge, or "
                "delete it."
            )
        return self.redraw(id_, kept)

    def redraw(self, id_: int, pixels: NDArray[np.int64]) -> PreparedEdit:
        """Estimate the same component with another outline."""
        row = self._row_of(id_)
        pixels = self._checked_pixels(pixels)
        redrawn = self._ready().redraw(self._components, row, pixels)
        return PreparedEdit(EditKind.REDRAW, (int(id_),), (redrawn,))

    def _row_of(self, id_: int) -> int:
        return int(np.searchsorted(self._ids, as_id(id_, self._ids)))

    def _ready(self) -> Estimator:
        if self._estimator is None:
            raise CurationError(
                "Merging, splitting and drawing re-estimate components, and this result was opened "
                "without an estimator. Open it with its movie."
            )
        return self._estimator

    def _checked_parts(self, parts: Any) -> list[NDArray[np.int64]]:
        """Pixels of each part of a split."""
        is_many = isinstance(parts, Sequence | np.ndarray) and not isinstance(parts, str | bytes)
        if not is_many or len(parts) < 2:
            raise CurationError(
                "The parts of a split must be two lists of pixels or more, got "
                f"{shown(parts)}. Leave them out to split by time course."
            )
        return [self._checked_pixels(part) for part in parts]

    def _checked_pixels(self, pixels: Any) -> NDArray[np.int64]:
        """Pixels of an outline, at least one of them and all inside of the field."""
        whole, n_pixels = _whole(pixels), self._components.n_pixels
        if not whole.size or int(whole.min()) < 0 or int(whole.max()) >= n_pixels:
            raise CurationError(
                "A drawn component must cover at least one pixel of the field. "
                "Draw it inside the image, with an outline that does not cross itself."
            )
        return whole.astype(np.int64)


def _whole(pixels: Any) -> NDArray[Any]:
    """Pixels as whole numbers."""
    advice = "They are C-order indices into the field; of a boolean image take np.flatnonzero."
    return check_array("pixels", pixels, CurationError, kinds="iu", advice=advice).ravel()
