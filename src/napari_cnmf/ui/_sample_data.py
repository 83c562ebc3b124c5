"""Simulated recordings as napari's sample data; nothing is downloaded."""

from __future__ import annotations

from collections.abc import Callable, Generator
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
    """Show the result of a sample in the workspace; the first time its cells have to be found."""
    from napari_cnmf.ui._docks import show_docks
    from napari_cnmf.ui._opening import show_opened
    from napari_cnmf.ui._session import session_of

    def show(viewer: Any, opened: Any) -> None:
        show_docks(viewer)
        show_opened(session_of(viewer), opened)

    path = sample_path(sample)
    return _in_place_of(sample, "its cells are being found", _find_cells(sample, path), show)


def _find_cells(sample: Sample, path: Path) -> Generator[str, None, Any]:
    """Find the cells of a sample as its tutorial does, or take those of the last time."""
    from napari_cnmf.batch import Batch, State
    from napari_cnmf.batch.suggesting import suggest
    from napari_cnmf.io import open_movie
    from napari_cnmf.params import CNMFParams
    from napari_cnmf.ui._loading import load_item

    if not path.exists():
        yield "simulating"
        sample.write(path)
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
    """Make layers of a sample recording; the first time it has to be simulated."""
    from napari_cnmf.ui._docks import offer_workspace

    path = sample_path(sample)
    offer_workspace()
    if path.exists():
        return [sample_layer(sample, path)]

    def steps() -> Generator[str, None, LayerData]:
        yield "simulating"
        return sample_layer(sample, sample.write(path))

    def show(viewer: Any, layer: LayerData) -> None:
        viewer.add_image(layer[0], **layer[1])

    return _in_place_of(sample, "is being simulated", steps(), show)


def sample_layer(sample: Sample, path: Path) -> LayerData:
    """Make a lazy layer of a recording with its file behind it."""
    from napari_cnmf.io import open_movie
    from napari_cnmf.ui.layers._convert import movie_to_layer

    movie = open_movie(path)
    metadata = {"paths": [str(path)], "frame_rate_hz": movie.frame_rate_hz}
    return movie_to_layer(movie, name=sample.name, metadata=metadata)


def _in_place_of(
    sample: Sample,
    why: str,
    steps: Generator[str, None, Any],
    show: Callable[[Any, Any], None],
) -> list[LayerData]:
    """Make what takes seconds in the background, and a picture that keeps its place meanwhile.

    napari refuses a sample without a layer, and fits the view to the first one: the picture has
    the size of the recording.
    """
    from napari import current_viewer

    from napari_cnmf.ui._background import run_in_background
    from napari_cnmf.ui._canvas import is_open

    viewer: Any = current_viewer()

    def remove_picture(_error: Any = None) -> None:
        for layer in tuple(viewer.layers) if is_open(viewer) else ():
            if layer.metadata.get(_PLACEHOLDER) == sample.file:
                viewer.layers.remove(layer)

    def done(made: Any) -> None:
        remove_picture()
        if is_open(viewer):
            show(viewer, made)

    if viewer is not None:
        run_in_background(lambda: steps, title=sample.name, done=done, failed=remove_picture)
    about = {"name": f"{sample.name} ({why})", "metadata": {_PLACEHOLDER: sample.file}}
    return [(np.zeros(sample.size, np.uint8), about, "image")]
