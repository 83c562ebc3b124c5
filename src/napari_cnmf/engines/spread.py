"""The parts of one recording on the workers of a dask.distributed scheduler.

Each worker reads its parts of the movie from the shared file system; what moves through the
network are sums over pixels, components and traces. The scheduler does a part again whose worker
died. Needs the extra ``cluster``.
"""

from __future__ import annotations

import os
import pickle
import platform
import shutil
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from napari_cnmf.core.base.compiling import code_hash
from napari_cnmf.core.base.parts import Place
from napari_cnmf.core.base.threads import n_usable_cores
from napari_cnmf.engines.base import PARTS
from napari_cnmf.errors import CancelledByUser, EngineError, brief

if TYPE_CHECKING:
    from distributed import Client

Shared = TypeVar("Shared")
Piece = TypeVar("Piece")
Result = TypeVar("Result")

_MARK = "running"
"""File in it that is there as long as the run goes on."""
_GONE = frozenset({"connecting", "closing", "closed"})
"""States of a dask client whose scheduler does not answer."""
_MEMORY_SHARE = 0.75
"""Of a worker's limit: dask lets a worker pause at 0.8 of it, and its own libraries take some."""
_POLL_S = 0.1
_ASK_S = 1.0
"""A worker asks the shared file system no more often whether the run goes on."""
_SAY_S = 20.0
"""Progress is told so often even where no part has ended, as a sign of life."""
_LIBRARIES = ("napari-cnmf", "numpy", "scipy", "numba")
"""Packages whose versions the last digits of a result depend on."""


class RunOnCluster:
    """`napari_cnmf.core.base.parts.PartRunner` that hands parts to a dask scheduler.

    Parameters
    ----------
    client
        A connected ``distributed.Client``.
    folder
        Of the item; every worker sees it under the same path.
    movie_paths
        Files of the movie, which every worker sees under the same paths.
    n_threads
        Threads of this process, for what is no map over parts.
    on_log
        Told where it waits for workers.
    """

    def __init__(
        self,
        client: Client,
        folder: Path,
        movie_paths: Sequence[Path] = (),
        *,
        n_threads: int | None = None,
        on_log: Callable[[str], None] = lambda message: None,
    ) -> None:
        self._client, self._on_log = client, on_log
        self.n_threads = n_threads
        self.shared_folder = folder / PARTS
        seen = (*movie_paths[:1], *movie_paths[1:][-1:])
        self._must_see = tuple(str(path.absolute()) for path in seen)

    def __enter__(self) -> RunOnCluster:
        self.shared_folder.mkdir(exist_ok=True)
        (self.shared_folder / _MARK).touch()
        if not self._workers():
            self._on_log("The dask scheduler has no worker yet. The run begins when one comes.")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # The mark goes first: a worker that is at work still stops when it does not find it.
        (self.shared_folder / _MARK).unlink(missing_ok=True)
        shutil.rmtree(self.shared_folder, ignore_errors=True)

    @property
    def memory_gb(self) -> float | None:
        """Memory for a part on the smallest worker; ``None`` where no worker says its limit."""
        limits = [w["memory_limit"] / w["nthreads"] for w in self._workers().values()]
        known = [limit for limit in limits if limit > 0]
        return _MEMORY_SHARE * min(known) / 1e9 if known else None

    def map(
        self,
        work: Callable[[Shared, Piece, Place], Result],
        shared: Shared,
        pieces: Sequence[Piece],
        *,
        check: Callable[[], None],
        on_share: Callable[[float], None],
    ) -> Iterator[Result]:
        """Yield ``work(shared, piece, place)`` for all pieces, in their order."""
        import dask

        place = _Setup(made_with(), self._must_see, str(self.shared_folder / _MARK), self._slots())
        ahead = 2 * max(1, sum(w["nthreads"] for w in self._workers().values()))
        waiting: deque[Any] = deque()
        n, i = len(pieces), 0
        # What all parts share is large on purpose, and goes to each worker once.
        quiet = {"distributed.admin.large-graph-warning-threshold": "1TB"}
        with dask.config.set(quiet):
            kept = self._client.submit(_Kept, place.made_with, pickle.dumps(shared), pure=False)
        try:
            for done in range(n):
                while i < min(n, done + ahead):
                    part = pickle.dumps((work, pieces[i]))
                    waiting.append(self._client.submit(_run_part, place, kept, part, pure=False))
                    i += 1

                def on_more(more: int, done: int = done) -> None:
                    on_share((done + more) / n)

                self._wait(waiting, check, on_more)
                yield self._result(waiting.popleft())
        finally:
            if self._client.status not in _GONE:
                self._client.cancel([kept, *waiting])
        on_share(1.0)

    def _wait(
        self, waiting: deque[Any], check: Callable[[], None], on_more: Callable[[int], None]
    ) -> None:
        """Wait until the first part has ended."""
        from distributed import wait

        told, said = -1, time.monotonic()
        while not waiting[0].done():
            check()
            if self._client.status in _GONE:
                raise EngineError(_scheduler_gone())
            pending = [future for future in waiting if not future.done()]
            if (n := len(waiting) - len(pending)) != told or time.monotonic() - said > _SAY_S:
                told, said = n, time.monotonic()
                on_more(n)
            try:
                with self._client.as_current():
                    wait(pending, timeout=_POLL_S, return_when="FIRST_COMPLETED")
            except TimeoutError:
                continue
        check()

    def _result(self, future: Any) -> Any:
        """Result of a part that has ended; errors in words of ours."""
        from distributed import KilledWorker

        if self._client.status in _GONE or future.status in ("cancelled", "lost"):
            raise EngineError(_scheduler_gone())
        try:
            return future.result()
        except CancelledByUser as error:
            raise EngineError(
                f"A worker did not see {self.shared_folder} any more while it worked. Is the share "
                "still there on all computers? Then retry the item."
            ) from error
        except KilledWorker as error:
            raise EngineError(
                "A part of the recording ended each worker that took it: most likely it needs more "
                "memory than a worker has. Give the workers more memory, or fewer threads each."
            ) from error
        except (ModuleNotFoundError, AttributeError) as error:
            if "napari_cnmf" not in str(error):
                raise
            raise EngineError(
                f"Every worker must have napari-cnmf {version('napari-cnmf')}, got: "
                f"{brief(error)}. Install it there, and start the workers again."
            ) from error

    def _workers(self) -> dict[str, Any]:
        workers: dict[str, Any] = self._client.scheduler_info(n_workers=-1)["workers"]
        return workers

    def _slots(self) -> dict[str, int]:
        """Parts that the computer of each worker works on at a time, by the worker's address."""
        workers = self._workers()
        of_host: dict[str, int] = {}
        for worker in workers.values():
            of_host[worker["host"]] = of_host.get(worker["host"], 0) + worker["nthreads"]
        return {address: of_host[worker["host"]] for address, worker in workers.items()}


class _Setup:
    """Facts about the run that each part needs, in plain values that every version reads."""

    def __init__(
        self, made_with: dict[str, str], must_see: tuple[str, ...], mark: str, slots: dict[str, int]
    ) -> None:
        self.made_with, self.must_see, self.mark, self.slots = made_with, must_see, mark, slots


class _Kept:
    """Value that all parts of a pass share, once on each worker; checked before it is unpickled."""

    def __init__(self, made_with: dict[str, str], pickled: bytes) -> None:
        _require_same(made_with)
        self._made_with = made_with
        self.value = pickle.loads(pickled)  # noqa: S301 (from the client that this worker serves)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._made_with, pickle.dumps(self.value))


@cache
def made_with() -> dict[str, str]:
    """Versions and code that this process computes with."""
    found = {name: version(name) for name in _LIBRARIES}
    python = ".".join(platform.python_version_tuple()[:2])
    return found | {"Python": python, "code of the engine": code_hash()}


def _require_same(wanted: dict[str, str]) -> None:
    here = made_with()
    for name, value in wanted.items():
        if here.get(name) != value:
            raise EngineError(
                f"Every worker must have {name} {value}, as the computer that runs the item, got "
                f"{here.get(name)} on {socket.gethostname()}. Install the same versions everywhere."
            )


def _run_part(setup: _Setup, kept: _Kept, part: bytes) -> Any:
    """Work on one part on this worker."""
    from distributed import get_worker

    _require_same(setup.made_with)
    _require_seen(setup)
    work, piece = pickle.loads(part)  # noqa: S301 (from the client that this worker serves)
    worker = get_worker()
    own = worker.state.nthreads
    # A job of a cluster has cores of its own; workers on a workstation share all of them.
    is_alone = n_usable_cores() < (os.cpu_count() or 1)
    at_once = own if is_alone else setup.slots.get(worker.address, own)
    n_threads = max(1, n_usable_cores() // max(1, at_once))
    return work(kept.value, piece, Place(n_threads, _Watch(setup.mark), lambda share: None))


def _require_seen(setup: _Setup) -> None:
    for path in (setup.mark, *setup.must_see):
        if not os.path.exists(path):
            missing = str(Path(path).parent) if path == setup.mark else path
            raise EngineError(
                f"Movie and batch must have the same path on every worker: {missing} is not there "
                f"on {socket.gethostname()}. Put it on a share that all of them see."
            )


class _Watch:
    """Raises once the run has ended: its mark in the shared folder is gone."""

    def __init__(self, mark: str) -> None:
        self._mark, self._asked = mark, time.monotonic()

    def __call__(self) -> None:
        if (now := time.monotonic()) - self._asked > _ASK_S:
            self._asked = now
            if not os.path.exists(self._mark):
                raise CancelledByUser("The run has ended.")


def _scheduler_gone() -> str:
    return "The dask scheduler is gone. Retry the item when a scheduler answers."
