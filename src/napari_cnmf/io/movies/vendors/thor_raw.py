"""Opens ThorImage's raw files: 16-bit frames, described by ``Experiment.xml`` beside them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_cnmf.errors import MovieError
from napari_cnmf.io.movies._cycle import Cycle
from napari_cnmf.io.movies._damage import told_rest
from napari_cnmf.io.movies._recording import Recording, fact_of_channels
from napari_cnmf.io.movies._request import (
    ChoiceNeededError,
    Request,
    chosen_channel,
    refuse_axes,
)
from napari_cnmf.io.movies._stores import RawFrames, file_size, pick_frames
from napari_cnmf.io.movies.sidecars.facts import with_sidecar
from napari_cnmf.io.movies.sidecars.thorimage import SOURCE, read_thor_experiment
from napari_cnmf.model.description import Fact, Piece

_PIXEL = np.dtype("<u2")
_MOST_CHANNELS = 4


def open_thor_raw(path: Path, request: Request) -> Recording:
    """Open ``Image_0001_0001.raw``.

    Raises
    ------
    MovieError
        ``Experiment.xml`` is missing, the file does not fit to it, or a channel must be chosen.
    """
    refuse_axes(request, path, SOURCE)
    experiment = read_thor_experiment(path.parent)
    if experiment is None or not experiment.n_rows or not experiment.n_columns:
        raise MovieError(
            f"{path} is a raw file, whose frames only a description beside it tells, and "
            "ThorImage's Experiment.xml is not there. Put it back, or save the recording as TIFF "
            "with ThorImage."
        )
    rows, columns = experiment.n_rows, experiment.n_columns
    image_bytes = rows * columns * _PIXEL.itemsize
    n_images, rest = divmod(file_size(path), image_bytes)
    if rest and not request.allow_missing:
        raise MovieError(
            f"{path} must hold whole images of {rows} x {columns} pixels as Experiment.xml tells, "
            f"got {n_images} and {rest} bytes more: it is cut short, or the XML belongs to another "
            "recording. Copy it again, or open what is there with allow_missing=True."
        )
    names = experiment.facts.channels or ("channel 0",)
    if request.n_channels is None:
        _check_channels(path, len(names), n_images, experiment.n_images)
    if request.n_channels is not None and request.n_channels != len(names):
        names = tuple(f"channel {k}" for k in range(request.n_channels))
    cycle = Cycle(
        len(names),
        request.n_planes or experiment.n_planes,
        experiment.n_flyback if request.n_flyback is None else request.n_flyback,
    )
    channel = chosen_channel(names, request.channel, path, SOURCE)
    numbers, remarks = cycle.arrange(n_images, str(path), is_last=True)
    remarks += told_rest(path, n_images, rest)
    mine = numbers[:, :, channel]
    offsets = image_bytes * np.arange(n_images, dtype=np.int64)[:, None]
    images = RawFrames([path], offsets, (rows, columns), _PIXEL)
    facts = {"channels": fact_of_channels(names, channel, SOURCE)}
    if cycle.n_flyback:
        text = f"{cycle.n_flyback} flyback images after each volume"
        facts["not_images"] = Fact(cycle.n_flyback, text, SOURCE)
        remarks.append(f"{text} are left out. Say n_flyback=0 if the file holds none.")
    recording = Recording(
        pick_frames(images, mine if cycle.n_planes > 1 else mine[:, 0]),
        format="ThorImage raw",
        facts=facts,
        remarks=tuple(remarks),
        pieces=(Piece(path, n_images),),
    )
    # The facts count volumes as the experiment has them; the user may say others.
    own, chosen = experiment.n_planes + experiment.n_flyback, cycle.n_planes + cycle.n_flyback
    rate = experiment.facts.frame_rate_hz
    told = replace(
        experiment.facts,
        frame_rate_hz=None if rate is None else rate * own / chosen,
        n_frames=experiment.n_images // chosen or None,
    )
    return with_sidecar(recording, told)


def _check_channels(path: Path, n_named: int, n_images: int, n_told: int) -> None:
    """Ask where the size of the file shows more channels than ``Experiment.xml`` names.

    ThorImage can be told to store the channels that are switched off as well.
    """
    n_stored, rest = divmod(n_images, n_told) if n_told else (0, 0)
    if rest or not n_named < n_stored <= _MOST_CHANNELS:
        return
    raise ChoiceNeededError(
        f"The number of channels must be said for {path}: the {SOURCE} names {n_named} and tells "
        f"of {n_told} images of each, and the file holds {n_images}, as of {n_stored} channels. "
        f"Say n_channels={n_stored} or n_channels={n_named}, with channel= for more than one.",
        "n_channels",
        [
            (n_stored, f"of {n_stored} (size of the file)"),
            (n_named, f"of {n_named} ({SOURCE})"),
        ],
    )
