"""Footprints, traces and scores of components that a curator merged, split or drew."""

from napari_cnmf.core.reestimate._local import WindowSource
from napari_cnmf.core.reestimate._reestimator import Reestimator

__all__ = ["Reestimator", "WindowSource"]
