"""Writes MAT files, laid out for MATLAB: columns first, cells from 1."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf._overwriting import mark_of
from napari_cnmf.errors import ExportError
from napari_cnmf.io.exports.context import NOTHING_KNOWN, Context
from napari_cnmf.io.exports.parameters import params_json_of
from napari_cnmf.io.exports.selection import Selected, select
from napari_cnmf.io.exports.writing import (
    OnProgress,
    PathLike,
    checked_writer,
    ignore_progress,
    new_export,
)
from napari_cnmf.model.curation import Curatable

_KIND = "MATLAB"
_LARGEST_BYTES = 2**31 - 1
_COMPRESSED_BELOW = 2**26
_TRACES = {"C": "denoised", "S": "spikes", "YrA": "residual"}
"""Names of ``Components`` and the kinds of traces that they hold."""


@checked_writer
def write_mat(
    source: Curatable,
    out: PathLike,
    *,
    include_rejected: bool = False,
    overwrite: bool = False,
    context: Context = NOTHING_KNOWN,
    on_progress: OnProgress = ignore_progress,
) -> Path:
    """Write a MAT file (version 5, which every MATLAB and Octave opens).

    ``A`` is sparse ``(n_pixels, n_components)`` with pixels as MATLAB counts them, so that
    ``reshape(full(A(:, k)), dims)`` is footprint ``k`` as an image; ``dims`` is ``[Y X]`` or
    ``[Y X Z]``. ``b, b0, sn`` and the images follow it. ``C, S, YrA, f`` and the traces
    (``traces_raw, traces_denoised, traces_dff, traces_spikes``) are ``(n, n_frames)``; ``ids`` and
    ``accepted`` name their rows. ``components`` is a struct of columns, ``params_json`` for
    ``jsondecode``. ``components.id`` counts from 0 as everywhere else, columns of ``A`` from 1.
    Several files of one session have ``file_names`` and ``frames_per_file``.
    The weights of a ring background are left out: CaImAn HDF5 and npz have them.

    Parameters
    ----------
    source
        A result with its decisions, or bare components.
    out
        File that ends in ``.mat``.
    include_rejected
        Write rejected components too.
    overwrite
        Replace an earlier export of this kind; anything else at ``out`` is never replaced.
    context
        The movie and what else is known.
    on_progress
        ``on_progress(done, total)``; may raise to stop, and nothing is left behind.

    Raises
    ------
    ExportError
        An array above 2 GB, which version 5 cannot hold, or the file cannot be written.
    """
    from scipy.io import savemat

    chosen = select(source, include_rejected=include_rejected, context=context)
    _refuse_large(chosen)
    kinds = {
        name: kind for name, kind in _TRACES.items() if getattr(chosen.whole, name) is not None
    }
    kinds |= {f"traces_{kind}": kind for kind in chosen.trace_kinds}
    with (
        new_export(out, (".mat",), _KIND, overwrite=overwrite, sources=chosen.sources) as beside,
        beside.open("wb") as stream,
    ):

        def add(compress: bool, **variables: Any) -> None:
            """Append variables to the file; ``savemat`` goes on where the stream stands."""
            file: Any = stream  # its stubs know names of files alone
            savemat(
                file, variables, do_compression=compress, long_field_names=True, oned_as="column"
            )

        # first and not compressed: the guard looks for it there
        add(False, written_by=mark_of(_KIND))
        add(True, **_small_variables(chosen, context))
        for done, (name, kind) in enumerate(kinds.items()):
            on_progress(done, len(kinds))
            traces = chosen.all_traces(kind)
            # the library compresses in memory, in several copies
            add(traces.nbytes < _COMPRESSED_BELOW, **{name: traces})
            del traces
        on_progress(len(kinds), len(kinds))
    return Path(out)


def _small_variables(chosen: Selected, context: Context) -> dict[str, Any]:
    """Every variable but the traces."""
    whole, timeline = chosen.whole, chosen.timeline
    dims = whole.dims
    pixels = _matlab_order(dims)
    rate = whole.frame_rate_hz
    columns = chosen.table(context.pixel_size_um(whole))
    variables: dict[str, Any] = {
        "A": sp.csc_matrix(chosen.A.tocsr()[pixels].astype(np.float64)),
        "dims": np.asarray([*dims[-2:], *dims[:-2]], np.float64)[np.newaxis],
        "axes": "YX" if len(dims) == 2 else "YXZ",
        "frame_rate_hz": np.nan if rate is None else rate,
        "ids": chosen.ids[:, np.newaxis],
        "accepted": chosen.accepted[:, np.newaxis],
        "components": {name: _column(values) for name, values in columns.items()},
        "params_json": params_json_of(chosen.curation),
    }
    if timeline.times_s is not None:
        variables["time_s"] = timeline.times_s[np.newaxis]
    variables |= {name: gaps[np.newaxis] for name, gaps in timeline.gap_arrays().items()}
    if timeline.frames_per_file:
        variables["file_names"] = _column(np.asarray(timeline.files, dtype=np.str_))
        variables["frames_per_file"] = np.asarray(timeline.frames_per_file, np.float64)
    if whole.f is not None:
        variables["f"] = whole.f
    if (g := chosen.values("g")) is not None:
        variables["g"] = g
    for name in ("b", "b0", "sn"):
        if (array := getattr(whole, name)) is not None:
            variables[name] = array[pixels]
    if whole.images:
        variables["images"] = {
            name: np.moveaxis(image, (-2, -1), (0, 1)) for name, image in whole.images.items()
        }
    return variables


def _matlab_order(dims: Sequence[int]) -> NDArray[np.intp]:
    """C-order number of each pixel in the order of MATLAB's ``(Y, X, Z)``."""
    numbers = np.arange(int(np.prod(dims))).reshape(dims)
    return np.moveaxis(numbers, (-2, -1), (0, 1)).ravel(order="F")


def _column(values: NDArray[Any]) -> NDArray[Any]:
    """Text as a cell array: MATLAB pads the rows of a matrix of characters with blanks."""
    return values.astype(object)[:, np.newaxis] if values.dtype.kind == "U" else values


def _refuse_large(chosen: Selected) -> None:
    size = 4 * chosen.n_components * chosen.n_frames
    if size > _LARGEST_BYTES:
        raise ExportError(
            f"An array in a MAT file must be below 2 GB, the traces have {size / 1e9:.1f}. "
            "Export accepted components alone, or to HDF5 (caiman), which MATLAB reads too."
        )
