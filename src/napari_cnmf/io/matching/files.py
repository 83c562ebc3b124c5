"""Reads and writes matches: which results, how they lie, what was found, what was edited."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from napari_cnmf._atomic import write_json
from napari_cnmf._checks import check_path
from napari_cnmf._overwriting import ExportKind
from napari_cnmf.core.matching import Alignment
from napari_cnmf.errors import CurationError, ExportError, ResultError
from napari_cnmf.io.exports.writing import new_export
from napari_cnmf.io.matching.matched import (
    MatchedSessions,
    SessionSource,
    matches_table,
    read_source,
)
from napari_cnmf.io.spreadsheets import csv_text
from napari_cnmf.model.matching import Match, SessionMatches

_FORMAT, _VERSION = "napari-cnmf-matches", 2


def write_matches(matched: MatchedSessions, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write everything but the results themselves, which are named relative to the file.

    Parameters
    ----------
    matched
        Sessions, their alignment, what was found and the edits.
    path
        File that ends in ``.json``.
    overwrite
        Replace a file of matches; anything else at ``path`` is never replaced.

    Raises
    ------
    ExportError
        A result is not in a file, the name does not end in ``.json``, something else is there, or
        the file cannot be written.

    See Also
    --------
    read_matches
    """
    path = check_path("A file of matches", path, ExportError)
    missing = [source.name for source in matched.sources if source.path is None]
    if missing:
        raise ExportError(f"Results must lie in files to be named, {missing[0]} does not. Save it.")
    content = {
        "format": _FORMAT,
        "version": _VERSION,
        "settings": dict(matched.settings),
        "sessions": [_session(source, path) for source in matched.sources],
        "found": [
            {
                "components": {str(s): i for s, i in cell.components.items()},
                "probabilities": {str(s): p for s, p in cell.probabilities.items()},
            }
            for cell in matched.matches.found
        ],
        "edits": [dict(edit) for edit in matched.matches.edits],
    }
    with new_export(path, (".json",), MATCHES_FILE, overwrite=overwrite) as beside:
        write_json(beside, content)
    return path


def read_matches(path: str | Path) -> MatchedSessions:
    """Read matches and the results that they are about.

    Raises
    ------
    ResultError
        The file is none of ours, or a result is not where it was.
    """
    path = check_path("A file of matches", path, ResultError)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != _FORMAT or content["version"] not in (1, _VERSION):
            raise ValueError(f"format {content['format']} {content['version']}")
        sessions = content["sessions"]
        found = [
            Match(
                {int(s): int(i) for s, i in cell["components"].items()},
                # version 1 had scores, which are no probabilities
                {int(s): float(p) for s, p in cell.get("probabilities", {}).items()},
            )
            for cell in content["found"]
        ]
        matches = SessionMatches([one["name"] for one in sessions], found, content["edits"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, CurationError) as error:
        raise ResultError(
            f"{path} must be a file of matches of this plugin: {error}. Match the results again."
        ) from error
    sources = tuple(_source(one, path, content["settings"]) for one in sessions)
    return MatchedSessions(sources, matches, content["settings"])


def write_matches_csv(
    matches: SessionMatches, path: str | Path, *, overwrite: bool = False
) -> Path:
    """Write the table of ids as CSV: one row a cell.

    Parameters
    ----------
    matches
        Cells over sessions.
    path
        File that ends in ``.csv``.
    overwrite
        Replace an earlier table of matches; anything else at ``path`` is never replaced.

    Raises
    ------
    ExportError
        Something else is there, or the file cannot be written.
    """
    with new_export(path, (".csv",), _MATCHES_TABLE, overwrite=overwrite) as beside:
        table = csv_text(matches_table(matches), index=True, float_format="%.4f")
        beside.write_bytes(table.encode())
    return Path(path)


def _is_matches(path: Path) -> bool:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and content.get("format") == _FORMAT


def _is_table(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.readline().startswith(b"cell,n_sessions,probability,state,")


MATCHES_FILE = ExportKind("file of matches", _is_matches)
"""Kind of file that `write_matches` makes."""
_MATCHES_TABLE = ExportKind("table of matches", _is_table)


def _session(source: SessionSource, path: Path) -> dict[str, Any]:
    assert source.path is not None  # refused before
    try:
        where = Path(os.path.relpath(source.path.absolute(), path.absolute().parent)).as_posix()
    except ValueError:  # on another drive of Windows
        where = source.path.absolute().as_posix()
    alignment = source.alignment
    return {
        "name": source.name,
        "path": where,
        "ids": source.ids.tolist(),
        "matrix": alignment.matrix.tolist(),
        "shift": alignment.shift.tolist(),
        "correlation": float(alignment.correlation),
        "warp": None if alignment.warp is None else np.round(alignment.warp, 3).tolist(),
    }


def _source(one: dict[str, Any], path: Path, settings: dict[str, Any]) -> SessionSource:
    where = path.absolute().parent / one["path"]
    if not where.exists():
        raise ResultError(
            f"The result {one['name']} was at {where} and is not there. Put it back beside the "
            "matches, or match the results again."
        )
    components, ids, _ = read_source(where, include_rejected=True)
    wanted = np.asarray(one["ids"], np.intp)
    rows = np.flatnonzero(np.isin(ids, wanted))
    alignment = Alignment(
        np.asarray(one["matrix"], float),
        np.asarray(one["shift"], float),
        components.dims,
        float(one["correlation"]),
        None if one.get("warp") is None else np.asarray(one["warp"], float),
    )
    return SessionSource(one["name"], where, components.take(rows), ids[rows], alignment)
