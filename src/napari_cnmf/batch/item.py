"""One item of a batch, as scripts, docks and the command line see it.

Everything is read from its folder when it is asked for, so an `Item` is never out of date.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cnmf.batch import stopping
from napari_cnmf.batch._files import printable, tail
from napari_cnmf.batch.claims import ClaimedError, claim, is_alive
from napari_cnmf.batch.events import EVENTS_FILE, LOG_FILE, Event, EventKind, read_events
from napari_cnmf.batch.history import JOURNAL_FILE, history_trace
from napari_cnmf.batch.inputs import open_input
from napari_cnmf.batch.spec import ITEM_FILE, ItemSpec, read_spec, text_of_item, write_spec
from napari_cnmf.batch.status import (
    PARENT_FAILED,
    RETRIABLE,
    STATUS_FILE,
    ErrorInfo,
    NewerVersionError,
    State,
    Status,
    describe_validation,
    read_status,
    write_status,
)
from napari_cnmf.batch.store import put_result_aside
from napari_cnmf.engines.base import (
    CORRECTED_FILE,
    IMAGES_FILE,
    RESULT_FILE,
    Algorithm,
)
from napari_cnmf.errors import BatchError, CnmfError, ResultError
from napari_cnmf.io import open_movie, read_images
from napari_cnmf.model.movie import Movie
from napari_cnmf.model.summary_images import SummaryImages
from napari_cnmf.params import CNMFParams

if TYPE_CHECKING:
    from napari_cnmf.batch.batch import Batch
    from napari_cnmf.model.curation import Curation

INTERRUPTED_MESSAGE = (
    "Its process is gone without a word: killed, out of memory, or the machine went down. "
    "Look at the log, then retry it."
)

_LONGEST_CHAIN = 100
"""A chain is a motion correction, a search and a few scorings."""
_Stamp = tuple[int, int]


class EndlessChainError(BatchError):
    """An item depends on itself, or on far too many others."""


class Item:
    """One item of a batch.

    Parameters
    ----------
    batch
        The batch it belongs to.
    folder
        Its folder, below ``items/`` of the batch.

    See Also
    --------
    napari_cnmf.batch.batch.Batch.add : makes one.
    """

    def __init__(self, batch: Batch, folder: Path) -> None:
        self.batch = batch
        self.folder = folder
        self.duplicate_of: Item | None = None
        """The item that asked for the same, as found when this one was added."""
        self.copy_of: str | None = None
        """The folder of which this one is a copy, made by hand; such an item is damaged."""
        self._uuid: str | None = None
        self._spec: tuple[_Stamp, ItemSpec | BatchError] | None = None
        self._status: tuple[_Stamp, Status] | None = None
        self._curated: tuple[_Stamp, int | None] | None = None

    def __repr__(self) -> str:
        return f"<Item {self.name!r} {self.uuid[:8]} {self.state}>"

    def __eq__(self, other: object) -> bool:
        """Whether both are the same folder, however the two paths to it are spelled."""
        return isinstance(other, Item) and self._place == other._place

    def __hash__(self) -> int:
        return hash(self._place)

    @cached_property
    def _place(self) -> tuple[str, str]:
        # The folder itself is not resolved: a link to an item is not that item.
        return os.path.realpath(self.folder.parent), self.folder.name

    # -- what was asked

    @property
    def spec(self) -> ItemSpec:
        """Everything that was asked of the item; raises ``BatchError`` when damaged."""
        if self.copy_of is not None:
            raise BatchError(
                f"{self.folder} is a copy of the item {self.copy_of}, with its uuid. "
                "Remove it here; to run the same again, add it again."
            )
        stamp = _stamp(self.folder / ITEM_FILE)
        if self._spec is None or self._spec[0] != stamp:
            try:
                self._spec = (stamp, read_spec(self.folder))
            except BatchError as error:
                if isinstance(error.__cause__, OSError):
                    raise  # a share that is half away is no damage: read again at the next call
                self._spec = (stamp, error)
        spec = self._spec[1]
        if isinstance(spec, BatchError):
            raise BatchError(str(spec)) from spec
        return spec

    @property
    def problem(self) -> str | None:
        """Problem with the item's folder, or ``None``."""
        try:
            _ = self.spec
            read_status(self.folder)
        except BatchError as error:
            return str(error)
        try:
            _ = self.ancestors
        except EndlessChainError as error:
            return str(error)
        except BatchError:
            return None  # its parent was removed: its folder is sound
        return None

    @property
    def uuid(self) -> str:
        """Uuid of the item; the folder's name when ``item.json`` could never be read."""
        if self._uuid is None or self.copy_of is not None:
            try:
                self._uuid = self.spec.uuid
            except BatchError:
                return self._folder_as_text
        return self._uuid

    @property
    def name(self) -> str:
        """Name of the item; that of its folder where ``item.json`` cannot be read."""
        try:
            return self.spec.name
        except BatchError:
            return self._folder_as_text

    @property
    def _folder_as_text(self) -> str:
        """Name of the folder as every table takes it: on Linux it may be bytes that are no text."""
        return printable(self.folder.name.encode(errors="backslashreplace").decode(), lines=False)

    @property
    def comment(self) -> str:
        """Comment that the user wrote about the item."""
        return self.spec.comment

    @property
    def algorithm(self) -> Algorithm:
        """Algorithm that the item runs."""
        return self.spec.algorithm

    @property
    def engine(self) -> str:
        """Name of the engine that ran the item, or of the one asked for."""
        return self.status.engine or self.spec.engine

    @property
    def params(self) -> CNMFParams:
        """Parameters of the item, validated; raises ``ParameterError``."""
        return self.spec.parsed_params

    @property
    def parent(self) -> Item | None:
        """Item whose output this one takes; raises ``BatchError`` when that was removed."""
        chain = self.ancestors
        return chain[0] if chain else None

    @property
    def ancestors(self) -> list[Item]:
        """The item's parent, the parent of that, and so on, as far as they are there.

        Raises
        ------
        BatchError
            When its own parent was removed, or the chain never ends.
        """
        chain: list[Item] = []
        link = self
        while (wanted := link.spec.parent) is not None:
            try:
                link = self.batch[wanted]
                _ = link.spec
            except BatchError:
                if not chain:
                    raise
                break  # a parent further up is gone: that is the problem of the one in between
            if link == self or len(chain) >= _LONGEST_CHAIN:
                raise EndlessChainError(
                    f"{self.folder / ITEM_FILE} must name a parent that does not depend on this "
                    f"item, and {wanted} does. Mend the file, or remove the item."
                )
            chain.append(link)
        return chain

    def rename(self, name: str) -> None:
        """Give the item another name; its folder keeps its own."""
        text = text_of_item("name", name).strip()
        if not text:
            raise BatchError(f"The name of an item must not be empty, got {name!r}. Write one.")
        self._change(name=text)

    def set_comment(self, comment: str) -> None:
        """Give the item another comment."""
        self._change(comment=text_of_item("comment", comment))

    def _change(self, **changes: Any) -> None:
        """Rewrite ``item.json`` with these changes, checked."""
        try:
            spec = ItemSpec.model_validate(self.spec.model_dump() | changes)
        except ValueError as error:
            raise BatchError(
                f"The item cannot take {changes}: {describe_validation(error)}."
            ) from error
        try:
            write_spec(self.folder, spec)
        except OSError as error:
            raise BatchError(
                f"{self.folder / ITEM_FILE} could not be written: {error.strerror or error}."
            ) from error
        self._spec = None

    # -- where it stands

    @property
    def status(self) -> Status:
        """Status of the item as a frozen snapshot: one whose process died reads ``interrupted``."""
        stored = self._stored_status()
        if stored.state is State.RUNNING and not is_alive(self.folder, stored):
            # It may have ended between the two looks.
            stored = self._stored_status()
            if stored.state is State.RUNNING:
                error = ErrorInfo(kind="Interrupted", message=INTERRUPTED_MESSAGE)
                return stored.to(State.INTERRUPTED, error=error, ended=stored.updated)
        if stored.state in (State.QUEUED, State.WAITING):
            state = State.WAITING if self._waits() else State.QUEUED
            return stored if stored.state is state else stored.to(state)
        return stored

    def _stored_status(self) -> Status:
        stamp = _stamp(self.folder / STATUS_FILE)
        if self._status is None or self._status[0] != stamp:
            # Without its item.json nothing can be done with it. Of a status that cannot be read
            # (a newer version may have written it) nothing follows for the result.
            state = State.FAILED
            try:
                _ = self.spec
                state = State.INTERRUPTED
                status = read_status(self.folder)
            except BatchError as error:
                info = ErrorInfo(kind="Damaged", message=str(error))
                status = Status(state=state, error=info)
                if isinstance(error.__cause__, OSError):
                    return status  # not kept: it may be readable again in a moment
            self._status = (stamp, status)
        return self._status[1]

    def _waits(self) -> bool:
        try:
            parent = self.parent
        except BatchError:
            return True
        # What is stored will do: completed is final, and no other state ends the waiting.
        return parent is not None and parent.stored_state is not State.COMPLETED

    @property
    def stored_state(self) -> State:
        """State that ``status.json`` says, true or not."""
        return self._stored_status().state

    @property
    def state(self) -> State:
        """State of the item, such as ``queued`` or ``running``."""
        return self.status.state

    @property
    def progress(self) -> float:
        """Progress of the stage that runs, between 0 and 1; 1 when completed."""
        status = self.status
        if status.state is State.COMPLETED:
            return 1.0
        return status.progress.fraction if status.progress is not None else 0.0

    @property
    def error(self) -> str | None:
        """Reason why the item failed, for the user to read."""
        error = self.status.error
        return None if error is None else error.message

    def events(self) -> list[Event]:
        """Every event of the item so far."""
        with self._readable(EVENTS_FILE):
            return read_events(self.folder)[0]

    @property
    def warnings(self) -> list[str]:
        """Warnings of the item since it last began, each sentence once."""
        started = self.status.started
        began = "" if started is None else started.isoformat()
        said = [e for e in self.events() if e.event is EventKind.WARNING and e.time >= began]
        return list(dict.fromkeys(event.message for event in said))

    def log_text(self) -> str:
        """Text that the item's process printed, the last 200 kB of it."""
        with self._readable(LOG_FILE):
            return tail(self.folder / LOG_FILE, 200_000)

    @contextmanager
    def _readable(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise BatchError(
                f"{self.folder / name} must be readable: {error.strerror or error}. "
                "Check the permissions of the file, and whether the share is there."
            ) from error

    def cancel(self) -> None:
        """Cancel the item: at once when it is queued, at its next block when it runs.

        Returns at once, and does nothing to an item that has ended.

        See Also
        --------
        napari_cnmf.batch.queue.Queue : insists on it until the process is gone.
        napari_cnmf.batch.running.cancel_and_wait : does so without a queue.
        """
        try:
            if self.state in (State.QUEUED, State.WAITING):
                with suppress(ClaimedError), claim(self.folder):
                    if self.stored_state in (State.QUEUED, State.WAITING):
                        write_status(self.folder, self._stored_status().to(State.CANCELLED))
                        return
            if not self.state.ended:
                stopping.request_cancel(self.folder)
        except OSError as error:
            raise BatchError(
                f"{self.name!r} could not be cancelled, its folder cannot be written: "
                f"{error.strerror or error}."
            ) from error

    def retry(self) -> None:
        """Queue the item again after it failed, was cancelled or interrupted.

        Items that failed only because this one had are queued with it.

        Raises
        ------
        BatchError
            When it is running or completed.
        """
        status = self.status
        if status.state not in RETRIABLE:
            raise BatchError(
                f"Only failed, cancelled or interrupted items can be retried; {self.name!r} is "
                f"{status.state}. To run it again, add it again."
            )
        _ = self.ancestors
        with claimed(self):
            if self._has_unreadable_status():
                put_result_aside(self.folder, movie_too=True)
            stopping.forget_cancel(self.folder)
            fresh = Status(
                attempts=status.attempts, state=State.WAITING if self._waits() else State.QUEUED
            )
            write_status(self.folder, fresh)
        for child in self.batch.children(self):
            error = child.status.error
            if error is not None and error.kind == PARENT_FAILED:
                child.retry()

    def _has_unreadable_status(self) -> bool:
        try:
            read_status(self.folder)
        except NewerVersionError:
            raise  # it may be running, or completed: that version knows
        except BatchError:
            return True
        return False

    # -- what it made

    @property
    def border_px(self) -> int:
        """Pixels at the border that motion correction left without data, here or upstream."""
        figure = self.status.figures.get("border_px")
        if figure is not None:
            return int(figure)
        for item in self.ancestors:
            if (figure := item.status.figures.get("border_px")) is not None:
                return int(figure)
        return 0

    @property
    def frame_rate_hz(self) -> float | None:
        """Frame rate from the item's parameters, its parent, or the movie's metadata."""
        if (explicit := self.params.data.fr) is not None:
            return float(explicit)
        if (used := self.status.frame_rate_hz) is not None:
            return used
        if (parent := self.parent) is not None:
            return parent.frame_rate_hz
        opened = self.spec.movie
        if opened is not None and opened.frame_rate_hz is not None:
            return opened.frame_rate_hz
        return self.input_movie().frame_rate_hz

    def input_movie(self) -> Movie:
        """Movie that the item works on: its files, or what its parent made.

        Raises
        ------
        MovieError
            When the files are not where they were; the message says how to locate them.
        """
        spec = self.spec
        if spec.movie is not None:
            return open_input(self.batch.path, spec.movie, frame_rate_hz=spec.parsed_params.data.fr)
        _ = self.ancestors  # a chain without end says so here
        return self.batch[str(spec.parent)].movie()

    def movie(self) -> Movie:
        """The movie to look at: the corrected one of a motion correction, else its input."""
        if self.algorithm is not Algorithm.MCORR:
            movie = self.input_movie()
        else:
            movie = open_movie(self._output(CORRECTED_FILE), frame_rate_hz=self.frame_rate_hz)
        rate = self.frame_rate_hz
        return movie if rate is None else movie.with_frame_rate(rate)

    @property
    def result_path(self) -> Path:
        """Path of ``result.hdf5``, or of ``corrected.tif`` of a motion correction.

        Raises
        ------
        ResultError
            When the item is not completed; the message says what to do.
        """
        name = CORRECTED_FILE if self.algorithm is Algorithm.MCORR else RESULT_FILE
        return self._output(name)

    def result(self, *, curator: str | None = None) -> Curation:
        """The components that the engine found, with the decisions made about them.

        Parameters
        ----------
        curator
            A second curator's name: decides in a journal of its own.

        Raises
        ------
        ResultError
            When the item is not completed, or makes a movie; the message says what to do.
        """
        if self.algorithm is Algorithm.MCORR:
            raise ResultError(
                f"{self.name!r} is a motion correction: it has a movie(), and no cells. "
                "Add a cnmf item that takes it as its movie."
            )
        from napari_cnmf.io.curation import open_curation

        return open_curation(
            self._output(RESULT_FILE), in_batch=True, curator=curator, open_movie=self.movie
        )

    @property
    def n_curated(self) -> int | None:
        """Number of components that the curator's decisions accept; ``None`` without any decision.

        Opens the result when there are decisions about it.
        """
        accepted = self.status.n_accepted
        journal = _stamp(self.folder / JOURNAL_FILE)
        if accepted is None or journal == (0, 0):
            return accepted
        if self._curated is None or self._curated[0] != journal:
            try:
                self._curated = (journal, int(np.count_nonzero(self.result().accepted)))
            except CnmfError:
                self._curated = (journal, None)
        return self._curated[1]

    def _repr_html_(self) -> str:
        """State of the item with its mean image, as notebooks show it."""
        from napari_cnmf.batch.table import item_html

        return item_html(self)

    def images(self) -> SummaryImages:
        """Summary images by name, each ``([Z], Y, X)``."""
        return SummaryImages(read_images(self._output(IMAGES_FILE)))

    def _output(self, name: str) -> Path:
        status = self.status
        if status.state is not State.COMPLETED:
            reason = f": {status.error.message}" if status.error is not None else "."
            raise ResultError(
                f"A result needs a completed item; {self.name!r} is {status.state}{reason} "
                f"Its log is {self.folder / LOG_FILE}."
            )
        path = self.folder / name
        if not path.is_file():
            raise ResultError(
                f"{path} must be there, since {self.name!r} is completed, and is not. "
                "It was removed by hand: add the item again."
            )
        return path

    @property
    def history_trace(self) -> list[dict[str, Any]]:
        """History of the item, a dict for each item of its chain, the first first."""
        return history_trace(self)


@contextmanager
def claimed(item: Item) -> Iterator[None]:
    """Hold the lock of an item to write its status; raises a sentence when that cannot be."""
    try:
        with claim(item.folder, timeout_s=2.0):
            yield
    except ClaimedError as error:
        raise BatchError(
            f"{item.name!r} is being worked on by another process. Cancel it first."
        ) from error
    except OSError as error:
        raise BatchError(f"{item.folder} must be writable: {error.strerror or error}.") from error


def _stamp(path: Path) -> _Stamp:
    """Stamp of a file, which changes whenever the file is replaced."""
    try:
        stat = path.stat()
    except OSError:
        return (0, 0)
    return (stat.st_mtime_ns, stat.st_ino)
