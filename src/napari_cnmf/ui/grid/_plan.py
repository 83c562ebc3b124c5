"""Plans what a grid would add, off the GUI thread."""

from __future__ import annotations

import warnings
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from napari_cnmf.batch import DuplicateItemWarning, adding
from napari_cnmf.batch.grid import expand_grid
from napari_cnmf.batch.spec import ItemSpec
from napari_cnmf.errors import BatchError, CnmfError, MovieError
from napari_cnmf.params import CNMFParams
from napari_cnmf.ui.forms._input import ChosenInput
from napari_cnmf.ui.forms._request import (
    Request,
    find_motion_item,
    given_of,
    motion_item,
    open_input,
)

if TYPE_CHECKING:
    from napari_cnmf.batch import Batch, Item
    from napari_cnmf.model.movie import Movie


@dataclass(frozen=True, eq=False)
class GridRequest:
    """Request of the grid editor.

    Attributes
    ----------
    base
        Everything that all items share; its input is not used.
    inputs
        The movies.
    grid
        ``{"group.key": values}``; empty for one item a movie.
    """

    base: Request
    inputs: tuple[ChosenInput, ...]
    grid: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    @property
    def n_items(self) -> int:
        """Number of items of the product."""
        n = len(self.inputs)
        for values in self.grid.values():
            n *= len(values)
        return n


@dataclass(frozen=True)
class PlannedItem:
    """One item that a grid would add.

    Attributes
    ----------
    duplicate_of
        Name and state of an item that asks for the same; empty where there is none.
    problem
        Why it cannot be added; empty where it can.
    """

    name: str
    duplicate_of: str = ""
    problem: str = ""


def plan_grid(
    batch: Batch | None, request: GridRequest
) -> Generator[str, None, tuple[PlannedItem, ...]]:
    """Plan every item of the product, checked against its movie and the batch."""
    planned: list[PlannedItem] = []
    outer, inner = _split_at_motion(request)
    variants = expand_grid(request.base.params, {**outer, **inner})
    if batch is not None:
        batch.refresh()
    for chosen in request.inputs:
        yield chosen.name
        movie = _Movie(batch, chosen, request.base)
        for label, params in variants:
            yield label
            planned.append(movie.plan(f"{chosen.name} {label}".strip(), params))
    return tuple(planned)


class _Movie:
    """One movie of a grid: opened once, however many variants there are."""

    def __init__(self, batch: Batch | None, chosen: ChosenInput, base: Request) -> None:
        self._batch = batch
        self._chosen = chosen
        self._base = base
        self._checked: adding.Checked | None = None
        self._broken = ""
        self._source: Item | Movie | None = None

    def plan(self, name: str, params: CNMFParams) -> PlannedItem:
        """Plan what would become of one variant."""
        if self._batch is None or self._broken:
            return PlannedItem(name, problem=self._broken)
        try:
            spec = self._spec(self._batch, params)
        except MovieError as error:
            self._broken = str(error)
            return PlannedItem(name, problem=self._broken)
        except CnmfError as error:
            return PlannedItem(name, problem=str(error))
        same = self._batch.find_duplicate(spec, look=False)
        return PlannedItem(name, "" if same is None else f"{same.name} ({same.state.value})")

    def _spec(self, batch: Batch, params: CNMFParams) -> ItemSpec:
        """Specification of the item; raises when the item could never run."""
        base, checked = self._base, self._checked
        if base.motion_first:
            return self._spec_after_motion(batch, params)
        if checked is None:
            self._checked = self._check(batch, open_input(batch, self._chosen), params)
            return self._checked.spec
        algorithm = checked.spec.algorithm
        adding.check_input(checked.movie, params, algorithm)
        hashed = adding.params_hash(
            algorithm,
            params,
            refit=base.refit,
            arrays=checked.arrays,
            files=(base.result,),
        )
        changes = {"params": params.to_dict(), "hash": hashed}
        return checked.spec.model_copy(update=changes)

    def _check(self, batch: Batch, movie: Item | Movie, params: CNMFParams) -> adding.Checked:
        base = self._base
        request = adding.Request(
            algorithm=adding.parse_algorithm(base.algorithm),
            movie=movie,
            params=params,
            refit=base.refit,
            engine=base.engine,
            **given_of(batch, base),
            result=base.result,
        )
        return adding.check(batch, request)

    def _spec_after_motion(self, batch: Batch, params: CNMFParams) -> ItemSpec:
        """Specification of a variant that works on the motion correction of the movie."""
        if self._source is None:
            self._source = open_input(batch, self._chosen)
        wanted = replace(self._base, params=params)
        motion = find_motion_item(batch, wanted, self._source)
        if motion is not None:
            return self._check(batch, motion, params).spec
        # The correction is still to be added, so that nothing in the batch can work on it yet.
        spec = self._check(batch, self._source, params).spec
        return spec.model_copy(update={"movie": None, "parent": "to be added"})


@dataclass(frozen=True)
class Added:
    """Items that `add_grid` added, and what went wrong."""

    uuids: tuple[str, ...]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Part:
    """A part of a grid whose items take one movie."""

    movie: Item | Movie
    params: CNMFParams
    name: str
    grid: Mapping[str, tuple[Any, ...]]


def _parts_of(batch: Batch, request: GridRequest, chosen: ChosenInput) -> Iterator[_Part]:
    """Divide the grid of one movie by the motion correction that its items work on.

    Adds the motion corrections that are wanted first and that the batch does not have.
    """
    base, movie = request.base, open_input(batch, chosen)
    if not base.motion_first:
        yield _Part(movie, base.params, chosen.name, request.grid)
        return
    outer, inner = _split_at_motion(request)
    for label, params in expand_grid(base.params, outer):
        name = f"{chosen.name} {label}".strip()
        motion = motion_item(batch, replace(base, params=params, name=name), movie)
        yield _Part(motion, params, name, inner)


def _split_at_motion(
    request: GridRequest,
) -> tuple[dict[str, tuple[Any, ...]], dict[str, tuple[Any, ...]]]:
    """Split the grid in two: parameters of the motion correction that comes first, and the rest."""
    first = ("motion.", "data.", "random_seed") if request.base.motion_first else ()
    outer = {name: values for name, values in request.grid.items() if name.startswith(first)}
    return outer, {name: v for name, v in request.grid.items() if name not in outer}


def add_grid(
    batch: Batch, request: GridRequest, *, skip_duplicates: bool
) -> Generator[str, None, Added]:
    """Add the items, movie by movie; a movie that cannot be used does not hinder the others."""
    uuids: list[str] = []
    problems: list[str] = []
    base = request.base
    for chosen in request.inputs:
        yield f"adding {chosen.name}"
        try:
            with warnings.catch_warnings():
                # The editor has said so before.
                warnings.simplefilter("ignore", DuplicateItemWarning)
                added = [
                    item
                    for part in _parts_of(batch, request, chosen)
                    for item in batch.add_grid(
                        adding.parse_algorithm(base.algorithm),
                        part.movie,
                        grid=part.grid,
                        params=part.params,
                        name=part.name,
                        refit=base.refit,
                        engine=base.engine,
                        **given_of(batch, base),
                        result=base.result,
                        skip_duplicates=skip_duplicates,
                        reuse=False,
                    )
                ]
        except CnmfError as error:
            problems.append(f"{chosen.name}: {error}")
            continue
        uuids += [item.uuid for item in added]
    if problems and not uuids:
        raise BatchError(" ".join(problems))
    return Added(tuple(uuids), tuple(problems))
