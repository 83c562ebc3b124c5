"""Traces with their units."""

from __future__ import annotations

from typing import Any

import numpy as np
from hdmf.backends.hdf5 import H5DataIO
from hdmf.common import DynamicTableRegion
from numpy.typing import NDArray
from pynwb.ophys import DfOverF, Fluorescence, RoiResponseSeries

from napari_cnmf.io.exports.selection import Selected

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


def add_traces(module: Any, table: Any, chosen: Selected, rate: float) -> None:
    """``Fluorescence`` and ``DfOverF``, frames first as NWB wants them."""
    fluorescence, dff = Fluorescence(name="Fluorescence"), DfOverF(name="DfOverF")
    # in the file before their series are: a series must share an ancestor with its table
    module.add(fluorescence)
    if "dff" in chosen.traces:
        module.add(dff)
    for kind, traces in chosen.traces.items():
        unit, said = _KINDS[kind]
        series = RoiResponseSeries(
            name=kind,
            description=said,
            data=compressed(traces.T),
            rois=DynamicTableRegion(
                name="rois",
                description="All components",
                data=np.arange(chosen.n_components),
                table=table,
            ),
            unit=unit,
            rate=rate,
            starting_time=0.0,
        )
        (dff if kind == "dff" else fluorescence).add_roi_response_series(series)


def compressed(array: NDArray[Any]) -> Any:
    """The array, compressed in chunks; an empty one cannot be."""
    return H5DataIO(array, compression="gzip", shuffle=True) if array.size else array
