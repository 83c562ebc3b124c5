"""CaImAn as an engine: our input, its computation in its own process, our outputs."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path

from napari_cnmf.engines.base import Algorithm, Job, Outcome, Reporter
from napari_cnmf.engines.caiman.child import run_worker
from napari_cnmf.engines.caiman.discovery import CaimanSearch, find_caiman
from napari_cnmf.engines.caiman.interpreter import CaimanFound
from napari_cnmf.engines.caiman.memmap import (
    clear_scratch,
    kept_input,
    open_scratch,
    prepare_input,
)
from napari_cnmf.engines.caiman.outputs import collect_components, collect_motion
from napari_cnmf.engines.caiman.preflight import check_needs, estimate_needs
from napari_cnmf.engines.caiman.request import make_request, processes_of, used_parameters
from napari_cnmf.errors import EngineError
from napari_cnmf.params import CNMFParams


class CaimanEngine:
    """The reference implementation, in an interpreter of its own (Giovannucci et al. 2019).

    References
    ----------
    Giovannucci et al. (2019), eLife 8:e38173.
    """

    name = "caiman"
    title = "CaImAn"

    @cached_property
    def _search(self) -> CaimanSearch:
        return find_caiman()

    @property
    def search(self) -> CaimanSearch:
        """Result of the search for CaImAn; the first time takes seconds."""
        return self._search

    def look_again(self) -> CaimanSearch:
        """Search anew, after settings or environments have changed."""
        self.__dict__.pop("_search", None)
        return self._search

    def unavailable_reason(self) -> str | None:
        """Reason why CaImAn was not found, and the next step; ``None`` if it is there."""
        return None if self._search.found else self._search.reason

    def version(self) -> str | None:
        """Version of CaImAn, ``None`` when it was not found."""
        return self._search.found.version if self._search.found else None

    def algorithms(self) -> frozenset[Algorithm]:
        """Every algorithm: CaImAn can run all of them."""
        return frozenset(Algorithm)

    def unused_parameters(self, algorithm: Algorithm, params: CNMFParams) -> dict[str, str]:
        """Parameters that were set and CaImAn does not use, with the reason."""
        from napari_cnmf.params import unused_parameters

        return unused_parameters(params, "caiman")

    def run(self, job: Job, reporter: Reporter) -> Outcome:
        """Compute ``job`` in CaImAn's interpreter.

        Raises
        ------
        CancelledByUser
            All of CaImAn's processes are gone, and so is its scratch folder.
        CnmfError
            One readable reason; the log has CaImAn's own words.
        """
        if self._search.found is None:
            raise EngineError(self._search.reason)
        return run_job(self._search.found, job, reporter)


def run_job(caiman: CaimanFound, job: Job, reporter: Reporter) -> Outcome:
    """Run a job with CaImAn; see `CaimanEngine.run`."""
    scratch = open_scratch(job.folder)
    try:
        return _compute(caiman, job, reporter, scratch)
    finally:
        inputs = list(scratch.glob("input-*.mmap")) if job.run.keep_memmap else []
        clear_scratch(job.folder, keep=inputs[0] if inputs else None)


def _compute(caiman: CaimanFound, job: Job, reporter: Reporter, scratch: Path) -> Outcome:
    from napari_cnmf.io import check_movie

    is_motion = job.algorithm is Algorithm.MCORR
    if job.frame_rate_hz is None and not is_motion:
        raise EngineError(f"{job.algorithm} needs the frame rate. Set data.fr.")
    movie = job.open_movie()
    check_movie(movie)
    reporter.log(f"CaImAn {caiman.version} in {caiman.path} ({caiman.source}).")
    if caiman.known_problem and not is_motion:
        reporter.warning(caiman.known_problem)
    order = "F" if is_motion else "C"
    needs = estimate_needs(
        job,
        movie,
        processes_of(job),
        input_is_there=kept_input(job, movie, order) is not None,
    )
    check_needs(needs, job.folder, reporter)
    path = prepare_input(job, movie, reporter, order=order)
    request = make_request(job, movie, path, scratch, reporter)
    if job.algorithm is Algorithm.EVALUATE:
        request["result"] = str(_result_to_score(job, scratch))
    answer = run_worker(caiman, request, scratch, reporter)
    if is_motion:
        outcome = collect_motion(job, movie, answer, scratch, reporter)
    else:
        outcome = collect_components(job, movie, answer, reporter)
    return replace(outcome, used_parameters=used_parameters(job, request, answer.changed))


def _result_to_score(job: Job, scratch: Path) -> Path:
    """Write the given result in CaImAn's own form, whoever wrote it."""
    from napari_cnmf.io.caiman import read_caiman, write_caiman

    if job.result_path is None:
        raise EngineError("evaluate needs a result to score, and the job names none.")
    return write_caiman(read_caiman(job.result_path), scratch / "given.hdf5")
