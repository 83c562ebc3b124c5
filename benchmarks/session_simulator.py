"""Simulates recordings of one field on different days: the same cells, shifted, some gone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field
from scipy.ndimage import gaussian_filter, map_coordinates

from napari_cnmf.testing._assembly import Ingredients, assemble
from napari_cnmf.testing._stage import Stage
from napari_cnmf.testing.activity import make_activity
from napari_cnmf.testing.field import set_stage
from napari_cnmf.testing.footprints import Cells, make_cells
from napari_cnmf.testing.neuropil import make_background
from napari_cnmf.testing.processes import Processes, make_processes
from napari_cnmf.testing.recording import Plan, Recording, whole_px
from napari_cnmf.testing.two_photon import Simulation, typical_decay_s

_SURROUND_PX = 24
_WARP_SCALE_PX = 32.0
"""Sd of the blur that makes a warp smooth: tissue moves alike over a few cells' widths."""
_INVERSIONS = 20
"""Rounds in which a smooth displacement is inverted; each makes the error several times smaller."""


class SessionSimulation(Simulation):
    """All knobs of ``simulate_sessions``: those of ``simulate`` and what differs between days."""

    n_frames: int = Field(1000, ge=1)
    """Frames of each session."""
    n_sessions: int = Field(3, ge=1)
    """Recordings."""
    present_fraction: float = Field(0.8, ge=0, le=1)
    """Probability that a cell is there (expresses, is in focus) on a day."""
    session_shift_px: float = Field(4.0, ge=0)
    """Displacement of the field between days: sd of each axis; the first is the reference."""
    session_rotation_deg: float = Field(1.5, ge=0)
    """Rotation of the field between days about its centre: sd."""
    session_warp_px: float = Field(0.0, ge=0)
    """Largest smooth displacement within the field between days."""


@dataclass(frozen=True, eq=False)
class Sessions:
    """Recordings of one field, and which cell of one is which of another.

    Attributes
    ----------
    recordings
        One per day, in order.
    identities
        For each recording the number of each of its cells in the common field: cells of two days
        with the same number are the same cell.
    shifts, rotations_deg
        How the field lay on each day, ``(n_sessions, 2)`` in px and ``(n_sessions,)``: a place
        ``p`` of the reference is found at ``R (p - middle) + middle + shift``, beside which the
        warp moves it.
    """

    recordings: tuple[Recording, ...]
    identities: tuple[NDArray[np.intp], ...]
    shifts: NDArray[np.float64]
    rotations_deg: NDArray[np.float64]


def _rotation(angle_deg: float) -> NDArray[np.float64]:
    """Matrix of a rotation, which acts on ``(row, column)``."""
    a = np.deg2rad(angle_deg)
    return np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])


@dataclass(frozen=True, eq=False)
class _Pose:
    """Pose of the field on one day; moves images and cells of the wide field into the stage.

    ``warp`` is a displacement ``(2, Y, X)`` in pixels of the reference, at each pixel of the day.
    """

    rotation: NDArray[np.float64]
    shift: NDArray[np.float64]
    warp: NDArray[np.float64]
    wide: Stage
    stage: Stage

    @property
    def middle(self) -> NDArray[np.float64]:
        """Middle of the field, about which it turns."""
        return (np.asarray(self.stage.dims) - 1) / 2

    def _displacement(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """Warp at places ``(n, 2)`` of the day; beyond the field as at its border."""
        return np.stack(
            [map_coordinates(part, places.T, order=1, mode="nearest") for part in self.warp],
            axis=-1,
        )

    def _in_reference(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where places ``(n, 2)`` of the day lie in the reference."""
        turned = (places - self.middle - self.shift) @ self.rotation + self.middle
        return turned + self._displacement(places)

    def _on_the_day(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where places of the reference lie on the day; the inverse of `_in_reference`."""
        found = (places - self.middle) @ self.rotation.T + self.middle + self.shift
        for _ in range(_INVERSIONS):
            left = places - self._displacement(found) - self.middle
            found = left @ self.rotation.T + self.middle + self.shift
        return found

    @cached_property
    def _seen_at(self) -> NDArray[np.float64]:
        """Place in the wide field of each pixel of the padded stage, ``(2, n_pixels)``."""
        pixels = np.indices(self.stage.padded).reshape(2, -1).T - np.asarray(self.stage.pad)
        return (self._in_reference(pixels.astype(np.float64)) + self.wide.pad).T

    def image(self, flat: NDArray[np.float32]) -> NDArray[np.float32]:
        """An image of the wide field as it is seen on the padded stage, flat."""
        wide = flat.reshape(self.wide.padded)
        seen = map_coordinates(wide, self._seen_at, order=3, mode="nearest")
        return np.asarray(seen.ravel(), dtype=np.float32)

    def columns(self, A: sp.csc_matrix) -> sp.csc_matrix:
        """Footprints of the wide field on the padded stage."""
        seen = [sp.csc_matrix((self.stage.n_padded, 0), dtype=np.float32)]
        for k in range(A.shape[1]):
            image = self.image(np.asarray(A[:, [k]].toarray(), dtype=np.float32).ravel())
            image[image < 0.02] = 0
            seen.append(sp.csc_matrix(image[:, None]))
        return sp.hstack(seen).tocsc()

    def cells(self, cells: Cells, kept: NDArray[np.intp]) -> Cells:
        """Take some cells of the wide field to the padded stage."""
        place = cells.centers[kept] - np.asarray(self.wide.pad)
        centers = self._on_the_day(place) + self.stage.pad
        A = self.columns(cells.A[:, kept])
        return Cells(A, centers, cells.radius_px[kept], cells.kind[kept])

    def processes(self, drawn: Processes) -> Processes:
        """Processes of the wide field on the padded stage."""
        return Processes(self.columns(drawn.A), drawn.C, self.image(drawn.rest))


def _smooth_warp(
    rng: np.random.Generator, dims: tuple[int, ...], largest_px: float
) -> NDArray[np.float64]:
    """Draw a smooth displacement ``(2, Y, X)`` whose largest value is given."""
    drawn = gaussian_filter(
        rng.standard_normal((2, *dims)), (0, _WARP_SCALE_PX, _WARP_SCALE_PX), mode="reflect"
    )
    return np.asarray(drawn * (largest_px / np.linalg.norm(drawn, axis=0).max()))


def _plan_day(config: SessionSimulation, day: int, pose: _Pose, kept: NDArray[np.intp]) -> Plan:
    """Plan one day: the common field in its pose, with activity and noise of its own."""
    today = config.replace(seed=config.seed * 1009 + day + 1)
    stage, motion = set_stage(today, config.size)
    pose = replace(pose, stage=stage)
    cells = pose.cells(make_cells(config, pose.wide), kept)
    still = make_background(config.replace(n_frames=1), replace(pose.wide, n_frames=1))
    background = replace(make_background(today, stage), rest=pose.image(still.rest))
    parts = Ingredients(
        cells=cells,
        activity=make_activity(today, len(kept), stage),
        resting_cell_units=config.resting_cell_units,
        background=background,
        processes=pose.processes(make_processes(config, pose.wide, config, clock=stage)),
        motion=motion,
    )
    scene, truth = assemble(today, stage, parts)
    radius = config.typical_radius_px
    decay = typical_decay_s(config, parts.activity)
    return Plan(scene, truth, decay, whole_px(radius, radius), f"simulated session {day + 1}")


def simulate_sessions(config: SessionSimulation | None = None, **knobs: object) -> Sessions:
    """Simulate recordings of one field on several days.

    Returns
    -------
    Sessions
        With the identity of every cell, the truth for matching across days.
    """
    config = (config or SessionSimulation()).replace(**knobs)
    surround = (_SURROUND_PX, _SURROUND_PX)
    wide = Stage(config.size, config.n_frames, config.frame_rate_hz, config.seed, surround)
    rng = wide.rng("sessions")
    shifts = config.session_shift_px * rng.standard_normal((config.n_sessions, 2))
    rotations = config.session_rotation_deg * rng.standard_normal(config.n_sessions)
    shifts[0], rotations[0] = 0.0, 0.0
    recordings, identities = [], []
    for day in range(config.n_sessions):
        kept = np.flatnonzero(rng.uniform(size=config.n_cells) < config.present_fraction)
        bent = config.session_warp_px if day else 0.0
        warp = _smooth_warp(wide.rng(f"warp of session {day}"), config.size, bent)
        pose = _Pose(_rotation(rotations[day]), shifts[day], warp, wide, wide)
        recordings.append(_plan_day(config, day, pose, kept).record())
        identities.append(kept)
    return Sessions(tuple(recordings), tuple(identities), shifts, rotations)
