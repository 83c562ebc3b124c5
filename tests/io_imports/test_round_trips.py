"""Out to another program's format and back; journals; what is refused."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import h5py
import numpy as np
import pynwb
import pytest
from numpy.testing import assert_allclose

import napari_cnmf as nc
from napari_cnmf.cli import main
from napari_cnmf.errors import ResultError
from napari_cnmf.io.curation import open_curation
from napari_cnmf.io.imports import import_result, kind_of, open_import, read_import
from napari_cnmf.model.curation import Decision

KINDS = ("2d", "1p", "3d")


def unit_footprints(components: nc.Components) -> np.ndarray:
    A = components.A.toarray()
    return A / np.linalg.norm(A, axis=0)


def raw(components: nc.Components) -> np.ndarray:
    """Raw traces for footprints at unit norm."""
    norm = np.linalg.norm(components.A.toarray(), axis=0)
    return (components.C + components.YrA) * norm[:, np.newaxis]


@pytest.mark.parametrize("include_rejected", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_nwb_comes_back_as_it_went(
    curated, tmp_path: Path, kind: str, include_rejected: bool
) -> None:
    cur = curated(kind)
    kept = np.arange(len(cur.ids)) if include_rejected else np.flatnonzero(cur.accepted)
    path = nc.write_nwb(cur, tmp_path / "r.nwb", include_rejected=include_rejected)
    again = open_import(path)
    a, b = cur.components.take(kept), again.components
    assert b.dims == a.dims
    assert b.frame_rate_hz == a.frame_rate_hz
    assert_allclose(b.A.toarray(), a.A.toarray(), rtol=1e-6)
    for name in ("C", "S"):
        assert_allclose(getattr(b, name), getattr(a, name), rtol=1e-5, atol=1e-5)
    assert_allclose(b.YrA, a.YrA, rtol=1e-3, atol=1e-3 * np.abs(a.C).max())
    if kind == "1p":
        assert b.b is None
    else:
        assert_allclose(b.b, a.b, rtol=1e-5)
        assert_allclose(b.f, a.f, rtol=1e-5)
        assert_allclose(again.dff(), cur.dff(kept.tolist()), rtol=1e-3, atol=1e-4)
    assert_allclose(b.images["mean"], a.images["mean"])
    assert again.accepted.tolist() == cur.accepted[kept].tolist()
    assert again.decisions.tolist() == cur.decisions[kept].tolist()
    row = kept.tolist().index(2)
    assert again.tags(row) == {"pyramidal, Größe 2"}
    assert again.note_of(row) == 'a "note", with commas'
    steps = b.attributes["history_trace"]
    assert [step["step"] for step in steps][-2:] == ["curation", "import"]
    assert steps[-1]["input"] == str(path)
    assert b.params["data"]["fr"] == 10


@pytest.mark.parametrize("include_rejected", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_suite2p_comes_back(curated, tmp_path: Path, kind: str, include_rejected: bool) -> None:
    cur = curated(kind)
    kept = np.arange(len(cur.ids)) if include_rejected else np.flatnonzero(cur.accepted)
    folder = nc.write_suite2p(cur, tmp_path / "a füll", include_rejected=include_rejected)
    again = open_import(folder)
    a, b = cur.components.take(kept), again.components
    assert b.dims == a.dims, "a volume is one again"
    assert_allclose(b.A.toarray(), unit_footprints(a), rtol=1e-4, atol=1e-6)
    assert_allclose(raw(b), raw(a), rtol=1e-3, atol=1e-4 * np.abs(raw(a)).max())
    assert again.accepted.tolist() == cur.accepted[kept].tolist()
    assert_allclose(b.images["mean"], a.images["mean"])
    assert b.attributes["history_trace"][0]["engine"] == "suite2p"
    assert b.attributes["history_trace"][0]["params"]["neucoeff"] == 1.0


def test_the_journal_lies_beside_and_is_found_again(curated, tmp_path: Path) -> None:
    nwb = nc.write_nwb(curated("2d"), tmp_path / "r.nwb", include_rejected=True)
    before = nwb.read_bytes()
    cur = open_import(nwb)
    cur.accept(0)
    cur.tag(3, "new")
    assert nwb.read_bytes() == before
    again = open_import(nwb)
    assert again.decisions[0] == Decision.ACCEPTED
    assert again.tags(3) == {"new"}
    again.undo()
    again.undo()
    assert again.decisions[0] == Decision.REJECTED, "what the file said"


def test_import_writes_a_result_that_caiman_reads_and_we_curate(curated, tmp_path: Path) -> None:
    nwb = nc.write_nwb(curated("2d"), tmp_path / "r.nwb", include_rejected=True)
    assert main(["import", str(nwb), str(tmp_path / "r.hdf5")]) == 0
    cur = open_curation(tmp_path / "r.hdf5")
    assert cur.decisions[:2].tolist() == [Decision.REJECTED, Decision.UNSURE]
    cur.undo()
    assert cur.note_of(2) == ""
    with h5py.File(tmp_path / "r.hdf5") as file:
        assert 0 in file["estimates/idx_components_bad"][()].tolist()
    again = nc.write_nwb(cur, tmp_path / "again.nwb")
    assert len(read_import(again).components.attributes["history_trace"]) >= 4


def test_neuropil_and_verdict_of_suite2p_itself(tmp_path: Path) -> None:
    """A folder as suite2p writes it: F with neuropil, crops, several planes."""
    rng = np.random.default_rng(0)
    n_frames = 200
    spikes = (rng.random((2, n_frames)) < 0.05) * 100.0
    Fneu = 50 + rng.normal(0, 1, (2, n_frames))
    decay = np.exp(-1 / (0.7 * 10))
    calcium = np.zeros_like(spikes)
    for t in range(n_frames):
        calcium[:, t] = (decay * calcium[:, t - 1] if t else 0) + spikes[:, t]
    F = calcium + 30 + 0.7 * Fneu
    lam = np.array([0.1, 0.3, 0.6], np.float32)
    stat = np.array(
        [
            {"ypix": np.array([3, 3, 4]), "xpix": np.array([7, 8, 7]), "lam": lam},
            {"ypix": np.array([10, 11, 11]), "xpix": np.array([0, 0, 1]), "lam": lam},
        ],
        dtype=object,
    )
    mean = rng.random((20, 33)).astype(np.float32) * 100 + 100
    ops = {
        "Ly": 20, "Lx": 33, "yrange": [2, 18], "xrange": [0, 33], "fs": 10.0, "tau": 0.7,
        "neucoeff": 0.7, "meanImg": mean, "max_proj": mean[2:18], "save_path": Path("/x"),
        "suite2p_version": "0.14",
    }  # fmt: skip
    for plane in ("plane0", "plane1"):
        folder = tmp_path / "suite2p" / plane
        folder.mkdir(parents=True)
        for name, array in (("F", F), ("Fneu", Fneu), ("spks", spikes)):
            np.save(folder / f"{name}.npy", array.astype(np.float32))
        np.save(folder / "iscell.npy", np.array([[1, 0.9], [0, 0.2]], np.float32))
        np.save(folder / "stat.npy", stat, allow_pickle=True)
        np.save(folder / "ops.npy", np.array(ops, dtype=object), allow_pickle=True)
    with pytest.raises(ResultError, match="One plane"):
        read_import(tmp_path)
    found = read_import(tmp_path, plane=1).components
    assert found.dims == (20, 33)
    assert found.accepted.tolist() == [True, False]
    scale = lam.sum() / np.linalg.norm(lam)
    assert_allclose(found.C + found.YrA, (F - 0.7 * Fneu) * scale, rtol=1e-4)
    assert_allclose(found.C, (calcium + 30) * scale, rtol=1e-3)
    assert found.A[:, [0]].nonzero()[0].tolist() == [3 * 33 + 7, 3 * 33 + 8, 4 * 33 + 7]
    assert found.images["max"][:2].max() == 0
    assert_allclose(found.images["max"][2:18], mean[2:18])
    total = (found.A @ found.C.mean(axis=1) + (found.b @ found.f).mean(axis=1)).reshape(20, 33)
    assert_allclose(total[15], mean[15], rtol=1e-4)


def test_nwb_of_another_program(tmp_path: Path) -> None:
    """Image masks, other names, timestamps, no verdict."""
    from datetime import UTC, datetime

    from pynwb.ophys import Fluorescence, ImageSegmentation, OpticalChannel, RoiResponseSeries

    nwb = pynwb.NWBFile("s", "i", datetime(2026, 1, 1, tzinfo=UTC))
    channel = OpticalChannel(name="c", description="d", emission_lambda=500.0)
    plane = nwb.create_imaging_plane(
        name="p", optical_channel=channel, description="d", device=nwb.create_device("m"),
        excitation_lambda=900.0, indicator="G", location="V1",
    )  # fmt: skip
    module = nwb.create_processing_module("ophys", "d")
    segmentation = ImageSegmentation()
    module.add(segmentation)
    table = segmentation.create_plane_segmentation("cells", plane, name="PlaneSegmentation")
    masks = np.zeros((2, 33, 20), np.float32)
    masks[0, 7, 3] = 1
    masks[1, 30, 12] = 2
    for mask in masks:
        table.add_roi(image_mask=mask)
    rois = table.create_roi_table_region(region=[1, 0], description="all")
    data = np.arange(20.0).reshape(10, 2)
    fluorescence = Fluorescence()
    module.add(fluorescence)
    fluorescence.add_roi_response_series(
        RoiResponseSeries(
            name="RoiResponseSeries", data=data, rois=rois, unit="n.a.",
            timestamps=np.arange(10) / 20,
        )
    )  # fmt: skip
    with pynwb.NWBHDF5IO(tmp_path / "x.nwb", "w") as io:
        io.write(nwb)
    found = read_import(tmp_path / "x.nwb").components
    assert found.dims == (20, 33)
    assert found.A[:, [0]].nonzero()[0].tolist() == [3 * 33 + 7]
    assert_allclose(found.C, data.T[::-1])
    assert found.frame_rate_hz == pytest.approx(20)
    assert found.accepted.all()
    assert import_result(tmp_path / "x.nwb", tmp_path / "x.hdf5").is_file()


class _Evil:
    def __reduce__(self):
        return (os.system, ("touch " + os.environ["NAPARI_CNMF_EVIL"],))


def test_a_pickle_runs_nothing(curated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAPARI_CNMF_EVIL", str(tmp_path / "evil"))
    folder = nc.write_suite2p(curated("2d"), tmp_path / "s")
    ops = np.load(folder / "plane0" / "ops.npy", allow_pickle=True).item()
    np.save(folder / "plane0" / "ops.npy", np.array(ops | {"x": _Evil()}, dtype=object))
    assert read_import(folder).components.n_components
    assert not (tmp_path / "evil").exists()
    (folder / "plane0" / "stat.npy").write_bytes(pickle.dumps(_Evil()))
    with pytest.raises(ResultError, match=r"stat\.npy"):
        read_import(folder)
    assert not (tmp_path / "evil").exists()


def test_what_is_no_result_of_another_program(tmp_path: Path, curated) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "x.nwb").write_bytes(b"no HDF5")
    for path in (tmp_path / "empty", tmp_path / "x.nwb", tmp_path / "gone.nwb"):
        assert kind_of(path) is None
        said = "x.nwb is not laid out" if path.is_file() else "suite2p folder"
        with pytest.raises(ResultError, match=said):
            read_import(path)
    folder = nc.write_suite2p(curated("2d"), tmp_path / "s")
    (folder / "plane0" / "F.npy").write_bytes(b"")
    with pytest.raises(ResultError, match=r"F\.npy"):
        read_import(folder)
