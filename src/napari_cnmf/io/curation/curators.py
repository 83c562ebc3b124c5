"""The curations of one result that lie beside each other, one for each curator."""

from __future__ import annotations

import re
from pathlib import Path

from napari_cnmf.errors import CurationError
from napari_cnmf.io.curation.arrays import FileArrayStore
from napari_cnmf.io.curation.journal import FileJournal
from napari_cnmf.io.curation.looked_at import FileSeenIds
from napari_cnmf.model.curation import Curation

MAIN = "main journal"
"""What the journal is called that belongs to no curator by name."""
_OTHERS = re.compile(r"-(since|of)-[0-9a-f]{8}$")
"""End of the name of a journal that goes on from a saved file, or is about another result."""
_NO_FILE_NAME = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]')
_LONGEST_NAME = 60


def is_file_name(name: str) -> bool:
    """Whether a curator's name can be a part of a file's name on every system."""
    return (
        len(name) <= _LONGEST_NAME
        and name == name.strip()
        and not _NO_FILE_NAME.search(name)
        and not _OTHERS.search(f"-{name}")
    )


def journals_of(cur: Curation) -> dict[str, Path]:
    """Paths of the journals beside a result by curator; the one without a name is ``MAIN``."""
    if cur.path is None:
        return {}
    folder, name = cur.path.parent, cur.path.name
    found: dict[str, Path] = {}
    for stem in ("curation", f"{name}.curation"):
        for path in sorted(folder.glob("*.jsonl")):
            rest = path.stem.removeprefix(stem)
            if (
                path.stem.startswith(stem)
                and not _OTHERS.search(rest)
                and (not rest or rest[0] == "-")
            ):
                found[rest[1:] or MAIN] = path
    return found


def read_other(cur: Curation, other: str | Path) -> Curation:
    """Read another curation of the same result, to look at.

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
