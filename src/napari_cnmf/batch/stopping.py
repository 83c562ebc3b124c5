"""Cancel: a file that the worker looks for, then terminate, then the whole process tree."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import psutil

CANCEL_FILE = "cancel"
MARK = "NAPARI_CNMF_ITEM"
"""Environment variable that every process of an item inherits: its uuid."""
FOLDER_MARK = "NAPARI_CNMF_ITEM_FOLDER"
"""The same for its folder: the copy of a batch has the same uuids."""
WORKER_MODULE = "napari_cnmf.batch.worker"

ASK_SECONDS = 10.0
TERMINATE_SECONDS = 5.0
_LOOK_SECONDS = 0.01


def request_cancel(folder: Path) -> None:
    """Ask the worker of the item in ``folder`` to stop at its next block."""
    (folder / CANCEL_FILE).touch()


def cancel_requested(folder: Path) -> bool:
    """Whether the worker of the item in ``folder`` was asked to stop."""
    return (folder / CANCEL_FILE).exists()


def forget_cancel(folder: Path) -> None:
    """Take back a request to stop the worker of the item in ``folder``."""
    (folder / CANCEL_FILE).unlink(missing_ok=True)


def works_on(process: psutil.Process, folder: Path) -> bool | None:
    """Whether a process is the worker of the item in ``folder``, by its command line.

    A status names a process by its number, and anybody can write a status. What a process was
    started as, only the system says. ``None`` when it does not tell.
    """
    if process.pid == os.getpid():
        return True  # an item that is run inside a script's own process
    try:
        words = process.cmdline()
        here = Path(process.cwd())
    except psutil.NoSuchProcess:
        return False
    except (psutil.Error, OSError):
        return None
    is_worker = ("-m", WORKER_MODULE) in pairwise(words)
    return is_worker and any(_is_same(here / word, folder) for word in words[1:])


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.name == other.name and os.path.samefile(one, other)
    except (OSError, ValueError):
        return False


def process_tree(process: psutil.Process) -> list[psutil.Process]:
    """The process and all its descendants that are still there."""
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def terminate_tree(process: psutil.Process) -> None:
    """Ask the processes to end; on Windows, which knows no asking, end them."""
    for member in process_tree(process):
        # Windows denies access to a process that is just ending.
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            member.terminate()


def kill_tree(process: psutil.Process, *, wait_s: float = 5.0) -> None:
    """End the process and all its descendants, and wait until they are gone."""
    kill_all(process_tree(process), wait_s=wait_s)


def kill_all(processes: Iterable[psutil.Process], *, wait_s: float = 5.0) -> None:
    """End the processes, and wait until none of them works any more."""
    members = list(processes)
    for member in members:
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            member.kill()
    # Not psutil.wait_procs: it takes the exit code away from whoever started a process, and
    # waits for seconds until the system has buried an orphan.
    deadline = time.monotonic() + wait_s
    while not all(has_ended(member) for member in members) and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)


def has_ended(process: psutil.Process) -> bool:
    """Whether a process is gone, or dead and not collected yet."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def orphans(item_uuid: str, folder: Path) -> list[psutil.Process]:
    """Processes of an item that outlived its worker: pool children, an engine's own process.

    Known by the marks in their environment, since their parent is gone and numbers are reused.
    """
    found = []
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        with suppress(psutil.Error, OSError):
            marks = process.environ()
            if marks.get(MARK) == item_uuid and _is_same(Path(marks.get(FOLDER_MARK, "")), folder):
                found.append(process)
    return found


def cpu_seconds(process: psutil.Process) -> float:
    """CPU time of the process and all its descendants that still live, in seconds."""
    total = 0.0
    for member in process_tree(process):
        with suppress(psutil.Error):
            times = member.cpu_times()
            total += times.user + times.system
    return total


class Insist:
    """Cancel one process, harder the longer it takes; call `step` until it is gone.

    It is given `ASK_SECONDS` after the ``cancel`` file, `TERMINATE_SECONDS` after the signal.
    """

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._terminated = False

    def step(self, process: psutil.Process) -> None:
        """Take the step that is due now."""
        waited = time.monotonic() - self._began
        if waited >= ASK_SECONDS + TERMINATE_SECONDS:
            kill_tree(process)
        elif waited >= ASK_SECONDS and not self._terminated:
            self._terminated = True
            terminate_tree(process)
