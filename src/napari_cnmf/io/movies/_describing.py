"""Describes to users what a reader found."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_cnmf.io.movies._recording import Recording
from napari_cnmf.io.movies._request import Request
from napari_cnmf.model.description import Certainty, Description, Fact, Question

_DERIVED = ("times", "time stamps", "timestamps", "DeltaT", "order of the set")


def describe(recording: Recording, request: Request, rate: float | None, name: str) -> Description:
    """Describe a recording: every statement about it, with its source.

    Parameters
    ----------
    recording
        What the reader found, after the user's choices.
    request
        What the user says.
    rate
        The frame rate that the user says, in Hz.
    name
        Name of the recording.
    """
    shape, dtype = recording.store.shape, recording.store.dtype
    files = recording.format or "file"
    facts: dict[str, Fact] = {
        "frames": Fact(shape[0], f"{shape[0]}", "you" if request.axes else files),
        "field": Fact(
            [*shape[-2:], str(dtype)], f"{shape[-2]} x {shape[-1]} pixels, {dtype}", files
        ),
    }
    if len(shape) == 4:
        source = "you" if request.n_planes or request.axes else files
        facts["planes"] = Fact(shape[1], f"{shape[1]}", source)
    elif "plane" in recording.metadata:
        n = recording.metadata.get("n_planes")
        text = f"plane {recording.metadata['plane']}" + (f" of {n}" if n else "")
        facts["planes"] = Fact(recording.metadata["plane"], text, "you")
    facts["channels"] = Fact(1, "1", "nothing says otherwise", Certainty.ASSUMED)
    facts["frame_rate_hz"] = _rate_fact(recording, rate)
    if recording.time_s is not None:
        facts["time"] = Fact("uneven", _uneven(recording.time_s), "time of each frame")
    facts |= _sizes(recording)
    if request.offset is not None:
        facts["values"] = Fact(request.offset, f"{request.offset:+g} added to each", "you")
    for key, fact in recording.facts.items():
        if not (key == "frame_rate_hz" and (rate or recording.frame_rate_hz)):
            facts[key] = fact
    questions = []
    if rate is None and recording.frame_rate_hz is None:
        questions.append(
            Question(
                "frame_rate_hz",
                (),
                "How many frames (or volumes) a second does the recording have? Its files do not "
                "say: frame_rate_hz=, --set data.fr=, or the form.",
            )
        )
    return Description(
        name,
        recording.format or "movie",
        recording.pieces,
        facts,
        recording.remarks,
        tuple(questions),
    )


def as_asked(question: Question) -> Fact:
    """Statement about something that the user must choose."""
    labels = [label for _, label in question.choices]
    text = f"{len(labels)}: {', '.join(labels)}"
    return Fact([value for value, _ in question.choices], text, "choose one", Certainty.ASKED)


def _rate_fact(recording: Recording, rate: float | None) -> Fact:
    if rate is not None:
        return Fact(rate, f"{rate:.6g} Hz", "you")
    found = recording.frame_rate_hz
    if found is None:
        return Fact(None, "unknown", "", Certainty.ASKED)
    source = str(recording.metadata.get("frame_rate_from", recording.format))
    certainty = Certainty.STATED
    if "playing" in source:
        certainty = Certainty.ASSUMED
    elif any(word in source for word in _DERIVED):
        certainty = Certainty.DERIVED
    return Fact(found, f"{found:.6g} Hz", source, certainty)


def _uneven(times: Any) -> str:
    steps = np.diff(times)
    return f"uneven: steps of {steps.min():.3g} to {steps.max():.3g} s"


def _sizes(recording: Recording) -> dict[str, Fact]:
    spacing = recording.spacing_um
    source = str(recording.metadata.get("pixel_size_from", recording.format))
    facts = {}
    if "Y" in spacing and "X" in spacing:
        y, x = float(spacing["Y"]), float(spacing["X"])
        text = f"{y:.4g} x {x:.4g} µm"
        facts["pixel_size_um"] = Fact([y, x], text, source)
    if len(recording.store.shape) == 4 and "Z" in spacing:
        facts["plane_distance_um"] = Fact(
            float(spacing["Z"]), f"{float(spacing['Z']):.4g} µm", source
        )
    return facts
