"""Saves a curated result as one CaImAn file, with all that is needed to go on and to go back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from napari_cnmf._checks import check_path
from napari_cnmf.errors import CurationError, ResultError
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation import Curation, Decision, EditedComponent

_KEY = "curation"


def save_curated(
    cur: Curation, path: str | Path, *, on_share: Callable[[float], None] = lambda share: None
) -> Path:
    """Write a curated result in CaImAn's HDF5 schema.

    ``idx_components`` and ``idx_components_bad`` are what the curation accepts and rejects,
    ``accepted_list`` and ``rejected_list`` what was decided by hand. Under ``/napari_cnmf`` lie
    the engine's components and the journal: opened again the file shows the curated state, and
    every edit can still be undone.

    Parameters
    ----------
    path
        Ends in ``.hdf5`` or ``.h5``; not the file the result was opened from.
    on_share
        Told the share of the traces that is written; may raise to stop, and nothing is left.

    Raises
    ------
    CurationError
        When ``path`` is the file the result was opened from.
    ResultError
        When it cannot be written.

    See Also
    --------
    napari_cnmf.io.curation.open_curation
    """
    from napari_cnmf.io.caiman import write_caiman

    path = check_path("The place of a result", path, ResultError)
    if cur.path is not None and path.resolve() == cur.path.resolve():
        raise CurationError(
            f"A curation must be saved under a name of its own, got {path}, which it was opened "
            "from: results are never overwritten. Choose another name."
        )
    decisions, accepted = cur.decisions, cur.accepted
    components = cur.components
    params = components.params | {"quality": _quality(cur)}
    attributes = components.attributes | {
        "component_ids": cur.ids.tolist(),
        "unsure_list": np.flatnonzero(decisions == Decision.UNSURE).tolist(),
        "tags": {str(i): sorted(cur.tags(i)) for i in cur.ids.tolist() if cur.tags(i)},
        "notes": {str(i): cur.note_of(i) for i in cur.ids.tolist() if cur.note_of(i)},
    }
    return write_caiman(
        components.replace(accepted=accepted, params=params, attributes=attributes),
        path,
        accepted_list=np.flatnonzero(decisions == Decision.ACCEPTED).tolist(),
        rejected_list=np.flatnonzero(decisions == Decision.REJECTED).tolist(),
        state={_KEY: _pack(cur)},
        # Where the file was removed meanwhile, all that a curation holds can still be saved.
        carry_from=cur.path if cur.path is not None and cur.path.is_file() else None,
        on_share=on_share,
    )


def _quality(cur: Curation) -> dict[str, Any]:
    stored = dict(cur.components.params.get("quality") or {})
    return stored | {k: v for k, v in cur.quality.model_dump().items() if v is not None}


def _pack(cur: Curation) -> dict[str, Any]:
    """Pack journal, arrays of edits, and the engine's components where edits changed them."""
    lines = cur.journal_lines()
    made = {edit.number: cur.arrays_of(edit.number) for edit in cur.history}
    packed: dict[str, Any] = {
        "applied": True,
        "digest": digest_of(lines),
        "journal": lines,
        "accepted": cur.accepted,
        "seen": cur.ids[cur.seen].tolist(),
        "edits": {
            f"edit{number}": {f"component{i}": _as_mapping(c) for i, c in enumerate(components)}
            for number, components in made.items()
            if components
        },
        "original": _original(cur),
    }
    return packed


def _original(cur: Curation) -> dict[str, Any]:
    """All of the engine's components, or only their verdict where no edit changed the rest."""
    original = cur.original
    verdict = {"quality": original.params.get("quality", {})}
    if original.accepted is not None:
        verdict["engine_accepted"] = original.accepted
    if not cur.has_shape_edits:
        return {"is_whole": False, **verdict}
    values = {
        f.name: getattr(original, f.name)
        for f in fields(original)
        if f.name not in _SHARED and getattr(original, f.name) is not None
    }
    if original.classes is not None:
        values["classes"] = original.classes.astype("S")
    return {"is_whole": True, **verdict, **values}


_SHARED = frozenset(
    {"dims", "b", "f", "W", "b0", "sn", "frame_rate_hz", "params", "images", "attributes",
     "accepted"}
)  # fmt: skip
"""What no edit changes: the file has it once."""


_OURS = frozenset(
    {"component_ids", "unsure_list", "tags", "notes", "accepted_list", "rejected_list"}
)
"""Attributes that say what was curated; the engine's components have none."""


def _as_mapping(component: EditedComponent) -> dict[str, Any]:
    return {**component.array_fields(), "scalars": component.scalar_fields()}


@dataclass(frozen=True, eq=False)
class SavedCuration:
    """Curation that a saved file holds.

    Attributes
    ----------
    original
        The engine's components.
    lines
        The journal.
    arrays
        The components that edits made, by edit number.
    digest
        Tells this journal from any other.
    seen
        Ids that were looked at.
    """

    original: Components
    lines: list[dict[str, Any]]
    arrays: dict[int, list[EditedComponent]]
    digest: str
    seen: frozenset[int] = frozenset()


def unpack(components: Components, state: Mapping[str, Any]) -> SavedCuration | None:
    """Unpack the curation inside a file; ``None`` where there is none.

    Parameters
    ----------
    components
        As they were read from the file.
    state
        As ``read_state`` gives it.

    Notes
    -----
    A file whose components or verdicts another program has changed since is a new result: what
    was curated before no longer leads to it.
    """
    packed = state.get(_KEY)
    if not packed or components.attributes.get("changed_elsewhere"):
        return None
    saved = np.asarray(packed["accepted"], bool)
    if components.accepted is None or not np.array_equal(saved, components.accepted):
        return None
    arrays = {
        int(name.removeprefix("edit")): [
            _from_mapping(made[f"component{i}"]) for i in range(len(made))
        ]
        for name, made in (packed.get("edits") or {}).items()
    }
    original = _restored(components, packed["original"])
    seen = frozenset(int(i) for i in packed.get("seen") or ())
    return SavedCuration(original, list(packed["journal"]), arrays, str(packed["digest"]), seen)


def _restored(components: Components, stored: Mapping[str, Any]) -> Components:
    accepted = stored.get("engine_accepted")
    changes: dict[str, Any] = {
        "accepted": None if accepted is None else np.asarray(accepted, bool),
        "params": components.params | {"quality": dict(stored["quality"])},
        "attributes": {k: v for k, v in components.attributes.items() if k not in _OURS},
    }
    if stored["is_whole"]:
        names = [f.name for f in fields(components) if f.name not in _SHARED]
        changes |= {name: stored.get(name) for name in names}
        changes["A"] = sp.csc_matrix(stored["A"])
        if stored.get("classes") is not None:
            changes["classes"] = np.char.decode(np.asarray(stored["classes"], "S"), "ascii")
    return components.replace(**changes)


def _from_mapping(stored: Mapping[str, Any]) -> EditedComponent:
    values: dict[str, Any] = dict(stored["scalars"])
    values |= {name: np.asarray(value) for name, value in stored.items() if name != "scalars"}
    return EditedComponent(**values)


def digest_of(lines: list[dict[str, Any]]) -> str:
    """A short hash of a journal."""
    text = json.dumps(lines, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()
