"""Adds traces with their units to an NWB file."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from hdmf.backends.hdf5 import H5DataIO
from hdmf.common import DynamicTableRegion
from hdmf.data_utils import GenericDataChunkIterator
from numpy.typing import NDArray
from pynwb.ophys import DfOverF, Fluorescence, RoiResponseSeries

from napari_cnmf.io.exports.selection import Selected
from napari_cnmf.io.exports.writing import OnProgress

_CHUNK_FRAMES, _CHUNK_COMPONENTS = 4096, 16

_KINDS = {
    "raw": ("a.u.", "Demixed raw trace: C + YrA"),
    "denoised": ("a.u.", "Denoised trace: C"),
    "spikes": ("a.u.", "Deconvolved activity: S"),
    "detrended": (
        "a.u.",
        "Raw trace minus its running 8th percentile over 500 frames; not divided: the background "
        "is no baseline",
    ),
    "dff": (
        "ratio",
        "(F - F0) / (F0 + B): F0 the raw trace's running 8th percentile over 500 frames, B that "
        "of the background under the footprint",
    ),
}


def add_traces(
    module: Any, table: Any, chosen: Selected, clock: dict[str, Any], on_progress: OnProgress
) -> None:
    """Add ``Fluorescence`` and ``DfOverF``, frames first as NWB wants them."""
    fluorescence, dff = Fluorescence(name="Fluorescence"), DfOverF(name="DfOverF")
    # in the file before their series are: a series must share an ancestor with its table
    module.add(fluorescence)
    kinds = chosen.trace_kinds
    if "dff" in kinds:
        module.add(dff)
    for number, kind in enumerate(kinds):
        unit, said = _KINDS[kind]
        series = RoiResponseSeries(
            name=kind,
            description=said,
            data=_lazy_traces(chosen, kind, partial(_report, on_progress, number, len(kinds))),
            rois=DynamicTableRegion(
                name="rois",
                description="All components",
                data=np.arange(chosen.n_components),
                table=table,
            ),
            unit=unit,
            **clock,
        )
        (dff if kind == "dff" else fluorescence).add_roi_response_series(series)


def _report(on_progress: OnProgress, number: int, n_kinds: int, done: int, total: int) -> None:
    on_progress(number * total + done, n_kinds * total)


class _TraceBlocks(GenericDataChunkIterator):  # type: ignore[misc]  # pynwb has no types
    """Traces ``(n_frames, n_components)``, computed block by block while the file is written."""

    def __init__(self, chosen: Selected, kind: str, report: OnProgress) -> None:
        self._chosen, self._kind, self._report = chosen, kind, report
        n, n_frames = chosen.n_components, chosen.n_frames
        step = next(stop - start for start, stop in chosen.blocks())
        # a chunk holds a stretch of a few components: whole traces and single frames both read well
        chunk = (min(n_frames, _CHUNK_FRAMES), min(n, step, _CHUNK_COMPONENTS))
        buffer = (n_frames, max(step // chunk[1], 1) * chunk[1])
        super().__init__(buffer_shape=(buffer[0], min(buffer[1], n)), chunk_shape=chunk)

    def _get_data(self, selection: tuple[slice, ...]) -> NDArray[np.float32]:
        frames, columns = selection
        block = self._chosen.trace_block(self._kind, columns.start, columns.stop)
        self._report(columns.stop, self._chosen.n_components)
        return block[:, frames].T

    def _get_maxshape(self) -> tuple[int, int]:
        return self._chosen.n_frames, self._chosen.n_components

    def _get_dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float32)


def _lazy_traces(chosen: Selected, kind: str, report: OnProgress) -> Any:
    """Compressed traces that are computed when the file is written; an empty array of none."""
    if not chosen.n_components or not chosen.n_frames:
        return np.zeros((chosen.n_frames, chosen.n_components), np.float32)
    blocks = _TraceBlocks(chosen, kind, report)
    return H5DataIO(blocks, compression="gzip", compression_opts=1, shuffle=True)


def compressed(array: NDArray[Any]) -> Any:
    """Compress the array in chunks; an empty one is left as it is."""
    return H5DataIO(array, compression="gzip", shuffle=True) if array.size else array
