"""Simulated recordings as napari's sample data; nothing is downloaded."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np

from napari_cnmf.testing.samples import ONE_PHOTON, TWO_PHOTON, VOLUME, Sample, sample_path
from napari_cnmf.ui.layers._convert import LayerData

_PLACEHOLDER = "napari_cnmf_placeholder"


def demo_recording() -> list[LayerData]:
    """Make layers of the two-photon recording."""
    return _layers(TWO_PHOTON)


def one_photon_recording() -> list[LayerData]:
    """Make layers of the one-photon recording, as a miniscope makes them."""
    return _layers(ONE_PHOTON)


def volume_recording() -> list[LayerData]:
    """Make layers of the two-photon recording of six planes."""
    return _layers(VOLUME)


def _layers(sample: Sample) -> list[LayerData]:
    """Make layers of a sample recording.

    The first time it has to be simulated, which takes seconds: that happens in the background, and
    an empty picture keeps its place, because napari refuses a sample without a layer.
    """
    from napari_cnmf.ui._offering import offer_workspace

    path = sample_path(sample)
    offer_workspace()
    if path.exists():
        return [sample_layer(sample, path)]
    _simulate_in_background(sample, path)
    placeholder = {
        "name": f"{sample.name} (is being simulated)",
        "metadata": {_PLACEHOLDER: sample.file},
    }
    # Of the recording's size: napari fits the view to the first layer alone.
    return [(np.zeros(sample.size, np.uint8), placeholder, "image")]


def simulate_sample(sample: Sample, path: Path) -> Generator[str, None, Path]:
    """Write a recording, as steps for the background."""
    yield "simulating"
    return sample.write(path)


def sample_layer(sample: Sample, path: Path) -> LayerData:
    """Make a lazy layer of a recording with its file behind it."""
    from napari_cnmf.io import open_movie
    from napari_cnmf.ui.layers._convert import movie_to_layer

    movie = open_movie(path)
    metadata = {"paths": [str(path)], "frame_rate_hz": movie.frame_rate_hz}
    return movie_to_layer(movie, name=sample.name, metadata=metadata)


def _simulate_in_background(sample: Sample, path: Path) -> None:
    from napari import current_viewer

    from napari_cnmf.ui._background import run_in_background
    from napari_cnmf.ui._canvas import is_open

    viewer: Any = current_viewer()

    def steps() -> Generator[str, None, LayerData]:
        return sample_layer(sample, (yield from simulate_sample(sample, path)))

    def remove_placeholder() -> None:
        if is_open(viewer):
            for layer in [one for one in viewer.layers if _is_placeholder(one, sample)]:
                viewer.layers.remove(layer)

    def show(layer: LayerData) -> None:
        remove_placeholder()
        if is_open(viewer):
            viewer.add_image(layer[0], **layer[1])

    if viewer is not None:
        run_in_background(
            steps,
            title="Demo recording",
            done=show,
            failed=lambda _: remove_placeholder(),
        )


def _is_placeholder(layer: Any, sample: Sample) -> bool:
    return bool(layer.metadata.get(_PLACEHOLDER) == sample.file)
