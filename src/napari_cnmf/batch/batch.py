"""A batch: a folder of items, used alike by GUI, scripts, command line and cluster."""

from __future__ import annotations

import os
import re
import threading
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, overload

from napari_cnmf._checks import check_kind, check_path, check_switch, check_texts, is_whole, shown
from napari_cnmf._names import AlgorithmName, EngineName, closest
from napari_cnmf.batch import adding, inputs
from napari_cnmf.batch._index import ItemIndex, identity
from napari_cnmf.batch.claims import has_sound_lock
from napari_cnmf.batch.grid import Grid, expand_grid
from napari_cnmf.batch.inputs import MovieLike
from napari_cnmf.batch.item import Item, claimed
from napari_cnmf.batch.spec import ItemSpec, RunSpec, write_spec
from napari_cnmf.batch.status import State
from napari_cnmf.batch.store import (
    BATCH_FILE,
    check_batch_folder,
    create_batch_folder,
    is_batch_without_items,
    item_folders,
    remove_item_folder,
)
from napari_cnmf.batch.table import batch_html, batch_table
from napari_cnmf.engines import AUTO
from napari_cnmf.engines.base import Algorithm
from napari_cnmf.errors import BatchError, MovieError, reason
from napari_cnmf.model.movie import Movie
from napari_cnmf.params import CNMFParams

if TYPE_CHECKING:
    import pandas as pd

    from napari_cnmf.batch.queue import QueueEvent

_POSITION = re.compile(r"0|[1-9][0-9]{0,8}")
_UUID_START = re.compile(r"[0-9a-fA-F][0-9a-fA-F-]{5,35}")
"""Six digits of a uuid stand in the name of an item's folder; fewer may be a name."""

ParamsLike = CNMFParams | Mapping[str, Any] | str | None


class Batch:
    """Items in a folder, in the order in which they were added.

    Make one with `create` or `open`. It holds nothing that is not on disk: several processes may
    work on the same batch.

    Parameters
    ----------
    path
        A batch folder.

    Examples
    --------
    >>> batch = Batch.create("my batch")                            # doctest: +SKIP
    >>> mc = batch.add("mcorr", "movie.tif", name="movie")          # doctest: +SKIP
    >>> item = batch.add("cnmf", mc, refit=True, name="movie")      # doctest: +SKIP
    >>> batch.run(start=item)                                       # doctest: +SKIP
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = _folder_of(path).absolute()
        check_batch_folder(self.path)
        self._index = ItemIndex(self)
        self._last_added = datetime.min.replace(tzinfo=UTC)
        self._adding = threading.Lock()

    @classmethod
    def create(cls, path: str | os.PathLike[str]) -> Batch:
        """Make a batch in a new folder, an empty one, or that of a batch without items.

        Raises
        ------
        BatchError
            When something is there, or the place cannot be written.
        """
        root = _folder_of(path).absolute()
        if not is_batch_without_items(root):
            create_batch_folder(root)
        return cls(root)

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, create: bool = False) -> Batch:
        """Open the batch in ``path``.

        Parameters
        ----------
        create
            Make the batch when there is none, so that a script can be run again.

        Raises
        ------
        BatchError
            When the folder is no batch; with ``create``, when it holds something else.
        """
        root = _folder_of(path)
        if create and not (root / BATCH_FILE).exists():
            try:
                return cls.create(root)
            except BatchError:
                if not (root / BATCH_FILE).exists():  # else another process has just made it
                    raise
        return cls(root)

    @classmethod
    def open_or_create(cls, path: str | os.PathLike[str]) -> Batch:
        """Open the batch in ``path``, made when there is none; ``open`` with ``create=True``."""
        return cls.open(path, create=True)

    def __repr__(self) -> str:
        return f"<Batch {str(self.path)!r}, {len(self)} items>"

    def _repr_html_(self) -> str:
        """The table of items, for notebooks."""
        return batch_html(self)

    def _ipython_key_completions_(self) -> list[str]:
        """Names that ``batch["...`` can be completed to."""
        return list(dict.fromkeys(item.name for item in self.items))

    # -- items

    def refresh(self, names: Iterable[str] | None = None) -> None:
        """Look which items there are; everything that needs to know calls it.

        Parameters
        ----------
        names
            The folders, where the caller has just listed them.
        """
        if names is None:
            self._index.update(lambda: [entry.name for entry in item_folders(self.path)])
            return
        listed = check_texts("The folders of items", names, BatchError)
        self._index.update(lambda: listed)

    @property
    def items(self) -> list[Item]:
        """Every item, the damaged ones too, in order of adding."""
        self.refresh()
        return self._index.items

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)

    def __contains__(self, item: object) -> bool:
        return isinstance(item, Item) and item in self.items

    @overload
    def __getitem__(self, key: slice) -> list[Item]: ...
    @overload
    def __getitem__(self, key: int | str) -> Item: ...
    def __getitem__(self, key: int | str | slice) -> Item | list[Item]:
        """An item by position, by a name or uuid as text, or several by a slice.

        Text is never a position: ``batch["1"]`` is the item named 1; see `find`.

        Raises
        ------
        BatchError
            When there is none, or several of that name.
        """
        return self.items[key] if isinstance(key, slice) else self._one(key)

    def _one(self, key: int | str) -> Item:
        """Item at a position, or of a name or uuid as text."""
        if is_whole(key):
            items = self.items
            try:
                return items[int(key)]
            except IndexError as error:
                raise BatchError(
                    f"The batch has {len(items)} items, got position {key}."
                ) from error
        if not isinstance(key, str):
            raise BatchError(
                f"An item is named by its name, its uuid or its position, got {shown(key)}. "
                "batch.df lists what there is."
            )
        return self._named(key)

    def _named(self, text: str) -> Item:
        """Item of a uuid, of a name that only one has, or of the start of a uuid."""
        if (item := self._index.with_uuid(text)) is not None and item.folder.exists():
            return item
        items = self.items
        named = [item for item in items if text in (item.uuid, item.name)]
        if not named:  # macOS spells an umlaut with two characters, keyboards with one
            same = unicodedata.normalize("NFC", text)
            named = [item for item in items if unicodedata.normalize("NFC", item.name) == same]
        if not named and _UUID_START.fullmatch(text):
            named = [item for item in items if item.uuid.startswith(text.lower())]
        if len(named) == 1:
            return named[0]
        if named:
            which = ", ".join(f"{item.uuid} ({item.algorithm})" for item in named)
            is_start = all(item.uuid.startswith(text.lower()) for item in named)
            what = "have a uuid that starts with" if is_start else "have the name"
            raise BatchError(f"{len(named)} items {what} {text!r}: take one by uuid: {which}.")
        guess = closest(text, [item.name for item in items])
        advice = "" if guess is None else f"Did you mean {guess!r}? "
        raise BatchError(
            f"The batch {self.path} has no item {shown(text)}. {advice}batch.df lists what it has."
        )

    def find(self, key: Item | int | str, *, typed: bool = False) -> Item:
        """Find the item that is meant: an item, a position as a number, or a name or uuid as text.

        Text is an exact uuid, else an exact name, else the first digits of a uuid, at least
        six. It is never a position.

        Parameters
        ----------
        typed
            Whether the text was typed where there are no numbers, as on a command line: one that
            names no item may then be a position, in its plain form (``1``, not ``01``).

        Raises
        ------
        BatchError
            When there is none, or several of that name; names that are close are listed.
        """
        check_switch("typed", typed, BatchError)
        if isinstance(key, Item):
            return key
        if typed and isinstance(key, str) and _POSITION.fullmatch(key):
            try:
                return self._named(key)
            except BatchError:
                if any(key in (item.uuid, item.name) for item in self.items):
                    raise  # several have that name
            return self[int(key)]
        return self._one(key)

    def children(self, item: Item) -> list[Item]:
        """Items that take what ``item`` makes as their input."""
        check_kind("item", item, Item, BatchError, needed="an item of a batch")
        return [
            other
            for other in self.items
            if other.problem is None and other.spec.parent == item.uuid
        ]

    @property
    def df(self) -> pd.DataFrame:
        """The batch as a pandas table, one row an item.

        See `napari_cnmf.batch.table.COLUMNS`; after them a column ``group.key`` for each parameter
        that is not the same in all items.
        """
        return batch_table(self.items)

    # -- adding and removing

    def add(
        self,
        algorithm: AlgorithmName | Algorithm,
        movie: MovieLike | Item,
        *,
        params: ParamsLike = None,
        name: str | None = None,
        comment: str = "",
        refit: bool | None = None,
        engine: EngineName | str = AUTO,
        open_with: Mapping[str, Any] | None = None,
        result: str | os.PathLike[str] | None = None,
        ain: Any = None,
        mask: Any = None,
        leave_out: Any = None,
        run: Mapping[str, Any] | RunSpec | None = None,
        reuse: bool = True,
    ) -> Item:
        """Add an item, or return the one that asks for the same; nothing starts.

        Parameters
        ----------
        algorithm
            ``mcorr``, ``cnmf``, ``cnmfe`` or ``evaluate``.
        movie
            A file, files in order, an array or a `Movie` (one without files is written to
            ``inputs/``), or an item: the corrected movie of an ``mcorr``, and for ``evaluate`` the
            result to score. A `Movie` runs as it was opened: with its frame rate, pixel size,
            axes and channel.
        params
            Parameters, or what `CNMFParams.from_any` understands.
        name
            That of the movie or the parent when not given.
        refit
            Run CNMF a second time from the first result; without it, as a table of mesmerize-core
            says (``{"main": ..., "refit": True}``), else no.
        engine
            ``auto`` (CaImAn where it is found when the item starts), ``builtin``, ``caiman``.
        open_with
            What `open_movie` has to be told: ``{"axes": "TZYX"}``, ``{"channel": 1}``,
            ``{"dataset": "mov"}``, ``{"n_channels": 2, "channel": 0}`` where two channels
            alternate in a file that does not say so.
        result
            For ``evaluate`` on a movie: the result file to score; it is copied into the item.
        ain
            Cells to start from instead of searching: labels ``([Z], Y, X)``, outlines as a Shapes
            layer holds them, another item or `Curation` (what it accepts), a file (labels as
            npy, tif or png, Cellpose's ``_seg.npy``, ImageJ ROIs, suite2p's ``stat.npy``, a
            result), or sparse footprints ``(n_pixels, n)`` with pixels in C order.
        mask
            Look for cells only there: bool ``([Z], Y, X)``, outlines, or a file as for ``ain``.
        leave_out
            The same for a region to leave out.
        run
            ``n_processes, memory_gb, keep_memmap``.
        reuse
            When the batch has an item that asks for the same (the same movie, parameters,
            algorithm and engine), return that one and say so, whatever its name. One that failed
            or was stopped is queued again. So a script can be run twice. ``False`` adds another
            item.

        Raises
        ------
        MovieError, ParameterError, BatchError
            When the item could never run; nothing is added then.

        Warns
        -----
        DuplicateItemWarning
            With ``reuse=False``, when the batch has the same already.
        """
        check_switch("reuse", reuse, BatchError)
        parsed, refits = adding.parse_params(params, refit)
        request = adding.Request(
            algorithm=adding.parse_algorithm(algorithm),
            movie=movie,
            params=parsed,
            name=name,
            comment=comment,
            refit=refits,
            engine=engine,
            open_with={} if open_with is None else open_with,
            result=None if result is None else check_path("result", result, BatchError),
            ain=ain,
            mask=mask,
            leave_out=leave_out,
            run=adding.parse_run(run),
        )
        checked = adding.check(self, request)
        # Two threads that add the same find one another: the second sees the first one's item.
        with self._adding:
            return adding.add_checked(self, [checked], reuse=reuse)[0]

    def next_time(self) -> datetime:
        """Time for adding an item: now, and later than that of any item that this process added."""
        now = datetime.now(UTC)
        self._last_added = max(now, self._last_added + timedelta(microseconds=1))
        return self._last_added

    def add_grid(
        self,
        algorithm: AlgorithmName | Algorithm,
        movie: MovieLike | Item | list[Item],
        *,
        grid: Grid,
        params: ParamsLike = None,
        name: str | None = None,
        skip_duplicates: bool = False,
        reuse: bool = True,
        **options: Any,
    ) -> list[Item]:
        """Add an item for every combination of the values in ``grid``.

        Parameters
        ----------
        movie
            As for `add`; a list of items gives the whole grid for each of them.
        grid
            ``{"init.gSig": [(4, 4), (6, 6)], "merging.merge_thr": [0.7, 0.85]}``.
        skip_duplicates
            Leave out what the batch has already.
        reuse
            Return the items that the batch has already in the place of new ones, as `add` does.
        **options
            What else `add` takes, the same for all.

        Returns
        -------
        The items, in the order of the values; their names end in the values that differ.

        Raises
        ------
        MovieError, ParameterError, BatchError
            When one could never run, or the disk is full; nothing is added then.
        """
        adding.check_option_names(Batch.add_grid, options)
        check_switch("skip_duplicates", skip_duplicates, BatchError)
        check_switch("reuse", reuse, BatchError)
        base, options["refit"] = adding.parse_params(params, options.get("refit"))
        adding.check_kinds(name, options.get("comment"), options.get("open_with", {}))
        variants = expand_grid(base, grid)
        self.refresh()
        checked = []
        for source in self._sources(movie, options.get("open_with", {})):
            for label, variant in variants:
                request = adding.Request(
                    algorithm=adding.parse_algorithm(algorithm),
                    movie=source,
                    params=variant,
                    name=f"{name or source.name} {label}".strip(),
                    **options,
                )
                one = adding.check(self, request)
                if not (skip_duplicates and self.find_duplicate(one.spec, look=False)):
                    checked.append(one)
        with self._adding:
            return adding.add_checked(self, checked, reuse=reuse)

    @staticmethod
    def _sources(
        movie: MovieLike | Item | list[Item], open_with: Mapping[str, Any]
    ) -> list[Movie | Item]:
        """Movies or parent items of a grid, each opened once, however many items take it."""
        if isinstance(movie, Item):
            return [movie]
        if isinstance(movie, list) and all(isinstance(one, Item) for one in movie):
            return [one for one in movie if isinstance(one, Item)]
        return [inputs.to_movie(cast("MovieLike", movie), **open_with)]

    def find_same(
        self,
        algorithm: AlgorithmName | Algorithm,
        movie: MovieLike | Item,
        *,
        params: ParamsLike = None,
        **options: Any,
    ) -> Item | None:
        """The item that `add` with these arguments would be a duplicate of."""
        adding.check_option_names(Batch.find_same, options)
        parsed, options["refit"] = adding.parse_params(params, options.get("refit"))
        request = adding.Request(
            algorithm=adding.parse_algorithm(algorithm),
            movie=movie,
            params=parsed,
            **options,
        )
        checked = adding.check(self, request)
        spec = checked.spec
        if spec.movie is not None:
            described = inputs.with_array_fingerprint(spec.movie, checked.movie)
            spec = spec.model_copy(update={"movie": described})
        return self.find_duplicate(spec)

    def find_duplicate(self, spec: ItemSpec, *, look: bool = True) -> Item | None:
        """The item of this batch that asks for the same as ``spec``, if there is one.

        Parameters
        ----------
        look
            Look which items there are first; not needed for each of many in a row.
        """
        check_kind(
            "spec", spec, ItemSpec, BatchError, needed="what an item asks for",
            advice="Take item.spec, or ask by batch.find_same with what batch.add takes.",
        )  # fmt: skip
        if look:
            self.refresh()
        found = self._index.asking_for(identity(spec))
        return next((item for item in found if item.uuid != spec.uuid and _is_true(item)), None)

    def remove(self, *items: Item | str | int, with_children: bool = False) -> None:
        """Remove items and all their data.

        Raises
        ------
        BatchError
            When one is running, or others take their movie from it and ``with_children`` is
            false. Nothing is removed then.
        """
        doomed = list({item.folder: item for item in map(self.find, items)}.values())
        pending = list(doomed)
        while pending:
            children = [c for c in self.children(pending.pop()) if c not in doomed]
            if children and not with_children:
                raise BatchError(
                    f"{len(children)} items take their input from what is to be removed, among "
                    f"them {children[0].name!r}. Remove them too, or first."
                )
            doomed += children
            pending += children
        for item in doomed:
            if item.status.state is State.RUNNING:
                raise BatchError(f"{item.name!r} is running. Cancel it, then remove it.")
        for item in reversed(doomed):
            if has_sound_lock(item.folder) and not item.folder.is_symlink():
                with claimed(item):
                    pass  # nobody starts it in this moment
            remove_item_folder(item.folder)

    # -- movies that moved

    def missing_movies(self) -> dict[str, list[str]]:
        """``{uuid: paths}`` of items whose movie files are not where they were."""
        missing = {}
        for item in self.items:
            if item.problem is None and item.spec.movie is not None:
                try:
                    inputs.movie_paths(self.path, item.spec.movie)
                except MovieError:
                    missing[item.uuid] = list(item.spec.movie.paths)
        return missing

    def locate(self, folder: str | os.PathLike[str]) -> list[Item]:
        """Look for missing movies below ``folder``; returns the items that were mended.

        Raises
        ------
        BatchError
            There is no such folder, or it cannot be read.
        """
        folder = check_path("The folder with the movies", folder, BatchError)
        try:
            next(iter(folder.iterdir()), None)
        except OSError as error:
            raise BatchError(
                f"The folder to look for movies in must be readable, got {folder}: "
                f"{reason(error)}. Check the name, and that its disk or share is connected."
            ) from error
        missing = self.missing_movies()
        index = inputs.index_files(folder.absolute()) if missing else {}
        mended = []
        for item_uuid in missing:
            item = self[item_uuid]
            spec = item.spec
            found = None if spec.movie is None else inputs.locate(spec.movie, index, self.path)
            if found is not None:
                write_spec(item.folder, spec.model_copy(update={"movie": found}))
                mended.append(item)
        return mended

    # -- running

    def run(
        self,
        items: Item | int | str | Iterable[Item | int | str] | None = None,
        *,
        start: Item | int | str | None = None,
        n_workers: int = 1,
        client: Any = None,
        spread: bool = False,
        progress: bool = True,
        on_event: Callable[[QueueEvent], None] | None = None,
    ) -> list[Item]:
        """Run queued items and wait until all have ended.

        Parameters
        ----------
        items
            Only this item or these, and the parents that they wait for; all when ``None``. Each is
            an item, a name, a uuid or a position.
        start
            This item (the same) and those added after it, and their parents.
        n_workers
            How many at once; the cores are divided among them.
        client
            A ``dask.distributed.Client``: run there, one item on each worker.
        spread
            Spread each recording over all workers of ``client`` instead: for one that is too large
            for one computer. Built-in engine; the result is the same bit for bit.
        progress
            Show bars on stderr.
        on_event
            Called in the queue's thread for everything that happens.

        Returns
        -------
        The items that ran, with whatever state they ended in.
        """
        from napari_cnmf.batch.running import run_batch

        if items is not None and (isinstance(items, Item | str) or not isinstance(items, Iterable)):
            items = [items]  # what names no item is refused by `find`
        return run_batch(
            self,
            None if items is None else [self.find(item) for item in items],
            start=None if start is None else self.find(start),
            n_workers=n_workers,
            client=client,
            spread=spread,
            progress=progress,
            on_event=on_event,
        )


def _is_true(item: Item) -> bool:
    """Whether an item's result, if it has one, is of the movie that the item names.

    The files may have been changed after it was added and before it ran.
    """
    return item.status.movie_fingerprint is None


def _folder_of(path: Any) -> Path:
    return check_path("The folder of a batch", path, BatchError)
