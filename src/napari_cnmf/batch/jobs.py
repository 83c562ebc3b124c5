"""Makes an item the job of an engine: every path absolute, every question answered."""

from __future__ import annotations

from pathlib import Path

from napari_cnmf.batch.item import Item
from napari_cnmf.engines.base import RESULT_FILE, Algorithm, Job, RunOptions
from napari_cnmf.errors import BatchError, ParameterError


def prepare_job(item: Item, *, n_threads: int | None = None, memory_gb: float | None = None) -> Job:
    """Prepare the job of ``item`` for an engine.

    Parameters
    ----------
    n_threads, memory_gb
        What the queue grants; what the item itself asks for comes first.

    Raises
    ------
    MovieError
        When the movie is not where it was, or nobody knows its frame rate.
    BatchError
        When there is no result to score again.
    """
    spec = item.spec
    movie = item.input_movie()
    params = spec.parsed_params
    rate = movie.frame_rate_hz if item.parent is None else item.frame_rate_hz
    if rate is None and spec.algorithm is not Algorithm.MCORR:
        movie.require_frame_rate()
    if spec.unknown_params:
        raise ParameterError(
            f"{item.name!r} sets parameters that this napari-cnmf does not know: "
            f"{', '.join(sorted(spec.unknown_params))}. Update napari-cnmf to run it, or add it "
            "again without them."
        )
    folder = item.folder
    return Job(
        folder=folder,
        algorithm=spec.algorithm,
        movie_paths=movie.paths,
        open_with=movie.opened_with,
        opened=movie if rate is None else movie.with_frame_rate(rate),
        params=params,
        frame_rate_hz=rate,
        pixel_size_um=movie.pixel_size_um,
        border_px=item.border_px,
        refit=spec.refit,
        result_path=_result_to_score(item) if spec.algorithm is Algorithm.EVALUATE else None,
        ain_path=None if spec.ain is None else folder / spec.ain,
        mask_path=None if spec.mask is None else folder / spec.mask,
        run=RunOptions(
            n_processes=spec.run.n_processes or n_threads,
            memory_gb=spec.run.memory_gb or memory_gb,
            keep_memmap=spec.run.keep_memmap,
        ),
    )


def _result_to_score(item: Item) -> Path:
    if item.spec.result is not None:
        return item.folder / item.spec.result
    parent = item.parent
    if parent is None or parent.algorithm is Algorithm.MCORR:
        raise BatchError(
            f"{item.name!r} is to score a result, and its input has none. "
            "Give it a cnmf item, or result=PATH."
        )
    return parent.folder / RESULT_FILE
