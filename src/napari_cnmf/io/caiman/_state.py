"""The group ``/napari_cnmf``, which holds what is ours in a CaImAn file.

CaImAn carries the group through its own load and save as nested dicts. That keeps string
attributes and arrays, turns other attributes into datasets and fails on byte-string scalars; so
structured values are UTF-8 JSON in ``uint8`` arrays, under names that end in ``.json``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

import h5py
import numpy as np
import scipy.sparse as sp

from napari_cnmf.errors import ResultError, brief
from napari_cnmf.io.caiman._encoding import is_sparse, write_node
from napari_cnmf.io.caiman._file import ResultFile, open_result
from napari_cnmf.model.rows import TraceRows

GROUP = "napari_cnmf"
SCHEMA = "1"
OWN_PARAMS = "own_params"
"""Parameters of ours that stand in groups of CaImAn's, by group."""
_PIXELS_PER_PROCESS = 4000
"""The value of CaImAn's own constructor."""
_JSON = ".json"
_KEPT = ".kept"
_CHANGED_BY_CAIMAN = frozenset(
    {
        "A", "W", "Ab", "downscale_matrix", "upscale_matrix",
        "dims", "medw", "sigma_smooth_snmf", "dxy", "max_shifts", "strides", "overlaps", "gSig",
        "g", "g_tot", "groups", "idx_tot", "ind_A", "Ab_epoch", "coordinates", "loaded_model",
        "optional_outputs", "merged_ROIs", "tf_in", "tf_out", "empty_merged", "dview", "provenance",
    }
)  # fmt: skip
"""Names that CaImAn converts or leaves out wherever they stand; ours get an ending."""


def digest_of_footprints(A: sp.csc_matrix) -> str:
    """Digest that tells whether another program has changed the components since we wrote them."""
    A = A.sorted_indices()
    digest = hashlib.blake2b(digest_size=16)
    for part in (A.indptr.astype("<i8"), A.indices.astype("<i8"), A.data.astype("<f4")):
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()


def pixels_per_process(n_pixels: int) -> int:
    """Pixels that one task of CaImAn's ``update_spatial`` takes, which must not be more than all.

    The file needs it, as CaImAn's own runs set it; without it that function fails.
    """
    return min(n_pixels, _PIXELS_PER_PROCESS)


def read_ours(file: ResultFile) -> dict[str, Any]:
    """Read what is ours in an open result, but the state of its curation; empty where nothing is.

    What a newer version added is passed over where it cannot be read here.
    """
    group = file.child(file.root, GROUP)
    if not isinstance(group, h5py.Group):
        return {}
    names = [name for name in file.names(group) if name != "state"]
    return file.attributes(group) | decode({name: file.read(group, name) for name in names})


def read_state(path: str | Path) -> dict[str, Any]:
    """Read what ``write_caiman(state=...)`` stored, or an empty dict.

    See Also
    --------
    napari_cnmf.io.caiman.write_caiman
    """
    with open_result(Path(path)) as file:
        group = file.child(file.root, GROUP)
        state = file.read(group, "state") if isinstance(group, h5py.Group) else None
        return decode(state) if isinstance(state, dict) else {}


def write_mapping(group: h5py.Group, values: Mapping[str, Any]) -> None:
    """Write arrays and sparse matrices as they are, everything else as JSON."""
    for name, value in values.items():
        kept = name + _KEPT if name in _CHANGED_BY_CAIMAN else name
        if isinstance(value, Mapping) and _holds_arrays(value):
            write_mapping(group.require_group(kept), value)
        elif _is_array(value):
            write_node(group, kept, value)
        else:
            group[name + _JSON] = encode_json(value)


def decode(values: dict[str, Any]) -> dict[str, Any]:
    """Decode what `ResultFile.read` returned; the inverse of `write_mapping`.

    Raises
    ------
    ResultError
        What should be JSON is none.
    """
    decoded: dict[str, Any] = {}
    for name, value in values.items():
        if name.endswith(_JSON):
            try:
                decoded[name.removesuffix(_JSON)] = decode_json(value)
            except (ValueError, TypeError, RecursionError) as error:
                raise ResultError(
                    f"{GROUP}/{name} must hold JSON, and does not ({brief(error)}). The file is "
                    "damaged: copy it again, or run the analysis again."
                ) from error
        else:
            plain_name = name.removesuffix(_KEPT)
            decoded[plain_name] = decode(value) if isinstance(value, dict) else value
    return decoded


def encode_json(value: Any) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Encode a value as JSON in bytes, ``(n_bytes,)`` uint8."""
    text = json.dumps(value, default=_to_json, ensure_ascii=False)
    return np.frombuffer(text.encode(), dtype=np.uint8)


def decode_json(value: Any) -> Any:
    """Decode what `encode_json` encoded."""
    return json.loads(np.asarray(value, dtype=np.uint8).tobytes().decode())


def _to_json(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, PurePath):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no place in a result file")


def _is_array(value: Any) -> bool:
    if is_sparse(value) or isinstance(value, TraceRows):
        return True
    # CaImAn's writer refuses most scalars, so those are JSON
    return isinstance(value, np.ndarray) and value.ndim > 0 and value.dtype.kind in "biufS"


def _holds_arrays(value: Mapping[str, Any]) -> bool:
    return any(
        _is_array(item) or (isinstance(item, Mapping) and _holds_arrays(item))
        for item in value.values()
    )
