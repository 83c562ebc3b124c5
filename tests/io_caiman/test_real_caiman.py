"""What we write, the real CaImAn opens, filters, merges, selects and saves; we read that again."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from napari_cnmf.io.caiman import read_caiman, read_state, write_caiman
from napari_cnmf.model.components import Components
from napari_cnmf.model.reconstruction import background

pytestmark = [pytest.mark.caiman, pytest.mark.timeout(900)]
DATA = Path(__file__).parents[1] / "data"
SCRIPT = Path(__file__).with_name("_with_caiman.py")


def work_with_caiman(source: Path, folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        [os.environ["NAPARI_CNMF_CAIMAN_PYTHON"], str(SCRIPT), str(source), str(folder)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stderr.strip().splitlines()[-1])


@pytest.fixture(params=["2d", "1p", "3d"])
def original(request: pytest.FixtureRequest) -> Components:
    return read_caiman(DATA / f"result-{request.param}.hdf5")


def test_the_whole_way_round(original: Components, tmp_path: Path) -> None:
    classes = np.array(["soma"] * original.n_components)
    history = [{"step": "cnmf", "engine": "caiman", "input": "ü.tif"}]
    components = original.replace(
        classes=classes,
        attributes={"history_trace": history},
        images={"mean": np.ones(original.dims, np.float32)},
    )
    source = tmp_path / "ours.hdf5"
    write_caiman(components, source, state={"journal": [1, "two"], "C": original.C[:1]})
    facts = work_with_caiman(source, tmp_path)

    assert tuple(facts["dims"]) == original.dims
    assert facts["fr"] == 10
    assert facts["accepted"] == np.flatnonzero(original.accepted).tolist()
    assert facts["restored"] == original.n_components
    peak = original.A[:, [1]].toarray().reshape(original.dims)
    assert tuple(facts["peak"]) == np.unravel_index(peak.argmax(), original.dims)

    filtered = read_caiman(tmp_path / "filtered.hdf5")
    assert (filtered.A != original.A).nnz == 0
    np.testing.assert_array_equal(filtered.C, original.C)
    assert filtered.params["quality"]["min_SNR"] == 9.0
    passed = (original.r_values >= 0.99) | (original.snr > 9.0)
    passed &= (original.r_values > -1) & (original.snr > 0.5)
    np.testing.assert_array_equal(filtered.accepted, passed)
    assert facts["filtered"] == np.flatnonzero(passed).tolist()
    assert filtered.attributes["history_trace"] == history
    assert filtered.classes is not None
    assert read_state(tmp_path / "filtered.hdf5")["journal"] == [1, "two"]
    np.testing.assert_array_equal(read_state(tmp_path / "filtered.hdf5")["C"], original.C[:1])

    merged = read_caiman(tmp_path / "merged.hdf5")
    assert merged.n_components == original.n_components - 1
    assert merged.snr is None
    assert merged.attributes["changed_elsewhere"] is True

    selected = read_caiman(tmp_path / "selected.hdf5")
    kept = np.flatnonzero(original.accepted)
    assert (original.A[:, kept] != selected.A).nnz == 0


def test_same_background_as_caiman(original: Components, tmp_path: Path) -> None:
    source = write_caiman(original, tmp_path / "ours.hdf5")
    work_with_caiman(source, tmp_path)
    check_background(original, tmp_path)


def check_background(components: Components, folder: Path) -> None:
    """CaImAn's array is ``(n_pixels, T)`` with pixels in Fortran order."""
    movie, expected = (
        np.load(folder / f"{name}.npy").T.reshape(-1, *components.dims[::-1])
        for name in ("movie", "background")
    )
    axes = (0, *range(len(components.dims), 0, -1))
    got = background(components, movie.transpose(axes)).compute()
    expected = expected.transpose(axes)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("dims", [(21, 30), (24, 31), (120, 101)])
def test_same_background_on_a_coarser_grid(tmp_path: Path, dims: tuple[int, int]) -> None:
    """ssub_B = 2: small fields and large ones go different ways in CaImAn."""
    rng = np.random.default_rng(3)
    n_pixels = dims[0] * dims[1]
    n_nodes = (dims[0] + 1) // 2 * ((dims[1] + 1) // 2)
    components = Components(
        A=sp.random(n_pixels, 4, density=0.05, format="csc", random_state=rng),
        C=rng.random((4, 260)),
        YrA=rng.random((4, 260)),
        S=rng.random((4, 260)),
        dims=dims,
        W=sp.random(n_nodes, n_nodes, density=20 / n_nodes, format="csr", random_state=rng),
        b0=rng.random(n_pixels),
        snr=rng.random(4),
        r_values=rng.random(4),
        accepted=np.array([True, False, True, True]),
        frame_rate_hz=10.0,
    )
    work_with_caiman(write_caiman(components, tmp_path / "ours.hdf5"), tmp_path)
    check_background(components, tmp_path)


def test_zero_components_open(tmp_path: Path) -> None:
    components = Components(
        A=sp.csc_matrix((30, 0)), C=np.zeros((0, 20)), dims=(5, 6), frame_rate_hz=10.0
    )
    source = write_caiman(components, tmp_path / "none.hdf5")
    code = (
        "import sys; from caiman.source_extraction.cnmf.cnmf import load_CNMF\n"
        "model = load_CNMF(sys.argv[1]); assert model.estimates.A.shape == (30, 0)\n"
        "model.save(sys.argv[2])"
    )
    again = tmp_path / "again.hdf5"
    subprocess.run(
        [os.environ["NAPARI_CNMF_CAIMAN_PYTHON"], "-c", code, str(source), str(again)],
        check=True,
        timeout=600,
        capture_output=True,
    )
    assert read_caiman(again).n_components == 0
