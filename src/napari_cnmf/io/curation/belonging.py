"""Tells which journal belongs to which result: names may be used again for other results."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_cnmf.io.curation.journal import FileJournal
from napari_cnmf.model.components import Components


@dataclass(frozen=True)
class OwnJournal:
    """Journal of a result, and where it lies.

    Attributes
    ----------
    journal
        Its lines.
    arrays_path, seen_path
        Files of edited shapes and of the ids that were looked at.
    remark
        One sentence where a journal of another result lies under the usual name; else empty.
    """

    journal: FileJournal
    arrays_path: Path
    seen_path: Path
    remark: str = ""


def mark_of(components: Components) -> str:
    """Mark of eight digits that tells a result from others: its size and every component's pixels.

    Verdicts, scores and traces do not count: they may be computed again for the same components.
    """
    A = components.A.tocsc(copy=True)
    A.eliminate_zeros()
    A.sort_indices()
    digest = hashlib.blake2b(digest_size=4)
    digest.update(f"{components.dims} {components.n_frames}".encode())
    for positions in (A.indptr, A.indices):
        digest.update(np.ascontiguousarray(positions, np.int64).tobytes())
    return digest.hexdigest()


def own_journal(components: Components, lines_path: Path, arrays_path: Path) -> OwnJournal:
    """Journal under the usual name, or one beside it where that is about another result.

    A result that is made again under the name of an earlier one has other components under the
    same ids: decisions about the earlier one are never made on it, and are kept.

    Parameters
    ----------
    components
        The engine's components.
    lines_path, arrays_path
        The usual names.

    Raises
    ------
    CurationError
        When the journal cannot be read at all.
    """
    mark = mark_of(components)
    usual = FileJournal(lines_path, of=mark)
    if usual.made_for() in ("", mark):
        return OwnJournal(usual, arrays_path, lines_path.with_suffix(".seen"))
    stem = lines_path.with_name(f"{lines_path.stem}-of-{mark}")
    own = stem.with_name(stem.name + ".jsonl")
    return OwnJournal(
        FileJournal(own, of=mark),
        stem.with_name(stem.name + ".h5"),
        own.with_suffix(".seen"),
        f"The journal {lines_path.name} is about another result that had this name before, so "
        f"none of its edits is made here; it is kept. This result has {own.name}.",
    )
