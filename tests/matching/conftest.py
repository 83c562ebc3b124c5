"""Simulated days of one field, with the identity of every cell known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_cnmf.io.caiman import write_caiman
from napari_cnmf.model.components import Components
from napari_cnmf.testing import Sessions, simulate_sessions


@pytest.fixture(scope="session")
def days() -> Sessions:
    """Three days on a field that is not square, shifted, turned, some cells gone."""
    return simulate_sessions(
        n_frames=40, n_sessions=3, seed=3, size=(128, 160), n_cells=60,
        session_shift_px=6.0, session_rotation_deg=2.0,
    )  # fmt: skip


@pytest.fixture(scope="session")
def results(days: Sessions, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """What a perfect engine would find, as files; every tenth component is rejected."""
    folder = tmp_path_factory.mktemp("täglich")
    paths = []
    for number, recording in enumerate(days.recordings):
        truth = recording.truth
        components = Components(
            A=truth.A,
            C=truth.C,
            dims=truth.dims,
            accepted=np.arange(truth.A.shape[1]) % 10 != 9,
            frame_rate_hz=10.0,
            images={"mean": recording.truth.background.reshape(truth.dims)},
        )
        paths.append(write_caiman(components, folder / f"day {number + 1}.hdf5"))
    return paths
