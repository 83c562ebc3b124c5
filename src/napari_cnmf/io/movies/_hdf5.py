"""Opens movies in HDF5: CaImAn's ``mov``, or the one array with frames."""

from __future__ import annotations

from pathlib import Path

import h5py

from napari_cnmf.errors import MovieError
from napari_cnmf.io.movies._attributes import axes_among, rate_among, spacing_among
from napari_cnmf.io.movies._axes import layout_of
from napari_cnmf.io.movies._hdf5_files import dataset_store, member, open_hdf5
from napari_cnmf.io.movies._nwb import nwb_movie
from napari_cnmf.io.movies._recording import Recording
from napari_cnmf.io.movies._request import ChoiceNeededError, Request
from napari_cnmf.model.description import Piece

_CAIMAN_NAME = "mov"

_MATLAB = "MATLAB_class"
_MATLAB_AXES = {3: "TXY", 4: "TZXY"}
"""MATLAB writes the axes of its arrays (Y, X, [Z], T) in reverse order."""


def open_hdf5_movie(path: Path, request: Request) -> Recording:
    """Open a movie in an HDF5 file.

    Taken is ``dataset`` where given, else ``mov`` as CaImAn writes it, else the
    only array with 3 or 4 axes.

    Raises
    ------
    MovieError
        There is no such array, or several; the file is a result.
    """
    with open_hdf5(path) as file:
        if "nwb_version" in file.attrs:
            return nwb_movie(file, path, request)
        dataset = _movie_dataset(file, path, request)
        attributes = [dict(dataset.attrs), dict(dataset.parent.attrs), dict(file.attrs)]
        axes = axes_among(attributes, dataset.ndim)
        is_reversed = axes is None and _MATLAB in dataset.attrs
        axes = _MATLAB_AXES[dataset.ndim] if is_reversed else axes
        layout = layout_of(
            dataset.shape,
            axes=request.axes,
            file_axes=axes,
            channel=request.channel,
            name=f"{dataset.name} in {path}",
        )
        rate, notes = rate_among(attributes)
        return Recording(
            dataset_store(dataset, path, layout),
            rate,
            spacing_among(attributes),
            notes | {"dataset": dataset.name},
            format=f"{'MATLAB' if is_reversed else 'HDF5'} ({dataset.name})",
            pieces=(Piece(path, layout.shape[0]),),
        )


def _movie_dataset(file: h5py.File, path: Path, request: Request) -> h5py.Dataset:
    name = request.dataset
    candidates = _arrays_with_frames(file, n_named=len(request.axes or ""))
    listed = ", ".join(f"{d.name} {d.shape}" for d in candidates[:8]) or "none"
    if name is not None:
        found = member(file, name, path)
        if not isinstance(found, h5py.Dataset):
            raise MovieError(
                f"dataset must name an array of {path}, got {name!r}. Arrays with frames: {listed}."
            )
        return found
    if isinstance(found := member(file, _CAIMAN_NAME, path), h5py.Dataset):
        return found
    if "estimates/A" in file:
        raise MovieError(
            f"A movie must hold frames, got a result of CNMF in {path}. Open it as a result; its "
            "movie is another file."
        )
    if not candidates:
        _refuse_links(file, path)
        raise MovieError(
            f"{path} must hold one array of 3 or 4 axes (or of 5 that are named), got none. "
            "Name the movie with dataset=, and five axes with axes=, for example axes='TZYXC'."
        )
    if len(candidates) > 1:
        raise ChoiceNeededError(
            f"{path} must hold one array of 3 or 4 axes, got {len(candidates)}: {listed}. "
            "Name the movie with dataset=.",
            "dataset",
            [(d.name, f"{d.name} {d.shape}") for d in candidates],
        )
    return candidates[0]


def _arrays_with_frames(file: h5py.File, *, n_named: int = 0) -> list[h5py.Dataset]:
    """Arrays that may be a movie: of five axes those that the file or the user names."""
    found: list[h5py.Dataset] = []

    def visit(_: str, node: h5py.Group | h5py.Dataset) -> None:
        if not isinstance(node, h5py.Dataset) or node.dtype.kind not in "uif":
            return
        is_named = n_named == 5 or axes_among([node.attrs], 5) is not None
        if node.ndim in (3, 4) or (node.ndim == 5 and is_named):
            found.append(node)

    file.visititems(visit)
    return found


def _refuse_links(file: h5py.File, path: Path) -> None:
    """Refuse a file where all that it has at its root leads to another file."""
    for name in file:
        member(file, name, path)
