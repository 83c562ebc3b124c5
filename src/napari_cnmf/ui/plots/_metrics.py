"""What the axes of the scatter can show."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.model.components import Components
from napari_cnmf.params import QualityParams
from napari_cnmf.ui.curation._columns import TITLES, Column, Figures

_THRESHOLDS = {
    TITLES[Column.SNR]: ("min_SNR", "SNR_lowest"),
    TITLES[Column.R]: ("rval_thr", "rval_lowest"),
    TITLES[Column.CNN]: ("min_cnn_thr", "cnn_lowest"),
}


def metrics(figures: Figures, components: Components) -> dict[str, NDArray[np.float64]]:
    """Metrics of all components by title, ``(n,)``, of those that the result knows."""
    values = {TITLES[column]: numbers for column, numbers in figures.numbers.items()}
    for title, more in (("elongation", components.ecc), ("noise", components.neurons_sn)):
        if more is not None and len(more) == len(figures):
            values[title] = np.asarray(more, np.float64)
    return {title: v for title, v in values.items() if np.isfinite(v).any()}


def thresholds_of(title: str, quality: QualityParams) -> list[float]:
    """Where the evaluation divides a metric; empty where it does not."""
    return [float(getattr(quality, name)) for name in _THRESHOLDS.get(title, ())]
