"""CaImAn's parameter groups as frozen models: one definition per parameter."""

from napari_cnmf.params._problems import InvalidParametersError
from napari_cnmf.params._proposals import propose_K
from napari_cnmf.params.checks import check_for_movie, resolve_frame_rate
from napari_cnmf.params.cnmf import CNMFParams
from napari_cnmf.params.data import DataParams
from napari_cnmf.params.fields import ParameterField, iter_fields, unused_parameters
from napari_cnmf.params.groups import GROUPS
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
    "ParameterField",
    "PatchParams",
    "PreprocessParams",
    "Preset",
    "PresetValue",
    "QualityParams",
    "SpatialParams",
    "TemporalParams",
    "check_for_movie",
    "iter_fields",
    "propose_K",
    "resolve_frame_rate",
    "unused_parameters",
]
