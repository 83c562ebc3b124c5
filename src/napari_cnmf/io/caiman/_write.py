"""Write a result that CaImAn opens, filters, merges and saves again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.sparse as sp

from napari_cnmf._atomic import replacing
from napari_cnmf._checks import check_path
from napari_cnmf.errors import ResultError, next_step
from napari_cnmf.io.caiman._encoding import is_sparse, write_node, write_rows
from napari_cnmf.io.caiman._file import is_self_contained, open_result, why
from napari_cnmf.io.caiman._order import (
    c_of_fortran,
    move_rows,
    move_rows_and_columns,
)
from napari_cnmf.io.caiman._scores import scores_for_caiman
from napari_cnmf.io.caiman._state import (
    GROUP,
    OWN_PARAMS,
    SCHEMA,
    digest_of_footprints,
    encode_json,
    pixels_per_process,
    write_mapping,
)
from napari_cnmf.io.full_disk import hdf5_for_writing
from napari_cnmf.model._ring import ring_grid, ring_step
from napari_cnmf.model.components import TRACES, Components
from napari_cnmf.params.caiman_keys import OUR_OWN

PARAMETER_GROUPS = (
    "data", "patch", "preprocess", "init", "spatial", "temporal",
    "merging", "quality", "online", "motion", "ring_CNN",
)  # fmt: skip
"""The groups CaImAn knows; any other under ``/params`` makes its ``load_CNMF`` fail."""


def write_caiman(
    components: Components,
    path: str | Path,
    *,
    movie_path: str | Path | None = None,
    accepted_list: Sequence[int] | None = None,
    rejected_list: Sequence[int] | None = None,
    state: Mapping[str, Any] | None = None,
    carry_from: str | Path | None = None,
    on_share: Callable[[float], None] = lambda share: None,
) -> Path:
    """Write components in CaImAn's HDF5 schema, all at once or not at all.

    Parameters
    ----------
    components
        Zero components, no background and no scores are fine.
    path
        Ends in ``.hdf5`` or ``.h5``: CaImAn opens nothing else.
    movie_path
        The movie the result belongs to, for CaImAn's ``mmap_file``.
    accepted_list, rejected_list
        Components decided by hand, as CaImAn's own curation marks them; by default what
        ``components.attributes`` has under these names.
    state
        Further arrays, sparse matrices and plain values under ``/napari_cnmf/state``; they survive
        CaImAn's load and save. Read back by `read_state`.
    carry_from
        A CaImAn result these components come from: its fields that we do not model are kept,
        those that belong to single components only while the footprints are the same.
    on_share
        Told the share of the traces that is written; may raise to stop, and nothing is left.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    ResultError
        Wrong extension, or the file cannot be written.

    See Also
    --------
    read_caiman
    napari_cnmf.io.curation.save_curated : Write a curation with all that goes on with it.
    """
    path = check_path("The place of a result", path, ResultError)
    if path.suffix.lower() not in (".hdf5", ".h5"):
        raise ResultError(
            f"A CaImAn result must end in .hdf5 or .h5, got {path.name}. Choose another name."
        )
    lists = {
        name: given if given is not None else components.attributes.get(name)
        for name, given in (("accepted_list", accepted_list), ("rejected_list", rejected_list))
    }
    try:
        with replacing(path) as beside, hdf5_for_writing(beside) as file:
            A = move_rows(components.A, components.dims, to="F")
            params = _params_for_caiman(components)
            scores, kept = scores_for_caiman(components, params["quality"])
            _write_root(file, components, movie_path)
            _write_estimates(
                file.create_group("estimates"), components, A, {**scores, **lists}, on_share
            )
            _write_params(file.create_group("params"), params)
            _write_ours(file.create_group(GROUP), components, A, state)
            if kept:
                write_mapping(file[GROUP].create_group("scores"), kept)
            if carry_from is not None:
                _carry(Path(carry_from), file, A)
    except (OSError, RuntimeError) as error:  # HDF5 raises either
        advice = next_step(error, "Choose a writable folder with room.")
        raise ResultError(f"{path} cannot be written ({why(error)}). {advice}") from error
    return path


def _write_root(file: h5py.File, components: Components, movie_path: str | Path | None) -> None:
    movie = movie_path if movie_path is not None else components.attributes.get("mmap_file", "")
    file.attrs["mmap_file"] = str(movie)
    file.attrs["runmode"] = "CNMF"
    write_node(file, "dims", np.asarray(components.dims, dtype=np.int64))
    write_node(file, "dview", None)


def _write_estimates(
    group: h5py.Group,
    components: Components,
    A: sp.csc_matrix,
    given: Mapping[str, Any],
    on_share: Callable[[float], None],
) -> None:
    """Write ``/estimates``; ``given`` holds the scores and the lists of decisions by hand."""
    in_fortran_order = c_of_fortran(components.dims)
    values: dict[str, Any] = {
        "A": A,
        "SNR_comp": given["snr"],
        "r_values": given["r_values"],
        "ecc": given["ecc"],
        "cnn_preds": _cnn_preds(components, given["cnn_preds"]),
        "center": _centers(components),
        "nr": components.n_components,
        "dims": np.asarray(components.dims, dtype=np.int64),
        "Cn": components.images.get("correlation"),
        "discarded_components": None,
        # its residuals of a memory-mapped movie ask the estimates for a pool that they never have
        "dview": None,
        **dict.fromkeys(("idx_components", "idx_components_bad")),
    }
    traces = {name: getattr(components, name) for name in TRACES}
    values |= {name: rows for name, rows in traces.items() if rows is None}
    for name in ("f", "g", "bl", "c1", "neurons_sn", "lam"):
        values[name] = getattr(components, name)
    for name in ("b", "b0", "sn"):
        array = getattr(components, name)
        values[name] = None if array is None else array[in_fortran_order]
    if components.b is None:
        # CaImAn's residuals and colour movies stack b on A and f on C, also where both are empty
        values["b"] = np.zeros((components.n_pixels, 0), dtype=np.float32)
        values["f"] = np.zeros((0, components.n_frames), dtype=np.float32)
    values["W"] = _ring(components)
    if components.accepted is not None:
        values["idx_components"] = np.flatnonzero(components.accepted)
        values["idx_components_bad"] = np.flatnonzero(~components.accepted)
    for name in ("accepted_list", "rejected_list"):
        if given[name] is not None:
            values[name] = np.asarray(given[name], dtype=np.int64)
    for name, value in values.items():
        write_node(group, name, value)
    traces = {name: rows for name, rows in traces.items() if rows is not None}
    for i, (name, rows) in enumerate(traces.items()):
        for share in write_rows(group, name, rows):
            on_share((i + share) / len(traces))
    # CaImAn has residual traces under two names: one array, and both point at it
    group["R"] = group["YrA"]


def _ring(components: Components) -> sp.csc_matrix | None:
    if components.W is None:
        return None
    grid = ring_grid(components.dims, ring_step(components.dims, components.W.shape[0]))
    return move_rows_and_columns(components.W, grid, to="F").tocsc()


def _cnn_preds(components: Components, written: Any) -> Any:
    """``cnn_preds`` for CaImAn, which evaluates anew without them; length 0 means off."""
    evaluated = components.snr is not None and components.r_values is not None
    return np.zeros(0) if written is None and evaluated else written


def _centers(components: Components) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Centres of mass ``(n_components, n_dims)`` in pixels; NaN for an empty footprint."""
    grid = np.indices(components.dims).reshape(len(components.dims), -1)
    mass = np.asarray(components.A.sum(axis=0), dtype=float).ravel()
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((components.A.T @ grid.T.astype(float)) / mass[:, np.newaxis])


def _params_for_caiman(components: Components) -> dict[str, dict[str, Any]]:
    """CaImAn's groups of parameters, complete where its own functions ask for them."""
    params = {name: dict(components.params.get(name) or {}) for name in PARAMETER_GROUPS}
    if components.frame_rate_hz is not None:
        params["data"]["fr"] = components.frame_rate_hz
    # CaImAn's classifier cuts the footprints out of a field of this size
    params["data"]["dims"] = np.asarray(components.dims, dtype=np.int64)
    if params["spatial"].get("n_pixels_per_process") is None:
        # CaImAn sets it in its own run, and its update_spatial takes it as given
        params["spatial"]["n_pixels_per_process"] = pixels_per_process(components.n_pixels)
    preds = _cnn_preds(components, components.cnn_preds)
    quality = params["quality"]
    if preds is not None and preds.size < components.n_components:
        # on by default there, and filter_components then fails for want of scores
        quality["use_cnn"] = False
    elif preds is not None and preds.size and quality.get("use_cnn") is None:
        # what was left to the engine is written as used: else CaImAn ignores the scores
        quality["use_cnn"] = True
    if "evidence" in components.attributes:
        # radii would have CaImAn's network run in the place of the scores that are written
        quality["gSig_range"] = None
    init = params["init"]
    if init.get("gSig") is not None and init.get("gSiz") is None:
        # CaImAn derives it when it runs, but programs that only look take it from the file; what
        # was asked for is read back from our group
        init["gSiz"] = tuple(2 * int(radius) + 1 for radius in np.atleast_1d(init["gSig"]))
    return params


def _write_params(group: h5py.Group, params: Mapping[str, Mapping[str, Any]]) -> None:
    for name, values in params.items():
        if values:
            write_node(group, name, values)


def _write_ours(
    group: h5py.Group, components: Components, A: sp.csc_matrix, state: Mapping[str, Any] | None
) -> None:
    group.attrs["schema"] = SCHEMA
    group.attrs["A_digest"] = digest_of_footprints(A)
    group.attrs["dims"] = ",".join(map(str, components.dims))
    if components.classes is not None:
        group["classes"] = components.classes.astype("S")
    if components.images:
        images = {name: np.asarray(image) for name, image in components.images.items()}
        write_mapping(group.create_group("images"), images)
    others = {k: v for k, v in components.params.items() if k not in PARAMETER_GROUPS}
    init = components.params.get("init") or {}
    if init.get("gSig") is not None and init.get("gSiz") is None:
        group.attrs["gSiz_is_derived"] = str("gSiz" in init)
    data = components.params.get("data") or {}
    if data.get("dims") is None:
        group.attrs["dims_is_derived"] = str("dims" in data)
    spatial = components.params.get("spatial") or {}
    if spatial.get("n_pixels_per_process") is None:
        group.attrs["n_pixels_per_process_is_derived"] = str("n_pixels_per_process" in spatial)
    quality = components.params.get("quality") or {}
    if quality.get("use_cnn") is None and components.cnn_preds is not None:
        group.attrs["use_cnn_is_derived"] = str("use_cnn" in quality)
    for name, values in (
        ("attributes", components.attributes), ("params", others),
        (OWN_PARAMS, _own_params(components)),
    ):  # fmt: skip
        if values:
            group[f"{name}.json"] = encode_json(values)
    if state:
        write_mapping(group.create_group("state"), state)


def _own_params(components: Components) -> dict[str, dict[str, Any]]:
    """Parameters of ours in CaImAn's groups, which it leaves out where it saves the file."""
    own: dict[str, dict[str, Any]] = {}
    for group, name in sorted(OUR_OWN):
        values = components.params.get(group) or {}
        if name in values:
            own.setdefault(group, {})[name] = values[name]
    return own


def _carry(source: Path, file: h5py.File, A: sp.csc_matrix) -> None:
    """Copy what we do not model; what belongs to components only if they are the same.

    What newer versions, CaImAn or another program added to the file is kept as it is. What points
    at other files is left behind.
    """
    with open_result(source) as given:
        theirs = given.child(given.root, "estimates")
        if not isinstance(theirs, h5py.Group):
            return
        before = given.read(theirs, "A")
        same = is_sparse(before) and digest_of_footprints(before) == digest_of_footprints(A)
        estimates = file["estimates"]
        if isinstance(given.child(theirs, "discarded_components"), h5py.Group):
            del estimates["discarded_components"]
        wanted = None if same else _NOT_PER_COMPONENT
        _copy_missing(theirs, estimates, wanted)
        _copy_missing(given.root, file, None)
        params = given.child(given.root, "params")
        if isinstance(params, h5py.Group):
            # Known groups were written from the components, without what was taken out of them.
            _copy_missing(params, file["params"], None, apart_from=frozenset(PARAMETER_GROUPS))
            _copy_attributes(given.attributes(params), file["params"])
        _copy_attributes(given.attributes(theirs), estimates)
        if same and isinstance(ours := given.child(given.root, GROUP), h5py.Group):
            _copy_missing(ours, file[GROUP], None, apart_from=_WRITTEN_ANEW)
        _copy_attributes(given.attributes(given.root), file)


def _copy_attributes(values: Mapping[str, Any], target: h5py.Group) -> None:
    for name, value in values.items():
        is_new = name not in target and name not in target.attrs
        if is_new and isinstance(value, str | int | float | np.generic):
            target.attrs[name] = value


def _copy_missing(
    source: h5py.Group,
    target: h5py.Group,
    wanted: frozenset[str] | None,
    *,
    apart_from: frozenset[str] = frozenset(),
) -> None:
    """Copy what the target has not; ``wanted`` names what may be copied, ``None`` means all."""
    for name in source:
        new = name not in target and name not in apart_from and name not in target.attrs
        if new and (wanted is None or name in wanted) and is_self_contained(source, name):
            source.file.copy(source[name], target, name)


_NOT_PER_COMPONENT = frozenset({"discarded_components", "Cn", "shifts", "mn", "vr", "sv", "psx"})
_WRITTEN_ANEW = frozenset(
    {
        "classes", "images", "attributes.json", "params.json", f"{OWN_PARAMS}.json", "scores",
        "state", "schema", "A_digest",
    }
)  # fmt: skip
"""Parts of our group that this version writes where there is something to write."""
