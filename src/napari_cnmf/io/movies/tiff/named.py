"""Reads TIFF files of one image each that only their names put in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_cnmf.io.movies._names import (
    FROM_NAMES,
    NamedOrder,
    numbers_of_frames,
    order_of_names,
)
from napari_cnmf.io.movies._recording import Recording
from napari_cnmf.io.movies._request import ChoiceNeededError, Request
from napari_cnmf.io.movies.sidecars.facts import SidecarFacts
from napari_cnmf.io.movies.tiff.arranging import pick_table
from napari_cnmf.io.movies.tiff.singles import Singles
from napari_cnmf.model.description import Piece


def read_singles(
    singles: Singles,
    names: Sequence[str],
    request: Request,
    notes: SidecarFacts | None,
    *,
    is_folder: bool,
) -> Recording:
    """Read files of one image each, in the order of their names.

    Parameters
    ----------
    names
        Names of the files, or what a sidecar knows them to mean.
    """
    order = order_of_names(names)
    if not is_folder and order.table.shape[1:] == (1, 1):
        # A list without channels or planes is in the order that the user gave.
        n = len(singles)
        numbers, remarks = numbers_of_frames(names)
        table = np.arange(n, dtype=np.int64).reshape(n, 1, 1)
        order = replace(order, table=table, frame_numbers=numbers, remarks=tuple(remarks))
    folder = singles.paths[0].parent
    order = _asked_order(order, request, folder)
    header = replace(
        singles.first.header,
        format=f"{singles.first.header.format}, one image a file",
        channels=order.channels,
        remarks=(*singles.first.header.remarks, *order.remarks),
    )
    if notes is not None and len(notes.channels) == len(order.channels):
        header = replace(header, channels=notes.channels)
    pieces = [Piece(path, 1) for path in singles.paths]
    picked = pick_table(singles, order.table, header, request, str(folder), pieces)
    recording, numbers = picked.recording, order.frame_numbers
    if numbers is None or picked.is_overruled:
        return recording
    numbers = numbers[picked.kept]
    if np.all(np.diff(numbers) == 1):
        return recording
    return replace(recording, frame_numbers=numbers, numbers_from=FROM_NAMES)


def _asked_order(order: NamedOrder, request: Request, folder: Path) -> NamedOrder:
    """Order of names that leave a question open, as the user answers it."""
    n = len(order.channels)
    if not order.unsure or request.n_channels == n:
        return order
    if request.n_channels == 1:
        table = order.table.transpose(2, 0, 1).reshape(-1, order.table.shape[1], 1)
        return NamedOrder(table[(table >= 0).all(axis=(1, 2))], ())
    raise ChoiceNeededError(
        f"It must be said what the files of {folder} are. {order.unsure}. Say n_channels={n} with "
        "channel= for channels, or n_channels=1 for one after the other.",
        "n_channels",
        [(n, "the words name channels"), (1, "one recording after the other")],
    )
