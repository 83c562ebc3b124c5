"""What curation asks of the engine when a shape changes."""

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

    def merge(self, components: Components, rows: NDArray[np.intp]) -> EditedComponent: ...

    def split(
        self, components: Components, row: int, parts: Sequence[NDArray[np.int64]] | None
    ) -> list[EditedComponent]: ...

    def add(self, components: Components, pixels: NDArray[np.int64]) -> EditedComponent: ...

    def find(self, components: Components, pixels: NDArray[np.int64]) -> list[EditedComponent]: ...

    def raw_trace(
        self, components: Components, pixels: NDArray[np.int64]
    ) -> NDArray[np.float32] | None: ...

    def redraw(
        self, components: Components, row: int, pixels: NDArray[np.int64]
    ) -> EditedComponent: ...
