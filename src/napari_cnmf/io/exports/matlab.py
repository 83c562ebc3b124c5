"""MAT files, laid out as MATLAB thinks: columns first, cells from 1."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.errors import ExportError
from napari_cnmf.io.exports.context import NOTHING_KNOWN, Context
from napari_cnmf.io.exports.parameters import params_json_of
from napari_cnmf.io.exports.selection import Selected, select
from napari_cnmf.io.exports.writing import PathLike, new_file
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation import Curation

_LARGEST_BYTES = 2**31 - 1


def write_mat(
    source: Curation | Components,
    out: PathLike,
    *,
    include_rejected: bool = True,
    context: Context = NOTHING_KNOWN,
) -> Path:
    """Write a MAT file (version 5, which every MATLAB and Octave opens).

    ``A`` is sparse ``(n_pixels, n_components)`` with pixels as MATLAB counts them, so that
    ``reshape(full(A(:, k)), dims)`` is footprint ``k`` as an image; ``dims`` is ``[Y X]`` or
    ``[Y X Z]``. ``b, b0, sn`` and the images follow it. ``C, S, YrA, f`` and ``traces`` (a struct)
    are ``(n, n_frames)``; ``components`` is a struct of columns, ``params_json`` for
    ``jsondecode``. ``components.id`` counts from 0 as everywhere else, columns of ``A`` from 1.
    The weights of a ring background are left out: CaImAn HDF5 and npz have them.

    Raises
    ------
    ExportError
        An array above 2 GB, which version 5 cannot hold, or the file cannot be written.
    """
    from scipy.io import savemat

    chosen = select(source, include_rejected=include_rejected)
    variables = _variables(chosen, context)
    _refuse_large(variables)
    with new_file(out, (".mat",)) as beside:
        savemat(beside, variables, do_compression=True, long_field_names=True, oned_as="column")
    return Path(out)


def _variables(chosen: Selected, context: Context) -> dict[str, Any]:
    components = chosen.components
    dims = components.dims
    pixels = _matlab_order(dims)
    rate, times = components.frame_rate_hz, chosen.times_s
    columns = chosen.table(context.pixel_size_um(components))
    variables: dict[str, Any] = {
        "A": sp.csc_matrix(components.A.tocsr()[pixels].astype(np.float64)),
        "dims": np.asarray([*dims[-2:], *dims[:-2]], np.float64)[np.newaxis],
        "axes": "YX" if len(dims) == 2 else "YXZ",
        "frame_rate_hz": np.nan if rate is None else rate,
        "traces": chosen.traces,
        "components": {name: _column(values) for name, values in columns.items()},
        "params_json": params_json_of(chosen.curation),
    }
    if times is not None:
        variables["time_s"] = times[np.newaxis]
    for name in ("C", "S", "YrA", "f", "g"):
        if (array := getattr(components, name)) is not None:
            variables[name] = array
    for name in ("b", "b0", "sn"):
        if (array := getattr(components, name)) is not None:
            variables[name] = array[pixels]
    if components.images:
        variables["images"] = {
            name: np.moveaxis(image, (-2, -1), (0, 1)) for name, image in components.images.items()
        }
    return variables


def _matlab_order(dims: Sequence[int]) -> NDArray[np.intp]:
    """C-order pixel number of each pixel in the order of MATLAB's ``(Y, X, Z)``."""
    numbers = np.arange(int(np.prod(dims))).reshape(dims)
    return np.moveaxis(numbers, (-2, -1), (0, 1)).ravel(order="F")


def _column(values: NDArray[Any]) -> NDArray[Any]:
    """Text as a cell array: MATLAB pads the rows of a matrix of characters with blanks."""
    return values.astype(object)[:, np.newaxis] if values.dtype.kind == "U" else values


def _refuse_large(variables: dict[str, Any]) -> None:
    for name, value in variables.items():
        if isinstance(value, dict):
            _refuse_large(value)
        elif isinstance(value, np.ndarray) and value.nbytes > _LARGEST_BYTES:
            raise ExportError(
                f"An array in a MAT file must be below 2 GB, {name} has {value.nbytes / 1e9:.1f}. "
                "Export accepted components alone, or to HDF5 (caiman), which MATLAB reads too."
            )
