"""Finds, saves and reads the same cells over several results."""

from napari_cnmf.io.matching.files import read_matches, write_matches, write_matches_csv
from napari_cnmf.io.matching.matched import (
    MatchedSessions,
    SessionSource,
    match_sessions,
    matches_table,
    name_of,
)
from napari_cnmf.io.matching.unsaved import forget_unsaved, keep_unsaved, read_unsaved

__all__ = [
    "MatchedSessions",
    "SessionSource",
    "forget_unsaved",
    "keep_unsaved",
    "match_sessions",
    "matches_table",
    "name_of",
    "read_matches",
    "read_unsaved",
    "write_matches",
    "write_matches_csv",
]
