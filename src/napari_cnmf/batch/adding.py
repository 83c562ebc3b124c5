"""Everything that is checked before an item is added, so that nothing is left when it is wrong."""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import shutil
import uuid
import warnings
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import ValidationError

from napari_cnmf._checks import check_choice, shown
from napari_cnmf._names import closest
from napari_cnmf.batch import inputs
from napari_cnmf.batch._index import identity
from napari_cnmf.batch.claims import adding_to
from napari_cnmf.batch.events import Event, EventKind, append_event
from napari_cnmf.batch.item import Item
from napari_cnmf.batch.spec import ItemSpec, RunSpec, text_of_item
from napari_cnmf.batch.status import State, Status, describe_validation
from napari_cnmf.batch.store import NewItem, add_item_folders
from napari_cnmf.engines import AUTO, require_known
from napari_cnmf.engines.base import Algorithm
from napari_cnmf.errors import BatchError, MovieError, ParameterError
from napari_cnmf.io import check_movie
from napari_cnmf.io.full_disk import npy_content
from napari_cnmf.io.movies import remarks_on
from napari_cnmf.model.movie import Movie
from napari_cnmf.params import CNMFParams, check_for_movie, read_item_params, resolve_frame_rate

if TYPE_CHECKING:
    from napari_cnmf.batch.batch import Batch

AIN_FILE = "ain.npz"
logger = logging.getLogger("napari_cnmf")

MASK_FILE = "mask.npy"
INPUT_RESULT_FILE = "input-result.hdf5"


class DuplicateItemWarning(UserWarning):
    """An item asks for what another of the batch already has or will have."""


@dataclass(frozen=True)
class Request:
    """Request that `Batch.add` was given."""

    algorithm: Algorithm
    movie: inputs.MovieLike | Item
    params: CNMFParams
    name: str | None = None
    comment: str = ""
    refit: bool = False
    engine: str = AUTO
    open_with: Mapping[str, Any] = field(default_factory=dict)
    result: str | os.PathLike[str] | None = None
    ain: Any = None
    mask: Any = None
    leave_out: Any = None
    run: RunSpec | Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Checked:
    """A request that can be carried out: the item to be, its movie, and its further files."""

    spec: ItemSpec
    movie: Movie
    fill: Callable[[Path], None]
    arrays: tuple[Any, ...] = ()
    """Ain and mask, as they count for the hash."""


def parse_algorithm(name: str) -> Algorithm:
    """The algorithm of that name, or an error that lists them."""
    return Algorithm(check_choice("The algorithm", name, Algorithm, BatchError))


def parse_params(
    params: CNMFParams | Mapping[str, Any] | str | None, refit: bool | None = None
) -> tuple[CNMFParams, bool]:
    """Parameters and whether to refit: as it is given, else as a table of mesmerize-core says."""
    if refit is not None and not isinstance(refit, bool | np.bool_):
        raise ParameterError(f"refit must be True or False, got {shown(refit)}.")
    if isinstance(params, CNMFParams):
        return params, bool(refit)
    read, said = read_item_params({} if params is None else params)
    return read, bool(said if refit is None else refit)


def parse_run(run: RunSpec | Mapping[str, Any] | None) -> RunSpec:
    """Run options from what a script gives."""
    if isinstance(run, RunSpec):
        return run
    if run is not None and not isinstance(run, Mapping):
        raise ParameterError(f"run must be a table such as {{'n_processes': 4}}, got {shown(run)}.")
    if unknown := sorted((run or {}).keys() - RunSpec.model_fields.keys()):
        raise ParameterError(
            f"run takes {', '.join(RunSpec.model_fields)}, got {', '.join(map(str, unknown))}."
        )
    try:
        return RunSpec.model_validate(dict(run or {}))
    except ValidationError as error:
        raise ParameterError(f"run: {describe_validation(error)}.") from error


def check_option_names(call: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Raise ``BatchError`` with the closest name for an option that a method does not take.

    Parameters
    ----------
    call
        Method of `Batch` with ``**options``, which are those of a `Request`.
    """
    known = [each.name for each in fields(Request)]
    named = [name for name in signature(call).parameters if name not in (*known, "self", "options")]
    for name in options.keys() - set(known):
        guess = closest(str(name), [*named, *known])
        step = f"Did you mean {guess}?" if guess else f"It takes {', '.join([*named, *known])}."
        raise BatchError(f"{call.__name__} has no option {name!r}. {step}")


def check_kinds(name: Any, comment: Any, open_with: Any) -> None:
    """Raise ``BatchError`` when name or comment is no text, or ``open_with`` no table."""
    for what, text in (("name", name), ("comment", comment)):
        if text is not None and not isinstance(text, str):
            raise BatchError(f"The {what} of an item must be text, got {shown(text)}.")
    if not isinstance(open_with, Mapping):
        raise BatchError(
            f"open_with must be a table such as {{'channel': 1}}, got {shown(open_with)}."
        )


def check(batch: Batch, request: Request) -> Checked:
    """Check a request against its movie.

    Raises
    ------
    MovieError, ParameterError, BatchError, EngineError
        When it could never run.
    """
    require_known(request.engine)
    check_kinds(request.name, request.comment, request.open_with)
    if not isinstance(request.refit, bool | np.bool_):
        raise BatchError(f"refit must be True or False, got {shown(request.refit)}.")
    parent = request.movie if isinstance(request.movie, Item) else None
    movie = _movie_of(batch, request)
    _check_input(request, parent)
    if parent is not None and (rate := parent.frame_rate_hz) is not None:
        movie = movie.with_frame_rate(rate)
    warnings = check_input(movie, request.params, request.algorithm)
    if parent is None:
        warnings += remarks_on(movie, decay_time_s=request.params.data.decay_time)
    # A worker, which adds nothing, does without all that reads regions of other programs.
    from napari_cnmf.batch.given import to_footprints, to_mask

    ain = to_footprints(request.ain, movie.dims)
    mask = to_mask(request.mask, request.leave_out, movie.dims)
    result = None if request.result is None else _check_result(Path(request.result))
    spec = ItemSpec(
        uuid=str(uuid.uuid4()),
        name=(
            text_of_item("name", request.name or "").strip()
            or (parent.name if parent else text_of_item("name", movie.name))
        )[:200],
        comment=text_of_item("comment", request.comment),
        algorithm=request.algorithm,
        added=datetime.now(UTC),
        # A movie without files gets its place when the item is added.
        movie=None if parent else inputs.describe_movie(batch.path, movie),
        parent=None if parent is None else parent.uuid,
        result=None if result is None else INPUT_RESULT_FILE,
        params=request.params.to_dict(),
        refit=bool(request.refit),
        ain=None if ain is None else AIN_FILE,
        mask=None if mask is None else MASK_FILE,
        run=parse_run(request.run),
        engine=request.engine,
        hash=params_hash(
            request.algorithm,
            request.params,
            refit=bool(request.refit),
            arrays=(ain, mask),
            files=(result,),
        ),
        versions=dict(_versions()),
    )

    def fill(folder: Path) -> None:
        for warning in warnings:
            append_event(folder, Event(EventKind.WARNING, warning))
        if ain is not None:
            sp.save_npz(folder / AIN_FILE, ain)
        if mask is not None:
            (folder / MASK_FILE).write_bytes(npy_content(mask))
        if result is not None:
            shutil.copyfile(result, folder / INPUT_RESULT_FILE)

    return Checked(spec, movie, fill, (ain, mask))


def add_checked(batch: Batch, checked: Sequence[Checked], *, reuse: bool) -> list[Item]:
    """Add checked requests, all or none, and return the items in order.

    Processes and threads that add the same at the same moment add one item: what is there is
    decided while no other adds.

    Parameters
    ----------
    reuse
        Return the item that asks for the same, where the batch has one, in the place of a new one.
        Without it the new one is added, with a `DuplicateItemWarning`.
    """
    marks: dict[int, str | None] = {}
    checked = [replace(each, spec=_with_mark(each, marks)) for each in checked]
    stored: dict[int, Movie] = {}
    used: set[int] = set()
    try:
        batch.refresh()
        # Frames of an array may take minutes to write: nobody has to wait for that.
        _store_arrays(batch, _decide(batch, checked, reuse=reuse).new, stored)
        with adding_to(batch.path):
            batch.refresh()
            plan = _decide(batch, checked, reuse=reuse)
            _store_arrays(batch, plan.new, stored)
            added = [
                NewItem(each.spec, _first_status(batch, each.spec), each.fill)
                for each in (_with_time_and_file(batch, each, stored) for each in plan.new)
            ]
            folders = add_item_folders(batch.path, added) if added else []
            used = {_key_of(each) for each in plan.new}
    finally:
        for movie in (movie for key, movie in stored.items() if key not in used):
            for path in movie.paths:  # another process added the same meanwhile, or none was added
                path.unlink(missing_ok=True)
    items = [Item(batch, folder) for folder in folders]
    for item, found in zip(items, plan.twins, strict=True):
        if found is not None:
            item.duplicate_of = found if isinstance(found, Item) else items[found]
            _warn_of_duplicate(item, item.duplicate_of)
    return [_reused(place) if isinstance(place, Item) else items[place] for place in plan.places]


@dataclass(frozen=True)
class _Plan:
    """Requests that are new, and the items of the others."""

    places: list[Item | int]
    """For each request the item that is there, or the position of the new one."""
    new: list[Checked]
    twins: list[Item | int | None]
    """For each new one what asks for the same already."""


def _decide(batch: Batch, checked: Sequence[Checked], *, reuse: bool) -> _Plan:
    plan = _Plan([], [], [])
    pending: dict[Hashable, int] = {}
    for each in checked:
        key = identity(each.spec)
        twin: Item | int | None = batch.find_duplicate(each.spec, look=False)
        twin = pending.get(key) if twin is None else twin
        if reuse and twin is not None and _is_reusable(twin):
            plan.places.append(twin)
            continue
        plan.places.append(len(plan.new))
        pending.setdefault(key, len(plan.new))
        plan.twins.append(twin)
        plan.new.append(each)
    return plan


def _key_of(each: Checked) -> int:
    """Key that is equal for items that take the same array."""
    return id(each.movie.deferred or each.movie.data)


def _with_mark(each: Checked, marks: dict[int, str | None]) -> ItemSpec:
    """The spec with the time of its adding still open, and the fingerprint of an array's frames."""
    if each.spec.movie is None or each.movie.paths:
        return each.spec
    key = _key_of(each)
    if key not in marks:
        found = inputs.with_array_fingerprint(each.spec.movie, each.movie)
        marks[key] = found.array_fingerprint
    described = each.spec.movie.model_copy(update={"array_fingerprint": marks[key]})
    return each.spec.model_copy(update={"movie": described})


def _is_reusable(twin: Item | int) -> bool:
    return isinstance(twin, int) or twin.problem is None


def _reused(item: Item) -> Item:
    """Return an item of the batch that asks for the same, queued again if it ended badly."""
    if item.state.ended and item.state is not State.COMPLETED:
        item.retry()
    logger.warning("The batch has this already: %r (%s).", item.name, item.state)
    return item


def _warn_of_duplicate(item: Item, twin: Item) -> None:
    warnings.warn(
        f"{item.name!r} asks for the same as {twin.name!r} ({twin.uuid}), which is {twin.state}.",
        DuplicateItemWarning,
        stacklevel=4,
    )


def _first_status(batch: Batch, spec: ItemSpec) -> Status:
    waits = spec.parent is not None and batch[spec.parent].state is not State.COMPLETED
    return Status(state=State.WAITING if waits else State.QUEUED)


def _store_arrays(batch: Batch, new: Sequence[Checked], stored: dict[int, Movie]) -> None:
    """Write a file for each movie that has none; one serves all items that take the same array."""
    for each in new:
        key = _key_of(each)
        if each.spec.movie is not None and not each.movie.paths and key not in stored:
            stored[key] = inputs.store_array(batch.path, each.movie, each.spec.name)


def _with_time_and_file(batch: Batch, each: Checked, stored: Mapping[int, Movie]) -> Checked:
    """Checked request with the time of its adding, and the file of a movie that had none."""
    spec = each.spec.model_copy(update={"added": batch.next_time()})
    if spec.movie is not None and not each.movie.paths:
        described = inputs.describe_movie(batch.path, stored[_key_of(each)])
        kept = {
            name: getattr(spec.movie, name)
            for name in ("array_fingerprint", "frame_rate_hz", "pixel_size_um")
        }
        spec = spec.model_copy(update={"movie": described.model_copy(update=kept)})
    return replace(each, spec=spec)


def _movie_of(batch: Batch, request: Request) -> Movie:
    """The movie of a request; for a parent item the one that it takes, which is as big."""
    if not isinstance(request.movie, Item):
        return inputs.to_movie(request.movie, **request.open_with)
    if not _is_same_folder(request.movie.batch.path, batch.path):
        raise BatchError(
            f"{request.movie.name!r} is an item of another batch ({request.movie.batch.path}). "
            "Give its movie: item.movie()."
        )
    return request.movie.input_movie()


def _is_same_folder(one: Path, other: Path) -> bool:
    """Whether two paths lead to one folder, however they are spelled."""
    return one == other or os.path.realpath(one) == os.path.realpath(other)


def _check_input(request: Request, parent: Item | None) -> None:
    """Refuse a kind of input that does not fit the algorithm."""
    scores = request.algorithm is Algorithm.EVALUATE
    if parent is None:
        if scores and request.result is None:
            raise BatchError(
                "evaluate needs a result to score: give a cnmf item as the input, or the movie "
                "and result=PATH."
            )
        return
    makes_movie = parent.algorithm is Algorithm.MCORR
    if scores and makes_movie and request.result is None:
        raise BatchError(f"evaluate needs a result to score, and {parent.name!r} makes a movie.")
    if not scores and not makes_movie:
        raise BatchError(
            f"{request.algorithm} needs a movie, and {parent.name!r} ({parent.algorithm}) makes "
            "none. Give it an mcorr item, or the movie."
        )


@cache
def _versions() -> dict[str, str]:
    """Versions of the packages, read once: each look searches the metadata of all of them."""
    return {"napari-cnmf": version("napari-cnmf"), "python": platform.python_version()}


def check_input(movie: Movie, params: CNMFParams, algorithm: str) -> list[str]:
    """Check that this movie can be worked on with these parameters.

    Returns
    -------
    What is probably not meant, one sentence each.

    Raises
    ------
    MovieError, ParameterError
        When it cannot, or nobody says the frame rate.
    """
    check_movie(movie)
    rate = movie.frame_rate_hz
    if algorithm != Algorithm.MCORR:
        rate = resolve_frame_rate(params, rate)
    return check_for_movie(params, movie.shape, rate, algorithm=algorithm)


def _check_result(path: Path) -> Path:
    if not path.is_file():
        raise MovieError(f"The result to score must be a file, and {path} is none.")
    return path


def params_hash(
    algorithm: Algorithm,
    params: CNMFParams,
    *,
    refit: bool,
    arrays: Sequence[sp.csc_matrix | NDArray[Any] | None] = (),
    files: Sequence[Path | None] = (),
) -> str:
    """Hash, in 16 hex digits, of what decides a result besides movie, algorithm and engine.

    A motion correction depends on its own groups alone, so that one serves every choice of the
    others. ``arrays`` (Ain, mask) and ``files`` (a result to score) count by content.
    """
    if algorithm is Algorithm.MCORR:
        params = CNMFParams(data=params.data, motion=params.motion, random_seed=params.random_seed)
    digest = hashlib.sha256(f"{params.hash()} refit={refit}".encode())
    for array in arrays:
        parts = [] if array is None else _parts(array)
        digest.update(f"{len(parts)} arrays".encode())
        for part in parts:
            digest.update(f"{part.dtype} {part.shape}".encode())
            digest.update(np.ascontiguousarray(part).tobytes())
    for path in files:
        digest.update(b"no file" if path is None else hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _parts(array: sp.csc_matrix | NDArray[Any]) -> list[NDArray[Any]]:
    if sp.issparse(array):
        return [array.data, array.indices, array.indptr]
    return [np.asarray(array)]
