"""Files that we wrote, of every kind: CaImAn can load, use and save them, in place too."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import napari_cnmf as nc
from napari_cnmf.io.caiman import read_caiman, read_state, write_caiman
from napari_cnmf.io.curation import open_curation

HERE = Path(__file__).parent


KINDS = (
    "plane", "volume", "plane_by_plane", "one_photon", "ring", "curated", "merged", "left_in_file",
    "zero", "one", "bare", "future", "residual_alone",
)  # fmt: skip
_SPARSE = ("A", "W", "Ab", "downscale_matrix", "upscale_matrix")
_LEFT_OUT = (
    "groups", "idx_tot", "ind_A", "Ab_epoch", "coordinates", "loaded_model", "optional_outputs",
    "merged_ROIs", "tf_in", "tf_out", "empty_merged", "provenance",
)  # fmt: skip
_SCALARS = (np.int64, np.int32, np.float64, np.float32, float, int)


def problems_for_caiman(path: Path) -> list[str]:
    """Names in a file that CaImAn could not load, or not save again as they are."""
    with h5py.File(path, "r") as file:
        return sorted(_problems(file, ""))


def _problems(group: h5py.Group, where: str) -> list[str]:
    found = [
        f"{where}@{name}: attribute of type {type(value).__name__}"
        for name, value in group.attrs.items()
        if not isinstance(value, str)
    ]
    if where and not len(group) and not len(group.attrs):
        found.append(f"{where}: an empty group is lost")
    for name, node in group.items():
        key = f"{where}/{name}"
        if name in _LEFT_OUT:
            found.append(f"{key}: never saved")
        elif isinstance(node, h5py.Group) and name in _SPARSE:
            if not {"data", "indices", "indptr", "shape"} <= set(node):
                found.append(f"{key}: taken for a sparse matrix")
        elif isinstance(node, h5py.Group):
            found += _problems(node, key)
        else:
            found += [f"{key}: {problem}" for problem in _problems_of_value(name, node[()])]
    return found


def _problems_of_value(name: str, value: Any) -> list[str]:
    if isinstance(value, bytes):
        return [] if value == b"NoneType" else [f"text as a dataset, {value[:40]!r}"]
    if isinstance(value, np.bool_):
        return []  # made a bool when it is loaded
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "biufS":
            return [f"an array of type {value.dtype}"]
        if name == "g" and not value.size and value.ndim > 1:
            return ["loses its shape"] if value.shape[0] else []
        return []
    if not isinstance(value, _SCALARS):
        return [f"a scalar of type {type(value).__name__}"]
    return ["NaN, which is not equal to what is read back"] if np.isnan(value) else []


@pytest.mark.parametrize("kind", KINDS)
def test_caiman_s_writer_takes_all_that_is_in_it(kind: str, our_files: dict[str, Path]) -> None:
    assert problems_for_caiman(our_files[kind]) == []


@pytest.mark.parametrize("kind", KINDS)
def test_thresholds_of_the_file_give_its_verdict(kind: str, our_files: dict[str, Path]) -> None:
    """The rule of CaImAn's ``filter_components``, on the arrays as they lie in the file."""
    with h5py.File(our_files[kind]) as file:
        estimates, quality = file["estimates"], file.get("params/quality", {})
        snr, r = estimates["SNR_comp"][()], estimates["r_values"][()]
        if isinstance(snr, bytes) or "idx_components" not in estimates:
            assert kind == "bare"
            return
        passed = (r >= quality["rval_thr"][()]) | (snr > quality["min_SNR"][()])
        failed = (r <= quality["rval_lowest"][()]) | (snr <= quality["SNR_lowest"][()])
        if quality["use_cnn"][()]:
            cnn = estimates["cnn_preds"][()]
            passed |= cnn >= quality["min_cnn_thr"][()]
            failed |= cnn <= quality["cnn_lowest"][()]
        expected = estimates["idx_components"][()]
    assert np.flatnonzero(passed & ~failed).tolist() == expected.tolist()


def test_own_scores_come_back(our_files: dict[str, Path]) -> None:
    components = read_caiman(our_files["curated"])
    np.testing.assert_array_equal(components.snr, [8.0, 0.7, 9.0, 9.0, 0.5, 3.0])
    np.testing.assert_array_equal(components.r_values, [0.95, 0.1, np.nan, 0.95, 0.99, 0.9])
    cur = open_curation(our_files["curated"])
    assert cur.note_of(1) == "looks round"
    assert cur.accepted.tolist()[:2] == [False, True]


@pytest.mark.parametrize("name", ["SNR_comp", "r_values"])
def test_scores_of_another_program_count(
    name: str, our_files: dict[str, Path], tmp_path: Path
) -> None:
    path = Path(shutil.copy(our_files["curated"], tmp_path / "scored.hdf5"))
    with h5py.File(path, "r+") as file:
        file[f"estimates/{name}"][:] = np.arange(6.0)
    components = read_caiman(path)
    assert components.snr is not None
    assert np.isinf(components.snr[1]) == (name == "r_values")


def test_parameters_of_the_run_come_back(our_files: dict[str, Path]) -> None:
    """What was added for CaImAn alone is no parameter of the run."""
    before = read_caiman(our_files["plane"]).params
    assert before["data"].get("dims") is None
    with h5py.File(our_files["plane"]) as file:
        assert file["params/data/dims"][()].tolist() == [40, 52]
        assert file["params/spatial/n_pixels_per_process"][()] == 40 * 52
    assert "n_pixels_per_process" not in before["spatial"]


@pytest.mark.parametrize("given", [None, 500])
def test_pixels_per_process_come_back_as_they_were_given(
    given: int | None, our_files: dict[str, Path], tmp_path: Path
) -> None:
    components = read_caiman(our_files["volume"])
    params = components.params | {"spatial": {"n_pixels_per_process": given}}
    path = write_caiman(components.replace(params=params), tmp_path / "r.hdf5")
    with h5py.File(path) as file:
        assert file["params/spatial/n_pixels_per_process"][()] == (given or 4000)
    assert read_caiman(path).params["spatial"] == {"n_pixels_per_process": given}


def test_parameters_that_caiman_leaves_out_come_back(
    our_files: dict[str, Path], tmp_path: Path
) -> None:
    """CaImAn drops keys that it does not know where it saves a file in place."""
    components = read_caiman(our_files["volume"])
    params = {name: dict(v) if isinstance(v, dict) else v for name, v in components.params.items()}
    params.setdefault("init", {})["plane_by_plane"] = True
    params.setdefault("quality", {})["learned"] = "verdict of the lab.toml"
    path = tmp_path / "r.hdf5"
    write_caiman(components.replace(params=params), path)
    assert problems_for_caiman(path) == []
    with h5py.File(path, "r+") as file:
        del file["params/init/plane_by_plane"], file["params/quality"].attrs["learned"]
    saved = read_caiman(path)
    assert saved.params["init"]["plane_by_plane"] is True
    assert saved.params["quality"]["learned"] == "verdict of the lab.toml"
    assert saved.params == read_caiman(write_caiman(saved, tmp_path / "again.hdf5")).params
    with h5py.File(path, "r+") as file:
        file["params/init/plane_by_plane"] = False
    assert read_caiman(path).params["init"]["plane_by_plane"] is False, (
        "the file's own value counts"
    )


def test_written_again_it_is_the_same(our_files: dict[str, Path], tmp_path: Path) -> None:
    for kind, path in our_files.items():
        again = write_caiman(read_caiman(path), tmp_path / f"{kind}.hdf5", carry_from=path)
        first, second = read_caiman(path), read_caiman(again)
        assert (first.A != second.A).nnz == 0
        np.testing.assert_array_equal(first.accepted, second.accepted)
        assert first.params == second.params
        assert first.attributes == second.attributes


@pytest.fixture(scope="module")
def used(
    our_files: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
    caiman_weights: tuple[Path, bool],
) -> dict[str, tuple[Path, dict[str, Any]]]:
    """Each file after CaImAn used it and saved it in place, and what CaImAn computed."""
    folder = tmp_path_factory.mktemp("used")
    copies = {k: Path(shutil.copy(p, folder / f"{k}.hdf5")) for k, p in our_files.items()}
    data, has_network = caiman_weights
    done = subprocess.run(
        [os.environ["NAPARI_CNMF_CAIMAN_PYTHON"], str(HERE / "_use_with_caiman.py"),
         "network" if has_network else "no network", *map(str, copies.values())],
        capture_output=True, text=True, timeout=1700, check=False, cwd=folder,
        env=os.environ | {"CAIMAN_TEMP": str(folder), "CAIMAN_DATA": str(data)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    facts = json.loads(done.stderr.strip().splitlines()[-1])
    return {kind: (path, facts[str(path)]) for kind, path in copies.items()}


def contents(path: Path, group: str) -> dict[str, Any]:
    """Every array and text below a group, by its name."""
    found: dict[str, Any] = {}

    def take(name: str, node: h5py.Group | h5py.Dataset) -> None:
        found.update({f"{name}@{key}": value for key, value in node.attrs.items()})
        if isinstance(node, h5py.Dataset):
            found[name] = node[()]

    with h5py.File(path) as file:
        take("", file[group])
        file[group].visititems(take)
    return found


@pytest.mark.caiman
@pytest.mark.timeout(1800)
class TestWithCaiman:
    @pytest.mark.parametrize("kind", KINDS)
    def test_used_and_saved(
        self, kind: str, used: dict[str, tuple[Path, dict[str, Any]]], our_files: dict[str, Path]
    ) -> None:
        path, facts = used[kind]
        assert "failed" not in facts, facts["failed"]
        ours = read_caiman(our_files[kind])
        n = ours.n_components
        if n:
            assert facts["residuals"] == [n, ours.n_frames]
            assert facts.get("evaluated", n) == n
            assert facts.get("seen by the network", n) == n
        for saved in (path, path.with_name(f"{kind}-anew.hdf5")):
            again = read_caiman(saved)
            assert (again.A != ours.A).nnz == 0
            assert again.dims == ours.dims
            for name in ("C", "S", "YrA", "b", "f", "b0", "sn", "snr", "r_values", "classes"):
                expected, got = getattr(ours, name), getattr(again, name)
                assert (got is None) == (expected is None), name
                if expected is not None:
                    np.testing.assert_array_equal(got, expected, err_msg=name)
            np.testing.assert_array_equal(again.accepted, ours.accepted)
            assert "changed_elsewhere" not in again.attributes
            assert again.attributes == ours.attributes | {
                k: again.attributes[k] for k in ("left_out",) if k in again.attributes
            }
            assert set(again.images) == set(ours.images)
            assert read_state(saved).keys() == read_state(our_files[kind]).keys()
            before, after = (contents(p, "napari_cnmf") for p in (our_files[kind], saved))
            assert before.keys() == after.keys()
            for name, value in before.items():
                np.testing.assert_array_equal(after[name], value, err_msg=name)
            cur, kept = nc.open_result(saved), nc.open_result(our_files[kind])
            np.testing.assert_array_equal(cur.accepted, kept.accepted)
            np.testing.assert_array_equal(cur.ids, kept.ids)
        evaluated = read_caiman(path.with_name(f"{kind}-evaluated.hdf5"))
        assert evaluated.n_components == n

    def test_what_others_added_is_kept(
        self, used: dict[str, tuple[Path, dict[str, Any]]], tmp_path: Path
    ) -> None:
        path, _ = used["future"]
        again = write_caiman(read_caiman(path), tmp_path / "again.hdf5", carry_from=path)
        for saved in (path, again):
            assert contents(saved, "another_program")["@version"] == "2.0"
            np.testing.assert_array_equal(contents(saved, "estimates")["newer_score"], range(6))
            assert contents(saved, "napari_cnmf")["newer@said"] == "ü"

    def test_curation_goes_on(self, used: dict[str, tuple[Path, dict[str, Any]]]) -> None:
        cur = open_curation(used["merged"][0])
        assert cur.components.n_components == 5
        assert len(cur.history) == 2
        cur.undo()
        cur.undo()
        assert cur.components.n_components == 6
