"""Results that CaImAn 1.12.1 wrote, read against the file itself."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.sparse as sp

from napari_cnmf.io.caiman import read_caiman

DATA = Path(__file__).parents[1] / "data"
RESULTS = {
    "2d": ((48, 64), 8, 300, [6, 7]),
    "1p": ((48, 64), 12, 300, [5]),
    "3d": ((6, 32, 40), 5, 200, []),
}


def stored_sparse(group: h5py.Group) -> sp.csc_matrix:
    parts = tuple(group[name][()] for name in ("data", "indices", "indptr"))
    return sp.csc_matrix(parts, shape=tuple(group["shape"][()]))


@pytest.mark.parametrize("name", RESULTS)
def test_shapes_and_verdict(name: str) -> None:
    dims, n, n_frames, rejected = RESULTS[name]
    components = read_caiman(DATA / f"result-{name}.hdf5")
    assert components.dims == dims
    assert components.A.shape == (np.prod(dims), n)
    assert components.C.shape == (n, n_frames)
    assert components.frame_rate_hz == 10.0
    assert components.accepted is not None
    assert np.flatnonzero(~components.accepted).tolist() == rejected
    assert components.params["data"]["caiman_version"] == "1.12.1"
    assert components.params["init"]["kernel"] is None
    assert components.params["temporal"]["solvers"] == ("ECOS", "SCS")
    assert components.cnn_preds is not None
    assert components.cnn_preds.shape == (0,)


@pytest.mark.parametrize("name", RESULTS)
def test_every_value_is_the_file_s(name: str) -> None:
    path = DATA / f"result-{name}.hdf5"
    components = read_caiman(path)
    dims = components.dims
    with h5py.File(path) as file:
        stored = file["estimates"]
        A = stored_sparse(stored["A"]).toarray()
        for k in range(components.n_components):
            footprint = components.A[:, [k]].toarray().reshape(dims)
            np.testing.assert_array_equal(footprint, A[:, k].reshape(dims, order="F"))
        for field in ("C", "S", "YrA", "r_values", "g"):
            np.testing.assert_array_equal(getattr(components, field), stored[field][()])
        np.testing.assert_array_equal(components.snr, stored["SNR_comp"][()])
        for field in ("bl", "c1", "neurons_sn", "lam"):
            expected = [float(text) for text in stored[field][()]]
            assert getattr(components, field).tolist() == expected
        noise = stored["sn"][()].reshape(dims, order="F")
        np.testing.assert_array_equal(components.sn.reshape(dims), noise)


@pytest.mark.parametrize("name", ["2d", "3d"])
def test_low_rank_background(name: str) -> None:
    path = DATA / f"result-{name}.hdf5"
    components = read_caiman(path)
    assert components.b is not None
    assert components.W is None
    with h5py.File(path) as file:
        for j, image in enumerate(file["estimates/b"][()].T):
            expected = image.reshape(components.dims, order="F")
            np.testing.assert_array_equal(components.b[:, j].reshape(components.dims), expected)
        np.testing.assert_array_equal(components.f, file["estimates/f"][()])


def test_ring_background() -> None:
    path = DATA / "result-1p.hdf5"
    components = read_caiman(path)
    assert components.b is None
    assert components.f is None
    assert components.W is not None
    with h5py.File(path) as file:
        W = stored_sparse(file["estimates/W"]).tocsr()
        b0 = file["estimates/b0"][()].reshape(components.dims, order="F")
    np.testing.assert_array_equal(components.b0.reshape(components.dims), b0)
    for y, x in ((0, 0), (3, 60), (20, 31), (47, 63)):
        ours = components.W[[y * 64 + x]].toarray().reshape(components.dims)
        theirs = W[[y + 48 * x]].toarray().reshape(components.dims, order="F")
        assert theirs.any()
        np.testing.assert_array_equal(ours, theirs)


def edited(tmp_path: Path, name: str = "2d") -> Path:
    path = tmp_path / "edited.hdf5"
    path.write_bytes((DATA / f"result-{name}.hdf5").read_bytes())
    return path


def test_stale_scores_are_left_out(tmp_path: Path) -> None:
    """CaImAn's manual_merge leaves its scores at the old length."""
    path = edited(tmp_path)
    with h5py.File(path, "r+") as file:
        estimates = file["estimates"]
        for name in ("SNR_comp", "r_values"):
            del estimates[name]
            estimates[name] = np.ones(11)
        del estimates["idx_components"]
        estimates["idx_components"] = np.array([0, 10])
    components = read_caiman(path)
    assert components.n_components == 8
    assert components.snr is None
    assert components.r_values is None
    assert components.accepted is None
    assert components.attributes["left_out"] == ["SNR_comp", "r_values", "idx_components"]


def test_before_an_evaluation_there_is_no_verdict(tmp_path: Path) -> None:
    path = edited(tmp_path)
    with h5py.File(path, "r+") as file:
        for name in ("SNR_comp", "r_values", "idx_components", "idx_components_bad", "g"):
            del file["estimates"][name]
        file["estimates/idx_components"] = "NoneType"
        file["estimates/g"] = 0.0  # how CaImAn writes "none" of this one
    components = read_caiman(path)
    assert components.accepted is None
    assert components.snr is None
    assert components.g is None
    assert "left_out" not in components.attributes


def test_least_that_caiman_loads(tmp_path: Path) -> None:
    path = tmp_path / "least.h5"
    A = np.arange(12.0).reshape(6, 2)
    with h5py.File(path, "w") as file:
        file["dims"] = np.array([2, 3])
        csc = sp.csc_matrix(A)
        for name in ("data", "indices", "indptr", "shape"):
            file[f"estimates/A/{name}"] = getattr(csc, name)
        file["estimates/C"] = np.ones((2, 5))
    components = read_caiman(path)
    expected = A[:, 1].reshape(2, 3, order="F")
    np.testing.assert_array_equal(components.A[:, [1]].toarray().reshape(2, 3), expected)
    assert components.frame_rate_hz is None
    assert components.params == {}


def test_old_files_keep_strings_as_datasets(tmp_path: Path) -> None:
    path = edited(tmp_path)
    with h5py.File(path, "r+") as file:
        del file["params/init"].attrs["method_init"]
        file["params/init/method_init"] = "greedy_roi"
    assert read_caiman(path).params["init"]["method_init"] == "greedy_roi"


def test_manual_decisions_and_correlation_image(tmp_path: Path) -> None:
    path = edited(tmp_path)
    image = np.random.default_rng(0).random((48, 64))
    with h5py.File(path, "r+") as file:
        file["estimates/accepted_list"] = np.array([6])
        file["estimates/rejected_list"] = np.array([0, 2])
        file["estimates/Cn"] = image
    components = read_caiman(path)
    assert components.attributes["accepted_list"] == [6]
    assert components.attributes["rejected_list"] == [0, 2]
    np.testing.assert_array_equal(components.images["correlation"], image)
