"""Opens whatever a path is: a batch, an item, a result, a movie."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_warning

from napari_cnmf.batch import Batch, Item, State
from napari_cnmf.batch.store import BATCH_FILE
from napari_cnmf.engines.base import Algorithm
from napari_cnmf.errors import BatchError, MovieError
from napari_cnmf.model.movie import Movie
from napari_cnmf.ui._loading import (
    LoadedMovie,
    LoadedResult,
    load_components,
    load_file,
    load_item,
    load_movie,
    movie_steps,
)
from napari_cnmf.ui.layers._convert import movie_to_layer

if TYPE_CHECKING:
    from napari_cnmf.ui._session import Session

Opened = tuple[Batch | None, LoadedResult | LoadedMovie | None]


def open_path(path: Path) -> Generator[str, None, Opened]:
    """Read what ``path`` is; runs off the GUI thread.

    Raises
    ------
    CnmfError
        When it is none of these.
    """
    yield f"opening {path.name}"
    path = path.absolute()
    if not path.exists():
        raise MovieError(f"There must be a file or folder at {path}, and there is none.")
    root = next((p for p in (path, *path.parents) if (p / BATCH_FILE).is_file()), None)
    if root is not None:
        batch = Batch.open(root)
        item = _item_of(batch, path)
        if item is not None:
            load = load_movie if item.algorithm is Algorithm.MCORR else load_item
            return batch, (yield from load(batch, item.uuid))
        if path == root:
            return batch, None
    if is_result(path):
        return None, (yield from load_file(path))
    return None, (yield from movie_steps(path))


def is_result(path: Path) -> bool:
    """Whether a path holds the estimates of a CaImAn result, or another program's result."""
    from napari_cnmf.io.imports import kind_of

    if kind_of(path) is not None:
        return True
    if path.suffix.lower() not in (".hdf5", ".h5") or not path.is_file():
        return False
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return "estimates" in file
    except OSError:
        # Not HDF5 at all: opening it as a movie says what is wrong.
        return False


def _item_of(batch: Batch, path: Path) -> Item | None:
    """Item whose folder holds ``path``, or the last one with cells for the batch itself."""
    if path != batch.path:
        return next((i for i in batch if i.folder in (path, *path.parents)), None)
    for item in reversed(batch.items):
        try:
            if item.state is State.COMPLETED and item.algorithm is not Algorithm.MCORR:
                return item
        except BatchError:
            continue
    return None


def open_source(source: Any) -> Generator[str, None, Opened]:
    """Read what a script wants to see; see ``view``."""
    if isinstance(source, Batch):
        return (yield from open_path(source.path))
    if isinstance(source, Item):
        return (yield from open_path(source.folder))
    if isinstance(source, Movie):
        return None, LoadedMovie(movie_to_layer(source, name=source.name, metadata={}))
    if isinstance(source, str | Path):
        return (yield from open_path(Path(source)))
    return None, (yield from load_components(source))


def show_opened(session: Session, opened: Opened) -> None:
    """Show in the viewer what was read."""
    batch, content = opened
    if batch is not None:
        session.set_batch(batch)
    if isinstance(content, LoadedResult):
        for note in content.notes:
            show_warning(note)
        session.show(content)
    elif isinstance(content, LoadedMovie):
        session.show_movie(content)
