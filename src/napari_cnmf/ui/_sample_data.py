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


def demo_result() -> list[LayerData]:
    """Show the cells of the two-photon recording."""
    return _result(TWO_PHOTON)


def one_photon_result() -> list[LayerData]:
    """Show the cells of the one-photon recording."""
    return _result(ONE_PHOTON)


def volume_result() -> list[LayerData]:
    """Show the cells of the volume."""
    return _result(VOLUME)


def _result(sample: Sample) -> list[LayerData]:
    """Show the result of a sample in the workspace; the first time its cells have to be found.

    A picture keeps the place of the result until it is there: napari refuses a sample without a
    layer.
    """
    from napari import current_viewer

    from napari_cnmf.ui._background import run_in_background
    from napari_cnmf.ui._canvas import is_open
    from napari_cnmf.ui._docks import show_docks
    from napari_cnmf.ui._opening import show_opened
    from napari_cnmf.ui._session import session_of

    viewer: Any = current_viewer()

    def show(opened: Any) -> None:
        _remove_placeholders(viewer, sample)
        if is_open(viewer):
            show_docks(viewer)
            show_opened(session_of(viewer), opened)

    if viewer is not None:
        run_in_background(
            lambda: _find_cells(sample, sample_path(sample)),
            title=sample.name,
            done=show,
            failed=lambda _: _remove_placeholders(viewer, sample),
        )
    return [_placeholder(sample, "its cells are being found")]


def _find_cells(sample: Sample, path: Path) -> Generator[str, None, Any]:
    """Find the cells of a sample as its tutorial does, or take those of the last time."""
    from napari_cnmf.batch import Batch, State
    from napari_cnmf.batch.suggesting import suggest
    from napari_cnmf.io import open_movie
    from napari_cnmf.params import CNMFParams
    from napari_cnmf.ui._loading import load_item

    if not path.exists():
        yield from simulate_sample(sample, path)
    yield "measuring the cells"
    movie = open_movie(path)
    batch = Batch.open(path.parent / "samples", create=True)
    params = suggest(movie).applied_to(CNMFParams.preset(sample.preset))
    item = batch.add(
        sample.algorithm, movie, params=params, name=sample.name, engine="builtin", reuse=True
    )
    if item.state is not State.COMPLETED:
        yield "finding cells"
        batch.run(item, progress=False)
    return batch, (yield from load_item(batch, item.uuid))


def _layers(sample: Sample) -> list[LayerData]:
    """Make layers of a sample recording.

    The first time it has to be simulated, which takes seconds: that happens in the background, and
    an empty picture keeps its place, because napari refuses a sample without a layer.
    """
    from napari_cnmf.ui._docks import offer_workspace

    path = sample_path(sample)
    offer_workspace()
    if path.exists():
        return [sample_layer(sample, path)]
    _simulate_in_background(sample, path)
    return [_placeholder(sample, "is being simulated")]


def _placeholder(sample: Sample, why: str) -> LayerData:
    """Make an empty picture of the recording's size: napari fits the view to the first layer."""
    about = {"name": f"{sample.name} ({why})", "metadata": {_PLACEHOLDER: sample.file}}
    return np.zeros(sample.size, np.uint8), about, "image"


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

    def show(layer: LayerData) -> None:
        _remove_placeholders(viewer, sample)
        if is_open(viewer):
            viewer.add_image(layer[0], **layer[1])

    if viewer is not None:
        run_in_background(
            steps,
            title="Demo recording",
            done=show,
            failed=lambda _: _remove_placeholders(viewer, sample),
        )


def _remove_placeholders(viewer: Any, sample: Sample) -> None:
    from napari_cnmf.ui._canvas import is_open

    if is_open(viewer):
        for layer in tuple(viewer.layers):
            if layer.metadata.get(_PLACEHOLDER) == sample.file:
                viewer.layers.remove(layer)
