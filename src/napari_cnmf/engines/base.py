"""The contract of an engine: a job in, events while it runs, a result folder out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from napari_cnmf.params import CNMFParams

if TYPE_CHECKING:
    from napari_cnmf.model.movie import Movie

RESULT_FILE = "result.hdf5"
CORRECTED_FILE = "corrected.tif"
MOTION_FILE = "motion.h5"
IMAGES_FILE = "images.npz"
OUTPUT_FILES = (RESULT_FILE, CORRECTED_FILE, MOTION_FILE, IMAGES_FILE)
"""Names of the outputs in an item's folder."""
SCRATCH = "caiman"
"""Folder in an item's for what CaImAn works with; never an output, gone when the item has ended."""


PARTS = "parts"
"""Folder in an item's for what the workers of a cluster leave for each other while a recording is
spread over them; never an output, gone when the item has ended."""


class Algorithm(StrEnum):
    """Algorithm of an item; `napari_cnmf._names.AlgorithmName` is the same for type checkers."""

    MCORR = "mcorr"
    CNMF = "cnmf"
    CNMFE = "cnmfe"
    EVALUATE = "evaluate"


@dataclass(frozen=True)
class RunOptions:
    """Options of how a job runs; they never change its result and never enter its hash."""

    n_processes: int | None = None
    """Threads or processes; ``None`` takes what is free."""
    memory_gb: float | None = None
    """Budget in GB; ``None`` takes what is free."""
    keep_memmap: bool = False
    """Keep CaImAn's input memmap when the item ends."""


@dataclass(frozen=True)
class Job:
    """One item as an engine sees it: every path absolute, every question answered.

    Attributes
    ----------
    folder
        The item's folder: all outputs go here, under the names of the batch format
        (``result.hdf5``, ``corrected.tif`` + ``motion.h5``, ``images.npz``).
    movie_paths
        The files of the movie, in order.
    open_with
        What `open_movie` has to be told beside the paths: ``axes, dataset, channel,
        n_channels``.
    frame_rate_hz
        From the parameters, the parent item or the movie's metadata; ``None`` only where the
        algorithm needs none.
    border_px
        Border that the parent's motion correction left; 0 without a parent.
    result_path
        For ``evaluate``: the result to score again.
    ain_path, mask_path
        ``.npz`` of a sparse ``(n_pixels, n)`` in C order, and ``.npy`` bool of the field.
    """

    folder: Path
    algorithm: Algorithm
    movie_paths: tuple[Path, ...]
    params: CNMFParams
    frame_rate_hz: float | None = None
    pixel_size_um: tuple[float, ...] | None = None
    border_px: int = 0
    refit: bool = False
    result_path: Path | None = None
    ain_path: Path | None = None
    mask_path: Path | None = None
    run: RunOptions = field(default_factory=RunOptions)
    open_with: Mapping[str, Any] = field(default_factory=dict)
    opened: Movie | None = field(default=None, compare=False, repr=False)
    """The movie, where whoever made the job has opened it already."""
    client: Any = field(default=None, compare=False, repr=False)
    """A dask client whose workers the recording is spread over; `None` for this computer alone."""

    def open_movie(self) -> Movie:
        """Open the movie to work on; raises ``MovieError`` when it cannot be opened."""
        if self.opened is not None:
            return self.opened
        from napari_cnmf.io import open_movie

        return open_movie(
            list(self.movie_paths), frame_rate_hz=self.frame_rate_hz, **self.open_with
        )


class Reporter(Protocol):
    """Receiver of what an engine says, which becomes ``events.jsonl`` and ``status.json``."""

    def progress(self, stage: str, done: float, total: float) -> None:
        """Report that ``done`` of ``total`` of a stage are done."""
        ...

    def log(self, message: str) -> None:
        """Write a message for the log of the item."""
        ...

    def warning(self, message: str) -> None:
        """Warn the user with one sentence."""
        ...

    def should_stop(self) -> bool:
        """Whether the user asked to stop; asked at every block."""
        ...


@dataclass(frozen=True)
class Outcome:
    """Files and notes that a finished job left behind, and the engine that ran it.

    Attributes
    ----------
    outputs
        Bare names of the files written to the job's folder.
    n_components, n_accepted
        ``None`` for motion correction.
    figures
        Plain numbers worth showing: ``border_px``, ``max_shift_px``, ...
    used_parameters
        ``{"group.key": value}`` where the engine computed with another value than the job asked
        for: chosen by it, or the only one that works. Plain values, as JSON has them.
    """

    outputs: tuple[str, ...]
    n_components: int | None = None
    n_accepted: int | None = None
    figures: dict[str, float] = field(default_factory=dict)
    used_parameters: dict[str, Any] = field(default_factory=dict)


class Engine(Protocol):
    """A program that computes items. One instance per process; stateless."""

    name: str
    title: str

    def unavailable_reason(self) -> str | None:
        """Reason why the engine cannot run here, with the next step; ``None`` if it can."""
        ...

    def version(self) -> str | None:
        """Version of the engine, e.g. ``1.12.1``; ``None`` when it is not there."""
        ...

    def algorithms(self) -> frozenset[Algorithm]:
        """Algorithms that the engine can run."""
        ...

    def unused_parameters(self, algorithm: Algorithm, params: CNMFParams) -> dict[str, str]:
        """Parameters that the user set and this engine does not use: ``{"group.key": why}``."""
        ...

    def run(self, job: Job, reporter: Reporter) -> Outcome:
        """Compute ``job`` in this process, the item's child process, and leave all outputs.

        An engine with an interpreter of its own prepares its input here, runs its process as a
        child of this one and passes on what that says; so every item has one worker, which alone
        writes events and status, and cancel ends one process tree.

        Raises
        ------
        CancelledByUser
            ``reporter.should_stop`` said so.
        CnmfError
            What went wrong, for the user to read.
        """
        ...
