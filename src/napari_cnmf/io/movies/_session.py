"""Several files, one recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_cnmf.errors import MovieError
from napari_cnmf.io.movies._recording import Recording
from napari_cnmf.io.movies._stores import ConcatFrames, GroupedFrames

_SAME_RATE = 0.01


def join(
    recordings: Sequence[Recording], files: Sequence[Path], *, explicit_rate: bool
) -> Recording:
    """Put recordings one after the other.

    Raises
    ------
    MovieError
        They differ in field, type or frame rate.
    """
    first = recordings[0]
    if len(recordings) == 1:
        return first
    for recording, path in zip(recordings, files, strict=True):
        mine, wanted = recording.store, first.store
        if (mine.shape[1:], mine.dtype) != (wanted.shape[1:], wanted.dtype):
            raise MovieError(
                f"All files of a session must hold frames {wanted.shape[1:]} {wanted.dtype} as "
                f"{files[0].name} does, got {mine.shape[1:]} {mine.dtype} in {path}. "
                "Leave that file out, or crop and convert it."
            )
    rates = [r.frame_rate_hz for r in recordings if r.frame_rate_hz is not None]
    if not explicit_rate and rates and max(rates) > (1 + _SAME_RATE) * min(rates):
        raise MovieError(
            f"All files of a session must have one frame rate, got {min(rates):g} to "
            f"{max(rates):g} Hz. Say which is right with frame_rate_hz=."
        )
    metadata = first.metadata | {"frames_per_file": [r.store.shape[0] for r in recordings]}
    remarks = [sentence for r in recordings for sentence in r.metadata.get("remarks", ())]
    if remarks:
        metadata["remarks"] = remarks
    rate = float(np.median(rates)) if rates else None
    store = ConcatFrames([recording.store for recording in recordings])
    return replace(first, store=store, frame_rate_hz=rate, metadata=metadata)


def join_volumes(recordings: Sequence[Recording], files: Sequence[Path]) -> Recording:
    """Put files of one volume each, opened plane by plane, one after the other.

    Raises
    ------
    MovieError
        They differ in their number of planes, in field or type.
    """
    n_planes = recordings[0].store.shape[0]
    for recording, path in zip(recordings, files, strict=True):
        if recording.store.shape[0] != n_planes:
            raise MovieError(
                f"All volumes must have {n_planes} planes as {files[0].name} has, got "
                f"{recording.store.shape[0]} in {path}. Leave that file out."
            )
    planes = join(recordings, files, explicit_rate=True)
    # What the files note as their rate would be the one of planes.
    metadata = {
        key: value
        for key, value in planes.metadata.items()
        if key not in ("frame_rate_from", "frames_per_file")
    }
    return Recording(GroupedFrames(planes.store, n_planes), None, planes.spacing_um, metadata)
