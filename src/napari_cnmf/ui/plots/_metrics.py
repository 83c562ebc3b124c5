"""Thresholds of the evaluation on the axes of the scatter."""

from __future__ import annotations

from napari_cnmf.params import QualityParams
from napari_cnmf.ui.curation._columns import TITLES, Column

_THRESHOLDS = {
    TITLES[Column.SNR]: ("min_SNR", "SNR_lowest"),
    TITLES[Column.R]: ("rval_thr", "rval_lowest"),
    TITLES[Column.P_CELL]: ("min_cnn_thr", "cnn_lowest"),
    "elongation": ("max_ecc",),
}


def thresholds_of(title: str, quality: QualityParams) -> list[float]:
    """Thresholds at which the evaluation divides a metric; empty where it does not."""
    if title == "elongation" and not quality.use_ecc:
        return []
    return [float(getattr(quality, name)) for name in _THRESHOLDS.get(title, ())]
