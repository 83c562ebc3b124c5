"""Reads a result with everything that is needed to show it; runs off the GUI thread."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from napari_cnmf.errors import CnmfError, CurationError, MovieError
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation import Curation
from napari_cnmf.model.movie import Movie
from napari_cnmf.settings import read_settings
from napari_cnmf.ui.layers._convert import (
    LayerData,
    beside,
    components_to_layers,
    movie_to_layer,
    shown_first,
)
from napari_cnmf.ui.layers._drawing import Drawing

if TYPE_CHECKING:
    from napari_cnmf.batch import Batch, Item


_T = TypeVar("_T")


@dataclass(frozen=True, eq=False)
class LoadedResult:
    """A result that only has to be put on screen.

    Attributes
    ----------
    name
        For titles and layers.
    curation
        What it found, and what was decided about it.
    components, drawing, layer_data
        The components as they are curated, and how they look.
    movie
        What it was made from, or ``None``.
    frame_rate_hz
        Of the result or else the movie; ``None`` when neither says.
    history
        The chain of items that led to it.
    item
        Where it belongs to a batch.
    notes
        Sentences for the user, such as why the movie is missing.
    """

    name: str
    curation: Curation
    components: Components
    drawing: Drawing
    layer_data: list[LayerData]
    movie: Movie | None = None
    frame_rate_hz: float | None = None
    history: tuple[dict[str, Any], ...] = ()
    item: Item | None = None
    notes: tuple[str, ...] = field(default=())


RESULT = "napari_cnmf_result"
"""Key of a layer's metadata that holds the ``LoadedResult`` that the layer belongs to."""

LoadSteps = Generator[str, None, LoadedResult]
"""Yields what it is about to do; returns the result."""


def load_item(batch: Batch, uuid: str) -> LoadSteps:
    """Load the result of a completed item, with its movie where that is still there.

    Raises
    ------
    CnmfError
        When the item has no result, or it cannot be read.
    """
    yield "finding the item"
    item = batch[uuid]
    yield f"reading {item.name}"
    curation = item.result(curator=read_settings().curator)
    notes: list[str] = []
    images = None
    try:
        images = item.images()
    except CnmfError as error:
        # Pictures that are damaged or gone must not hide the result and its decisions.
        notes.append(f"{item.name} is shown without its summary images. {error}")
    yield "opening the movie"
    movie = None
    try:
        movie = item.movie()
    except MovieError as error:
        notes.append(f"The movie of {item.name} is missing: no raw and residual. {error}")
    loaded = yield from _prepare(curation, item.name, movie, tuple(item.history_trace), images)
    return replace(loaded, item=item, notes=(*notes, *loaded.notes))


def load_file(path: Path, movie: Movie | None = None, *, name: str | None = None) -> LoadSteps:
    """Load a result file of CaImAn or of ours.

    Parameters
    ----------
    path
        An ``.hdf5`` or ``.h5`` file; a suite2p folder or an NWB file with a segmentation.
    movie
        What it was made from, for the raw and the residual stack.
    name
        For titles and layers; by default the file's.

    Raises
    ------
    ResultError
        When the file is no result.
    """
    from napari_cnmf.io.curation import open_curation
    from napari_cnmf.io.imports import kind_of, open_import

    yield f"reading {path.name}"
    curator = read_settings().curator
    if kind_of(path) is not None:
        movie = movie if movie is not None else _movie_inside(path)
        curation = open_import(path, curator=curator, open_movie=_opener(movie))
    else:
        curation = open_curation(path, curator=curator, open_movie=_opener(movie))
    history = tuple(curation.original.attributes.get("history_trace", ()))
    return (yield from _prepare(curation, name or path.stem, movie, history))


def _opener(movie: Movie | None) -> Callable[[], Movie] | None:
    return None if movie is None else lambda: movie


def _movie_inside(path: Path) -> Movie | None:
    """The movie that an NWB file brings along with its segmentation, or links to."""
    from napari_cnmf.io import open_movie

    if path.suffix.lower() != ".nwb":
        return None
    try:
        return open_movie(path)
    except MovieError:
        return None  # most have none


def load_again(loaded: LoadedResult) -> LoadSteps:
    """Read a result once more, with the changes that were made to it elsewhere.

    Raises
    ------
    CurationError
        When it was never in a file.
    """
    if loaded.item is not None:
        return (yield from load_item(loaded.item.batch, loaded.item.uuid))
    if loaded.curation.path is None:
        raise CurationError("Only a result that lies in a file can be read again.")
    return (yield from load_file(loaded.curation.path, loaded.movie, name=loaded.name))


@dataclass(frozen=True)
class LoadedMovie:
    """A movie that only has to be put on screen.

    Attributes
    ----------
    layer_data
        The movie.
    beside
        Layers to compare it with.
    notes
        Sentences for the user.
    """

    layer_data: LayerData
    beside: tuple[LayerData, ...] = ()
    notes: tuple[str, ...] = ()


def load_movie(batch: Batch, uuid: str) -> Generator[str, None, LoadedMovie]:
    """Open the movie that a motion correction made, and what it was made from beside it."""
    yield "opening the movie"
    item = batch[uuid]
    movie = item.movie()
    paths = [str(path) for path in movie.paths]
    metadata = {"paths": paths, "history_trace": item.history_trace}
    layer = movie_to_layer(movie, name=f"corrected · {item.name}", metadata=metadata)
    yield "opening the movie as it was recorded"
    try:
        recorded = item.input_movie()
    except MovieError as error:
        note = f"The input of {item.name} is missing: shown without it. {error}"
        return LoadedMovie(layer, notes=(note,))
    return LoadedMovie(layer, beside=(beside(recorded, layer, name=f"recorded · {item.name}"),))


def load_input(batch: Batch, uuid: str) -> Generator[str, None, LoadedMovie]:
    """Open the movie that an item works on."""
    yield "opening the movie"
    item = batch[uuid]
    movie = item.input_movie()
    metadata = {
        "paths": [str(path) for path in movie.paths],
        "opened_with": movie.opened_with,
        "frame_rate_hz": movie.frame_rate_hz,
    }
    return LoadedMovie(movie_to_layer(movie, name=f"input · {item.name}", metadata=metadata))


def movie_steps(
    path: Path | Sequence[Path], open_with: Mapping[str, Any] | None = None
) -> Generator[str, None, LoadedMovie]:
    """Open a movie file, the files of one, or a folder, and remark on what is odd about it."""
    from napari_cnmf.io import open_movie
    from napari_cnmf.io.movies import remarks_on

    yield "opening the movie"
    told = dict(open_with or {})
    movie = open_movie(path, **told)
    # The size of a pixel changes no frame, so the movie does not count it among these.
    size = {"pixel_size_um": told["pixel_size_um"]} if "pixel_size_um" in told else {}
    metadata = {
        "paths": [str(p) for p in movie.paths],
        "opened_with": movie.opened_with | size,
        "frame_rate_hz": movie.frame_rate_hz,
    }
    channel = movie.opened_with.get("channel")
    name = movie.name if channel is None else f"{movie.name} · channel {channel}"
    yield "looking for interleaved channels"
    notes = tuple(remarks_on(movie))
    return LoadedMovie(movie_to_layer(movie, name=name, metadata=metadata), notes=notes)


def load_components(
    result: Components | Curation, *, name: str = "result", movie: Movie | None = None
) -> LoadSteps:
    """Make a result that is in memory ready to be shown."""
    from napari_cnmf.io.curation import MovieEstimator

    yield "preparing"
    if isinstance(result, Components):
        open_movie = None if movie is None else lambda: movie
        result = Curation(result, estimator=MovieEstimator(open_movie))
    history = tuple(result.original.attributes.get("history_trace", ()))
    return (yield from _prepare(result, name, movie, history))


def located(loaded: LoadedResult, path: Path) -> LoadSteps:
    """Result that is on screen without its movie, with the movie at ``path``.

    An item of a batch remembers where its movie is now, if the file is the same.

    Raises
    ------
    MovieError
        When the file is no movie, or has another shape than the result.
    """
    from napari_cnmf.io import open_movie
    from napari_cnmf.io.curation import MovieEstimator

    if loaded.item is not None:
        yield "looking for the movies of the batch"
        batch, uuid = loaded.item.batch, loaded.item.uuid
        if any(item.uuid == uuid for item in batch.locate(path.parent)):
            return (yield from load_item(batch, uuid))
    yield "opening the movie"
    movie = open_movie(path)
    components = loaded.curation.components
    expected = (components.n_frames, *components.dims)
    if movie.shape != expected:
        raise MovieError(
            f"The movie of {loaded.name} must have the shape {expected}, {movie.name} has "
            f"{movie.shape}. Choose the movie that the result was made from."
        )
    loaded.curation.estimator = MovieEstimator(lambda: movie)
    images = dict(loaded.components.images)
    again = yield from _prepare(loaded.curation, loaded.name, movie, loaded.history, images)
    return replace(again, item=loaded.item)


def result_layers(loaded: LoadedResult) -> list[LayerData]:
    """Layers of a result that napari itself will add.

    Each carries the result: the docks work with layers that napari itself added, and tell those
    of one result from those of another that has the same name.
    """
    layers = shown_first(loaded.layer_data)
    for _, keywords, _ in layers:
        keywords["metadata"][RESULT] = loaded
    return layers


def _prepare(
    curation: Curation,
    name: str,
    movie: Movie | None,
    history: tuple[dict[str, Any], ...],
    images: dict[str, Any] | None = None,
) -> LoadSteps:
    components = as_curated(curation, images)
    notes: tuple[str, ...] = ()
    if movie is not None and (movie.dims, movie.n_frames) != (
        components.dims,
        components.n_frames,
    ):
        notes = (
            f"{movie.name} has shape {movie.shape}, the result "
            f"{(components.n_frames, *components.dims)}: shown without the movie.",
        )
        movie = None
    yield f"drawing {components.n_components} components"
    drawing = Drawing(components)
    # Computed here so that the GUI thread finds them made.
    _ = drawing.outlined, drawing.components_at((0,) * len(components.dims))
    yield "choosing contrast"
    rate = components.frame_rate_hz or (movie.frame_rate_hz if movie is not None else None)
    return LoadedResult(
        name=name,
        curation=curation,
        components=components,
        drawing=drawing,
        layer_data=components_to_layers(
            components, name=name, movie=movie, history=history, drawing=drawing
        ),
        movie=movie,
        frame_rate_hz=rate,
        history=history,
        notes=notes,
    )


def as_curated(curation: Curation, images: dict[str, Any] | None = None) -> Components:
    """Components as they are shown: with the verdicts of the curation."""
    components = curation.components
    judged = components.accepted is not None or bool(curation.decisions.any())
    return components.replace(
        accepted=curation.accepted if judged else None,
        images={**components.images, **(images or {})},
    )


def finish(steps: Generator[str, None, _T]) -> _T:
    """Run all steps of a generator in this thread, and return its value."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            result: _T = stop.value
            return result
