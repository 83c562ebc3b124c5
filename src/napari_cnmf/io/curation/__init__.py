"""Curation on disk: the journal and its arrays beside the result they are about."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import platformdirs

from napari_cnmf.io.curation.arrays import FileArrayStore
from napari_cnmf.io.curation.continued import ContinuedArrays, ContinuedJournal
from napari_cnmf.io.curation.curators import MAIN, journals_of, read_other
from napari_cnmf.io.curation.estimating import MovieEstimator
from napari_cnmf.io.curation.journal import FileJournal
from napari_cnmf.io.curation.saving import save_curated, unpack
from napari_cnmf.model.curation import ArrayStore, Curation, Estimator, Journal
from napari_cnmf.model.movie import Movie

__all__ = [
    "MAIN",
    "FileArrayStore",
    "FileJournal",
    "MovieEstimator",
    "journal_paths",
    "journals_of",
    "open_curation",
    "read_other",
    "save_curated",
]


def open_curation(
    result_path: Path,
    *,
    in_batch: bool = False,
    curator: str | None = None,
    open_movie: Callable[[], Movie] | None = None,
    estimator: Estimator | None = None,
) -> Curation:
    """Read a result and replay its journal.

    Parameters
    ----------
    result_path
        CaImAn HDF5; never changed.
    in_batch
        The journal of an item is ``curation.jsonl`` in its folder; elsewhere it lies beside the
        result as ``<file>.curation.jsonl``, or in the user's data folder where that is read-only.
    curator
        A second curator's name: has a journal of its own, ``curation-<name>.jsonl``.
    open_movie
        Opens the movie of the result, when the first shape is edited.
    estimator
        What re-estimates edited components instead of the movie or the model.

    Raises
    ------
    ResultError
        When the file is no result.
    CurationError
        When the journal is damaged.
    """
    from napari_cnmf.io.caiman import read_caiman, read_state

    components = read_caiman(result_path)
    saved = unpack(components, read_state(result_path))
    lines_path, arrays_path = journal_paths(
        result_path, in_batch=in_batch, curator=curator, since=saved.digest if saved else None
    )
    journal: Journal = FileJournal(lines_path)
    arrays: ArrayStore = FileArrayStore(arrays_path)
    if saved is not None:
        journal = ContinuedJournal(saved.lines, journal)
        arrays = ContinuedArrays(saved.arrays, arrays)
    return Curation(
        components if saved is None else saved.original,
        journal=journal,
        arrays=arrays,
        estimator=estimator if estimator is not None else MovieEstimator(open_movie),
        who=curator,
        path=result_path,
        journal_name=curator or MAIN,
    )


def journal_paths(
    result_path: Path,
    *,
    in_batch: bool = False,
    curator: str | None = None,
    since: str | None = None,
) -> tuple[Path, Path]:
    """Where journal and arrays of a result lie: ``(…jsonl, …h5)``.

    Parameters
    ----------
    since
        Digest of the journal inside a saved file. What is written beside the file goes on from
        that one alone: after another save under this name it is left behind, never replayed.
    """
    suffix = f"-{curator}" if curator else ""
    if since is not None:
        suffix += f"-since-{since}"
    if in_batch:
        stem = result_path.with_name(f"curation{suffix}")
    else:
        stem = result_path.with_name(f"{result_path.name}.curation{suffix}")
        if not os.access(result_path.parent, os.W_OK) and not _journal(stem).exists():
            folder = platformdirs.user_data_path("napari-cnmf", ensure_exists=True)
            # the folder's own name keeps results of one file name apart
            stem = folder / f"{result_path.resolve().parent.name}-{stem.name}"
    return _journal(stem), stem.with_name(stem.name + ".h5")


def _journal(stem: Path) -> Path:
    return stem.with_name(stem.name + ".jsonl")
