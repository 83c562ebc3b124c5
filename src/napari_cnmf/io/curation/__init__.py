"""Curation on disk: the journal and its arrays beside the result they are about."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import platformdirs

from napari_cnmf.io.curation.arrays import FileArrayStore
from napari_cnmf.io.curation.journal import FileJournal
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation import Curation, Estimator

__all__ = ["FileArrayStore", "FileJournal", "journal_paths", "open_curation"]


def open_curation(
    result_path: Path,
    *,
    in_batch: bool = False,
    curator: str | None = None,
    make_estimator: Callable[[Components], Estimator] | None = None,
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
    make_estimator
        Makes what re-estimates edited components; without it such edits are refused.

    Raises
    ------
    ResultError
        When the file is no result.
    CurationError
        When the journal is damaged.
    """
    from napari_cnmf.io.caiman import read_caiman

    components = read_caiman(result_path)
    journal, arrays = journal_paths(result_path, in_batch=in_batch, curator=curator)
    return Curation(
        components,
        journal=FileJournal(journal),
        arrays=FileArrayStore(arrays),
        estimator=make_estimator(components) if make_estimator is not None else None,
        who=curator,
    )


def journal_paths(
    result_path: Path, *, in_batch: bool = False, curator: str | None = None
) -> tuple[Path, Path]:
    """Where journal and arrays of a result lie: ``(…jsonl, …h5)``."""
    suffix = f"-{curator}" if curator else ""
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
