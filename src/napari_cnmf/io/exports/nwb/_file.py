"""Makes the session, the animal, the microscope and its plane of an NWB file."""

from __future__ import annotations

import json
import uuid
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pynwb
from pynwb.ophys import ImagingPlane, OpticalChannel

from napari_cnmf.io.exports.context import Context, Session
from napari_cnmf.io.exports.parameters import params_json_of
from napari_cnmf.io.exports.selection import Selected
from napari_cnmf.params import CNMFParams

PLANE = "ImagingPlane"
_UNKNOWN = float("nan")
_ANY_AGE = "P0D/"
"""Born or older: a range without an end, which claims nothing."""

_NOT_GIVEN = "session_start_time was not given: it is"


def build_file(chosen: Selected, context: Context) -> Any:
    """Make an ``NWBFile`` with its session and what is known of the animal."""
    session = context.session
    start, said_how = _start(chosen, context)
    nwbfile = pynwb.NWBFile(
        session_description=session.description,
        experiment_description=f"{session.description}; cells found by matrix factorisation (CNMF)",
        identifier=str(uuid.uuid4()),
        session_start_time=start,
        session_id=session.session_id,
        experimenter=list(session.experimenter) or None,
        lab=session.lab,
        institution=session.institution,
        keywords=list(session.keywords) or None,
        notes=said_how,
        subject=_subject(session),
    )
    nwbfile.add_scratch(
        params_json_of(chosen.curation),
        name="params_json",
        description="Parameters of the analysis: CaImAn's groups and names, as JSON",
    )
    nwbfile.add_scratch(
        json.dumps(_history(chosen, context), default=str),
        name="history_trace",
        description="How the result came to be, one entry a step, as JSON",
    )
    nwbfile.add_scratch(
        json.dumps([int(size) for size in chosen.dims]),
        name="field_shape",
        description="Pixels of the field of the masks, ([z], y, x), as JSON",
    )
    return nwbfile


def add_plane(nwbfile: Any, chosen: Selected, context: Context) -> Any:
    """Add the ``ImagingPlane``; its grid is ``(x, y[, z])``."""
    session = context.session
    device = nwbfile.create_device(name=session.device, description="Microscope of the recording")
    channel = OpticalChannel(
        name="OpticalChannel",
        description="Fluorescence of the indicator",
        emission_lambda=_wavelength(session.emission_nm),
    )
    spacing = context.pixel_size_um(chosen.whole)
    grid: dict[str, Any] = {}
    if spacing is not None:
        grid = {"grid_spacing": list(spacing[::-1]), "grid_spacing_unit": "micrometers"}
    nwbfile.add_imaging_plane(
        ImagingPlane(
            name=PLANE,
            optical_channel=channel,
            description="Field of view",
            device=device,
            excitation_lambda=_wavelength(session.excitation_nm),
            indicator=session.indicator,
            location=session.location,
            imaging_rate=chosen.whole.frame_rate_hz,
            **grid,
        )
    )
    return nwbfile.imaging_planes[PLANE]


def is_one_photon(chosen: Selected) -> bool:
    """Whether the recording is a one-photon one, as far as the result tells."""
    stored = chosen.whole.params.get("init", {}).get("method_init")
    one_photon = CNMFParams().replace(init={"method_init": "corr_pnr"}).init.method_init
    return chosen.whole.has_ring_background or stored == one_photon


def _start(chosen: Selected, context: Context) -> tuple[datetime, str | None]:
    """Start of the session, and how it is known where nobody gave it."""
    given = context.session.start
    if given is not None:
        return given if given.tzinfo is not None else given.astimezone(), None
    movie_files = context.movie.paths if context.movie is not None else ()
    candidates = {
        "the movie's file": context.uncorrected_paths or movie_files,
        "the result's file": () if chosen.curation.path is None else (chosen.curation.path,),
    }
    for what, paths in candidates.items():
        there = [Path(path) for path in paths if Path(path).exists()]
        if there:
            start = datetime.fromtimestamp(min(path.stat().st_mtime for path in there))
            return (
                start.astimezone(),
                f"session_start_time was not given: it is the date of {what}.",
            )
    return datetime.now().astimezone(), f"{_NOT_GIVEN} the time of the export."


def _subject(session: Session) -> Any:
    """Make the animal; one of unknown id and sex where nothing is known, as archives demand one."""
    if session.subject_id is None:
        return pynwb.file.Subject(
            subject_id="unknown",
            sex="U",
            age=_ANY_AGE,
            description="Nothing was said of the animal at export.",
        )
    return pynwb.file.Subject(
        subject_id=session.subject_id,
        description=f"Animal {session.subject_id} of the recording",
        species=session.species,
        sex=session.sex or "U",
        age=session.age or _ANY_AGE,
        genotype=session.genotype,
    )


def _history(chosen: Selected, context: Context) -> list[dict[str, Any]]:
    """Text of the history: the items of the chain, then the curation."""
    # a result outside of a batch brings its own
    known = context.history or chosen.curation.original.attributes.get("history_trace", ())
    steps = [dict(step) for step in known]
    edits = [edit.to_line() for edit in chosen.curation.applied]
    return [*steps, {"step": "curation", "version": version("napari-cnmf"), "edits": edits}]


def _wavelength(given: float | None) -> float:
    """Wavelength in nm; NaN where it is unknown, as NWB demands a number."""
    return _UNKNOWN if given is None else float(given)
