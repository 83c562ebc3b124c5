"""Read a result that CaImAn, or we, wrote."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.sparse as sp

from napari_cnmf._checks import check_path
from napari_cnmf.errors import ResultError
from napari_cnmf.io.caiman._encoding import floats, is_sparse
from napari_cnmf.io.caiman._file import open_result, plain
from napari_cnmf.io.caiman._order import (
    field_of_footprints,
    fortran_of_c,
    move_rows,
    move_rows_and_columns,
)
from napari_cnmf.io.caiman._scores import restored_scores
from napari_cnmf.io.caiman._state import (
    OWN_PARAMS,
    digest_of_footprints,
    pixels_per_process,
    read_ours,
)
from napari_cnmf.model._ring import ring_grid, ring_step
from napari_cnmf.model.components import COMPONENT_CLASSES, Components

_ROWS = ("S", "YrA", "F_dff")
_VALUES = ("bl", "c1", "neurons_sn", "lam", "ecc")
_LISTS = ("accepted_list", "rejected_list")
_KNOWN = (
    "A", "C", "R", "dims", "SNR_comp", "r_values", "cnn_preds", "g", "b", "f", "b0", "sn", "W",
    "idx_components", "idx_components_bad", "Cn", *_ROWS, *_VALUES, *_LISTS,
)  # fmt: skip
"""All that is read of ``/estimates``; whatever else a file holds is never loaded."""
_MMAP_NAME = re.compile(r"_d1_(\d{1,9})_d2_(\d{1,9})_d3_(\d{1,9})_order_")
_MOST_PIXELS = 2**31 - 1


def read_caiman(path: str | Path) -> Components:
    """Read a CaImAn HDF5 result: values and dtypes as stored, pixels in C order.

    Parameters
    ----------
    path
        A file of CaImAn's ``cnm.save`` (two-photon, one-photon, volumetric) or of `write_caiman`.

    Returns
    -------
    Components
        ``accepted`` from ``idx_components``, ``params`` from the group of that name, the frame
        rate from ``params.data.fr``. Per-component scores that no longer fit the number of
        components (CaImAn's ``manual_merge`` leaves them behind) are left out and named in
        ``attributes["left_out"]``.

    Raises
    ------
    ResultError
        No such file, not HDF5, cut short, no estimates, or arrays that do not fit each other.

    Notes
    -----
    CaImAn flattens pixels in Fortran order; the reader and the writer are the only places where
    that order exists. A ring background ``W`` that was computed on a coarser grid (``ssub_B``)
    keeps its own size, in C order of the coarse grid.

    See Also
    --------
    write_caiman
    """
    path = check_path("A result", path, ResultError)
    with open_result(path) as file:
        estimates = file.child(file.root, "estimates")
        if not isinstance(estimates, h5py.Group) or not {"A", "C"} <= set(estimates):
            raise ResultError(
                f"A CaImAn result must hold estimates/A and estimates/C, {path.name} does not. "
                "Choose a file that CaImAn's save or this plugin wrote."
            )
        # R is what CaImAn calls YrA in the end: one of them is enough
        names = [name for name in _KNOWN if name in estimates and name != "R"]
        stored = {name: file.read(estimates, name) for name in names}
        if stored.get("YrA") is None and "R" in estimates:
            stored["R"] = file.read(estimates, "R")
        root = {"dims": file.read(file.root, "dims"), "params": file.read(file.root, "params")}
        root["mmap_file"] = file.attributes(file.root).get("mmap_file", "")
        ours = read_ours(file)
        return _to_components(stored, root, ours)


def _to_components(
    estimates: dict[str, Any], root: dict[str, Any], ours: dict[str, Any]
) -> Components:
    A_stored = _footprints(estimates["A"])
    C = floats(estimates["C"])
    C = C if C.ndim == 2 else np.atleast_2d(C)
    n = A_stored.shape[1]
    params = {k: v for k, v in plain(root.get("params") or {}).items() if isinstance(v, dict)}
    changed = bool(ours) and ours.get("A_digest") != digest_of_footprints(A_stored)
    written = None if changed else _written_dims(ours.get("dims"), A_stored)
    dims = written or _dims(estimates, root, params, A_stored)
    left_out: list[str] = []
    values = _per_component(estimates, n, left_out)
    values.update(_background(estimates, dims))
    for name in _ROWS:
        values[name] = _optional_floats(estimates.get(name))
    if values["YrA"] is None:
        values["YrA"] = _optional_floats(estimates.get("R"))
    values["accepted"] = _accepted(estimates, n, left_out)
    values["classes"] = None if changed else _classes(ours, n)
    if not changed:
        values |= restored_scores(values, ours.get("scores"))
    params.update(_mapping(ours.get("params")))
    for group, own in _mapping(None if changed else ours.get(OWN_PARAMS)).items():
        # CaImAn leaves them out where it saves a file; what stands in its place goes first
        params[group] = _mapping(own) | _mapping(params.get(group))
    _forget_derived(params, dims, ours)
    return Components(
        A=move_rows(A_stored, dims, to="C"),
        C=C,
        dims=dims,
        frame_rate_hz=_frame_rate(params),
        params=params,
        images=_images(estimates, ours, dims),
        attributes=_attributes(estimates, root, ours, left_out, changed),
        **values,
    )


def _footprints(stored: Any) -> sp.csc_matrix:
    """Read ``A`` as it was stored; CaImAn's own files keep it sparse, some of others dense."""
    if is_sparse(stored):
        return sp.csc_matrix(stored)
    dense = floats(stored)
    if dense.ndim != 2:
        raise ResultError(f"A must be (n_pixels, n_components), got shape {dense.shape}.")
    return sp.csc_matrix(dense)


def _written_dims(text: Any, A: sp.csc_matrix) -> tuple[int, ...] | None:
    """Field with which we wrote these footprints, which needs no look at their shapes."""
    numbers = str(text).split(",") if isinstance(text, str) else []
    if not all(number.isascii() and number.isdigit() and len(number) < 10 for number in numbers):
        return None
    dims = _sizes([int(number) for number in numbers])
    fits = bool(dims) and math.prod(dims) == A.shape[0] <= _MOST_PIXELS
    return dims if fits else None


def _dims(
    estimates: dict[str, Any], root: dict[str, Any], params: dict[str, Any], A: sp.csc_matrix
) -> tuple[int, ...]:
    """Sizes of the field, in the order in which the footprints are patches.

    Raises
    ------
    ResultError
        The file does not tell them, they do not fit A, or they scramble the footprints and
        nothing else in the file tells the right order.
    """
    told = [
        _sizes(value)
        for value in (estimates.get("dims"), root.get("dims"), params.get("data", {}).get("dims"))
        if value is not None
    ]
    fitting = [dims for dims in told if dims and math.prod(dims) == A.shape[0]]
    if not fitting:
        if not told:
            raise ResultError("The file does not say the field's size: /dims is missing.")
        raise ResultError(
            f"dims {told[0]} must hold as many pixels as A has rows ({A.shape[0]}). "
            "The file is damaged, or A was edited elsewhere."
        )
    dims = fitting[0]
    if A.shape[0] > _MOST_PIXELS:
        raise ResultError(f"A field must have at most {_MOST_PIXELS} pixels, got {A.shape[0]}.")
    seen = field_of_footprints(A, dims)
    if seen == dims:
        return dims
    Cn = estimates.get("Cn")
    others = [*fitting[1:], _sizes_in_name(root["mmap_file"]), getattr(Cn, "shape", None)]
    if seen in others:
        return seen
    raise ResultError(
        f"The footprints are patches of a field {seen} and stripes of {dims}, which /dims says. "
        f"Write {list(seen)} into /dims, or save the result again from CaImAn."
    )


def _sizes(value: Any) -> tuple[int, ...]:
    """Sizes of a field as whole numbers; empty where they are none."""
    numbers = np.ravel(np.asarray(value))
    if numbers.dtype.kind not in "iuf" or numbers.size not in (2, 3):
        return ()
    if not np.all(np.isfinite(numbers)) or numbers.min() < 1:
        return ()
    return tuple(int(n) for n in numbers)


def _sizes_in_name(mmap_file: Any) -> tuple[int, ...] | None:
    """Sizes of the field that the name of CaImAn's memory map tells."""
    found = _MMAP_NAME.search(str(mmap_file))
    if found is None:
        return None
    sizes = tuple(int(size) for size in found.groups())
    return sizes[:2] if sizes[2] == 1 else sizes


def _per_component(estimates: dict[str, Any], n: int, left_out: list[str]) -> dict[str, Any]:
    """Read per-component values; what has another length is stale and left out."""
    names = {name: name for name in _VALUES} | {"snr": "SNR_comp", "r_values": "r_values"}
    values: dict[str, Any] = {}
    for ours, theirs in names.items():
        value = _optional_floats(estimates.get(theirs))
        if value is not None and value.size != n:
            left_out.append(theirs)
            value = None
        values[ours] = None if value is None else value.reshape(n)
    preds = _optional_floats(estimates.get("cnn_preds"))
    if preds is not None and preds.shape not in ((n,), (0,)):
        left_out.append("cnn_preds")
        preds = None
    g = _optional_floats(estimates.get("g"))
    if g is not None and g.ndim == 1:
        g = g[:, np.newaxis]
    if g is not None and (g.ndim != 2 or g.shape[0] != n):
        if g.ndim == 2:  # a scalar 0 is how CaImAn writes "none"
            left_out.append("g")
        g = None
    return {**values, "cnn_preds": preds, "g": g}


def _background(estimates: dict[str, Any], dims: tuple[int, ...]) -> dict[str, Any]:
    """Read ``b, f, W, b0, sn`` in C order; an empty low-rank background is none."""
    in_c_order = fortran_of_c(dims)
    values: dict[str, Any] = {}
    for name in ("b0", "sn"):
        value = _optional_floats(estimates.get(name))
        if value is not None and value.size not in (0, in_c_order.size):
            raise ResultError(f"{name} must have {in_c_order.size} values, got {value.size}.")
        values[name] = None if value is None or value.size == 0 else value.ravel()[in_c_order]
    b, f = estimates.get("b"), estimates.get("f")
    b, f = _optional_floats(b), _optional_floats(f)
    if b is None or f is None or b.size == 0 or f.size == 0:
        b = f = None
    else:
        b, f = b.reshape(in_c_order.size, -1)[in_c_order], np.atleast_2d(f)
    W: Any = estimates.get("W")
    if is_sparse(W):
        if W.shape[0] != W.shape[1]:
            raise ResultError(f"W must be square, got shape {W.shape}.")
        W = move_rows_and_columns(W, ring_grid(dims, ring_step(dims, W.shape[0])), to="C")
    else:
        W = None
    return {**values, "b": b, "f": f, "W": W}


def _accepted(estimates: dict[str, Any], n: int, left_out: list[str]) -> Any:
    good, bad = estimates.get("idx_components"), estimates.get("idx_components_bad")
    if good is None:
        return None
    good = np.asarray(good).astype(np.intp).ravel()
    if good.size and not 0 <= good.min() <= good.max() < n:
        left_out.append("idx_components")  # CaImAn's manual_merge leaves the old indices
        return None
    rest = np.setdiff1d(np.arange(n), good)
    bad = rest if bad is None else np.asarray(bad).astype(np.intp).ravel()
    if not np.array_equal(np.union1d(good, bad), np.arange(n)):
        left_out.append("idx_components")
        return None
    accepted = np.zeros(n, dtype=bool)
    accepted[good] = True
    return accepted


def _classes(ours: dict[str, Any], n: int) -> Any:
    stored = ours.get("classes")
    if stored is None or len(stored) != n:
        return None
    classes = np.char.decode(np.asarray(stored, dtype="S"), "ascii")
    unknown = set(classes.tolist()) - set(COMPONENT_CLASSES)
    if unknown:
        raise ResultError(f"Classes must be among {COMPONENT_CLASSES}, got {sorted(unknown)}.")
    return classes


def _images(estimates: dict[str, Any], ours: dict[str, Any], dims: tuple[int, ...]) -> Any:
    stored = _mapping(ours.get("images"))
    images = {
        str(name): floats(image)
        for name, image in stored.items()
        if isinstance(image, np.ndarray) and image.shape == dims
    }
    Cn = estimates.get("Cn")
    if "correlation" not in images and isinstance(Cn, np.ndarray) and Cn.shape == dims:
        images["correlation"] = floats(Cn)
    return images


def _attributes(
    estimates: dict[str, Any],
    root: dict[str, Any],
    ours: dict[str, Any],
    left_out: list[str],
    changed: bool,
) -> dict[str, Any]:
    attributes = dict(_mapping(ours.get("attributes")))
    if root["mmap_file"]:
        attributes["mmap_file"] = root["mmap_file"]
    for name in _LISTS:
        value = estimates.get(name)
        attributes.pop(name, None)
        if value is not None:
            attributes[name] = [int(i) for i in np.ravel(value)]
    for name, present in (("left_out", left_out), ("changed_elsewhere", changed)):
        attributes.pop(name, None)
        if present:
            attributes[name] = present
    return attributes


def _forget_derived(params: dict[str, Any], dims: tuple[int, ...], ours: dict[str, Any]) -> None:
    """Remove what was written for CaImAn alone, and what nobody had asked for."""
    init, data = params.get("init", {}), params.get("data", {})
    radii, sizes = (plain(np.ravel(init.get(name) or ())) for name in ("gSig", "gSiz"))
    if list(sizes) == [2 * radius + 1 for radius in radii]:
        _forget(init, "gSiz", ours)
    if data.get("dims") == dims:
        _forget(data, "dims", ours)
    spatial = params.get("spatial", {})
    if spatial.get("n_pixels_per_process") == pixels_per_process(math.prod(dims)):
        _forget(spatial, "n_pixels_per_process", ours)
    if params.get("quality", {}).get("use_cnn") is True:
        _forget(params["quality"], "use_cnn", ours)
    for name in [name for name, values in params.items() if values == {}]:
        del params[name]


def _forget(group: dict[str, Any], name: str, ours: dict[str, Any]) -> None:
    # a text, since CaImAn saves nothing else in this place; files of before have a truth value
    was_there = ours.get(f"{name}_is_derived")
    if was_there is None:
        return
    group[name] = None
    if str(was_there) != "True":
        del group[name]


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _frame_rate(params: dict[str, Any]) -> float | None:
    fr = params.get("data", {}).get("fr")
    return float(fr) if isinstance(fr, int | float) and 0 < fr < math.inf else None


def _optional_floats(value: Any) -> Any:
    if value is None:
        return None
    return value.toarray() if is_sparse(value) else floats(value)
