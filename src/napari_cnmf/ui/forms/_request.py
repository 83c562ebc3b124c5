"""Request of the form, and how that becomes an item of a batch."""

from __future__ import annotations

import math
import warnings
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_cnmf.batch import DuplicateItemWarning
from napari_cnmf.batch.adding import parse_algorithm
from napari_cnmf.batch.inputs import movie_paths
from napari_cnmf.batch.spec import MovieInput, RunSpec
from napari_cnmf.batch.status import State
from napari_cnmf.errors import MovieError
from napari_cnmf.io.archives import read_sparse
from napari_cnmf.io.movies import remarks_on
from napari_cnmf.io.pickled import read_plain_array
from napari_cnmf.model.description import Description
from napari_cnmf.model.movie import Movie
from napari_cnmf.params import CNMFParams
from napari_cnmf.ui.forms._input import ChosenInput, FileInput, ItemInput, movie_of_layer

if TYPE_CHECKING:
    from napari_cnmf.batch import Batch, Item


@dataclass(frozen=True, eq=False)
class Request:
    """One item to be added.

    Attributes
    ----------
    input
        ``None`` in a draft alone.
    ain, mask, leave_out
        Cells to start from and regions, as `Batch.add` takes them; an item as ``ItemInput``.
    result
        Of an item that is added once more: the result file to score.
    run
        How to run it; never changes the result.
    motion_first
        Whether to add a motion correction of the movie first, and work on what it makes.
    """

    algorithm: str
    input: ChosenInput | None
    params: CNMFParams
    name: str
    refit: bool = False
    engine: str = "auto"
    ain: Any = None
    mask: Any = None
    leave_out: Any = None
    result: Path | None = None
    run: RunSpec = field(default_factory=RunSpec)
    motion_first: bool = False


@dataclass(frozen=True)
class AddedItem:
    """Item that the form has added, without reading its files as an ``Item`` would."""

    uuid: str
    name: str
    duplicate_of: str = ""
    """Name of another that asks for the same."""
    before: tuple[str, ...] = ()
    """Uuids of the items that it builds on: the motion correction, where that comes first."""
    to_start: tuple[str, ...] = ()
    """Those of them that have not run."""


@dataclass(frozen=True)
class MovieFacts:
    """Facts about a movie that the form needs.

    Attributes
    ----------
    shape
        ``(T, [Z], Y, X)``; ``None`` for the movie of an item that has not run.
    frame_rate_hz
        From its metadata; ``None`` when they do not say.
    frame_rate_from
        Which entry of the metadata says it; empty when unknown.
    n_bytes_to_copy
        What adding it writes into the batch: 0 when there is a file.
    remarks
        What is odd about its frames, in sentences.
    """

    shape: tuple[int, ...] | None
    dtype: str = ""
    frame_rate_hz: float | None = None
    n_bytes_to_copy: int = 0
    remarks: tuple[str, ...] = ()
    frame_rate_from: str = ""
    description: Description | None = None
    """What its files say, for a movie that has files."""

    @property
    def text(self) -> str:
        """Text of the facts in one line."""
        if self.shape is None:
            return "its movie is made when the item runs"
        size = " × ".join(str(n) for n in self.shape[1:])
        parts = [f"{self.shape[0]:,} frames", f"{size} px", self.dtype]
        parts.append(f"{self.frame_rate_hz:.4g} Hz" if self.frame_rate_hz else "frame rate unknown")
        if self.n_bytes_to_copy:
            parts.append(f"adding it writes {_size(self.n_bytes_to_copy)} to the batch")
        return " · ".join(parts)


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{max(n_bytes / 1e6, 0.1):.1f} MB"


def inspect_input(chosen: ChosenInput, batch: Batch | None) -> Generator[str, None, MovieFacts]:
    """Look at a movie; runs off the GUI thread.

    Raises
    ------
    CnmfError
        When it cannot be opened.
    """
    yield "opening"
    if isinstance(chosen, ItemInput):
        assert batch is not None, "items are listed for an open batch alone"
        item = batch[chosen.uuid]
        if item.state.value != "completed":
            return MovieFacts(None, frame_rate_hz=item.frame_rate_hz)
        return _facts(item.movie(), copied=False)
    if isinstance(chosen, FileInput):
        return _facts(chosen.open(), copied=False)
    return _facts(movie_of_layer(chosen.layer), copied=True)


def _facts(movie: Movie, *, copied: bool) -> MovieFacts:
    n_bytes = int(movie.data.nbytes) if copied else 0
    return MovieFacts(
        movie.shape,
        str(movie.dtype),
        movie.frame_rate_hz,
        n_bytes,
        tuple(remarks_on(movie)),
        frame_rate_from=str(movie.metadata.get("frame_rate_from") or ""),
        description=movie.description,
    )


def open_input(batch: Batch | None, chosen: ChosenInput | None) -> Item | Movie:
    """Input for `Batch.add`; runs off the GUI thread."""
    if chosen is None:
        raise MovieError("An item needs a movie, and none is chosen: a layer, a file or an item.")
    if isinstance(chosen, ItemInput):
        assert batch is not None, "items are listed for an open batch alone"
        return batch[chosen.uuid]
    if isinstance(chosen, FileInput):
        return chosen.open()
    return movie_of_layer(chosen.layer)


def request_of(item: Item) -> Request:
    """Request that an item was made from, to make it again; runs off the GUI thread.

    Raises
    ------
    CnmfError
        When the item is damaged, or the one that it takes its movie from is gone.
    """
    spec = item.spec
    parent = item.parent
    chosen: ChosenInput
    params = item.params
    if spec.movie is None:
        assert parent is not None, "an item has a movie or a parent"
        chosen = ItemInput(parent.uuid, parent.name)
    else:
        try:
            paths = movie_paths(item.batch.path, spec.movie)
        except MovieError:
            # The form says that they are missing, and lets the user choose others.
            paths = tuple(item.batch.path / path for path in spec.movie.paths)
        said = _said_by_user(paths, spec.movie)
        if params.data.fr is None and "frame_rate_hz" in said:
            params = params.replace(data={"fr": said["frame_rate_hz"]})
        said.pop("frame_rate_hz", None)
        chosen = FileInput(paths, tuple((spec.movie.open_with | said).items()))
    return Request(
        algorithm=spec.algorithm.value,
        input=chosen,
        params=params,
        name=spec.name,
        refit=spec.refit,
        engine=spec.engine,
        ain=None if spec.ain is None else read_sparse(item.folder / spec.ain),
        mask=None if spec.mask is None else read_plain_array(item.folder / spec.mask),
        result=None if spec.result is None else item.folder / spec.result,
        run=spec.run,
    )


def _said_by_user(paths: tuple[Path, ...], opened: MovieInput) -> dict[str, Any]:
    """Frame rate and pixel size that an item's movie was opened with and its files do not say."""
    try:
        found = FileInput(paths, tuple(opened.open_with.items())).open()
    except MovieError:
        return {}  # the form says why the files do not open
    rate, size = opened.frame_rate_hz, opened.pixel_size_um
    said: dict[str, Any] = {}
    if rate is not None and not _is_near((found.frame_rate_hz,), (rate,)):
        said["frame_rate_hz"] = rate
    if size is not None and not _is_near(found.pixel_size_um, size):
        said["pixel_size_um"] = size
    return said


def _is_near(found: tuple[float | None, ...] | None, noted: tuple[float, ...]) -> bool:
    return (
        found is not None
        and len(found) == len(noted)
        and all(
            one is not None and math.isclose(one, other, rel_tol=1e-6)
            for one, other in zip(found, noted, strict=True)
        )
    )


def add_request(batch: Batch, request: Request) -> Generator[str, None, AddedItem]:
    """Add the item; runs off the GUI thread: a layer without a file is written first.

    Raises
    ------
    CnmfError
        When the item could never run; nothing is added then.
    """
    yield f"adding {request.name}"
    movie = open_input(batch, request.input)
    before: tuple[str, ...] = ()
    to_start: tuple[str, ...] = ()
    if request.motion_first:
        movie = motion_item(batch, request, movie)
        before = (movie.uuid,)
        to_start = () if movie.state.ended else before
    with warnings.catch_warnings():
        # The item knows what it is a duplicate of; the form says so itself.
        warnings.simplefilter("ignore", DuplicateItemWarning)
        item = batch.add(
            parse_algorithm(request.algorithm),
            movie,
            params=request.params,
            name=request.name,
            refit=request.refit,
            engine=request.engine,
            **given_of(batch, request),
            result=request.result,
            run=request.run,
            reuse=False,
        )
    duplicate = item.duplicate_of
    twin = "" if duplicate is None else duplicate.name
    return AddedItem(item.uuid, item.name, twin, before, to_start)


def motion_item(batch: Batch, request: Request, movie: Item | Movie) -> Item:
    """Motion correction of a movie: the one that the batch has, or a new one."""
    same = find_motion_item(batch, request, movie)
    if same is not None:
        return same
    return batch.add(
        "mcorr", movie, params=request.params, name=request.name, engine=request.engine
    )


def find_motion_item(batch: Batch, request: Request, movie: Item | Movie) -> Item | None:
    """Motion correction that the batch has and that did not end badly, or ``None``."""
    same = batch.find_same("mcorr", movie, params=request.params, engine=request.engine)
    if same is None or (same.state.ended and same.state is not State.COMPLETED):
        return None
    return same


def given_of(batch: Batch, request: Request) -> dict[str, Any]:
    """Cells and regions as `Batch.add` takes them."""
    ain = batch[request.ain.uuid] if isinstance(request.ain, ItemInput) else request.ain
    return {"ain": ain, "mask": request.mask, "leave_out": request.leave_out}


GROUPS_OF = {
    "mcorr": ("data", "motion"),
    "cnmf": (
        "data", "init", "patch", "preprocess", "spatial", "temporal", "merging", "quality", "",
    ),
    "evaluate": ("data", "quality"),
}  # fmt: skip
GROUPS_OF["cnmfe"] = GROUPS_OF["cnmf"]


def groups_of(algorithm: str, *, motion_first: bool = False) -> tuple[str, ...]:
    """Groups of parameters of an item, with those of a motion correction before it."""
    groups = GROUPS_OF[algorithm]
    return (*groups, "motion") if motion_first and "motion" not in groups else groups
