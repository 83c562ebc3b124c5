"""CaImAn's parameter groups as frozen models: one definition per parameter."""

from napari_cnmf.params._problems import InvalidParametersError
from napari_cnmf.params.cnmf import GROUPS, CNMFParams
from napari_cnmf.params.data import DataParams
from napari_cnmf.params.field import propose_K
from napari_cnmf.params.init import InitParams
from napari_cnmf.params.merging import MergingParams
from napari_cnmf.params.motion import MotionParams
from napari_cnmf.params.patch import PatchParams
from napari_cnmf.params.preprocess import PreprocessParams
from napari_cnmf.params.presets import PRESETS, Preset, PresetValue
from napari_cnmf.params.quality import QualityParams
from napari_cnmf.params.spatial import SpatialParams
from napari_cnmf.params.temporal import TemporalParams

__all__ = [
    "GROUPS",
    "PRESETS",
    "CNMFParams",
    "DataParams",
    "InitParams",
    "InvalidParametersError",
    "MergingParams",
    "MotionParams",
    "PatchParams",
    "PreprocessParams",
    "Preset",
    "PresetValue",
    "QualityParams",
    "SpatialParams",
    "TemporalParams",
    "propose_K",
]
