"""Right to write the status of an item: it belongs to the holder of its lock, nobody else.

A worker holds the lock of its item for as long as it lives, and the operating system releases it
when it dies, however it dies: no lock of a dead process is ever left. The queue takes the lock
for the moment in which it writes a state. Two queues may start a worker for the same item; one
worker gets the lock, the other leaves.

A share whose locks do not reach other hosts is covered by a beat: the worker touches the lock
file, and an item that runs elsewhere counts as alive while the beat is young.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from napari_cnmf.batch.status import State, Status
from napari_cnmf.batch.stopping import works_on
from napari_cnmf.errors import BatchError

EXIT_ENDED = 0
EXIT_FAILED = 1
EXIT_NOT_OURS = 3
"""Exit code of a worker whose item another process has, or that is not queued any more."""

LOCK_FILE = "item.lock"
ADDING_FILE = ".adding.lock"
ADDING_SECONDS = 60.0
BEAT_SECONDS = 10.0
BEAT_LIMIT_SECONDS = 120.0


class ClaimedError(Exception):
    """Another process holds the item."""


@contextmanager
def claim(folder: Path, *, timeout_s: float = 0.0) -> Iterator[None]:
    """Hold the lock of the item in ``folder``.

    Raises
    ------
    ClaimedError
        When another process holds it for longer than ``timeout_s``.
    OSError
        When the folder is not there or cannot be written.
    """
    # The lock would make the folder, and hide it below a share that is away for a while.
    if not folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, "There is no such folder", str(folder))
    path = folder / LOCK_FILE
    if not has_sound_lock(folder):
        raise OSError(errno.EINVAL, "It must be a file", str(path))
    lock = FileLock(path, thread_local=False)
    try:
        lock.acquire(timeout=timeout_s, poll_interval=0.02)
    except Timeout as error:
        raise ClaimedError(f"{folder.name} is held by another process.") from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def adding_to(root: Path) -> Iterator[None]:
    """Hold the right to add items to the batch in ``root``, among all processes that see it.

    A share without locks, or a folder where no file can be made, is added to without: the worst
    that can happen is an item twice.

    Raises
    ------
    BatchError
        When another process holds it for longer than `ADDING_SECONDS`.
    """
    path = root / ADDING_FILE
    if os.path.lexists(path) and not stat.S_ISREG(os.lstat(path).st_mode):
        raise BatchError(f"{path} must be a file, and is something else. Remove it.")
    lock = FileLock(path, thread_local=False)
    try:
        lock.acquire(timeout=ADDING_SECONDS, poll_interval=0.01)
    except Timeout as error:
        raise BatchError(
            f"Another program has been adding to {root} for {ADDING_SECONDS:.0f} s. "
            "Nothing was added; try again."
        ) from error
    except (OSError, NotImplementedError):
        yield
        return
    try:
        yield
    finally:
        lock.release()


def has_sound_lock(folder: Path) -> bool:
    """Whether the lock file of the item in ``folder`` is a file, or still to be made.

    Through a link, taking the lock would empty a file elsewhere; a pipe would never open.
    """
    path = folder / LOCK_FILE
    return not os.path.lexists(path) or stat.S_ISREG(os.lstat(path).st_mode)


@contextmanager
def beating(folder: Path) -> Iterator[None]:
    """Touch the lock file of the item now and then, so that other hosts see its holder live."""
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(BEAT_SECONDS):
            # A share that is away for a while must not end the work.
            with suppress(OSError):
                (folder / LOCK_FILE).touch()

    thread = threading.Thread(target=beat, name="item-beat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def is_alive(folder: Path, status: Status) -> bool:
    """Whether the process that ``status`` says works on the item still lives.

    On this machine: exactly that process, and it is a worker of this very folder. Elsewhere: its
    beat is young, by the clock of the file system that holds the batch.
    """
    if status.state is not State.RUNNING or status.process is None:
        return False
    if status.process.is_local:
        process = status.process.process()
        # Nobody says what the processes of others do, on some systems: such a one is left alone.
        return process is not None and works_on(process, folder) is not False
    try:
        beat = (folder / LOCK_FILE).stat().st_mtime
        if abs(time.time() - beat) < BEAT_LIMIT_SECONDS / 2:
            return True  # by our own clock too: nothing has to be written to find out
        # A beat from the future is none: a clock was wrong, or somebody copied the batch.
        return abs(_file_system_now(folder) - beat) < BEAT_LIMIT_SECONDS
    except OSError:
        # Nothing can be said about it, and nothing must be taken away from it.
        return True


def _file_system_now(folder: Path) -> float:
    """Time by the clock that stamps files there: hosts may differ by minutes."""
    probe = folder / ".clock"
    probe.touch()
    try:
        return probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)
