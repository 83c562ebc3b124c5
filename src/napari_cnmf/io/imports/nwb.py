"""Reads the segmentation of an NWB file as a result."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.errors import ParameterError, ResultError, why_no_package
from napari_cnmf.io.hdf5_heaps import require_sound_heaps
from napari_cnmf.io.imports.found import Imported, provenance
from napari_cnmf.io.imports.nwb_masks import footprints_of
from napari_cnmf.io.imports.nwb_provenance import field_shape, images_of, steps_and_params
from napari_cnmf.io.movies._recording import usual_step
from napari_cnmf.model.components import Components

_ACCEPTED = ("accepted", "Accepted", "is_cell", "iscell")
_REJECTED = ("rejected", "Rejected")
_SCORES = {
    "snr": ("snr", "SNR"), "r_values": ("r_value", "r_values"), "cnn_preds": ("p_soma", "cnn"),
}  # fmt: skip
_KINDS = {
    "spikes": ("spike", "spks", "deconv", "event"),
    "denoised": ("denoised",),
    "detrended": ("detrend",),
    "neuropil": ("neuropil", "fneu", "background"),
    "dff": ("dff", "dfoverf", "deltaf"),
    "baseline": ("baseline", "f0"),
}
"""Kinds of series and what letters and digits of their names hold, in the order that is tried."""
_USUAL_RAW = ("roiresponseseries", "fluorescence", "f")
"""Names of raw traces that programs write, the surest first."""
_EVEN = 0.1
"""Steps between time stamps that differ by less, relative to the median, count as even."""


def read_nwb(path: Path, *, table: int | str | None = None) -> Imported:
    """Read one ``PlaneSegmentation`` with the traces that belong to it.

    Parameters
    ----------
    path
        The file.
    table
        Name of the table, or its number from 0 in the order of the names. Without it the largest
        that has traces is read, and a warning names the others. Tables of one name are told apart
        by what holds them: ``ImageSegmentation/PlaneSegmentation``.

    Notes
    -----
    Pixel, voxel and image masks are understood. Of the series in ``Fluorescence`` (and
    ``Deconvolved``), ``denoised``, ``raw`` and ``spikes`` (``deconvolved``) are told by their
    names; one series of any other name is taken as raw. Cells of the table that have no trace are
    left out, and a warning counts them. Where there is no denoised trace the raw
    one stands for it. The verdict is a column ``accepted`` (or ``iscell``); without one all are
    accepted. Of files that we wrote, decisions, tags, notes, background, summary images, parameters
    and history come back too. What suite2p itself writes (rows before columns, a series for each
    plane, in old versions transposed) is told by its description.

    Raises
    ------
    ResultError
        pynwb is missing, there is no segmentation with traces, or no such table.
    """
    with opened_nwb(path) as nwbfile:
        return _assemble(nwbfile, path, table)


@contextmanager
def opened_nwb(path: Path) -> Iterator[Any]:
    """Open a file with pynwb; what is wrong with it, also later on, ends in a `ResultError`."""
    try:
        import pynwb
    except ImportError as error:
        raise ResultError(why_no_package("NWB", "pynwb", "nwb", error)) from error
    try:
        require_sound_heaps(path)
        with pynwb.NWBHDF5IO(path, "r") as io:
            with warnings.catch_warnings():
                # of what other programs did when they wrote it, such as transposed traces
                warnings.simplefilter("ignore")
                nwbfile = io.read()
            yield nwbfile
    except (ResultError, ParameterError, Warning):
        raise  # a warning is ours, made an error by who called
    # pynwb, hdmf and HDF5 raise nearly anything for a file that is none.
    except Exception as error:
        raise ResultError(
            f"{path.name} is not laid out like an NWB file with a segmentation: "
            f"{type(error).__name__} {str(error)[:300]}. Check it with nwbinspector."
        ) from error


@dataclass(frozen=True, eq=False)
class TableOfField:
    """The one table of cells that an NWB file has of a field.

    Attributes
    ----------
    plane
        How `read_nwb` is told of it; ``None`` where it takes this table by itself.
    has_traces
        Whether it can be read as a result.
    A
        ``(n_pixels, n)`` float32, footprints of the cells that its columns accept.
    """

    plane: str | None
    has_traces: bool
    A: sp.csc_matrix


def find_table_of_field(path: Path, dims: tuple[int, ...]) -> TableOfField:
    """Find the one table of cells of a field, whether it has traces or not.

    Parameters
    ----------
    path
        The file.
    dims
        Field ``(Y, X)`` or ``(Z, Y, X)``.

    Raises
    ------
    ResultError
        The file cannot be read.
    ParameterError
        No table is of the field, or several are.
    """
    with opened_nwb(path) as nwbfile:
        objects = list(nwbfile.objects.values())
        tables = named_tables(objects)
        found, fields = {}, []
        for name, table in tables.items():
            by_suite2p = is_of_suite2p(nwbfile, table)
            images = _without_others(images_of(nwbfile, rows_first=by_suite2p), name, tables)
            A, field = footprints_of(
                table, field_shape(nwbfile), images, objects,
                rows_first=by_suite2p or is_of_neuroconv(nwbfile), unsaid=dims,
            )  # fmt: skip
            fields.append(f"{name} {field}")
            if field == tuple(dims):
                columns = {column: table[column] for column in table.colnames}
                found[name] = A[:, np.flatnonzero(_accepted(columns, len(table)))]
        if len(found) == 1:
            (name,) = found
            kinds = _series_of(objects, tables[name])[0]
            is_default = name == _chosen_table(tables, objects, path, None)
            return TableOfField(
                None if is_default else name,
                bool({"raw", "denoised", "detrended"} & kinds.keys()),
                found[name],
            )
    if not found:
        raise ParameterError(
            f"ain must be of the field {tuple(dims)}, got tables of cells in {path.name}: "
            f"{', '.join(fields) or 'none'}. Take one of the same recording."
        )
    raise ParameterError(
        f"One table of cells must be chosen, {path.name} has {len(found)} of the field "
        f"{tuple(dims)}: {', '.join(found)}. Import the right one (napari-cnmf import FILE "
        "OUT.hdf5 --plane NAME) and give that file."
    )


def _assemble(nwbfile: Any, path: Path, wanted: int | str | None) -> Imported:
    objects = list(nwbfile.objects.values())
    tables = named_tables(objects)
    name = _chosen_table(tables, objects, path, wanted)
    table = tables[name]
    by_suite2p = is_of_suite2p(nwbfile, table)
    series, kept = _series_of(objects, table)
    traces = {kind: _rows(all_of_it, len(table)) for kind, all_of_it in series.items()}
    raw, C = traces.get("raw"), traces.get("denoised")
    C = C if C is not None else traces.get("detrended") if raw is None else raw
    if C is None:
        raise ResultError(
            f"{path.name} must hold fluorescence of its segmentation, it has a table of masks "
            "alone, or with dF/F, which says nothing of the baseline. Export it again with traces, "
            "or start an analysis from its masks (ain)."
        )
    images = images_of(nwbfile, rows_first=by_suite2p)
    images = _without_others(images, name, tables)
    A, dims = footprints_of(
        table, field_shape(nwbfile), images, objects,
        rows_first=by_suite2p or is_of_neuroconv(nwbfile),
    )  # fmt: skip
    every = [one for several in series.values() for one in several]
    rate = next((_rate(one) for one in every if _rate(one) is not None), None)
    _warn_of_gaps(every, path)
    behind = images.pop("background", None)
    b, f = _background(objects, dims, C.shape[1])
    if b is None:
        b, f = _single_background(objects, behind, dims, C.shape[1])
    columns = {name: table[name] for name in table.colnames}
    steps, params, program, version = steps_and_params(nwbfile, path)
    if rate is not None:
        params = params | {"data": dict(params.get("data") or {}) | {"fr": rate}}
    attributes = provenance(program, version, path, {"table": name})
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
    others = [f"{other} ({len(tables[other])} cells)" for other in tables if other != name]
    if others and wanted is None:
        warnings.warn(
            f"{path.name} has further tables of cells: {', '.join(others)}. {name} with "
            f"{len(table)} cells was read; name another with plane=.",
            stacklevel=2,
        )
    if kept.size < len(table):
        components = components.take(kept)
        left_out = len(table) - kept.size
        warnings.warn(
            f"{left_out} of {len(table)} cells of {name} in {path.name} "
            f"{'has' if left_out == 1 else 'have'} no traces and {'is' if left_out == 1 else 'are'}"
            " left out.",
            stacklevel=2,
        )
    decisions, tags, notes = (
        None if texts is None else texts[kept].tolist()
        for texts in (_texts(columns, name) for name in ("decision", "tags", "note"))
    )
    return Imported(
        components,
        path,
        decisions=() if decisions is None else tuple(decisions),
        tags=() if tags is None else tuple(_split(text) for text in tags),
        notes=() if notes is None else tuple(notes),
    )


def _tables(objects: Iterable[Any]) -> list[Any]:
    return [
        one
        for one in objects
        if type(one).__name__ == "PlaneSegmentation" and one.name != "Background"
    ]


def named_tables(objects: Iterable[Any]) -> dict[str, Any]:
    """Tables of cells by their names, those of one name with the names of what holds them."""
    tables = _tables(objects)
    paths = [_path_of(table) for table in tables]
    named = {}
    for table, parts in zip(tables, paths, strict=True):
        length = next(
            (n for n in range(1, len(parts)) if sum(p[-n:] == parts[-n:] for p in paths) == 1),
            len(parts),
        )
        named["/".join(parts[-length:])] = table
    return {name: named[name] for name in sorted(named)}


def _path_of(node: Any) -> list[str]:
    """Names of a table and of what holds it, the file first."""
    parts: list[str] = []
    while node is not None:
        parts.insert(0, str(node.name))
        node = node.parent
    return parts


def _chosen_table(
    tables: Mapping[str, Any], objects: Iterable[Any], path: Path, wanted: int | str | None
) -> str:
    """Name of the table that is meant: without a wish the largest of those that have traces."""
    if not tables:
        raise ResultError(f"{path.name} must hold a PlaneSegmentation, it has none.")
    names = list(tables)
    if wanted is None:
        with_traces = {
            id(one.rois.table)
            for one in objects
            if type(one).__name__ == "RoiResponseSeries" and type(one.parent).__name__ != "DfOverF"
        }
        return max(names, key=lambda name: (id(tables[name]) in with_traces, len(tables[name])))
    if isinstance(wanted, str) and wanted in tables:
        return wanted
    if isinstance(wanted, int) and 0 <= wanted < len(names):
        return names[wanted]
    numbered = ", ".join(f"{i}: {name}" for i, name in enumerate(names))
    raise ResultError(f"The table of {path.name} must be one of {numbered}, got {wanted}.")


def _without_others(
    images: Mapping[str, NDArray[Any]], name: str, tables: Mapping[str, Any]
) -> dict[str, NDArray[Any]]:
    """Images without those whose names hold that of another table, or of its plane, alone."""
    own = _names_of(tables[name])
    others = {word for other in tables if other != name for word in _names_of(tables[other])} - own
    return {
        key: image
        for key, image in images.items()
        if any(_holds(key, word) for word in own) or not any(_holds(key, word) for word in others)
    }


def _names_of(table: Any) -> set[str]:
    plane = getattr(table.imaging_plane, "name", "")
    return {str(name) for name in (table.name, plane) if name}


def _holds(name: str, word: str) -> bool:
    """Whether a name holds a word that no further letter or digit belongs to."""
    return re.search(rf"(?<![^\W_]){re.escape(word)}(?![^\W_])", name) is not None


def is_of_suite2p(nwbfile: Any, table: Any) -> bool:
    """Whether suite2p itself wrote the file: its masks have rows before columns."""
    said = f"{table.description} {nwbfile.session_description}".lower()
    return "suite2p output" in said or "suite2p_proc" in said


def is_of_neuroconv(nwbfile: Any) -> bool:
    """Whether NeuroConv wrote the file: its pixel masks have rows before columns."""
    said = (nwbfile.source_script, getattr(nwbfile, "was_generated_by", None))
    return "neuroconv" in f"{said}".lower()


def _series_of(
    objects: Iterable[Any], table: Any
) -> tuple[dict[str, list[Any]], NDArray[np.int64]]:
    """Find series of the table's rows by kind, and the rows that have traces.

    Of each kind there is one series, or several that share the rows.
    """
    found: dict[str, list[Any]] = {}
    for one in objects:
        if type(one).__name__ != "RoiResponseSeries" or one.rois.table is not table:
            continue
        if type(one.parent).__name__ == "DfOverF" or not len(one.rois.data):
            continue
        found.setdefault(_kind_of(one), []).append(one)
    named_raw = [one for one in found.get("raw", ()) if "raw" in one.name.lower()]
    if named_raw:
        found["raw"] = named_raw
    for left_out in ("neuropil", "dff", "baseline"):
        found.pop(left_out, None)
    for several in found.values():
        several.sort(key=_surest_first)
    kept = _rows_with_traces(found, len(table))
    chosen = {kind: _sharing(several, kept) for kind, several in found.items()}
    raw, candidates = chosen.get("raw", []), found.get("raw", [])
    others = [one.name for one in candidates if one not in raw]
    if raw and others and _plain_name(raw[0]) not in _USUAL_RAW:
        warnings.warn(
            f"{table.name} has several traces that may be the raw ones: {raw[0].name} was read, "
            f"{', '.join(others)} {'were' if len(others) > 1 else 'was'} not. Rename the right one "
            "to raw if that is wrong.",
            stacklevel=2,
        )
    return {kind: several for kind, several in chosen.items() if several}, kept


def _rows_with_traces(found: Mapping[str, list[Any]], n: int) -> NDArray[np.int64]:
    """Rows of the table that have a trace: some programs write those of accepted cells alone."""
    for kind in ("raw", "denoised", "detrended"):
        if several := found.get(kind):
            if _sharing(several, np.arange(n)):
                break
            rows = [np.asarray(one.rois.data[:], np.int64) for one in several]
            together = np.concatenate(rows)
            unique = np.unique(together)
            return unique if unique.size == together.size else np.unique(rows[0])
    return np.arange(n)


def _plain_name(series: Any) -> str:
    return re.sub(r"[^a-z0-9]", "", str(series.name).lower())


def _surest_first(series: Any) -> tuple[int, str]:
    name = _plain_name(series)
    return _USUAL_RAW.index(name) if name in _USUAL_RAW else len(_USUAL_RAW), name


def _kind_of(series: Any) -> str:
    own = _plain_name(series)
    for kind, words in _KINDS.items():
        if any(word in own for word in words):
            return kind
    name = f"{getattr(series.parent, 'name', '')} {own}".lower()
    for kind in ("spikes", "neuropil"):
        if any(word in name for word in _KINDS[kind]):
            return kind
    return "raw"


def _sharing(several: list[Any], wanted: NDArray[np.int64]) -> list[Any]:
    """Find the first series with all the ``wanted`` rows, else those with each once; else none."""
    rows = [np.asarray(one.rois.data[:], np.int64) for one in several]
    for one, of_one in zip(several, rows, strict=True):
        if np.unique(of_one).size == of_one.size and np.isin(wanted, of_one).all():
            return [one]
    together = np.sort(np.concatenate(rows)) if rows else np.zeros(0, np.int64)
    return several if np.array_equal(together, wanted) else []


def _rows(several: list[Any], n: int) -> NDArray[np.float32]:
    """Read ``(n, n_frames)`` with rows in the order of the table; 0 where there is no trace.

    NWB has frames before cells; where only the other way round fits the number of cells, as in
    files of old versions of suite2p, that is taken.
    """
    parts = []
    for series in several:
        own = np.asarray(series.rois.data[:], np.int64)
        data = np.asarray(series.data[:], np.float32)
        data = data.reshape(len(data), -1) if data.ndim == 1 else data
        if data.ndim == 2 and data.shape[1] != own.size == data.shape[0]:
            data = data.T
        if data.ndim != 2 or data.shape[1] != own.size:
            raise ValueError(f"{series.name} has shape {data.shape} for {own.size} cells")
        parts.append((own, data.T))
    n_frames = min(part.shape[1] for _, part in parts)
    rows = np.zeros((n, n_frames), np.float32)
    for own, part in parts:
        rows[own] = part[:, :n_frames]
    return rows


def _rate(series: Any) -> float | None:
    if series.rate:
        return float(series.rate)
    times = series.timestamps
    if times is None or len(times) < 2:
        return None
    step = usual_step(times[:])
    return None if step is None else 1 / step


def _warn_of_gaps(series: Iterable[Any], path: Path) -> None:
    """Warn of traces whose time stamps are uneven: a result keeps the rate alone."""
    for one in series:
        if one.timestamps is None or len(one.timestamps) < 3:
            continue
        steps = np.diff(np.asarray(one.timestamps[:], np.float64))
        step = usual_step(one.timestamps[:]) or float(np.median(steps))
        if not np.all(np.abs(steps - step) < _EVEN * step):
            warnings.warn(
                f"The time stamps of {one.name} in {path.name} are uneven: steps of "
                f"{steps.min():.3g} to {steps.max():.3g} s. The frame rate is taken from the usual "
                f"step of {step:.3g} s.",
                stacklevel=2,
            )
            return


def _accepted(columns: Mapping[str, Any], n: int) -> NDArray[np.bool_]:
    for name in _ACCEPTED:
        if name in columns:
            values = np.asarray(columns[name][:], np.float64)
            return np.asarray(values.reshape(n, -1)[:, 0] > 0.5) if n else np.zeros(0, bool)
    for name in _REJECTED:
        if name in columns:
            return np.asarray(np.asarray(columns[name][:], np.float64).reshape(n) < 0.5)
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
    """Read the low-rank background of a file that we wrote."""
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
    """Read a background of one component, which we write as an image and a time series."""
    course = next(
        (o for o in objects if type(o).__name__ == "TimeSeries" and o.name == "background"), None
    )
    if course is None or image is None or image.shape != dims or len(course.data) != n_frames:
        return None, None
    return image.reshape(-1, 1), np.asarray(course.data[:], np.float32).reshape(1, -1)
