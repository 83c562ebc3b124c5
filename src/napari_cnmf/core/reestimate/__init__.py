"""Footprints, traces and scores of components that a curator merged, split or drew."""

from napari_cnmf.core.reestimate._reestimator import Reestimator
from napari_cnmf.core.reestimate._residual_images import residual_images
from napari_cnmf.core.source import WindowSource

__all__ = ["Reestimator", "WindowSource", "residual_images"]
