"""Converts results to napari layers: pure conversions, and one adapter to the viewer."""

from napari_cnmf.model.verdict_colors import Verdict
from napari_cnmf.ui.layers._colors import selection_color, verdict_rgba, verdicts
from napari_cnmf.ui.layers._convert import (
    KIND,
    LayerData,
    components_to_layers,
    pixel_scale,
    shown_first,
)
from napari_cnmf.ui.layers._drawing import Drawing
from napari_cnmf.ui.layers._result_layers import ResultLayers, add_result_layers

__all__ = [
    "KIND",
    "Drawing",
    "LayerData",
    "ResultLayers",
    "Verdict",
    "add_result_layers",
    "components_to_layers",
    "pixel_scale",
    "selection_color",
    "shown_first",
    "verdict_rgba",
    "verdicts",
]
