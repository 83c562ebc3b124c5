"""dF/F is a number where there is a baseline to divide by, and a sentence where there is none."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import napari_cnmf as nc
from napari_cnmf.errors import ParameterError
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation import Curation
from napari_cnmf.model.dff import NoBaselineWarning, compute_dff

N, N_FRAMES, NOISE = 5, 400, 12.0


def recording(level: float, noise: float = NOISE, peak: float = 100.0, seed: int = 0) -> Components:
    """Five cells on a background of ``level`` in movie units, which the pixels would show."""
    rng = np.random.default_rng(seed)
    image = np.exp(-((np.mgrid[:7, :7] - 3) ** 2).sum(axis=0) / 8).ravel()
    footprints = np.kron(np.eye(N), image[:, np.newaxis])
    footprints /= np.linalg.norm(footprints, axis=0)
    C = np.zeros((N, N_FRAMES))
    for row in C:
        row[rng.choice(N_FRAMES - 20, 6, replace=False)] = peak
        for t in range(1, N_FRAMES):
            row[t] += 0.9 * row[t - 1]
    return Components(
        A=sp.csc_matrix(footprints.astype(np.float32)),
        C=C.astype(np.float32),
        YrA=rng.normal(0, noise, C.shape).astype(np.float32),
        S=np.maximum(np.diff(C, axis=1, prepend=0), 0).astype(np.float32),
        dims=(7 * N, 7),
        b=np.full((49 * N, 1), 1, np.float32),
        f=np.full((1, N_FRAMES), level, np.float32),
        snr=np.full(N, 5.0),
        r_values=np.full(N, 0.9),
        accepted=np.ones(N, dtype=bool),
        frame_rate_hz=10.0,
    )


@settings(max_examples=60, deadline=None)
@given(
    level=st.floats(-1000, 1000),
    noise=st.floats(0.5, 60),
    window=st.sampled_from([150, 500]),
    seed=st.integers(0, 3),
)
def test_nothing_is_upside_down_or_explodes_at_any_offset(
    level: float, noise: float, window: int, seed: int
) -> None:
    components = recording(level, noise, seed=seed)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        dff = compute_dff(components, window=window)
    raw = components.C + components.YrA
    missing = np.isnan(dff).all(axis=1)
    assert np.isnan(dff).any(axis=1).tolist() == missing.tolist(), "a trace is there or is not"
    assert bool(missing.any()) == bool(caught)
    for trace, fluorescence in zip(dff[~missing], raw[~missing], strict=True):
        # a baseline that follows slow drifts weighs parts of the trace differently
        assert np.corrcoef(trace, fluorescence)[0, 1] > 0.5
        # one noise of the trace is a dF/F of 1 at the most, up to how well it is estimated
        assert np.abs(trace).max() <= 1.3 * np.ptp(fluorescence) / noise


def repeated(traces: np.ndarray) -> np.ndarray:
    """Each frame twice, as a recording has it that was brought to a higher rate."""
    return np.repeat(traces[:, ::2], 2, axis=1)


def averaged(traces: np.ndarray) -> np.ndarray:
    """Rolling average of eight frames, as microscopes offer it; the noise keeps its size."""
    mean = np.apply_along_axis(np.convolve, 1, traces, np.ones(8) / 8, mode="same")
    return np.asarray(mean * traces.std() / mean.std())


@pytest.mark.filterwarnings("ignore::napari_cnmf.model.dff.NoBaselineWarning")
@pytest.mark.parametrize("of_frames", [repeated, averaged])
def test_noise_that_lasts_longer_than_a_frame_is_noise(of_frames: Any) -> None:
    n_left = []
    for level in np.arange(1, 8, 0.25):
        made = recording(level)
        components = made.replace(YrA=of_frames(made.YrA).astype(np.float32))
        dff = compute_dff(components)
        left = ~np.isnan(dff).all(axis=1)
        fluorescence = (components.C + components.YrA)[left]
        bound = 1.3 * np.ptp(fluorescence, axis=1) / NOISE
        assert (np.abs(dff[left]).max(axis=1, initial=0) <= bound).all(), level
        n_left.append(left.sum())
    assert n_left[0] == 0
    assert n_left[-1] == N


@pytest.mark.parametrize("sn", [None, np.full(N, NOISE, np.float32)])
def test_a_denoised_trace_near_zero_has_no_baseline_either(sn: np.ndarray | None) -> None:
    near = recording(0.02).replace(YrA=None, neurons_sn=sn)
    with pytest.warns(NoBaselineWarning, match="5 of 5"):
        assert np.isnan(compute_dff(near)).all()
    assert np.isfinite(compute_dff(recording(100).replace(YrA=None, neurons_sn=sn))).all()


def test_a_baseline_of_rounding_errors_is_none() -> None:
    still = recording(1e-4, noise=0.0)
    still = still.replace(C=np.where(still.C < 1, 0, still.C).astype(np.float32))
    with pytest.warns(NoBaselineWarning, match="5 of 5"):
        assert np.isnan(compute_dff(still)).all()


@pytest.mark.parametrize("level", [-400.0, -8.0, 0.0, 0.5])
def test_a_warning_says_which_components_and_what_to_do(level: float) -> None:
    cur = Curation(recording(level))
    cur.delete(0)
    with pytest.warns(NoBaselineWarning) as caught:
        dff = cur.dff()
    assert np.isnan(dff).all()
    (said,) = [str(w.message) for w in caught]
    assert "4 of 4 components" in said
    assert "component 1, 2, 3, 4)" in said
    assert "offset=" in said


def test_the_offset_that_was_subtracted_gives_the_value_of_the_whole_recording() -> None:
    whole, subtracted = recording(400), recording(-8)
    np.testing.assert_allclose(
        Curation(subtracted).dff(offset=-408), compute_dff(whole), rtol=1e-4, atol=1e-5
    )
    with pytest.warns(NoBaselineWarning, match=r"offset=401"):
        compute_dff(whole, offset=401)


def test_one_component_without_a_baseline_leaves_the_others_alone() -> None:
    components = recording(400)
    b = np.array(components.b)
    b[:49] = -1
    mixed = components.replace(b=b)
    with pytest.warns(NoBaselineWarning, match="1 of 5"):
        dff = compute_dff(mixed)
    np.testing.assert_allclose(dff[1:], compute_dff(components, [1, 2, 3, 4]))
    assert np.isnan(dff[0]).all()
    assert np.isfinite(compute_dff(mixed, [3, 1])).all()


def test_blocks_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    components = recording(300)
    whole = compute_dff(components, window=101)
    monkeypatch.setattr("napari_cnmf.model.dff._BLOCK", 2)
    np.testing.assert_array_equal(compute_dff(components, window=101), whole)
    assert compute_dff(components, []).shape == (0, N_FRAMES)


@pytest.mark.parametrize(
    "wrong", [{"percentile": 101}, {"percentile": float("nan")}, {"window": 0}, {"offset": np.inf}]
)
def test_what_no_baseline_can_be_made_of_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ParameterError):
        compute_dff(recording(400), **wrong)


def test_an_export_is_whole_where_no_component_has_a_baseline(tmp_path: Path) -> None:
    import pandas as pd

    cur = Curation(recording(-8))
    writers = {
        "tables": nc.write_csv,
        "all.npz": nc.write_npz,
        "all.mat": nc.write_mat,
        "raster.png": nc.write_raster,
    }
    for name, write in writers.items():
        with pytest.warns(NoBaselineWarning) as caught:
            write(cur, tmp_path / name)
        ours = [warning for warning in caught if warning.category is NoBaselineWarning]
        assert len(ours) == 1, name
    table = pd.read_csv(tmp_path / "tables" / "traces_dff.csv")
    assert table.shape == (N_FRAMES, N + 1)
    assert table.iloc[:, 1:].isna().all(axis=None)


def test_a_mask_selects_rows_and_what_is_no_row_is_refused() -> None:
    components = recording(500)
    mask = np.arange(N) == 3
    np.testing.assert_array_equal(compute_dff(components, mask), compute_dff(components, [3]))
    for wrong in ([-1], [N], [1.0], "1", [True]):
        with pytest.raises(nc.CnmfError):
            compute_dff(components, wrong)


@pytest.mark.parametrize("name", ["percentile", "window", "offset"])
@pytest.mark.parametrize("value", ["8", None, True])
def test_what_is_no_number_is_refused(name: str, value: object) -> None:
    with pytest.raises(ParameterError, match=f"{name} must be a (whole )?number"):
        compute_dff(recording(500), **{name: value})
