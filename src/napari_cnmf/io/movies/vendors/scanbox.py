"""Opens Scanbox (Neurolabware): 16-bit frames in ``.sbx``, described by a ``.mat`` beside them.

References
----------
Scanbox blog, *Reading scanbox files in Python*, 2016:
https://scanbox.org/2016/09/02/reading-scanbox-files-in-python/
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from napari_cnmf.errors import MovieError
from napari_cnmf.io.movies._axes import layout_of
from napari_cnmf.io.movies._cycle import Cycle
from napari_cnmf.io.movies._damage import told_rest
from napari_cnmf.io.movies._npy import MappedArray, plain_store
from napari_cnmf.io.movies._recording import Recording, fact_of_channels, positive_or_none
from napari_cnmf.io.movies._request import Request, chosen_channel, refuse_axes
from napari_cnmf.io.movies._stores import file_size, pick_frames, shift_values
from napari_cnmf.model.description import Piece

_PIXEL = np.dtype("<u2")
_HIGHEST = 65535  # light lowers the stored value


def open_scanbox(path: Path, request: Request) -> Recording:
    """Open an ``.sbx`` file.

    Pixels are stored ``(T, rows, columns, channels)`` and turned upside down in value.

    Raises
    ------
    MovieError
        The ``.mat`` is missing or does not fit, or a channel must be chosen.
    """
    info = _info(path)
    refuse_axes(request, path, f"{path.with_suffix('.mat').name}")
    names = _channels(info)
    n_channels = len(names)
    rows, columns = (int(n) for n in np.ravel(info.get("sz", (512, 796)))[:2])
    if "chan" not in info:  # before version 3 the size of a buffer tells more than that of a frame
        records = int(info.get("recordsPerBuffer", rows))
        rows = records * 2 if int(info.get("scanmode", 1)) == 0 else records
    frame_bytes = rows * columns * n_channels * _PIXEL.itemsize
    n_frames, rest = divmod(file_size(path), frame_bytes)
    if n_frames < 1 or (rest and not request.allow_missing):
        raise MovieError(
            f"{path} must hold whole frames of {rows} x {columns} pixels in {n_channels} channels "
            f"as {path.with_suffix('.mat').name} tells, got {n_frames} and {rest} bytes more: it "
            "is cut short, or the .mat belongs to another recording. Copy both again, or open what "
            "is there with allow_missing=True."
        )
    channel = chosen_channel(names, request.channel, path, "Scanbox .mat")
    shape = (n_frames, rows, columns, n_channels)
    layout = layout_of(shape, file_axes="TYXC", channel=channel if n_channels > 1 else None)
    array = MappedArray(path, _PIXEL, shape, 0)
    store = shift_values(plain_store(array, layout), _HIGHEST, -1)
    n_planes = _n_planes(info)
    remarks: list[str] = []
    if n_planes > 1:
        numbers, remarks = Cycle(1, n_planes).arrange(n_frames, str(path), is_last=True)
        store = pick_frames(store, numbers[:, :, 0])
    remarks += told_rest(path, n_frames, rest)
    rate = _rate(info, rows)
    return Recording(
        store,
        None if rate is None else rate / n_planes,
        {},
        {"frame_rate_from": "Scanbox .mat, resfreq and lines"} if rate else {},
        "Scanbox",
        {"channels": fact_of_channels(names, channel, "Scanbox .mat")},
        tuple(remarks),
        pieces=(Piece(path, n_frames),),
    )


def _info(path: Path) -> Mapping[str, Any]:
    """Read the structure ``info`` of the ``.mat`` beside the frames."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    beside = path.with_suffix(".mat")
    if not beside.is_file():
        raise MovieError(
            f"{path} is Scanbox' format (sbx), and needs {beside.name} beside it, which is not "
            "there. Put it back."
        )
    try:
        found = loadmat(beside, squeeze_me=True, simplify_cells=True).get("info")
    except (MatReadError, ValueError, TypeError, NotImplementedError, OSError) as error:
        raise MovieError(
            f"{beside} must be the Scanbox file that describes {path.name} (sbx), got: {error}. "
            "Copy it again."
        ) from error
    if not isinstance(found, Mapping):
        raise MovieError(f"{beside} must hold Scanbox' info, got none. Copy it again.")
    return found


def _channels(info: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the channels that are stored; since version 3 ``chan`` counts them."""
    chan = info.get("chan")
    if isinstance(chan, Mapping):
        is_red = np.ravel(chan.get("save", ())).astype(bool).tolist() == [False, True]
        both = int(chan.get("nchan", 1)) > 1
        return ("green", "red") if both else ("red",) if is_red else ("green",)
    known = {1: ("green", "red"), 2: ("green",), 3: ("red",)}
    return known.get(int(info.get("channels", 2)), ("green",))


def _n_planes(info: Mapping[str, Any]) -> int:
    waves, table = np.size(info.get("otwave", ())), np.asarray(info.get("etl_table", ()))
    waves = len(table) if table.ndim == 2 and len(table) else waves  # one row for each plane
    is_volume = int(info.get("volscan", waves > 0) or 0) > 0
    return int(waves) if is_volume and waves > 1 else 1


def _rate(info: Mapping[str, Any], rows: int) -> float | None:
    frequency = positive_or_none(info.get("resfreq"))
    config = info.get("config")
    lines = positive_or_none(config.get("lines")) if isinstance(config, Mapping) else None
    if frequency is None:
        return None
    return frequency * (2 - int(info.get("scanmode", 1))) / (lines or rows)
