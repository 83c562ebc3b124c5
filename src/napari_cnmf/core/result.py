"""Result of one run of the built-in engine."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.model.components import Components


@dataclass(frozen=True, eq=False)
class CNMFResult:
    """Result of :func:`napari_cnmf.core.run_cnmf`.

    Attributes
    ----------
    components
        Footprints, traces, background, scores, classes and what is accepted.
    images
        ``mean, max, std, noise, correlation, pnr``, float32 of the frame's shape.
    notes
        Sentences on what the engine decided by itself.
    figures
        Plain numbers: ``frames_per_bin``, ``n_tiles``, ``typical_width`` (in gSig), ...
    """

    components: Components
    images: dict[str, NDArray[np.float32]]
    notes: tuple[str, ...] = ()
    figures: dict[str, float] = field(default_factory=dict)
