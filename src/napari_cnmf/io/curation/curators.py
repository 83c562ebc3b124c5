"""The curations of one result that lie beside each other, one for each curator."""

from __future__ import annotations

from pathlib import Path

from napari_cnmf.errors import CurationError
from napari_cnmf.io.curation.arrays import FileArrayStore
from napari_cnmf.io.curation.journal import FileJournal
from napari_cnmf.io.curation.looked_at import FileSeenIds
from napari_cnmf.model.curation import Curation

MAIN = "main journal"
"""What the journal is called that belongs to no curator by name."""
_SINCE = "-since-"


def journals_of(cur: Curation) -> dict[str, Path]:
    """Journals beside a result by curator; the one without a name is called ``MAIN``."""
    if cur.path is None:
        return {}
    folder, name = cur.path.parent, cur.path.name
    found: dict[str, Path] = {}
    for stem in ("curation", f"{name}.curation"):
        for path in sorted(folder.glob("*.jsonl")):
            rest = path.stem.removeprefix(stem)
            if path.stem.startswith(stem) and _SINCE not in rest and (not rest or rest[0] == "-"):
                found[rest[1:] or MAIN] = path
    return found


def read_other(cur: Curation, other: str | Path) -> Curation:
    """Another curation of the same result, to look at.

    Parameters
    ----------
    cur
        A curation of the result.
    other
        A curator's name, a journal (``.jsonl``), or a file that was saved from a curation.

    Raises
    ------
    CurationError
        When there is no such journal.
    ResultError
        When a saved file cannot be read.
    """
    journals = journals_of(cur)
    path = journals.get(str(other), Path(other))
    if not path.is_file():
        known = ", ".join(journals) or "none"
        raise CurationError(
            f"A curator who has a journal beside the result ({known}), a .jsonl or a saved .hdf5 "
            f"is needed, got {str(other)!r}."
        )
    if path.suffix == ".jsonl":
        return Curation(
            cur.original,
            journal=FileJournal(path),
            arrays=FileArrayStore(path.with_suffix(".h5")),
            seen=FileSeenIds(path.with_suffix(".seen")),
            who=str(other) if str(other) in journals else path.stem,
            path=cur.path,
        )
    from napari_cnmf.io.curation import open_curation

    return open_curation(path)
