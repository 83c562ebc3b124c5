"""The child process of one item: ``python -m napari_cnmf.batch.worker ITEM_DIR``.

It alone writes the events, the status and the result of its item while it lives, so it needs
nobody to talk to: the process that started it may die, and whoever opens the batch finds it.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from napari_cnmf.batch import stopping
from napari_cnmf.batch.claims import (
    EXIT_ENDED,
    EXIT_FAILED,
    EXIT_NOT_OURS,
    ClaimedError,
    beating,
    claim,
    is_alive,
)
from napari_cnmf.batch.events import LOG_FILE, Event, EventKind, append_event
from napari_cnmf.batch.reporter import FileReporter
from napari_cnmf.batch.spec import read_spec, require_plain_files
from napari_cnmf.batch.status import (
    RETRIABLE,
    ErrorInfo,
    ProcessInfo,
    State,
    Status,
    read_status,
    write_status,
)
from napari_cnmf.batch.store import find_item_folder, remove_outputs, sweep_item
from napari_cnmf.engines.base import Algorithm, Engine, Job
from napari_cnmf.errors import DISK_IS_FULL, CancelledByUser, CnmfError, reason

if TYPE_CHECKING:
    from napari_cnmf.params import CNMFParams

_LOG_FORMAT = "%(asctime)s %(levelname)s %(message)s"

logger = logging.getLogger("napari_cnmf")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one item; the exit code says how it ended."""
    parser = argparse.ArgumentParser(prog="python -m napari_cnmf.batch.worker")
    parser.add_argument("folder", type=Path, metavar="ITEM_DIR")
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--memory-gb", type=float, default=None)
    parser.add_argument("--scheduler", metavar="ADDRESS", help="spread the recording over dask")
    parser.add_argument(
        "--retry", action="store_true", help="run it too when it failed or was interrupted"
    )
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format=_LOG_FORMAT, stream=sys.stderr)
    folder = args.folder.absolute()
    try:
        require_plain_files(folder)
        with claim(folder, timeout_s=5.0), beating(folder):
            status = read_status(folder)
            if not _may_run(folder, status, retry=args.retry):
                logger.info("not run: it is %s", status.state)
                return EXIT_NOT_OURS
            # An engine's own processes inherit the marks: they are found when this one is killed.
            marks = {stopping.MARK: read_spec(folder).uuid, stopping.FOLDER_MARK: str(folder)}
            os.environ.update(marks)
            sweep_item(folder)
            _log_to(folder / LOG_FILE)
            run = _Run(folder, status, args.scheduler)
            return run.execute(args.threads, args.memory_gb)
    except ClaimedError as error:
        logger.info("not run: %s", error)
        return EXIT_NOT_OURS
    except CnmfError as error:
        logger.error("not run: %s", error)
        return EXIT_FAILED


def _log_to(path: Path) -> None:
    """Write the log into the item too, where a script or a cluster has sent stderr elsewhere."""
    if path.is_symlink():
        return  # it could lead out of the batch; reading the item says so
    with suppress(OSError, ValueError):  # no stderr at all is elsewhere too
        if os.path.samestat(os.fstat(sys.stderr.fileno()), path.stat()):
            return
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter(_LOG_FORMAT))
    logging.getLogger().addHandler(handler)


def _may_run(folder: Path, status: Status, *, retry: bool) -> bool:
    if status.state is State.RUNNING:
        # We hold its lock, so whoever wrote that is gone, or on a host that locks do not reach.
        return not is_alive(folder, status)
    if status.state in (State.QUEUED, State.WAITING) or (retry and status.state in RETRIABLE):
        return _parent_is_done(folder)
    return False


def _parent_is_done(folder: Path) -> bool:
    parent = read_spec(folder).parent
    if parent is None:
        return True
    return read_status(find_item_folder(folder.parents[1], parent)).state is State.COMPLETED


class _Run:
    """The life of one item, from running to one of the ended states."""

    def __init__(self, folder: Path, status: Status, scheduler: str | None) -> None:
        self.folder, self._scheduler = folder, scheduler
        self._terminated = False
        if status.state is State.RUNNING:
            status = status.to(State.INTERRUPTED)
        if status.state.ended:
            status = status.to(State.QUEUED)
            stopping.forget_cancel(folder)
        self._reporter = FileReporter(
            folder,
            status.to(State.RUNNING, process=ProcessInfo.current()),
            terminated=lambda: self._terminated,
        )

    def execute(self, n_threads: int | None, memory_gb: float | None) -> int:
        """Run the item and write how it ended; returns the exit code."""
        signal.signal(signal.SIGTERM, self._on_terminate)
        write_status(self.folder, self._reporter.status)
        try:
            final = self._compute(n_threads, memory_gb)
        except CancelledByUser:
            final = self._stopped()
        # The process boundary: whatever an engine raises is the item's error, told in its status.
        except BaseException as error:  # noqa: BLE001
            final = self._failed(error)
        if final.state is not State.COMPLETED:
            remove_outputs(self.folder)  # before the status: they may be what fills the disk
        write_status(self.folder, final)
        stopping.forget_cancel(self.folder)
        return EXIT_ENDED if final.state is State.COMPLETED else EXIT_FAILED

    def _on_terminate(self, _signal: int, _frame: FrameType | None) -> None:
        self._terminated = True

    def _compute(self, n_threads: int | None, memory_gb: float | None) -> Status:
        engine, job = self._prepare(n_threads, memory_gb)
        with self._connected(engine) as client:
            outcome = engine.run(replace(job, client=client), self._reporter)
        append_event(self.folder, Event(EventKind.RESULT, ", ".join(outcome.outputs)))
        return self._reporter.status.to(
            State.COMPLETED,
            n_components=outcome.n_components,
            n_accepted=outcome.n_accepted,
            outputs=outcome.outputs,
            figures=outcome.figures,
            used_parameters=outcome.used_parameters,
        )

    def _connected(self, engine: Engine) -> AbstractContextManager[Any]:
        """Client of the scheduler that the recording is spread with, where there is one."""
        if self._scheduler is None:
            return nullcontext(None)
        if engine.name != "builtin":
            self._reporter.warning(
                f"{engine.title} works on this computer alone: only the built-in engine spreads a "
                "recording over a cluster."
            )
            return nullcontext(None)
        from napari_cnmf.batch.cluster import connect

        return connect(self._scheduler)

    def _prepare(self, n_threads: int | None, memory_gb: float | None) -> tuple[Engine, Job]:
        # Imports of an engine may fail; that belongs to the item, not to a silent exit.
        from napari_cnmf.batch.batch import Batch
        from napari_cnmf.batch.item import Item
        from napari_cnmf.batch.jobs import prepare_job
        from napari_cnmf.batch.preflight import check_space
        from napari_cnmf.engines import resolve
        from napari_cnmf.io.movies import remarks_on

        reporter = self._reporter
        if reporter.should_stop():
            raise CancelledByUser("Cancelled before it began.")
        item = Item(Batch.open(self.folder.parents[1]), self.folder)
        engine, reason = resolve(item.spec.engine, item.algorithm)
        job = prepare_job(item, n_threads=n_threads, memory_gb=memory_gb)
        reporter.update(
            engine=engine.name,
            engine_version=engine.version(),
            engine_reason=reason,
            frame_rate_hz=job.frame_rate_hz,
        )
        reporter.log(f"Engine {engine.name} {engine.version()}: {reason}")
        _tell_unused(engine, job, reporter)
        for warning in check_space(job, is_builtin=engine.name == "builtin"):
            reporter.warning(warning)
        if item.spec.movie is not None:  # of a parent's movie the parent has told
            movie = job.open_movie()
            for remark in remarks_on(movie, decay_time_s=job.params.data.decay_time):
                reporter.warning(remark)
            if item.spec.movie.fingerprint not in (None, movie.fingerprint):
                reporter.update(movie_fingerprint=movie.fingerprint)
                reporter.warning(
                    "The files of the movie were changed after this item was added. The result is "
                    "of the movie as it is now."
                )
        return engine, job

    def _stopped(self) -> Status:
        """Status of an item that the user cancelled, or that the system told to end."""
        if stopping.cancel_requested(self.folder):
            logger.info("cancelled")
            return self._reporter.status.to(State.CANCELLED)
        message = "The system told its process to end. Retry it."
        logger.warning(message)
        return self._reporter.status.to(
            State.INTERRUPTED, error=ErrorInfo(kind="Terminated", message=message)
        )

    def _failed(self, error: BaseException) -> Status:
        text = traceback.format_exc()
        logger.error("%s", text)
        info = ErrorInfo(kind=type(error).__name__, message=explain(error), traceback=text)
        try:
            append_event(self.folder, Event(EventKind.ERROR, info.message))
        except OSError:
            logger.exception("the event could not be written")
        return self._reporter.status.to(State.FAILED, error=info)


def _tell_unused(engine: Engine, job: Job, reporter: FileReporter) -> None:
    """Say which parameters have no effect with this engine: in the log, and what the user chose.

    Presets set such values too. Those alone are worth a line in the log.
    """
    from napari_cnmf.params import PRESETS, CNMFParams

    presets = [CNMFParams.model_validate(preset.as_dict()) for preset in PRESETS.values()]
    chosen = []
    for field, why in engine.unused_parameters(job.algorithm, job.params).items():
        group, _, key = field.rpartition(".")
        if job.algorithm is Algorithm.MCORR and group not in ("data", "motion"):
            continue  # no motion correction uses them, and no one expects it
        reporter.log(f"{field} is set and has no effect here: {why}")
        value = _value_of(job.params, group, key)
        if all(_value_of(preset, group, key) != value for preset in presets):
            chosen.append(f"{field} ({why.rstrip('.')})")
    if chosen:
        reporter.warning(
            f"{engine.title} does not use these parameters, which are set: {'; '.join(chosen)}."
        )


def _value_of(params: CNMFParams, group: str, key: str) -> object:
    return getattr(getattr(params, group) if group else params, key, None)


def explain(error: BaseException) -> str:
    """Sentence on what went wrong and what to do, as far as it is known."""
    if isinstance(error, CnmfError):
        return str(error)
    if isinstance(error, MemoryError):
        return (
            "More memory was needed than there is. Set run.memory_gb lower to compute out of "
            "core, close other programs, or use a smaller field or fewer frames."
        )
    if isinstance(error, OSError) and error.errno in DISK_IS_FULL:
        return (
            f"The disk with the batch has no room left ({reason(error)}). Free some space, or have "
            "the quota raised, then retry the item."
        )
    detail = str(error) or "no further word"
    return f"{type(error).__name__}: {detail}. The log has the traceback."


if __name__ == "__main__":
    sys.exit(main())
