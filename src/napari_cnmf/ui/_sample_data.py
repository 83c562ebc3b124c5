"""The simulated demo recording as napari's sample data."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
from platformdirs import user_cache_path

from napari_cnmf.ui.layers._convert import LayerData

_FILE = "demo-recording-1.tif"
"""The number changes with the simulation, so that an old file is not taken for a new one."""


_PLACEHOLDER = "napari_cnmf_placeholder"


def demo_recording() -> list[LayerData]:
    """Layers of the demo recording.

    The first time it has to be simulated, which takes seconds: that happens in the background, and
    an empty picture keeps its place, because napari refuses a sample without a layer.
    """
    from napari_cnmf.testing import demo_config

    path = sample_path()
    if path.exists():
        return [sample_layer(path)]
    _simulate_in_background(path)
    placeholder = {"name": "demo (is being simulated)", "metadata": {_PLACEHOLDER: True}}
    # Of the recording's size: napari fits the view to the first layer alone.
    return [(np.zeros(demo_config().size, np.uint8), placeholder, "image")]


def sample_path() -> Path:
    """Where the recording is kept between sessions."""
    return user_cache_path("napari-cnmf", appauthor=False) / _FILE


def simulate_sample(path: Path) -> Generator[str, None, Path]:
    """Write the recording; nothing half-written is left under its name."""
    from napari_cnmf.testing import demo_recording as simulate_demo

    yield "simulating"
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.stem}.{os.getpid()}.tif")
    try:
        simulate_demo().write(unfinished)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def sample_layer(path: Path) -> LayerData:
    """The recording as a lazy layer with its file behind it."""
    from napari_cnmf.io import open_movie
    from napari_cnmf.ui.layers._convert import movie_to_layer

    return movie_to_layer(open_movie(path), name="demo", metadata={"paths": [str(path)]})


def _simulate_in_background(path: Path) -> None:
    from napari import current_viewer

    from napari_cnmf.ui._background import run_in_background

    viewer: Any = current_viewer()

    def steps() -> Generator[str, None, LayerData]:
        return sample_layer((yield from simulate_sample(path)))

    def remove_placeholder() -> None:
        for layer in [one for one in viewer.layers if _PLACEHOLDER in one.metadata]:
            viewer.layers.remove(layer)

    def show(layer: LayerData) -> None:
        remove_placeholder()
        viewer.add_image(layer[0], **layer[1])

    if viewer is not None:
        run_in_background(
            steps, title="Demo recording", done=show, failed=lambda _: remove_placeholder()
        )
