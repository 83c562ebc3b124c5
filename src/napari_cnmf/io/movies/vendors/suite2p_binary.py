"""Opens suite2p's registered movie ``data.bin``: 16-bit frames, described by ``ops.npy``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_cnmf.errors import CnmfError, MovieError
from napari_cnmf.io.movies._damage import told_rest
from napari_cnmf.io.movies._recording import Recording, positive_or_none
from napari_cnmf.io.movies._request import Request, refuse_axes
from napari_cnmf.io.movies._stores import RawFrames, file_size
from napari_cnmf.io.pickled import read_object_array
from napari_cnmf.model.description import Piece

_PIXEL = np.dtype("<i2")


def open_suite2p_binary(path: Path, request: Request) -> Recording:
    """Open ``data.bin`` of a suite2p folder.

    Raises
    ------
    MovieError
        ``ops.npy`` is missing beside it, or does not fit.
    """
    ops_path = path.with_name("ops.npy")
    refuse_axes(request, path, ops_path.name)
    if not ops_path.is_file():
        raise MovieError(
            f"{path} is a binary file, whose frames only a description beside it tells: suite2p's "
            "data.bin needs ops.npy in the same folder. Put it back, or open the movie that "
            "suite2p was given."
        )
    try:
        ops = read_object_array(ops_path)
        rows, columns = int(ops["Ly"]), int(ops["Lx"])
    except (CnmfError, KeyError, TypeError, ValueError) as error:
        raise MovieError(
            f"{ops_path} must be suite2p's ops with Ly and Lx, got: {error}. Copy it again."
        ) from error
    frame_bytes = rows * columns * _PIXEL.itemsize
    n_frames, rest = divmod(file_size(path), max(1, frame_bytes))
    if min(rows, columns, n_frames) < 1 or (rest and not request.allow_missing):
        raise MovieError(
            f"{path} must hold whole frames of {rows} x {columns} pixels as suite2p's ops.npy "
            f"tells, got {n_frames} and {rest} bytes more. Copy both again, or open what is there "
            "with allow_missing=True."
        )
    offsets = frame_bytes * np.arange(n_frames, dtype=np.int64)[:, None]
    rate = positive_or_none(ops.get("fs"))
    return Recording(
        RawFrames([path], offsets, (rows, columns), _PIXEL),
        rate,
        {},
        {"frame_rate_from": "suite2p ops.npy, fs"} if rate else {},
        "suite2p binary (registered)",
        remarks=tuple(told_rest(path, n_frames, rest)),
        pieces=(Piece(path, n_frames),),
    )
