"""Size of the cells of a result."""

from __future__ import annotations

import math

import numpy as np

from napari_cnmf.model.components import Components
from napari_cnmf.model.figures import areas


def half_width(components: Components) -> tuple[int, int]:
    """Half-width ``gSig`` of a result's cells: of its parameters, else from its components."""
    stored = components.params.get("init", {}).get("gSig")
    if stored is not None and len(stored) >= 2:
        return int(stored[-2]), int(stored[-1])
    sizes = areas(components)
    radius = math.sqrt(float(np.median(sizes)) / math.pi) if sizes.size else 7.0
    width = max(2, round(radius / 1.8))
    return width, width
