"""Opens curations on disk: the journal and its arrays beside the result they are about."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import platformdirs

from napari_cnmf._checks import check_kind
from napari_cnmf.errors import CurationError
from napari_cnmf.io.curation.arrays import FileArrayStore
from napari_cnmf.io.curation.belonging import own_journal
from napari_cnmf.io.curation.continued import ContinuedArrays, ContinuedJournal
from napari_cnmf.io.curation.curators import (
    MAIN,
    is_file_name,
    journals_of,
    read_other,
    spelling_of,
)
from napari_cnmf.io.curation.estimating import MovieEstimator
from napari_cnmf.io.curation.journal import FileJournal
from napari_cnmf.io.curation.looked_at import FileSeenIds
from napari_cnmf.io.curation.saving import save_curated, unpack
from napari_cnmf.model.curation import ArrayStore, Curation, Estimator, Journal
from napari_cnmf.model.movie import Movie

__all__ = [
    "MAIN",
    "FileArrayStore",
    "FileJournal",
    "FileSeenIds",
    "MovieEstimator",
    "journal_paths",
    "journals_of",
    "open_curation",
    "own_journal",
    "read_other",
    "save_curated",
]

_ITEM_FILE = "item.json"
"""The file that makes a folder an item of a batch."""


def open_curation(
    result_path: str | Path,
    *,
    in_batch: bool | None = None,
    curator: str | None = None,
    open_movie: Callable[[], Movie] | None = None,
    estimator: Estimator | None = None,
) -> Curation:
    """Read a result and replay its journal.

    A damaged journal opens with all that is intact: ``Curation.journal_problem`` says in one
    sentence what is not, as does the log.

    Parameters
    ----------
    result_path
        CaImAn HDF5; never changed.
    in_batch
        The journal of an item is ``curation.jsonl`` in its folder; elsewhere it lies beside the
        result as ``<file>.curation.jsonl``, or in the user's data folder where that is read-only.
        By default a result that lies in the folder of an item belongs to it.
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
        When the journal cannot be read at all.
    """
    from napari_cnmf.io.caiman import read_caiman, read_state

    result_path = Path(result_path)
    if in_batch is None:
        in_batch = (result_path.absolute().parent / _ITEM_FILE).is_file()
    if curator is not None:
        check_kind("curator", curator, str, CurationError, needed="the name of a curator as text")
    if curator and is_file_name(curator):
        curator = spelling_of(_usual_stem(result_path, in_batch=in_batch), curator)
    components = read_caiman(result_path)
    saved = unpack(components, read_state(result_path))
    original = components if saved is None else saved.original
    lines_path, arrays_path = journal_paths(
        result_path, in_batch=in_batch, curator=curator, since=saved.digest if saved else None
    )
    own = own_journal(original, lines_path, arrays_path)
    journal: Journal = own.journal
    arrays: ArrayStore = FileArrayStore(own.arrays_path)
    if saved is not None:
        journal = ContinuedJournal(saved.lines, journal, original.n_components)
        arrays = ContinuedArrays(saved.arrays, arrays)
    return Curation(
        original,
        journal=journal,
        arrays=arrays,
        seen=FileSeenIds(own.seen_path, saved.seen if saved else ()),
        estimator=estimator if estimator is not None else MovieEstimator(open_movie),
        who=curator,
        path=result_path,
        journal_name=curator or MAIN,
        journal_remark=own.remark,
    )


def journal_paths(
    result_path: Path,
    *,
    in_batch: bool = False,
    curator: str | None = None,
    since: str | None = None,
) -> tuple[Path, Path]:
    """Paths of journal and arrays of a result: ``(…jsonl, …h5)``.

    The ids that were looked at lie beside them as ``….seen``.

    Parameters
    ----------
    result_path
        The result.
    in_batch
        Whether it is that of an item.
    curator
        Name of a second curator; a part of the file's name.
    since
        Digest of the journal inside a saved file. What is written beside the file goes on from
        that one alone: after another save under this name it is left behind, never replayed.

    Raises
    ------
    CurationError
        When the curator's name cannot be a part of a file's name.
    """
    if curator and not is_file_name(curator):
        raise CurationError(
            f"A curator's name is a part of the name of a file, and {curator!r:.80} cannot be one. "
            'Choose a name of at most 60 letters, without / \\ : * ? " < > | and line ends.'
        )
    usual = _usual_stem(result_path, in_batch=in_batch)
    suffix = f"-{spelling_of(usual, curator)}" if curator else ""
    if since is not None:
        suffix += f"-since-{since}"
    stem = usual.with_name(usual.name + suffix)
    is_away = not os.access(result_path.parent, os.W_OK) and not _journal(stem).exists()
    if not in_batch and is_away:
        folder = platformdirs.user_data_path("napari-cnmf", ensure_exists=True)
        # Folders may have one name, too: the whole path keeps their results apart.
        parent = result_path.resolve().parent
        place = hashlib.blake2b(os.fsencode(parent), digest_size=4).hexdigest()
        stem = folder / f"{parent.name}-{place}-{stem.name}"
    return _journal(stem), stem.with_name(stem.name + ".h5")


def _usual_stem(result_path: Path, *, in_batch: bool) -> Path:
    return result_path.with_name("curation" if in_batch else f"{result_path.name}.curation")


def _journal(stem: Path) -> Path:
    return stem.with_name(stem.name + ".jsonl")
