"""CaImAn's parameter groups as frozen models: one definition per parameter."""

from napari_cnmf.params._assignments import parse_value
from napari_cnmf.params._foreign import DroppedParametersWarning, modern_name
from napari_cnmf.params._problems import InvalidParametersError
from napari_cnmf.params._to_caiman import propose_K
from napari_cnmf.params.checks import check_for_movie, resolve_frame_rate
from napari_cnmf.params.cnmf import CNMFParams, read_item_params
from napari_cnmf.params.data import DataParams
from napari_cnmf.params.fields import ParameterField, iter_fields, unused_parameters
from napari_cnmf.params.files import (
    from_json,
    from_toml,
    read_foreign,
    read_params,
    table_in,
    to_json,
    to_toml,
    write_params,
)
from napari_cnmf.params.groups import GROUPS
from napari_cnmf.params.init import InitParams
from napari_cnmf.params.kwargs import parse_kwargs
from napari_cnmf.params.merging import MergingParams
from napari_cnmf.params.motion import MotionParams
from napari_cnmf.params.patch import PatchParams
from napari_cnmf.params.preprocess import PreprocessParams
from napari_cnmf.params.presets import (
    PRESETS,
    Preset,
    PresetValue,
    are_chosen_seed_thresholds,
)
from napari_cnmf.params.quality import QualityParams
from napari_cnmf.params.spatial import SpatialParams
from napari_cnmf.params.temporal import TemporalParams

__all__ = [
    "GROUPS",
    "PRESETS",
    "CNMFParams",
    "DataParams",
    "DroppedParametersWarning",
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
    "are_chosen_seed_thresholds",
    "check_for_movie",
    "from_json",
    "from_toml",
    "iter_fields",
    "modern_name",
    "parse_kwargs",
    "parse_value",
    "propose_K",
    "read_foreign",
    "read_item_params",
    "read_params",
    "resolve_frame_rate",
    "table_in",
    "to_json",
    "to_toml",
    "unused_parameters",
    "write_params",
]
