"""Tools of the checks: a listener, small recordings, jobs in folders with awkward names."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_cnmf.engines.base import Algorithm, Engine, Job, Outcome, RunOptions
from napari_cnmf.params import CNMFParams
from napari_cnmf.testing.one_photon import simulate_one_photon
from napari_cnmf.testing.recording import Recording
from napari_cnmf.testing.two_photon import simulate
from napari_cnmf.testing.volume import simulate_volume


@dataclass
class Listener:
    """A reporter that remembers what an engine says, and cancels when ``stop_in`` begins.

    Attributes
    ----------
    stop_in
        A stage, or ``*`` for the first one.
    stages
        In the order of their first progress.
    """

    stop_in: str | None = None
    stages: list[str] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    _stop: bool = False

    def progress(self, stage: str, done: float, total: float) -> None:
        """Check and note the progress, which never goes beyond its end."""
        assert stage, "a stage must have a name"
        assert 0 <= done <= total, f"progress must be from 0 to {total}, got {done} in {stage!r}"
        if stage not in self.stages:
            self.stages.append(stage)
        self._stop = self._stop or self.stop_in in (stage, "*")

    def log(self, message: str) -> None:
        """Remember a message for the log."""
        self.logs.append(message)

    def warning(self, message: str) -> None:
        """Remember a warning."""
        self.warnings.append(message)

    def should_stop(self) -> bool:
        """Whether the stage in which to cancel has begun."""
        return self._stop


def two_photon(folder: Path, **knobs: Any) -> Recording:
    """Recording of five cells on a field that is not square, in a file."""
    usual: dict[str, Any] = {
        "n_frames": 300, "size": (40, 52), "n_cells": 5, "seed": 4, "event_rate_hz": 0.3,
        "silent_fraction": 0.0, "frame_rate_hz": 10.0, "radius_px": 4.0, "border_margin_px": 5.0,
    }  # fmt: skip
    return simulate(**(usual | knobs)).write(folder / "Aufnahme für alle.tif")


def one_photon(folder: Path) -> Recording:
    """Recording of four cells under a moving background, in a file."""
    knobs: dict[str, Any] = {
        "n_frames": 400, "size": (48, 60), "n_cells": 4, "seed": 1, "event_rate_hz": 0.3,
        "silent_fraction": 0.0, "frame_rate_hz": 10.0, "radius_px": 3.5, "min_distance_px": 14.0,
        "border_margin_px": 8.0, "n_vessels": 1, "out_of_focus_per_kpx": 0.0,
        "amplitude_units": 6.0,
    }  # fmt: skip
    return simulate_one_photon(**knobs).write(folder / "one photon.tif")


def volume(folder: Path, **knobs: Any) -> Recording:
    """Recording of four cells in six planes, in a file."""
    usual: dict[str, Any] = {
        "n_frames": 200, "size": (6, 36, 44), "n_cells": 4, "seed": 3, "event_rate_hz": 0.3,
        "silent_fraction": 0.0, "frame_rate_hz": 8.0, "radius_px": 4.0, "border_margin_px": 6.0,
    }  # fmt: skip
    return simulate_volume(**(usual | knobs)).write(folder / "Würfel.tif")


def params_of(recording: Recording) -> CNMFParams:
    """Parameters that a user would ask for: the size of its cells, an order that suits its rate."""
    return CNMFParams().replace(
        data={"decay_time": recording.decay_time_s},
        init={"gSig": recording.gSig, "K": recording.truth.n_cells + 1, "ssub": 1, "tsub": 1},
        preprocess={"p": 1},
        temporal={"p": 1},
        quality={"min_SNR": 2.0, "rval_thr": 0.7, "use_cnn": False},
    )


def job_of(
    folder: Path, algorithm: Algorithm, recording: Recording, params: CNMFParams, **more: Any
) -> Job:
    """Make a job in an item's folder of its own."""
    item = item_folder(folder, algorithm)
    item.mkdir(parents=True, exist_ok=True)
    assert isinstance(recording.movie, Path)
    values: dict[str, Any] = {
        "frame_rate_hz": recording.frame_rate_hz,
        "run": RunOptions(n_processes=1),
    }
    return Job(item, algorithm, (recording.movie,), params, **(values | more))


def item_folder(folder: Path, algorithm: Algorithm) -> Path:
    """Folder of the job of that algorithm, with spaces and an umlaut in its path."""
    return folder / "Stapel für alle" / "items" / f"item {algorithm.value}"


def run(engine: Engine, job: Job, listener: Listener | None = None) -> Outcome:
    """Run a job; it must leave exactly what it says, and the movie as it was."""
    listener = listener or Listener()
    before = [path.stat() for path in job.movie_paths]
    given = set(names_in(job.folder))
    outcome = engine.run(job, listener)
    made = set(names_in(job.folder)) - given
    assert made == set(outcome.outputs) - given, f"left {made}, and said {outcome.outputs}"
    for path, was in zip(job.movie_paths, before, strict=True):
        now = path.stat()
        assert (now.st_size, now.st_mtime_ns) == (was.st_size, was.st_mtime_ns), "movie changed"
    assert listener.stages, "a job must say how far it is"
    return outcome


def names_in(folder: Path) -> list[str]:
    """Names of what lies in a folder, sorted."""
    return sorted(path.name for path in folder.iterdir())
