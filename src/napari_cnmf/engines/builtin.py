"""The engine that comes with the package: reads a job's movie, calls `core`, writes its outputs."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.engines.base import (
    CORRECTED_FILE,
    IMAGES_FILE,
    MOTION_FILE,
    RESULT_FILE,
    Algorithm,
    Job,
    Outcome,
    Reporter,
)
from napari_cnmf.errors import EngineError
from napari_cnmf.model.components import Components
from napari_cnmf.model.movie import Movie
from napari_cnmf.params import CNMFParams

if TYPE_CHECKING:
    from napari_cnmf.core.base.parts import PartRunner
    from napari_cnmf.core.movie.source import FrameSource
    from napari_cnmf.core.result import CNMFResult


_FEWEST_BINS = 40
"""With fewer, neighbours correlate by chance."""
_BIN_BYTES = 0.2e9
"""Size of all bins that the images of a corrected movie are made from, at most."""


class BuiltinEngine:
    """CNMF and CNMF-E on the whitened, binned movie, and motion correction; no extra install."""

    name = "builtin"
    title = "Built-in"

    def unavailable_reason(self) -> str | None:
        """``None``: the built-in engine is always there."""
        return None

    def version(self) -> str:
        """Version of this package."""
        return version("napari-cnmf")

    def algorithms(self) -> frozenset[Algorithm]:
        """Every algorithm: the built-in engine can run all of them."""
        return frozenset(Algorithm)

    def unused_parameters(self, algorithm: Algorithm, params: CNMFParams) -> dict[str, str]:
        """Parameters that the user set and this engine does not use, with the reason."""
        from napari_cnmf.params import unused_parameters

        return unused_parameters(params, self.name)

    def run(self, job: Job, reporter: Reporter) -> Outcome:
        """Compute ``job``; every output appears whole or not at all."""
        from napari_cnmf.core.base.compiling import is_first_use, note_use

        part = job.algorithm.value
        if is_first_use(part):
            reporter.log("Compiling the engine. Only the first run after an update does this.")
            reporter.progress("compiling (first run only)", 0, 1)
        with _runner(job, reporter) as runner:
            outcome = self._run(job, reporter, runner)
        note_use(part)
        return outcome

    def _run(self, job: Job, reporter: Reporter, runner: PartRunner) -> Outcome:
        if job.algorithm is Algorithm.MCORR:
            return _correct(job, reporter, runner)
        if job.algorithm is Algorithm.EVALUATE:
            return _evaluate(job, reporter, runner)
        return _find_cells(job, reporter, runner)


def _runner(job: Job, reporter: Reporter) -> AbstractContextManager[PartRunner]:
    """Choose who works on the parts of the movie: this process, or the workers of a cluster."""
    from napari_cnmf.core.base.parts import RunHere

    if job.client is None:
        return nullcontext(RunHere(job.run.n_processes))
    from napari_cnmf.engines.spread import RunOnCluster

    return RunOnCluster(
        job.client, job.folder, job.movie_paths,
        n_threads=job.run.n_processes, on_log=reporter.log,
    )  # fmt: skip


def _source(job: Job, movie: Movie, runner: PartRunner) -> AbstractContextManager[FrameSource]:
    """Frames for several passes: decoded once here, or by each worker of a cluster itself."""
    from napari_cnmf.io import decoded_once, frame_source

    if runner.shared_folder is not None:
        return nullcontext(frame_source(movie))
    return decoded_once(movie, job.folder)


def _find_cells(job: Job, reporter: Reporter, runner: PartRunner) -> Outcome:
    from napari_cnmf.core.run import run_cnmf
    from napari_cnmf.io import scratch_factory, write_images
    from napari_cnmf.io.archives import read_sparse
    from napari_cnmf.io.movies._lazy import MovieWindow
    from napari_cnmf.io.pickled import read_plain_array

    movie = job.open_movie()
    run: Callable[..., CNMFResult] = run_cnmf
    if job.params.init.plane_by_plane and len(movie.shape) == 4:
        from napari_cnmf.core.volumes.planes import run_plane_by_plane

        run = partial(run_plane_by_plane, windows=MovieWindow(movie))
    with _source(job, movie, runner) as source:
        result = run(
            source,
            job.params,
            frame_rate_hz=_rate(job),
            border_px=job.border_px,
            refit=job.refit,
            ain=None if job.ain_path is None else read_sparse(job.ain_path),
            mask=None if job.mask_path is None else read_plain_array(job.mask_path),
            one_photon=job.algorithm is Algorithm.CNMFE,
            memory_gb=job.run.memory_gb,
            n_threads=job.run.n_processes,
            runner=runner,
            scratch=scratch_factory(job.folder),
            on_progress=reporter.progress,
            on_warning=reporter.warning,
            on_log=reporter.log,
            should_stop=reporter.should_stop,
        )
    write_images(job.folder / IMAGES_FILE, result.images)
    components = _with_provenance(result.components, job, movie)
    return _write_result(job, components, dict(result.figures), (RESULT_FILE, IMAGES_FILE))


def _evaluate(job: Job, reporter: Reporter, runner: PartRunner) -> Outcome:
    from napari_cnmf.core.verdict.evaluate import evaluate_result
    from napari_cnmf.io import frame_source, read_images, write_images
    from napari_cnmf.io.caiman import read_caiman

    if job.result_path is None:
        raise EngineError("evaluate needs a result to score, and the job names none.")
    movie = job.open_movie()
    components = evaluate_result(
        frame_source(movie),
        read_caiman(job.result_path),
        job.params,
        frame_rate_hz=_rate(job),
        memory_gb=job.run.memory_gb,
        n_threads=job.run.n_processes,
        runner=runner,
        on_progress=reporter.progress,
        on_warning=reporter.warning,
        on_log=reporter.log,
        should_stop=reporter.should_stop,
    )
    images_beside = job.result_path.parent / IMAGES_FILE
    images = read_images(images_beside) if images_beside.is_file() else components.images
    outputs = (RESULT_FILE, IMAGES_FILE) if images else (RESULT_FILE,)
    if images:
        write_images(job.folder / IMAGES_FILE, images)
    return _write_result(job, components, {}, outputs)


def _correct(job: Job, reporter: Reporter, runner: PartRunner) -> Outcome:
    from napari_cnmf.core.motion.correct import correct_motion
    from napari_cnmf.io.motion import write_motion

    movie = job.open_movie()
    path = job.folder / CORRECTED_FILE
    with _Sink(path, movie) as sink, _source(job, movie, runner) as source:
        result = correct_motion(
            source,
            job.params,
            write=sink.write,
            frame_rate_hz=job.frame_rate_hz,
            memory_gb=job.run.memory_gb,
            n_threads=job.run.n_processes,
            runner=runner,
            on_progress=reporter.progress,
            on_warning=reporter.warning,
            on_log=reporter.log,
            should_stop=reporter.should_stop,
        )
        if runner.shared_folder is not None:
            sink.all_written()
        figures = {**result.figures, "border_px": float(result.border_px)}
        write_motion(
            job.folder / MOTION_FILE,
            shifts=result.shifts,
            border_px=result.border_px,
            error_px=result.error_px,
            lost=result.lost,
            correlations=result.correlations,
            template=result.template,
            field=result.field,
            nodes=result.nodes,
            figures=figures,
        )
    outputs = [CORRECTED_FILE, MOTION_FILE]
    outputs += _write_images_of(job, reporter, runner)
    return Outcome(outputs=tuple(outputs), figures=_finite(figures))


def _write_images_of(job: Job, reporter: Reporter, runner: PartRunner) -> list[str]:
    """Write summary images of the corrected movie."""
    from napari_cnmf.core.movie.store import release_freed
    from napari_cnmf.core.movie.summary import summary_images
    from napari_cnmf.io import frame_source, open_movie, write_images

    release_freed()  # what motion correction held would count beside the images
    corrected = open_movie(job.folder / CORRECTED_FILE, frame_rate_hz=job.frame_rate_hz)
    images = summary_images(
        frame_source(corrected),
        frames_per_bin=_frames_per_bin(corrected),
        n_threads=job.run.n_processes,
        runner=runner,
        on_progress=reporter.progress,
        should_stop=reporter.should_stop,
    )
    write_images(job.folder / IMAGES_FILE, images)
    return [IMAGES_FILE]


def _frames_per_bin(movie: Movie) -> int | None:
    """Number of frames whose mean is one image of the correlation, so that all take 0.2 GB at most.

    The field alone decides it, whatever the memory: images are a result, too. ``None`` leaves the
    choice to `summary_images`, wherever its 500 bins are no more than that.
    """
    from napari_cnmf.core.movie.summary import N_BINS

    n_bins = int(_BIN_BYTES / (4 * np.prod(movie.dims)))
    return None if n_bins >= N_BINS else math.ceil(movie.n_frames / max(n_bins, _FEWEST_BINS))


class _Sink:
    """Writer of a corrected movie whose dtype is known with the first frames only."""

    def __init__(self, path: Path, movie: Movie) -> None:
        self._path, self._movie = path, movie
        self._stack = ExitStack()
        self._writer: Any = None

    def __enter__(self) -> _Sink:
        return self

    def write(self, start: int, frames: NDArray[Any]) -> None:
        """Write ``frames`` ``(n, [Z], Y, X)`` at frame ``start``."""
        from napari_cnmf.io import TiffMovieWriter

        if self._writer is None:
            self._writer = self._stack.enter_context(
                TiffMovieWriter(
                    self._path,
                    self._movie.shape,
                    frames.dtype,
                    frame_rate_hz=self._movie.frame_rate_hz,
                    pixel_size_um=self._movie.pixel_size_um,
                )
            )
        self._writer.write(start, frames)

    def all_written(self) -> None:
        """Take it from the engine that workers elsewhere have written every frame."""
        self._writer.all_written()

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process gets the place of the frames in the file, and writes to it."""
        place = self._writer.frames_in_file()
        return type(place), (place.path, place.offset, place.shape, place.dtype)

    def __exit__(self, *exc: Any) -> None:
        self._stack.__exit__(*exc)


def _rate(job: Job) -> float:
    if job.frame_rate_hz is None:
        raise EngineError(f"{job.algorithm} needs the frame rate, and the job does not say it.")
    return job.frame_rate_hz


def _with_provenance(components: Components, job: Job, movie: Movie) -> Components:
    """Components with the attributes that must travel with a result."""
    attributes = components.attributes | {
        "movie_paths": [path.as_posix() for path in job.movie_paths],
        "movie_fingerprint": movie.fingerprint,
        "engine": "builtin",
        "engine_version": version("napari-cnmf"),
    }
    return components.replace(attributes=attributes)


def _write_result(
    job: Job, components: Components, figures: dict[str, float], outputs: tuple[str, ...]
) -> Outcome:
    from napari_cnmf.io.caiman import write_caiman

    write_caiman(components, job.folder / RESULT_FILE, movie_path=job.movie_paths[0])
    accepted = components.accepted
    return Outcome(
        outputs=outputs,
        n_components=components.n_components,
        n_accepted=None if accepted is None else int(np.count_nonzero(accepted)),
        figures=_finite(figures),
    )


def _finite(figures: dict[str, float]) -> dict[str, float]:
    """Figures as plain floats, without NaN, which JSON lacks."""
    return {name: float(value) for name, value in figures.items() if np.isfinite(value)}
