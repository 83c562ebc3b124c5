"""Simulated recordings as napari's sample data; nothing is downloaded."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from platformdirs import user_cache_path

from napari_cnmf.ui.layers._convert import LayerData

if TYPE_CHECKING:
    from napari_cnmf.testing import Recording

_PLACEHOLDER = "napari_cnmf_placeholder"


@dataclass(frozen=True)
class Sample:
    """A recording that is simulated once and kept.

    Attributes
    ----------
    name
        Name of the layer.
    file
        Where it is kept between sessions, in the user's cache. The number in the name changes with
        the simulation, so that an old file is not taken for a new one.
    size
        Field ``([Z], Y, X)``.
    simulate
        Makes the recording; takes seconds.
    """

    name: str
    file: str
    size: tuple[int, ...]
    simulate: Callable[[], Recording]


def _two_photon() -> Recording:
    from napari_cnmf.testing import demo_recording as simulate_demo

    return simulate_demo()


def _one_photon() -> Recording:
    from napari_cnmf.testing import OnePhotonSimulation, simulate_one_photon

    config = OnePhotonSimulation.build(
        n_frames=800, size=ONE_PHOTON.size, n_cells=35, min_distance_px=7.0
    )
    return simulate_one_photon(config)


def _volume() -> Recording:
    from napari_cnmf.testing import VolumeSimulation, simulate_volume

    config = VolumeSimulation.build(n_frames=400, size=VOLUME.size, n_cells=22)
    return simulate_volume(config)


TWO_PHOTON = Sample("demo", "demo-recording-1.tif", (96, 128), _two_photon)
ONE_PHOTON = Sample("one-photon demo", "one-photon-recording-1.tif", (112, 112), _one_photon)
VOLUME = Sample("volume demo", "volume-recording-1.tif", (6, 56, 64), _volume)


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
    path = sample_path(sample)
    if path.exists():
        return [sample_layer(sample, path)]
    _simulate_in_background(sample, path)
    placeholder = {
        "name": f"{sample.name} (is being simulated)",
        "metadata": {_PLACEHOLDER: sample.file},
    }
    # Of the recording's size: napari fits the view to the first layer alone.
    return [(np.zeros(sample.size, np.uint8), placeholder, "image")]


def sample_path(sample: Sample = TWO_PHOTON) -> Path:
    """Path where a recording is kept between sessions."""
    return user_cache_path("napari-cnmf", appauthor=False) / sample.file


def simulate_sample(sample: Sample, path: Path) -> Generator[str, None, Path]:
    """Write a recording; nothing half-written is left under its name."""
    yield "simulating"
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.stem}.{os.getpid()}.tif")
    try:
        sample.simulate().write(unfinished)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


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
