"""npz: every array in one file, without pickle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.io.exports.context import NOTHING_KNOWN, Context
from napari_cnmf.io.exports.parameters import params_json_of
from napari_cnmf.io.exports.selection import select
from napari_cnmf.io.exports.writing import PathLike, new_file
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation import Curation

_FIELDS = ("C", "S", "YrA", "b", "f", "b0", "sn", "g", "bl", "c1", "neurons_sn", "lam")


def write_npz(
    source: Curation | Components,
    out: PathLike,
    *,
    include_rejected: bool = True,
    context: Context = NOTHING_KNOWN,
) -> Path:
    """Write a NumPy archive; ``np.load(path)`` opens it with ``allow_pickle=False``.

    Arrays have the names and shapes of :class:`Components`, pixels in C order of ``dims``. Sparse
    ones lie as ``A_data, A_indices, A_indptr, A_shape`` (``A`` CSC, ``W`` CSR). The columns of
    ``components.csv`` are ``component_<column>``, traces ``traces_<kind>``, summary images
    ``image_<name>``; ``params_json`` holds the parameters. ``frame_rate_hz`` is NaN when unknown.

    Raises
    ------
    ExportError
        The file cannot be written.
    """
    chosen = select(source, include_rejected=include_rejected)
    components = chosen.components
    rate = components.frame_rate_hz
    arrays: dict[str, Any] = {
        "dims": components.dims,
        "ids": chosen.ids,
        "accepted": chosen.accepted,
        "frame_rate_hz": np.nan if rate is None else rate,
        "params_json": np.asarray(params_json_of(chosen.curation)),
        **_sparse("A", components.A),
    }
    if components.W is not None:
        arrays |= _sparse("W", components.W)
    stored = {name: getattr(components, name) for name in _FIELDS}
    arrays |= {name: array for name, array in stored.items() if array is not None}
    columns = chosen.table(context.pixel_size_um(components))
    arrays |= {f"component_{name}": column for name, column in columns.items()}
    arrays |= {f"traces_{name}": traces for name, traces in chosen.traces.items()}
    arrays |= {f"image_{name}": image for name, image in components.images.items()}
    with new_file(out, (".npz",)) as beside, beside.open("wb") as stream:
        np.savez_compressed(stream, **arrays)
    return Path(out)


def _sparse(name: str, matrix: sp.csc_matrix | sp.csr_matrix) -> dict[str, NDArray[Any]]:
    return {
        f"{name}_data": matrix.data,
        f"{name}_indices": matrix.indices,
        f"{name}_indptr": matrix.indptr,
        f"{name}_shape": np.asarray(matrix.shape),
    }
