"""The modelled groups by name, in the order in which a user meets them."""

from __future__ import annotations

from napari_cnmf.params._group import ParameterGroup
from napari_cnmf.params.data import DataParams
from napari_cnmf.params.init import InitParams
from napari_cnmf.params.merging import MergingParams
from napari_cnmf.params.motion import MotionParams
from napari_cnmf.params.patch import PatchParams
from napari_cnmf.params.preprocess import PreprocessParams
from napari_cnmf.params.quality import QualityParams
from napari_cnmf.params.spatial import SpatialParams
from napari_cnmf.params.temporal import TemporalParams

GROUPS: dict[str, type[ParameterGroup]] = {
    model.group: model
    for model in (
        DataParams,
        MotionParams,
        InitParams,
        PatchParams,
        PreprocessParams,
        SpatialParams,
        TemporalParams,
        MergingParams,
        QualityParams,
    )
}

SIZES_PER_AXIS = frozenset(
    {"dxy", "gSig", "gSiz", "medw", "rf", "stride", "max_shifts", "strides", "overlaps"}
)
"""Keys that hold one number for each axis of the field: ``(y, x)`` or ``(z, y, x)``."""
