"""Matches that nobody has saved yet: kept over the end of a dock, and of napari."""

from __future__ import annotations

import threading
from pathlib import Path

from napari_cnmf.errors import ResultError
from napari_cnmf.io.matching.files import read_matches, write_matches
from napari_cnmf.io.matching.matched import MatchedSessions
from napari_cnmf.settings import settings_path

_writing = threading.Lock()
"""Edits follow each other faster than files are written: one at a time, the last one wins."""


def unsaved_path() -> Path:
    """Return the file beside the settings that holds matches until they are saved."""
    return settings_path().with_name("unsaved-matches.json")


def keep_unsaved(matched: MatchedSessions) -> None:
    """Keep matches with all their edits; those of results in memory cannot be kept."""
    if all(source.path is not None for source in matched.sources):
        path = unsaved_path()
        with _writing:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_matches(matched, path, overwrite=True)


def read_unsaved() -> MatchedSessions | None:
    """Read matches that were not saved; ``None`` without any, or when their results are gone."""
    path = unsaved_path()
    if not path.is_file():
        return None
    try:
        return read_matches(path)
    except ResultError:
        return None


def forget_unsaved() -> None:
    """Remove the unsaved matches: they were saved under a name."""
    with _writing:
        unsaved_path().unlink(missing_ok=True)
