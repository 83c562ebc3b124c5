"""Statements of a file beside the movie, and how they meet those of the movie's own header."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.io.movies._clock import Start
from napari_cnmf.io.movies._recording import Recording, positive_or_none

_SAME_RATE = 0.02


@dataclass(frozen=True)
class SidecarFacts:
    """Statements of a file beside the movie.

    Attributes
    ----------
    source
        Its name for users: ``"Bruker XML"``.
    frame_rate_hz
        Rate of frames or volumes.
    rate_from
        Where in the file the rate stands.
    spacing_um
        Pixel size by axis letter.
    channels
        Names of the channels.
    time_s
        ``(T,)`` time of each frame or volume.
    remarks
        Sentences that the user should read.
    field_px
        ``(rows, columns)`` of an image, where it says so.
    n_frames
        Frames or volumes that were to be recorded, where it says so.
    start
        Moment that ``time_s`` counts from, or of the first frame where there are no times.
    """

    source: str
    frame_rate_hz: float | None = None
    rate_from: str = ""
    spacing_um: Mapping[str, float] = field(default_factory=dict)
    channels: tuple[str, ...] = ()
    time_s: NDArray[np.float64] | None = None
    remarks: tuple[str, ...] = ()
    field_px: tuple[int, int] | None = None
    n_frames: int | None = None
    start: Start | None = None


def with_sidecar(recording: Recording, facts: SidecarFacts | None) -> Recording:
    """The recording with the statements of the file beside it; contradictions become remarks."""
    if facts is None:
        return recording
    if (other := _field_of_another(recording, facts)) is not None:
        return replace(recording, remarks=(*recording.remarks, other))
    remarks = list(facts.remarks)
    n_frames = recording.store.shape[0]
    if facts.n_frames is not None and facts.n_frames > n_frames:
        remarks.append(
            f"The {facts.source} tells of {facts.n_frames} frames and {n_frames} are here: the "
            "recording was stopped, files are missing, or it belongs to another recording."
        )
    metadata = dict(recording.metadata)
    rate = recording.frame_rate_hz
    more = dict(recording.facts)
    if facts.frame_rate_hz is not None:
        is_playing = "playing" in str(metadata.get("frame_rate_from"))
        if rate is not None and not is_playing and abs(rate / facts.frame_rate_hz - 1) > _SAME_RATE:
            remarks.append(
                f"The header tells {rate:.4g} Hz and the {facts.source} {facts.frame_rate_hz:.4g} "
                f"Hz: the {facts.source} is used. Say frame_rate_hz= if that is wrong."
            )
        rate = facts.frame_rate_hz
        metadata["frame_rate_from"] = f"{facts.source}, {facts.rate_from}".rstrip(", ")
        more.pop("frame_rate_hz", None)
    spacing = dict(recording.spacing_um) | dict(facts.spacing_um)
    if facts.spacing_um:
        metadata["pixel_size_from"] = facts.source
    recording = replace(
        recording,
        frame_rate_hz=rate,
        spacing_um=spacing,
        metadata=metadata,
        facts=more,
        remarks=(*recording.remarks, *remarks),
        start=facts.start or recording.start,
    )
    return recording.with_times(facts.time_s, facts.source)


def _field_of_another(recording: Recording, facts: SidecarFacts) -> str | None:
    """Remark on a file that tells of images of another size, so that nothing of it is used.

    Some programs turn the images, which swaps rows and columns.
    """
    rows, columns = recording.store.shape[-2:]
    if facts.field_px is None or facts.field_px in ((rows, columns), (columns, rows)):
        return None
    return (
        f"The {facts.source} tells of images of {facts.field_px[0]} x {facts.field_px[1]} pixels "
        f"and these have {rows} x {columns}: it belongs to another recording, or they were cropped "
        "or binned. Its frame rate, pixel size and times are not used: say frame_rate_hz= and "
        "pixel_size_um=."
    )


def field_of(rows: object, columns: object) -> tuple[int, int] | None:
    """Size ``(rows, columns)`` of an image as a file tells it; ``None`` where it does not."""
    sizes = positive_or_none(rows), positive_or_none(columns)
    return None if sizes[0] is None or sizes[1] is None else (int(sizes[0]), int(sizes[1]))
