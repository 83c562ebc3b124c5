"""What is written comes back, whatever the field's shape and whatever is missing."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_cnmf.io.caiman import read_caiman, read_state, write_caiman
from napari_cnmf.io.curation import open_curation, save_curated
from napari_cnmf.model.components import Components

DATA = Path(__file__).parents[1] / "data"


def assert_same(got: Components, expected: Components) -> None:
    for field in fields(Components):
        a, b = getattr(got, field.name), getattr(expected, field.name)
        if sp.issparse(b):
            assert a.shape == b.shape, field.name
            assert a.dtype == b.dtype, field.name
            assert (a != b).nnz == 0, field.name
        elif isinstance(b, np.ndarray):
            assert a.dtype == b.dtype or b.dtype.kind == "U", field.name
            np.testing.assert_array_equal(a, b, err_msg=field.name)
        elif field.name == "images":
            assert set(a) == set(b)
            for name in b:
                np.testing.assert_array_equal(a[name], b[name])
        else:
            assert a == b, field.name


@pytest.mark.parametrize("name", ["2d", "1p", "3d"])
def test_caiman_s_own_results(tmp_path: Path, name: str) -> None:
    components = read_caiman(DATA / f"result-{name}.hdf5")
    path = write_caiman(components, tmp_path / "again.hdf5")
    assert_same(read_caiman(path), components)


def make(rng: np.random.Generator, dims: tuple[int, ...], n: int, nb: int, step: int) -> Components:
    """A result with everything in it; ``step`` > 0 gives a ring background on a coarser grid."""
    n_frames = 7
    n_pixels = int(np.prod(dims))
    A = sp.csc_matrix(rng.random((n_pixels, n)) * (rng.random((n_pixels, n)) > 0.6))
    rows = {k: rng.random((n, n_frames), dtype=np.float32) for k in ("C", "S", "YrA", "F_dff")}
    values = {k: rng.random(n) for k in ("bl", "c1", "neurons_sn", "lam", "snr", "r_values")}
    background: dict[str, Any] = {"b": None, "f": None}
    if nb:
        background = {"b": rng.random((n_pixels, nb)), "f": rng.random((nb, n_frames))}
    if step:
        n_nodes = int(np.prod([(size - 1) // step + 1 for size in dims]))
        W = sp.random(n_nodes, n_nodes, density=0.5, format="csr", random_state=rng)
        background |= {"W": W, "b0": rng.random(n_pixels)}
    return Components(
        A=A,
        dims=dims,
        g=rng.random((n, 2)),
        sn=rng.random(n_pixels),
        cnn_preds=rng.random(n),
        classes=rng.choice(np.array(["soma", "process", "fragment"]), n),
        accepted=rng.random(n) > 0.5,
        frame_rate_hz=7.5,
        params={"data": {"fr": 7.5}, "init": {"gSig": (2, 3), "K": None}},
        images={"mean": rng.random(dims, dtype=np.float32)},
        attributes={"history_trace": [{"step": "cnmf", "input": "µ.tif"}], "accepted_list": [0]},
        **rows,
        **values,
        **background,
    )


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    dims=st.one_of(
        st.tuples(st.integers(1, 7), st.integers(1, 7)),
        st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(1, 5)),
    ),
    n=st.integers(1, 4),
    nb=st.integers(0, 2),
    seed=st.integers(0, 2**16),
)
def test_any_field(tmp_path: Path, dims: tuple[int, ...], n: int, nb: int, seed: int) -> None:
    components = make(np.random.default_rng(seed), dims, n, nb, step=0)
    assert_same(read_caiman(write_caiman(components, tmp_path / "r.hdf5")), components)


@pytest.mark.parametrize("step", [1, 2, 3])
@pytest.mark.parametrize("dims", [(8, 13), (9, 6), (12, 12)])
def test_ring_on_a_coarser_grid(tmp_path: Path, dims: tuple[int, int], step: int) -> None:
    components = make(np.random.default_rng(step), dims, 3, 0, step)
    assert_same(read_caiman(write_caiman(components, tmp_path / "r.hdf5")), components)


def test_pixel_order_in_the_file(tmp_path: Path) -> None:
    """Column by column of the field, as MATLAB and CaImAn flatten it."""
    image = np.arange(6.0).reshape(2, 3) + 1
    components = Components(A=sp.csc_matrix(image.reshape(-1, 1)), C=np.ones((1, 4)), dims=(2, 3))
    path = write_caiman(components, tmp_path / "r.hdf5")
    with h5py.File(path) as file:
        assert file["estimates/A/data"][()].tolist() == [1, 4, 2, 5, 3, 6]
        assert file["estimates/A/indices"][()].tolist() == [0, 1, 2, 3, 4, 5]
        assert file["dims"][()].tolist() == [2, 3]
        np.testing.assert_allclose(file["estimates/center"][()], [[15 / 21, 25 / 21]])


def test_bare_minimum(tmp_path: Path) -> None:
    components = Components(A=sp.csc_matrix((12, 2)), C=np.zeros((2, 5)), dims=(3, 4))
    path = write_caiman(components, tmp_path / "r.hdf5")
    again = read_caiman(path)
    assert_same(again, components.replace(params=again.params))
    with h5py.File(path) as file:
        assert file["estimates/b"].shape == (12, 0)
        assert file["estimates/f"].shape == (0, 5)
        assert file["estimates/SNR_comp"][()] == b"NoneType"


def test_classifier_is_off_without_its_scores(tmp_path: Path) -> None:
    """CaImAn has it on by default, and would look for the scores that are not there."""
    components = make(np.random.default_rng(0), (5, 4), 3, 1, step=0).replace(cnn_preds=None)
    again = read_caiman(write_caiman(components, tmp_path / "r.hdf5"))
    assert again.params["quality"]["use_cnn"] is False
    assert again.cnn_preds is not None
    assert again.cnn_preds.shape == (0,)


def test_zero_components(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    components = make(rng, (5, 4), 0, 1, step=0)
    again = read_caiman(write_caiman(components, tmp_path / "r.hdf5"))
    assert again.A.shape == (20, 0)
    assert again.C.shape == (0, 7)
    assert again.b is not None
    assert again.accepted is not None
    assert again.accepted.shape == (0,)


def test_state_of_the_curation(tmp_path: Path) -> None:
    components = read_caiman(DATA / "result-2d.hdf5")
    state = {
        "journal": [{"edit": "merge", "ids": [1, 4], "note": "ü", "x": 0.25}],
        "applied": True,
        "original": {"C": components.C, "A": components.A[:, [0, 2]], "ids": np.arange(3)},
        "empty": {},
    }
    path = write_caiman(
        components, tmp_path / "r.hdf5", accepted_list=[1], rejected_list=[], state=state
    )
    again = read_state(path)
    assert again["journal"] == state["journal"]
    assert again["applied"] is True
    assert again["empty"] == {}
    np.testing.assert_array_equal(again["original"]["C"], components.C)
    assert (again["original"]["A"] != components.A[:, [0, 2]]).nnz == 0
    assert read_caiman(path).attributes["accepted_list"] == [1]
    assert read_caiman(path).attributes["rejected_list"] == []
    assert read_state(DATA / "result-2d.hdf5") == {}


def test_what_we_do_not_model_is_carried(tmp_path: Path) -> None:
    source = tmp_path / "source.hdf5"
    source.write_bytes((DATA / "result-2d.hdf5").read_bytes())
    with h5py.File(source, "r+") as file:
        estimates = file["estimates"]
        del estimates["discarded_components"]
        estimates["discarded_components/C"] = np.ones((2, 300))
        estimates["theirs"] = np.arange(8)
    components = read_caiman(source)
    same = write_caiman(components, tmp_path / "same.hdf5", carry_from=source)
    fewer = write_caiman(components.take([0, 3]), tmp_path / "fewer.hdf5", carry_from=source)
    with h5py.File(same) as file:
        assert file["estimates/theirs"][()].tolist() == list(range(8))
        assert file["estimates/discarded_components/C"].shape == (2, 300)
    with h5py.File(fewer) as file:
        assert "theirs" not in file["estimates"]
        assert file["estimates/discarded_components/C"].shape == (2, 300)
        assert file["estimates/R"].shape == (2, 300)


def test_edited_elsewhere_is_noticed(tmp_path: Path) -> None:
    components = make(np.random.default_rng(1), (6, 5), 3, 1, step=0)
    path = write_caiman(components, tmp_path / "r.hdf5")
    with h5py.File(path, "r+") as file:
        file["estimates/A/data"][0] += 1
    again = read_caiman(path)
    assert again.attributes["changed_elsewhere"] is True
    assert again.classes is None
    assert again.attributes["history_trace"] == components.attributes["history_trace"]


def test_groups_caiman_does_not_know_stay_out_of_its_params(tmp_path: Path) -> None:
    components = make(np.random.default_rng(1), (6, 5), 3, 1, step=0)
    components = components.replace(params=components.params | {"run": {"seed": 3}, "seed": 4})
    path = write_caiman(components, tmp_path / "r.hdf5")
    with h5py.File(path) as file:
        assert "run" not in file["params"]
        assert "seed" not in file["params"].attrs
    assert read_caiman(path).params["run"] == {"seed": 3}
    assert read_caiman(path).params["seed"] == 4


def test_what_a_newer_version_adds_to_the_parameters_is_kept(tmp_path: Path) -> None:
    source = tmp_path / "newer.hdf5"
    source.write_bytes((DATA / "result-2d.hdf5").read_bytes())
    with h5py.File(source, "a") as file:
        group = file["params"].create_group("new_group")
        group["alpha"] = 2.5
        group.create_group("deep")["values"] = np.arange(3)
        file["params/loose"] = "text"
        file["params/init/new_key"] = 7
        file["other/inner/value"] = np.eye(2)
        file["estimates"].attrs["made_by"] = "a newer version"
        file["params"].attrs["revision"] = 2
    cur = open_curation(source)
    cur.reject([cur.ids[0]])
    with h5py.File(save_curated(cur, tmp_path / "saved.hdf5")) as file:
        assert file["params/new_group/alpha"][()] == 2.5
        assert file["params/new_group/deep/values"][:].tolist() == [0, 1, 2]
        assert file["params/loose"][()] == b"text"
        assert file["params/init/new_key"][()] == 7
        assert file["other/inner/value"][:].tolist() == [[1, 0], [0, 1]]
        assert file["estimates"].attrs["made_by"] == "a newer version"
        assert file["params"].attrs["revision"] == 2
