"""Read a result that CaImAn, or we, wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from napari_cnmf.errors import ResultError
from napari_cnmf.io.caiman._encoding import floats, is_sparse, plain, read_node
from napari_cnmf.io.caiman._file import open_result
from napari_cnmf.io.caiman._order import (
    c_of_fortran,
    fortran_of_c,
    move_rows,
    move_rows_and_columns,
)
from napari_cnmf.io.caiman._state import GROUP, decode, digest_of_footprints
from napari_cnmf.model._ring import ring_grid, ring_step
from napari_cnmf.model.components import COMPONENT_CLASSES, Components

_ROWS = ("S", "YrA", "F_dff")
_VALUES = ("bl", "c1", "neurons_sn", "lam", "ecc")
_LISTS = ("accepted_list", "rejected_list")


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
    path = Path(path)
    with open_result(path) as file:
        if "estimates" not in file or not {"A", "C"} <= set(file["estimates"]):
            raise ResultError(
                f"A CaImAn result must hold estimates/A and estimates/C, {path.name} does not. "
                "Choose a file that CaImAn's save or this plugin wrote."
            )
        root = {name: read_node(file[name]) for name in file if name not in ("estimates", GROUP)}
        root["mmap_file"] = plain(file.attrs.get("mmap_file", ""))
        estimates = read_node(file["estimates"])
        ours = decode(read_node(file[GROUP])) if GROUP in file else {}
    try:
        return _to_components(estimates, root, ours)
    except ResultError as error:
        raise ResultError(f"{path.name}: {error}") from error
    except (ValueError, TypeError, IndexError, KeyError) as error:
        raise ResultError(
            f"{path.name} is not laid out like a CaImAn result: {error}. "
            "Save it again from CaImAn, or run the analysis again."
        ) from error


def _to_components(
    estimates: dict[str, Any], root: dict[str, Any], ours: dict[str, Any]
) -> Components:
    A_stored = sp.csc_matrix(estimates["A"])
    C = np.atleast_2d(floats(estimates["C"]))
    n_pixels, n = A_stored.shape
    params = {k: v for k, v in plain(root.get("params") or {}).items() if isinstance(v, dict)}
    dims = _dims(estimates, root, params, n_pixels)
    left_out: list[str] = []
    values = _per_component(estimates, n, left_out)
    values.update(_background(estimates, dims))
    for name in _ROWS:
        values[name] = _optional_floats(estimates.get(name))
    if values["YrA"] is None:
        values["YrA"] = _optional_floats(estimates.get("R"))
    values["accepted"] = _accepted(estimates, n, left_out)
    changed = bool(ours) and ours.get("A_digest") != digest_of_footprints(A_stored)
    values["classes"] = None if changed else _classes(ours, n)
    params.update(ours.get("params") or {})
    _forget_derived(params.get("init", {}), ours)
    return Components(
        A=move_rows(A_stored, c_of_fortran(dims)),
        C=C,
        dims=dims,
        frame_rate_hz=_frame_rate(params),
        params=params,
        images=_images(estimates, ours, dims),
        attributes=_attributes(estimates, root, ours, left_out, changed),
        **values,
    )


def _dims(
    estimates: dict[str, Any], root: dict[str, Any], params: dict[str, Any], n_pixels: int
) -> tuple[int, ...]:
    candidates = (estimates.get("dims"), root.get("dims"), params.get("data", {}).get("dims"))
    for value in candidates:
        if value is not None:
            dims = tuple(int(n) for n in np.ravel(value))
            if int(np.prod(dims)) != n_pixels:
                raise ResultError(
                    f"dims {dims} must hold as many pixels as A has rows ({n_pixels}). "
                    "The file is damaged, or A was edited elsewhere."
                )
            return dims
    raise ResultError("The file does not say the field's size: /dims is missing.")


def _per_component(estimates: dict[str, Any], n: int, left_out: list[str]) -> dict[str, Any]:
    """Per-component values; what has another length is stale and left out."""
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
    """``b, f, W, b0, sn`` in C order; an empty low-rank background is none."""
    in_c_order = fortran_of_c(dims)
    values: dict[str, Any] = {}
    for name in ("b0", "sn"):
        value = _optional_floats(estimates.get(name))
        values[name] = None if value is None or value.size == 0 else value.ravel()[in_c_order]
    b, f = estimates.get("b"), estimates.get("f")
    b, f = _optional_floats(b), _optional_floats(f)
    if b is None or f is None or b.size == 0 or f.size == 0:
        b = f = None
    else:
        b, f = b.reshape(in_c_order.size, -1)[in_c_order], np.atleast_2d(f)
    W: Any = estimates.get("W")
    if is_sparse(W):
        ring = sp.csc_matrix(W)
        W = move_rows_and_columns(
            ring, c_of_fortran(ring_grid(dims, ring_step(dims, ring.shape[0])))
        )
    else:
        W = None
    return {**values, "b": b, "f": f, "W": W}


def _accepted(estimates: dict[str, Any], n: int, left_out: list[str]) -> Any:
    good, bad = estimates.get("idx_components"), estimates.get("idx_components_bad")
    if good is None:
        return None
    good = np.asarray(good).astype(np.intp).ravel()
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
    images = dict(ours.get("images") or {})
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
    attributes = dict(ours.get("attributes") or {})
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


def _forget_derived(init: dict[str, Any], ours: dict[str, Any]) -> None:
    """Take away the gSiz that was written for others, and never asked for."""
    was_there = ours.get("gSiz_is_derived")
    derived = [2 * radius + 1 for radius in np.atleast_1d(init.get("gSig") or ())]
    if was_there is None or list(np.atleast_1d(init.get("gSiz") or ())) != derived:
        return
    init["gSiz"] = None
    if not was_there:
        del init["gSiz"]


def _frame_rate(params: dict[str, Any]) -> float | None:
    fr = params.get("data", {}).get("fr")
    return float(fr) if isinstance(fr, int | float) and fr > 0 else None


def _optional_floats(value: Any) -> Any:
    if value is None:
        return None
    return value.toarray() if is_sparse(value) else floats(value)
