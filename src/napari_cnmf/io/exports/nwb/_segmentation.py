"""Adds components and background to an NWB file as tables of masks."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from hdmf.common import VectorData, VectorIndex
from numpy.typing import NDArray
from pynwb import TimeSeries
from pynwb.base import Images
from pynwb.image import GrayscaleImage
from pynwb.ophys import ImageSegmentation, PlaneSegmentation, RoiResponseSeries

from napari_cnmf.io.exports.context import Context
from napari_cnmf.io.exports.nwb._traces import compressed
from napari_cnmf.io.exports.selection import Selected

BACKGROUND = "background"
_SAID = {
    "accepted": "Whether the component counts as a cell, by hand or by the thresholds",
    "decision": "By hand: accepted, rejected, unsure; auto follows the thresholds",
    "class": "Shape class: soma, process or fragment",
    "area_px": "Pixels above a fifth of the footprint's maximum",
    "snr": "Signal-to-noise ratio of the transients",
    "r_value": "Correlation of footprint and movie during transients",
    "p_soma": "Score of the classifier, 0 to 1: how much it looks like a cell body",
    "eccentricity": "Eccentricity of the footprint",
    "trace_noise": "Standard deviation of the trace's noise",
    "n_events": "Onsets of activity",
    "event_rate_hz": "Onsets of activity per second",
    "tags": "Tags, separated by '; '",
    "note": "The curator's note",
}


def add_components(module: Any, plane: Any, chosen: Selected, context: Context) -> Any:
    """Add ``ImageSegmentation/PlaneSegmentation``; returns the table."""
    segmentation = ImageSegmentation(name="ImageSegmentation")
    module.add(segmentation)
    masks, index = _masks(chosen.A, chosen.dims)
    columns = [masks, index]
    table = chosen.table(context.pixel_size_um(chosen.whole))
    for name, values in table.items():
        if name != "id":
            said = _SAID.get(name) or f"Centre of mass along {name.replace('_', ' in ')}"
            data = values.tolist() if values.dtype.kind == "U" and values.size else values
            columns.append(VectorData(name=name, description=said, data=_storable(data)))
    segments = PlaneSegmentation(
        name="PlaneSegmentation",
        description="Components of constrained non-negative matrix factorisation; id is stable",
        imaging_plane=plane,
        id=np.asarray(chosen.ids, np.int64),
        columns=columns,
        colnames=[masks.name, *(name for name in table if name != "id")],
    )
    segmentation.add_plane_segmentation(segments)
    return segments


def add_background(module: Any, plane: Any, chosen: Selected, clock: dict[str, Any]) -> None:
    """Add the low-rank background as image masks with time courses, where there is one.

    A single one is an image and a time series: a table of one row is against the format's habits.
    """
    components = chosen.whole
    b, f = components.b, components.f
    if b is None or f is None or b.shape[1] == 0:
        return
    # (n, Z, Y, X) -> (n, X, Y, Z)
    images = np.asarray(b.T, np.float32).reshape(-1, *components.dims)
    images = images.transpose(0, *range(images.ndim - 1, 0, -1))
    if len(images) == 1:
        _add_single_background(module, images[0], np.asarray(f[0], np.float32), clock)
        return
    table = PlaneSegmentation(
        name="Background",
        description="Spatial components of the low-rank background",
        imaging_plane=plane,
        id=np.arange(len(images)),
        columns=[VectorData(name="image_mask", description="Weight of each pixel", data=images)],
        colnames=["image_mask"],
    )
    module["ImageSegmentation"].add_plane_segmentation(table)
    rows = table.create_roi_table_region(
        region=list(range(len(images))), description="Components of the background"
    )
    module["Fluorescence"].add_roi_response_series(
        RoiResponseSeries(
            name="background",
            description="Time courses of the low-rank background",
            data=compressed(np.asarray(f.T, np.float32)),
            rois=rows,
            unit="a.u.",
            **clock,
        )
    )


def _add_single_background(
    module: Any, image: NDArray[np.float32], course: NDArray[np.float32], clock: dict[str, Any]
) -> None:
    # an image has two axes: a volume lies plane by plane, as the summary images do
    planes = {BACKGROUND: image}
    if image.ndim == 3:
        planes = {f"{BACKGROUND}_z{z:03d}": image[..., z] for z in range(image.shape[2])}
    said = "Weight of each pixel in the low-rank background"
    module.add(
        Images(
            name="BackgroundImages",
            images=[GrayscaleImage(name=n, data=i, description=said) for n, i in planes.items()],
            description="Spatial component of the low-rank background",
        )
    )
    module.add(
        TimeSeries(
            name=BACKGROUND,
            description="Time course of the low-rank background",
            data=compressed(course),
            unit="a.u.",
            **clock,
        )
    )


def _masks(A: sp.csc_matrix, dims: tuple[int, ...]) -> tuple[VectorData, VectorIndex]:
    """All footprints one after the other, as NWB counts: x first."""
    axes = ("x", "y") if len(dims) == 2 else ("x", "y", "z")
    kept = A.data > 0
    ends = np.concatenate([[0], np.cumsum(kept)])[A.indptr[1:]]
    where = np.unravel_index(A.indices[kept], dims)[::-1]
    dtype = [*((axis, np.uint32) for axis in axes), ("weight", np.float32)]
    mask = np.zeros(int(kept.sum()), dtype=dtype)
    for axis, values in zip(axes, where, strict=True):
        mask[axis] = values
    mask["weight"] = A.data[kept]
    name = "pixel_mask" if len(dims) == 2 else "voxel_mask"
    said = f"Footprint of each component: {', '.join(axes)} from 0, and weight"
    data = VectorData(name=name, description=said, data=mask)
    return data, VectorIndex(name=f"{name}_index", data=ends.astype(np.uint64), target=data)


def _storable(values: Any) -> Any:
    """Values of a type that HDF5 knows: texts without a component become bytes."""
    if isinstance(values, np.ndarray) and values.dtype.kind == "U":
        return np.zeros(0, dtype="S1")
    return values
