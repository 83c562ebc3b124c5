"""The curations of one result that lie beside each other, one for each curator."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

from napari_cnmf._portable import name_key, why_not_portable
from napari_cnmf.errors import CurationError
from napari_cnmf.io.curation.arrays import FileArrayStore
from napari_cnmf.io.curation.journal import FileJournal
from napari_cnmf.io.curation.looked_at import FileSeenIds
from napari_cnmf.model.curation import Curation

MAIN = "main journal"
"""What the journal is called that belongs to no curator by name."""
_OTHERS = re.compile(r"-(since|of)-[0-9a-f]{8}$")
"""End of the name of a journal that goes on from a saved file, or is about another result."""
_LONGEST_NAME, _LONGEST_BYTES = 60, 120


def is_file_name(name: object) -> bool:
    """Whether a curator's name can be a part of a file's name on every system."""
    return (
        isinstance(name, str)
        and len(name) <= _LONGEST_NAME
        and len(name.encode("utf-8", "surrogatepass")) <= _LONGEST_BYTES
        and name == name.strip()
        and not why_not_portable(f"curation-{name}.jsonl")
        and not _OTHERS.search(f"-{name}")
    )


def spelling_of(stem: Path, curator: str) -> str:
    """A curator's name as a journal beside a result spells it, else with accents in one form.

    ``Anna`` and ``anna`` would be one file on Windows and macOS: they are one curator everywhere.

    Parameters
    ----------
    stem
        Path of a journal without a curator's name and without its ending.
    curator
        The name as it was given.
    """
    wanted = name_key(f"{stem.name}-{curator}.jsonl")
    usual = unicodedata.normalize("NFC", curator)
    try:
        names = sorted(os.listdir(stem.parent))
    except OSError:
        return usual
    same = [name for name in names if name_key(name) == wanted]
    spelt = [name[len(stem.name) + 1 : -len(".jsonl")] for name in same]
    return curator if curator in spelt else next(iter(spelt), usual)


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
