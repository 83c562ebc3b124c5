"""Surroundings of a curation that an export can add, each where it is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_cnmf.io.motion import MotionRecord
from napari_cnmf.model.components import Components
from napari_cnmf.model.movie import Movie


class MovieIn(StrEnum):
    """Choices of what becomes of the movie in an NWB file."""

    NOT = "not"
    LINKED = "linked"
    COPIED = "copied"


if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Session:
    """Facts about animal and session that no result knows and NWB asks for.

    Attributes
    ----------
    start
        When the recording began, with a time zone (the local one where it has none). Without it
        the date of the movie's file is taken, or of the result's, and the file says so.
    description, session_id, experimenter, lab, institution, keywords
        Of the session.
    subject_id, species, sex, age, genotype
        Of the animal: species in Latin (``Mus musculus``), sex one of ``M F U O``, age as ISO 8601
        duration (``P90D``). Without a ``subject_id`` the file has a subject
        ``unknown``, without an age one of ``P0D/``, any.
    indicator, location, device
        ``GCaMP6f``, ``CA1``, the microscope; ``unknown`` where not said.
    excitation_nm, emission_nm
        Wavelengths in nanometres; NaN in the file where not said, which NWB demands.
    """

    start: datetime | None = None
    description: str = "Calcium imaging"
    session_id: str | None = None
    experimenter: tuple[str, ...] = ()
    lab: str | None = None
    institution: str | None = None
    keywords: tuple[str, ...] = ("calcium imaging", "CNMF")
    subject_id: str | None = None
    species: str | None = None
    sex: str | None = None
    age: str | None = None
    genotype: str | None = None
    indicator: str = "unknown"
    location: str = "unknown"
    device: str = "Microscope"
    excitation_nm: float | None = None
    emission_nm: float | None = None


@dataclass(frozen=True, eq=False)
class Context:
    """Facts around a curation that an export may write: movie, session, images, history.

    Attributes
    ----------
    movie
        What the components were found in: for MP4, for pixel sizes, and to go into NWB.
    recorded
        The movie as it was recorded, before motion correction; it knows the files of the session
        and the times of the frames. By default ``movie``.
    motion
        Shifts of its motion correction.
    uncorrected_paths
        The movie's files before motion correction.
    history
        ``history_trace`` of the item.
    session
        For NWB.
    movie_in_nwb
        Whether NWB refers to the movie or holds it.
    stimuli
        For NWB: a row a stimulus, ``start_time`` and ``stop_time`` in seconds, and other columns.
    """

    movie: Movie | None = None
    recorded: Movie | None = None
    motion: MotionRecord | None = None
    uncorrected_paths: tuple[Path, ...] = ()
    history: Sequence[Mapping[str, Any]] = ()
    session: Session = field(default_factory=Session)
    movie_in_nwb: MovieIn = MovieIn.NOT
    stimuli: pd.DataFrame | None = None

    @property
    def recording(self) -> Movie | None:
        """The movie that knows the files of the session and the times of its frames."""
        return self.recorded if self.recorded is not None else self.movie

    def pixel_size_um(self, components: Components) -> tuple[float, ...] | None:
        """Pixel size ``([dz], dy, dx)``: the movie's, else the parameters' where it is not 1."""
        n_axes = len(components.dims)
        if self.movie is not None and self.movie.pixel_size_um is not None:
            sizes = self.movie.pixel_size_um
        else:
            stored = components.params.get("data", {}).get("dxy") or ()
            sizes = tuple(float(size) for size in stored)
            if all(size == 1 for size in sizes):  # CaImAn's default says nothing
                return None
        return sizes if len(sizes) == n_axes else None


NOTHING_KNOWN = Context()
