"""Adds summary images to an NWB file."""

from __future__ import annotations

from typing import Any

import numpy as np
from pynwb.base import Images
from pynwb.image import GrayscaleImage

from napari_cnmf.model.components import Components


def add_images(module: Any, components: Components) -> None:
    """Add every summary image as ``(x, y)``; a volume plane by plane, ``mean_z000`` on."""
    found = []
    for name, image in components.images.items():
        planes = {name: image}
        if image.ndim == 3:
            planes = {f"{name}_z{z:03d}": plane for z, plane in enumerate(image)}
        found += [
            GrayscaleImage(
                name=key, data=np.asarray(plane.T, np.float32), description=f"{key} over time"
            )
            for key, plane in planes.items()
        ]
    if found:
        module.add(Images(name="SummaryImages", images=found, description="Summaries of the movie"))
