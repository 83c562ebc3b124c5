"""Finds the same cells in several recordings of one field: alignment, then assignment."""

from napari_cnmf.core.matching.align import Alignment, align_fields
from napari_cnmf.core.matching.assign import Field, pair_cells
from napari_cnmf.core.matching.calibrate import Calibration
from napari_cnmf.core.matching.chain import FoundMatches, match_fields

__all__ = [
    "Alignment",
    "Calibration",
    "Field",
    "FoundMatches",
    "align_fields",
    "match_fields",
    "pair_cells",
]
