"""CaImAn's process: started, listened to, cancelled, tried again on one process."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import psutil

from napari_cnmf.engines.base import Reporter
from napari_cnmf.engines.caiman.interpreter import WORKER, CaimanFound, worker_environment
from napari_cnmf.errors import CancelledByUser, EngineError

_POLL_S = 0.1
_EXIT_POOL_DIED = 75
_LONGEST_LINE = 2**20
_DISK_IS_FULL = "The disk with the batch is full. Free some space, then retry the item."
_USUAL_CAUSES = {
    "signal SIGKILL": " When memory was short, the system did that.",
    "signal SIGBUS": " Most often the disk with the batch is full: free some space, then retry.",
}


class PoolDied(Exception):
    """A process of CaImAn's pool died, for which CaImAn would wait for ever."""


@dataclass
class Answer:
    """Answer of CaImAn's process: what it did."""

    values: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    changed: dict[str, Any] = field(default_factory=dict)
    """``{"group.key": value}`` of what CaImAn's consistency check made of what it was asked for."""


def run_worker(
    caiman: CaimanFound, request: dict[str, Any], scratch: Path, reporter: Reporter
) -> Answer:
    """Run a request to its end; on one process where a process of the pool died.

    Raises
    ------
    CancelledByUser
        The process tree is gone by then.
    EngineError
        CaImAn failed; the message is one sentence, the log has the rest.
    """
    try:
        return _run_once(caiman, request, scratch, reporter)
    except PoolDied:
        if request["n_processes"] == 1:
            raise EngineError("CaImAn's process ended without a word. The log has more.") from None
        reporter.warning(
            "A process of CaImAn's pool died, most often for lack of memory. Trying again with "
            "one process."
        )
    return _run_once(caiman, request | {"n_processes": 1}, scratch, reporter)


def _run_once(
    caiman: CaimanFound, request: dict[str, Any], scratch: Path, reporter: Reporter
) -> Answer:
    path = scratch / "request.json"
    path.write_text(json.dumps(request), encoding="utf-8")
    process = subprocess.Popen(
        [str(caiman.path), str(WORKER), str(path)],
        stdin=subprocess.PIPE,  # closed by our end, whatever ends us: its sign to go
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=worker_environment(caiman.path, CAIMAN_TEMP=str(scratch)),
        cwd=scratch,
        process_group=0 if os.name == "posix" else None,
    )
    answer, last_words = Answer(), deque[str](maxlen=20)
    try:
        with _listening(process, last_words) as lines:
            _follow(process, lines, answer, reporter)
    finally:
        _end_tree(process)
    if not answer.values:
        raise EngineError(_how_it_ended(process.returncode, last_words))
    return answer


@contextlib.contextmanager
def _listening(
    process: subprocess.Popen[bytes], last_words: deque[str]
) -> Iterator[queue.Queue[bytes]]:
    lines: queue.Queue[bytes] = queue.Queue()
    readers = [
        threading.Thread(target=_read_lines, args=(process.stdout, lines.put), daemon=True),
        threading.Thread(target=_read_log, args=(process.stderr, last_words), daemon=True),
    ]
    for reader in readers:
        reader.start()
    try:
        yield lines
    finally:
        _end_tree(process)
        for reader, stream in zip(readers, (process.stdout, process.stderr), strict=True):
            reader.join(timeout=5)
            if stream is not None and not reader.is_alive():
                stream.close()


def _read_lines(stream: IO[bytes], put: Any) -> None:
    for line in iter(lambda: stream.readline(_LONGEST_LINE), b""):
        put(line)


def _read_log(stream: IO[bytes], last_words: deque[str]) -> None:
    """Copy the process's output to the log, and keep the last lines for the reason of a failure."""
    for line in iter(lambda: stream.readline(_LONGEST_LINE), b""):
        text = line.decode(errors="replace").rstrip()
        if text:
            last_words.append(text)
        sys.stderr.write(text + "\n")


def _follow(
    process: subprocess.Popen[bytes],
    lines: queue.Queue[bytes],
    answer: Answer,
    reporter: Reporter,
) -> None:
    """Pass on the process's reports until it has ended and nothing is left to read."""
    while True:
        if reporter.should_stop():
            raise CancelledByUser("Cancelled while CaImAn was running.")
        ended = process.poll() is not None
        try:
            line = lines.get(timeout=_POLL_S)
        except queue.Empty:
            if ended:
                break
            continue
        _hear(line, answer, reporter)
    if process.returncode == _EXIT_POOL_DIED:
        raise PoolDied


def _hear(line: bytes, answer: Answer, reporter: Reporter) -> None:
    try:
        event = json.loads(line)
        kind = event.pop("event")
    except (ValueError, KeyError, AttributeError, TypeError):
        reporter.log(f"CaImAn's process said: {line.decode(errors='replace').strip()[:200]}")
        return
    if kind == "progress":
        reporter.progress(str(event["stage"]), float(event["done"]), float(event["total"]))
    elif kind == "warning":
        answer.warnings.append(str(event["message"]))
        reporter.warning(str(event["message"]))
    elif kind == "changed":
        _note_change(event, answer, reporter)
    elif kind == "log":
        reporter.log(str(event["message"]))
    elif kind == "error":
        raise EngineError(_explain(event))
    elif kind == "result":
        answer.values = event


def _note_change(event: dict[str, Any], answer: Answer, reporter: Reporter) -> None:
    """Log how CaImAn changed a parameter; a choice that was left to it is no warning."""
    name, asked, used = str(event["parameter"]), event["asked"], event["used"]
    answer.changed[name] = used
    if asked is None:
        reporter.log(f"CaImAn chose {name} = {used}.")
        return
    message = f"CaImAn's own check changed {name} from {asked} to {used}."
    answer.warnings.append(message)
    reporter.warning(message)


def _explain(event: dict[str, Any]) -> str:
    """CaImAn's exception as one sentence with the next step, where we know one."""
    kind, message = str(event.get("kind")), str(event.get("message")).strip()
    versions = event.get("versions") or {}
    text = f"CaImAn failed: {kind}: {message[:500]}. "
    if kind == "LinAlgError" and _newer(versions.get("scipy", ""), (1, 14)):
        return (
            f"CaImAn {versions.get('caiman')} does not work with SciPy {versions['scipy']}. "
            "Install 'scipy<1.14' in its environment, then retry."
        )
    if kind == "MemoryError":
        return text + "Use smaller patches (patch.rf) or fewer processes, then retry."
    if _tells_of_a_full_disk(message):
        return _DISK_IS_FULL
    return text + "The log has the traceback."


def _newer(version: str, limit: tuple[int, int]) -> bool:
    parts = version.split(".")[:2]
    return all(p.isdigit() for p in parts) and tuple(map(int, parts)) >= limit


def _tells_of_a_full_disk(text: str) -> bool:
    return any(sign in text for sign in ("No space left", "[Errno 28]", "errno = 28"))


def _how_it_ended(code: int | None, last_words: deque[str]) -> str:
    # the library of HDF5 takes its process along when it cannot write
    if any(map(_tells_of_a_full_disk, last_words)):
        return _DISK_IS_FULL
    how = f"exit code {code}"
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            how = f"signal {signal.Signals(-code).name}"
    cause = _USUAL_CAUSES.get(how, "")
    said = f" Its last words: {last_words[-1][:300]}" if last_words else ""
    return f"CaImAn's process ended without a result ({how}).{cause}{said} The log has more."


def _end_tree(process: subprocess.Popen[bytes]) -> None:
    """End the process and its pool; nothing of it may write into the item afterwards."""
    try:
        members = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        members = []
    for member in members:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    if process.poll() is None:
        process.kill()
    if sys.platform != "win32":
        # a pool replaces its dead at any moment, also while its own process ends
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    psutil.wait_procs(members, timeout=5)
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
