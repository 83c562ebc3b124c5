"""Worker processes: started, found again, watched, ended."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import psutil

from napari_cnmf.batch.events import LOG_FILE
from napari_cnmf.batch.item import Item
from napari_cnmf.batch.status import ProcessInfo
from napari_cnmf.batch.stopping import (
    FOLDER_MARK,
    MARK,
    WORKER_MODULE,
    Insist,
    cpu_seconds,
    has_ended,
    kill_tree,
    works_on,
)
from napari_cnmf.errors import BatchError

STALL_SECONDS = 300.0
_STALL_CPU_SECONDS = 0.5
"""Less than this in the whole tree counts as none: an idle interpreter wakes now and then."""
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


_children: list[subprocess.Popen[bytes]] = []
"""Workers of this process, until they have ended and their exit code was collected."""


class Handle(Protocol):
    """A worker that works on one item, wherever it runs."""

    def ended(self) -> bool:
        """Whether the worker has ended."""
        ...

    @property
    def exit_code(self) -> int | None:
        """Exit code of the ended process, negative for a signal; ``None`` when nobody knows."""
        ...

    @property
    def problem(self) -> str | None:
        """Reason why the worker could not be started or run; ``None`` when there is none."""
        ...

    @property
    def is_lost(self) -> bool:
        """Whether nobody runs the item any more, by no fault of its own: a cluster is gone."""
        ...

    def cpu_seconds(self) -> float | None:
        """CPU time of the worker's process tree so far; ``None`` when it cannot be asked."""
        ...

    def insist(self) -> None:
        """Do what is due now to make the worker stop."""
        ...

    def kill(self) -> None:
        """End the worker's whole process tree now."""
        ...


class Launcher(Protocol):
    """Something that starts workers: this machine, or a cluster."""

    def launch(self, item: Item, *, n_threads: int | None, memory_gb: float | None) -> Handle:
        """Start a worker for ``item``, with so many threads and decimal GB of memory."""
        ...


def worker_command(folder: Path, *, python: str | None = None) -> list[str]:
    """The command line of the worker of the item in ``folder``.

    ``-P`` keeps the working directory off the import path: a ``numpy.py`` that somebody put into
    a batch folder is never run.
    """
    return [python or sys.executable, "-P", "-m", WORKER_MODULE, str(folder)]


def worker_environment(folder: Path, item_uuid: str, n_threads: int | None) -> dict[str, str]:
    """The environment of a worker: marked with its item, threads of the libraries limited."""
    environment = dict(os.environ) | {
        MARK: item_uuid,
        FOLDER_MARK: str(folder),
        "PYTHONUTF8": "1",
        "PYTHONSAFEPATH": "1",
    }
    if n_threads is not None:
        for name in _THREAD_VARIABLES:
            environment[name] = str(n_threads)
    return environment


def start_worker(
    folder: Path,
    item_uuid: str,
    *,
    n_threads: int | None = None,
    memory_gb: float | None = None,
    scheduler: str | None = None,
    extra_environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start the worker of an item in a process group of its own; it outlives this process.

    Raises
    ------
    BatchError
        When the process cannot be started or its log not be written.
    """
    command = worker_command(folder)
    if n_threads is not None:
        command += ["--threads", str(n_threads)]
    if memory_gb is not None:
        command += ["--memory-gb", f"{memory_gb:.3f}"]
    if scheduler is not None:
        command += ["--scheduler", scheduler]
    try:
        with (folder / LOG_FILE).open("ab") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=worker_environment(folder, item_uuid, n_threads)
                | dict(extra_environment or {}),
                # A group of its own: Ctrl-C in a terminal reaches us, and we cancel in order.
                start_new_session=sys.platform != "win32",
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
    except OSError as error:
        raise BatchError(
            f"The process of {folder.name} could not be started: {error.strerror or error}."
        ) from error


class AdoptedHandle:
    """A worker of this machine that another process started.

    Parameters
    ----------
    process
        As its status names it; alive a moment ago.
    """

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._insist: Insist | None = None

    exit_code: int | None = None
    problem: str | None = None
    is_lost = False

    def ended(self) -> bool:
        """Whether the worker's process has ended."""
        return has_ended(self._process)

    def cpu_seconds(self) -> float | None:
        """CPU time of the worker's process tree in seconds; ``None`` when it cannot be asked."""
        return cpu_seconds(self._process)

    def insist(self) -> None:
        """Do what is due now to make the worker stop."""
        if self._insist is None:
            self._insist = Insist()
        self._insist.step(self._process)

    def kill(self) -> None:
        """End the worker's whole process tree now."""
        kill_tree(self._process)


class LocalHandle(AdoptedHandle):
    """A worker that this process started, whose exit code it collects."""

    def __init__(self, popen: subprocess.Popen[bytes]) -> None:
        super().__init__(psutil.Process(popen.pid))
        self._popen = popen
        # A queue that is let go of before a worker ends would leave a zombie.
        _children[:] = [child for child in _children if child.poll() is None]
        _children.append(popen)

    def ended(self) -> bool:
        """Whether the worker has ended; takes its exit code when it has."""
        self.exit_code = self._popen.poll()
        return self.exit_code is not None

    def kill(self) -> None:
        """End the worker's whole process tree now, and wait for its end."""
        super().kill()
        self._popen.wait()


class LocalLauncher:
    """Starts workers as child processes of this one.

    Parameters
    ----------
    scheduler
        Address of a dask scheduler over whose workers each item's recording is spread.
    """

    def __init__(self, scheduler: str | None = None) -> None:
        self._scheduler = scheduler

    def launch(self, item: Item, *, n_threads: int | None, memory_gb: float | None) -> Handle:
        """Start the worker of ``item`` as a child process."""
        if self._scheduler is not None:
            memory_gb = None  # the workers of the cluster have memory of their own
        return LocalHandle(
            start_worker(
                item.folder, item.uuid, n_threads=n_threads, memory_gb=memory_gb,
                scheduler=self._scheduler,
            )
        )  # fmt: skip


def adopt(process: ProcessInfo | None, folder: Path) -> AdoptedHandle | None:
    """Take over the watch of a living worker of this machine that works on ``folder``.

    Whoever watches may end it: a process that is not surely that worker is never taken.
    """
    living = None if process is None else process.process()
    if living is None or living.pid == os.getpid() or not works_on(living, folder):
        return None
    return AdoptedHandle(living)


class StallWatch:
    """Tells a worker that stands still from one that is slow.

    Standing still means: not one event, and no CPU time in its tree, for ``limit_s``.
    """

    def __init__(self, limit_s: float = STALL_SECONDS) -> None:
        self.limit_s = limit_s
        self._since = time.monotonic()
        self._events: object = None
        self._cpu_s = 0.0

    def stalled(self, events: object, cpu_s: float | None) -> bool:
        """Whether the worker has stood still for too long.

        Parameters
        ----------
        events
            Anything that changes when the worker says something.
        cpu_s
            CPU time of its tree; one that cannot be asked is never called stalled for it.
        """
        moved = cpu_s is None or cpu_s - self._cpu_s > _STALL_CPU_SECONDS
        # The tree's sum falls when a pool child ends.
        moved = moved or (cpu_s is not None and cpu_s < self._cpu_s)
        if events != self._events or moved:
            self._events, self._cpu_s = events, cpu_s or 0.0
            self._since = time.monotonic()
        return time.monotonic() - self._since > self.limit_s
