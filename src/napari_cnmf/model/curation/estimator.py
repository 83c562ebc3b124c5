"""Methods that curation needs of the engine when a shape changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.model.components import Components
from napari_cnmf.model.curation.stored import EditedComponent


class Estimator(Protocol):
    """Footprints, traces and scores of changed components, from the movie or from the model.

    ``components`` is the state before the edit; pixels are C-order indices into its field.
    """

    def merge(self, components: Components, rows: NDArray[np.intp]) -> EditedComponent:
        """Estimate one component in place of those in ``rows``."""
        ...

    def split(
        self, components: Components, row: int, parts: Sequence[NDArray[np.int64]] | None
    ) -> list[EditedComponent]:
        """Estimate several components in place of one: by time course, or inside ``parts``."""
        ...

    def add(self, components: Components, pixels: NDArray[np.int64]) -> EditedComponent:
        """Estimate a new component inside C-order ``pixels``."""
        ...

    def find(self, components: Components, pixels: NDArray[np.int64]) -> list[EditedComponent]:
        """Find new components inside C-order ``pixels`` of the residual."""
        ...

    def raw_trace(
        self, components: Components, pixels: NDArray[np.int64]
    ) -> NDArray[np.float32] | None:
        """Mean of the movie over some pixels ``(n_frames,)``; ``None`` where it is missing."""
        ...

    def redraw(
        self, components: Components, row: int, pixels: NDArray[np.int64]
    ) -> EditedComponent:
        """Estimate the component in ``row`` inside other C-order ``pixels``."""
        ...
