"""Writes ``.npz``: every array in one file, without pickle."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf._overwriting import mark_of
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

_KIND = "npz"
_OF_THE_FIELD = ("b", "f", "b0", "sn")
_OF_COMPONENTS = ("g", "bl", "c1", "neurons_sn", "lam")
_TRACES = {"C": "denoised", "S": "spikes", "YrA": "residual"}
"""Names of ``Components`` and the kinds of traces that they hold."""
_COMPRESSED_BELOW = 2**26
"""Traces are mostly noise: compressing a large array takes minutes and saves a tenth."""


@checked_writer
def write_npz(
    source: Curatable,
    out: PathLike,
    *,
    include_rejected: bool = False,
    overwrite: bool = False,
    context: Context = NOTHING_KNOWN,
    on_progress: OnProgress = ignore_progress,
) -> Path:
    """Write a NumPy archive; ``np.load(path)`` opens it with ``allow_pickle=False``.

    Arrays have the names and shapes of :class:`Components`, pixels in C order of ``dims``. Sparse
    ones lie as ``A_data, A_indices, A_indptr, A_shape`` (``A`` CSC, ``W`` CSR). ``ids`` and
    ``accepted`` name the rows. The columns of ``components.csv`` are ``component_<column>``, traces
    ``traces_<kind>``, summary images ``image_<name>``; ``params_json`` holds the parameters.
    ``frame_rate_hz`` is NaN when unknown, ``time_s`` the time of each frame where it is known.
    Several files of one session have ``file_names`` and ``frames_per_file``.

    Parameters
    ----------
    source
        A result with its decisions, or bare components.
    out
        File that ends in ``.npz``.
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
        The file cannot be written.
    """
    chosen = select(source, include_rejected=include_rejected, context=context)
    small = _small_arrays(chosen, context)
    traces = {name: kind for name, kind in _TRACES.items() if _has(chosen, kind)}
    traces |= {f"traces_{kind}": kind for kind in chosen.trace_kinds}
    total = len(traces) * max(1, chosen.n_components)
    with (
        new_export(out, (".npz",), _KIND, overwrite=overwrite, sources=chosen.sources) as beside,
        ZipFile(beside, "w") as archive,
    ):
        # first and not compressed: the guard looks for it there
        _add(archive, "written_by", np.asarray(mark_of(_KIND).encode()), compress=False)
        for name, array in small.items():
            _add(archive, name, np.asanyarray(array))
        for number, (name, kind) in enumerate(traces.items()):
            for done in _add_traces(archive, name, chosen, kind):
                on_progress(number * max(1, chosen.n_components) + done, total)
    return Path(out)


def _has(chosen: Selected, kind: str) -> bool:
    if kind == "residual":
        return chosen.whole.YrA is not None
    return kind in chosen.trace_kinds


def _small_arrays(chosen: Selected, context: Context) -> dict[str, Any]:
    """Every array but the traces."""
    whole, timeline = chosen.whole, chosen.timeline
    rate = whole.frame_rate_hz
    arrays: dict[str, Any] = {
        "dims": np.asarray(whole.dims),
        "ids": chosen.ids,
        "accepted": chosen.accepted,
        "frame_rate_hz": np.nan if rate is None else rate,
        "params_json": np.asarray(params_json_of(chosen.curation)),
        **_sparse("A", chosen.A),
    }
    if timeline.times_s is not None:
        arrays["time_s"] = timeline.times_s
    arrays |= timeline.gap_arrays()
    if timeline.frames_per_file:
        arrays["file_names"] = np.asarray(timeline.files, dtype=np.str_)
        arrays["frames_per_file"] = np.asarray(timeline.frames_per_file)
    if whole.W is not None:
        arrays |= _sparse("W", whole.W)
    stored = {name: getattr(whole, name) for name in _OF_THE_FIELD}
    stored |= {name: chosen.values(name) for name in _OF_COMPONENTS}
    arrays |= {name: array for name, array in stored.items() if array is not None}
    columns = chosen.table(context.pixel_size_um(whole))
    arrays |= {f"component_{name}": column for name, column in columns.items()}
    return arrays | {f"image_{name}": image for name, image in whole.images.items()}


def _add(archive: ZipFile, name: str, array: NDArray[Any], *, compress: bool = True) -> None:
    compress = compress and array.nbytes < _COMPRESSED_BELOW
    with archive.open(_member(name, compress), "w", force_zip64=True) as stream:
        np.lib.format.write_array(stream, array, allow_pickle=False)


def _add_traces(archive: ZipFile, name: str, chosen: Selected, kind: str) -> Iterator[int]:
    """Write traces block by block; yields how many components are done."""
    shape = (chosen.n_components, chosen.n_frames)
    compress = 4 * shape[0] * shape[1] < _COMPRESSED_BELOW
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    with archive.open(_member(name, compress), "w", force_zip64=True) as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        for start, stop in chosen.blocks():
            block = np.ascontiguousarray(chosen.trace_block(kind, start, stop), "<f4")
            stream.write(block.data if block.size else b"")
            yield stop


def _member(name: str, compress: bool) -> ZipInfo:
    info = ZipInfo(f"{name}.npy")
    info.compress_type = ZIP_DEFLATED if compress else ZIP_STORED
    return info


def _sparse(name: str, matrix: sp.csc_matrix | sp.csr_matrix) -> dict[str, NDArray[Any]]:
    return {
        f"{name}_data": matrix.data,
        f"{name}_indices": matrix.indices,
        f"{name}_indptr": matrix.indptr,
        f"{name}_shape": np.asarray(matrix.shape),
    }
