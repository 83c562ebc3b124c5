"""The segmentation of an NWB file as a result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.errors import ResultError
from napari_cnmf.io.exports.writing import require
from napari_cnmf.io.imports.found import Imported, provenance
from napari_cnmf.io.imports.nwb_masks import footprints_of
from napari_cnmf.io.imports.nwb_provenance import field_shape, images_of, steps_and_params
from napari_cnmf.model.components import Components

_ACCEPTED = ("accepted", "Accepted", "is_cell", "iscell")
_SCORES = {"snr": ("snr", "SNR"), "r_values": ("r_value", "r_values"), "cnn_preds": ("cnn",)}
_KINDS = {
    "spikes": ("spike", "deconv"),
    "denoised": ("denoised",),
    "detrended": ("detrend",),
    "neuropil": ("neuropil", "background"),
    "raw": ("raw", "roiresponseseries", "fluorescence"),
}
"""Kinds of series and what their names hold, in the order that is tried."""


def read_nwb(path: Path) -> Imported:
    """Read the largest ``PlaneSegmentation`` with the traces that belong to it.

    Pixel, voxel and image masks are understood. Of the series in ``Fluorescence`` (and
    ``Deconvolved``), ``denoised``, ``raw`` and ``spikes`` (``deconvolved``) are told by their
    names; one series of any other name is taken as raw. Where there is no denoised trace the raw
    one stands for it. The verdict is a column ``accepted`` (or ``iscell``); without one all are
    accepted. Of files that we wrote, decisions, tags, notes, background, summary images, parameters
    and history come back too.

    Raises
    ------
    ResultError
        pynwb is missing, or there is no segmentation with traces.
    """
    require("pynwb", "nwb", "NWB")
    import pynwb

    try:
        with pynwb.NWBHDF5IO(path, "r") as io:
            return _assemble(io.read(), path)
    except (OSError, KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
        raise ResultError(
            f"{path.name} is not laid out like an NWB file with a segmentation: "
            f"{type(error).__name__} {error}. Check it with nwbinspector."
        ) from error


def _assemble(nwbfile: Any, path: Path) -> Imported:
    objects = list(nwbfile.objects.values())
    table = _segmentation(objects, path)
    series = _series_of(objects, table)
    traces = {kind: _rows(one, len(table)) for kind, one in series.items()}
    raw, C = traces.get("raw"), traces.get("denoised")
    C = C if C is not None else traces.get("detrended") if raw is None else raw
    if C is None:
        raise ResultError(
            f"{path.name} must hold fluorescence of its segmentation, it has a table of masks "
            "alone. Export it again with traces."
        )
    images = images_of(nwbfile)
    A, dims = footprints_of(table, field_shape(nwbfile), images, objects)
    rate = next((_rate(one) for one in series.values() if _rate(one) is not None), None)
    behind = images.pop("background", None)
    b, f = _background(objects, dims, C.shape[1])
    if b is None:
        b, f = _single_background(objects, behind, dims, C.shape[1])
    columns = {name: table[name] for name in table.colnames}
    steps, params, program, version = steps_and_params(nwbfile, path)
    if rate is not None:
        params = params | {"data": dict(params.get("data") or {}) | {"fr": rate}}
    attributes = provenance(program, version, path, {"table": table.name})
    attributes["history_trace"] = [*steps, *attributes["history_trace"]]
    attributes["source_ids"] = np.asarray(table.id[:]).tolist()
    components = Components(
        A=A,
        C=C,
        dims=dims,
        S=traces.get("spikes"),
        YrA=None if raw is None else raw - C,
        b=b,
        f=f,
        accepted=_accepted(columns, len(table)),
        classes=_texts(columns, "class"),
        frame_rate_hz=rate,
        params=params,
        images={k: v for k, v in images.items() if v.shape == dims},
        attributes=attributes,
        **_scores(columns, len(table)),
    )
    decisions, tags, notes = (_texts(columns, name) for name in ("decision", "tags", "note"))
    return Imported(
        components,
        path,
        decisions=() if decisions is None else tuple(decisions.tolist()),
        tags=() if tags is None else tuple(_split(text) for text in tags.tolist()),
        notes=() if notes is None else tuple(notes.tolist()),
    )


def _segmentation(objects: Iterable[Any], path: Path) -> Any:
    tables = [
        one
        for one in objects
        if type(one).__name__ == "PlaneSegmentation" and one.name != "Background"
    ]
    if not tables:
        raise ResultError(f"{path.name} must hold a PlaneSegmentation, it has none.")
    return max(tables, key=len)


def _series_of(objects: Iterable[Any], table: Any) -> dict[str, Any]:
    """Series of all rows of the table, by kind."""
    found: dict[str, Any] = {}
    others = []
    for one in objects:
        if type(one).__name__ != "RoiResponseSeries" or one.rois.table is not table:
            continue
        parent = type(one.parent).__name__
        if parent == "DfOverF" or one.data.shape[-1] != len(table):
            continue
        name = f"{getattr(one.parent, 'name', '')} {one.name}".lower()
        own = one.name.lower()
        kind = next(
            (k for k, words in _KINDS.items() if any(w in own for w in words) and k != "raw"),
            None,
        ) or next((k for k in ("spikes", "neuropil") if any(w in name for w in _KINDS[k])), None)
        if kind is not None:
            found.setdefault(kind, one)
        else:
            others.append(one)
    named_raw = [one for one in others if "raw" in one.name.lower()]
    if others:
        found.setdefault("raw", (named_raw or others)[0])
    found.pop("neuropil", None)
    return found


def _rows(series: Any, n: int) -> NDArray[np.float32]:
    """``(n, n_frames)`` with rows in the order of the table."""
    data = np.asarray(series.data[:], np.float32)
    data = data.reshape(len(data), -1) if data.ndim == 1 else data
    rows = np.empty((n, data.shape[0]), np.float32)
    rows[np.asarray(series.rois.data[:], np.intp)] = data.T
    return rows


def _rate(series: Any) -> float | None:
    if series.rate:
        return float(series.rate)
    times = series.timestamps
    if times is None or len(times) < 2:
        return None
    return float((len(times) - 1) / (times[-1] - times[0]))


def _accepted(columns: Mapping[str, Any], n: int) -> NDArray[np.bool_]:
    for name in _ACCEPTED:
        if name in columns:
            values = np.asarray(columns[name][:], np.float64)
            return np.asarray(values.reshape(n, -1)[:, 0] > 0.5) if n else np.zeros(0, bool)
    return np.ones(n, bool)


def _scores(columns: Mapping[str, Any], n: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field, names in _SCORES.items():
        name = next((name for name in names if name in columns), None)
        if name is not None:
            values = np.asarray(columns[name][:], np.float64)
            if values.shape == (n,):
                found[field] = values
    return found


def _texts(columns: Mapping[str, Any], name: str) -> NDArray[np.str_] | None:
    if name not in columns:
        return None
    values = columns[name][:]
    return np.asarray([v.decode() if isinstance(v, bytes) else str(v) for v in values], np.str_)


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split("; ") if part.strip())


def _background(objects: Iterable[Any], dims: tuple[int, ...], n_frames: int) -> Any:
    """The low-rank background of a file that we wrote."""
    objects = list(objects)
    table = next(
        (o for o in objects if type(o).__name__ == "PlaneSegmentation" and o.name == "Background"),
        None,
    )
    series = [] if table is None else [
        o for o in objects if type(o).__name__ == "RoiResponseSeries" and o.rois.table is table
    ]  # fmt: skip
    if table is None or not series:
        return None, None
    f = np.asarray(series[0].data[:], np.float32).T
    masks = np.asarray(table["image_mask"][:], np.float32)
    # (n, X, Y[, Z]) -> (n, [Z], Y, X)
    masks = masks.transpose(0, *range(masks.ndim - 1, 0, -1))
    if masks.shape[1:] != dims or f.shape != (len(masks), n_frames):
        return None, None
    return np.ascontiguousarray(masks.reshape(len(masks), -1).T), f


def _single_background(
    objects: Iterable[Any], image: NDArray[np.float32] | None, dims: tuple[int, ...], n_frames: int
) -> Any:
    """A background of one component, which we write as an image and a time series."""
    course = next(
        (o for o in objects if type(o).__name__ == "TimeSeries" and o.name == "background"), None
    )
    if course is None or image is None or image.shape != dims or len(course.data) != n_frames:
        return None, None
    return image.reshape(-1, 1), np.asarray(course.data[:], np.float32).reshape(1, -1)
