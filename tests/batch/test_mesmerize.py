"""A batch of mesmerize-core is taken in, and its pickle is never executed.

``data/mesmerize-core-0.6.0.pickle`` was made by mesmerize-core 0.6.0 with CaImAn 1.12.1: a motion
correction and a CNMF that ran, two items that did not, one that failed, with paths of both systems.
"""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import tifffile

import napari_cnmf as nc
from napari_cnmf.batch import Batch, State, import_mesmerize
from napari_cnmf.cli import main
from napari_cnmf.io.table_pickle import read_table_pickle
from napari_cnmf.model.components import Components

REAL = Path(__file__).parent / "data" / "mesmerize-core-0.6.0.pickle"
DIMS, N_FRAMES = (48, 64), 300


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The table in a folder of its own, its movie in another."""
    (tmp_path / "old").mkdir()
    (tmp_path / "raw" / "mouse 1").mkdir(parents=True)
    frames = np.random.default_rng(0).integers(1, 99, (9, *DIMS), dtype=np.uint16)
    path = tmp_path / "raw" / "mouse 1" / "movie-2d-moving.tif"
    tifffile.imwrite(path, frames, imagej=True, metadata={"axes": "TYX", "finterval": 0.1})
    return Path(shutil.copy(REAL, tmp_path / "old" / "batch.pickle"))


def write_outputs(table: Path) -> np.ndarray[Any, Any]:
    """The files that the table names, as CaImAn lays them out; returns the corrected movie."""
    frames = np.random.default_rng(1).random((N_FRAMES, *DIMS), dtype=np.float32)
    for outputs in read_table_pickle(table).columns["outputs"][:2]:
        (table.parent / outputs["corr-img-path"]).parent.mkdir()
        for key in ("mean", "std", "max"):
            np.save(table.parent / outputs[f"{key}-projection-path"], frames[0])
        np.save(table.parent / outputs["corr-img-path"], frames[0])
        if "shifts" in outputs:
            np.save(table.parent / outputs["shifts"], np.full((N_FRAMES, 2), (2.5, -1.0)))
            # Pixels in Fortran order, one frame after the other.
            flat = frames.transpose(0, 2, 1).reshape(N_FRAMES, -1)
            flat.tofile(table.parent / outputs["mcorr-output-path"])
        else:
            A = sp.csc_matrix(np.eye(DIMS[0] * DIMS[1], 3, dtype=np.float32))
            found = Components(
                A, np.ones((3, N_FRAMES), np.float32), DIMS,
                accepted=np.array([True, False, True]), frame_rate_hz=15.0,
            )  # fmt: skip
            nc.write_caiman(found, table.parent / outputs["cnmf-hdf5-path"])
    return frames


def test_the_real_table_is_read_as_plain_values() -> None:
    rows = read_table_pickle(REAL).rows()
    assert [row["algo"] for row in rows] == ["mcorr", "cnmf", "cnmf", "cnmfe", "mcorr"]
    assert rows[0]["params"]["main"]["max_shifts"] == (6, 6)
    np.testing.assert_array_equal(rows[1]["params"]["main"]["gSig"], [4, 4])
    assert rows[1]["params"]["main"]["min_SNR"] == 2.0
    movie = "mouse 1/movie-2d-moving.tif"
    assert rows[2]["params"]["main"]["fnames"] == [PurePosixPath(f"/data/raw/{movie}")]
    assert rows[3]["params"]["main"]["fnames"] == [PureWindowsPath(f"C:/data/{movie}")]
    assert rows[4]["input_movie_path"] == "mouse 1\\movie-2d-moving.tif"


@pytest.fixture
def _texts_of_python() -> Iterator[None]:
    """Tables as mesmerize-core's pandas writes them, whether pyarrow is here or not."""
    with pd.option_context("mode.string_storage", "python"):
        yield


@pytest.mark.usefixtures("_texts_of_python")
def test_tables_of_the_pandas_that_is_here_are_read(tmp_path: Path) -> None:
    table = pd.DataFrame(columns=["algo", "params", "outputs"])
    table.loc[0] = pd.Series({"algo": "cnmf", "params": {"a": np.arange(3)}, "outputs": None})
    table.loc[1] = pd.Series({"algo": "mcorr", "params": {}, "outputs": {"success": True}})
    table["text"], table["number"] = ["ü", "b"], [1, 2.5]
    table.to_pickle(tmp_path / "t.pickle")
    rows = read_table_pickle(tmp_path / "t.pickle").rows()
    np.testing.assert_array_equal(rows[0].pop("params")["a"], [0, 1, 2])
    assert rows == [
        {"algo": "cnmf", "outputs": None, "text": "ü", "number": 1.0},
        {"algo": "mcorr", "params": {}, "outputs": {"success": True}, "text": "b", "number": 2.5},
    ]


def pickled(table: pd.DataFrame, path: Path, protocol: int = 4) -> dict[str, list]:
    table.to_pickle(path, protocol=protocol)
    return read_table_pickle(path).columns


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_texts_that_pyarrow_keeps_are_read(tmp_path: Path, protocol: int) -> None:
    """Where pyarrow is installed pandas keeps its texts there, the names of columns as well."""
    pytest.importorskip("pyarrow")
    texts = ["mcorr", None, "ü 中 \U0001f600", "", "x" * 300]
    table = pd.DataFrame(
        {
            "own": pd.array(texts, dtype="str"),
            "text": pd.array(texts, dtype="string[pyarrow]"),
            "python": pd.array(texts, dtype="string[python]"),
            "arrow": pd.array(texts, dtype="string[pyarrow]").astype("large_string[pyarrow]"),
            "whole": pd.array([1, None, 3, -(2**40), 5], dtype="int64[pyarrow]"),
            "real": pd.array([0.5, None, -1, 2, 3], dtype="double[pyarrow]"),
            "yes": pd.array([True, None, False, True, True], dtype="bool[pyarrow]"),
            "params": [{"gSig": (4, 4)}, {}, None, {"a": "b"}, {}],
        }
    )
    path = tmp_path / "t.pickle"
    columns = pickled(table, path, protocol)
    assert list(columns) == list(table)
    for name in ("own", "text", "python", "arrow"):
        assert [None if isinstance(v, float) else v for v in columns[name]] == texts, name
    assert columns["whole"] == [1, None, 3, -(2**40), 5]
    assert columns["real"] == [0.5, None, -1, 2, 3]
    assert columns["yes"] == [True, None, False, True, True]
    assert pickled(table[1:4], path, protocol)["text"] == texts[1:4], "a part of a larger table"
    twice = pickled(pd.concat([table, table], ignore_index=True), path, protocol)
    assert twice["text"] == texts * 2
    table["when"] = pd.array([1] * 5, dtype="timestamp[s][pyarrow]")
    with pytest.raises(nc.CnmfError, match=r"write it again where it comes from|pandas table"):
        pickled(table, path, protocol)


def test_texts_of_pyarrow_that_reach_beyond_their_bytes_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / "t.pickle"
    pickled(pd.DataFrame({"algo": pd.array(["mcorr", None], dtype="string[pyarrow]")}), path)
    whole = path.read_bytes()
    ends = (5).to_bytes(8, "little") * 2
    assert whole.count(ends) == 1
    for wrong in (6, 2**40, -1, 2**63 - 1):
        bad = wrong.to_bytes(8, "little", signed=True)
        for changed in (bad + ends[8:], ends[:8] + bad, bad * 2):
            path.write_bytes(whole.replace(ends, changed))
            with pytest.raises(nc.CnmfError, match="beyond the bytes"):
                read_table_pickle(path)
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x11]) + whole[at + 1 :])
        with suppress(nc.CnmfError):
            read_table_pickle(path)


def test_items_come_with_parameters_links_and_results(batch: Batch, old: Path) -> None:
    frames = write_outputs(old)
    imported = import_mesmerize(batch, old, movies=old.parents[1] / "raw")
    assert imported.notes == []
    motion, cells, variant, ring, failed = imported.items
    assert [item.state for item in batch] == [State.COMPLETED] * 2 + [State.QUEUED] * 2 + [
        State.FAILED
    ]
    assert [item.uuid for item in batch] == read_table_pickle(old).columns["uuid"]
    assert cells.parent == variant.parent == motion
    assert ring.input_movie().n_frames == failed.input_movie().n_frames == 9
    assert (cells.spec.refit, cells.params.init.gSig, cells.params.init.K) == (True, (4, 4), 8)
    assert (ring.algorithm, ring.comment, ring.params.init.gSig) == ("cnmfe", "ring model", (3, 3))
    assert failed.error == "It failed in mesmerize-core: ValueError: the movie has no frames"
    # Results are as usable as our own.
    np.testing.assert_array_equal(motion.movie().data.compute(), frames)
    np.testing.assert_array_equal(cells.result().accepted, [True, False, True])
    assert (cells.status.n_components, cells.status.n_accepted) == (3, 2)
    np.testing.assert_array_equal(cells.images()["correlation"], frames[0])
    assert cells.status.seconds == pytest.approx(73.1)
    assert [step["engine"] for step in cells.history_trace] == ["caiman", "caiman"]
    # A second import adds nothing; what is new can be run.
    again = import_mesmerize(batch, old, movies=old.parents[1] / "raw")
    assert again.items == []
    assert len(batch) == 5
    batch.add("cnmf", motion, engine="toy", params={"data": {"fr": 15}}, name="new")
    batch.run([batch["new"]], progress=False)
    assert batch["new"].state is State.COMPLETED, batch["new"].error


def test_what_is_not_there_is_said_and_can_be_located(batch: Batch, old: Path) -> None:
    imported = import_mesmerize(batch, old)
    assert [item.state for item in batch][:4] == [
        State.QUEUED, State.WAITING, State.WAITING, State.QUEUED,
    ]  # fmt: skip
    assert sum("was not taken along" in note for note in imported.notes) == 2
    assert sum("was not found" in note for note in imported.notes) == 3
    assert len(batch.missing_movies()) == 3
    assert len(batch.locate(old.parents[1] / "raw")) == 3
    assert batch.missing_movies() == {}


def test_from_the_command_line(
    old: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["batch", str(tmp_path / "new"), "import", str(old)]
    assert main([*command, "--movies", str(tmp_path / "raw"), "--no-results"]) == 0
    assert len(capsys.readouterr().out.split()) == 5
    assert Batch.open(tmp_path / "new")[1].state is State.WAITING


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, flag: Path) -> None:
        self.flag = flag

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.flag}",)


@pytest.mark.usefixtures("_texts_of_python")
def test_a_pickle_that_would_run_something_is_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flag, path = tmp_path / "owned", tmp_path / "batch.pickle"
    table = pd.DataFrame({"algo": ["cnmf"], "params": [{"main": Evil(flag)}]})
    for value in (Evil(flag), table):
        path.write_bytes(pickle.dumps(value))
        with pytest.raises(nc.CnmfError, match=rf"asks for {os.name}\.system.*nothing of it"):
            read_table_pickle(path)
        assert main(["batch", str(tmp_path / "new"), "import", str(path)]) == 2
        assert f"{os.name}.system" in capsys.readouterr().err
        assert not (tmp_path / "new").exists()
    path.write_bytes(b"cbuiltins\neval\n(V1+1\ntR.")
    with pytest.raises(nc.CnmfError, match=r"builtins\.eval"):
        read_table_pickle(path)
    assert not flag.exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"no pickle", pickle.dumps({"a": 1}), REAL.read_bytes()[:-300],
     # classes that are taken, in places where they make no sense
     b"cpandas.core.frame\nDataFrame\n)\x81}b.",
     b"cnumpy\ndtype\n(Vf8\ntR.", b"cnumpy\ndtype\n(VO,O\ntR."],
)  # fmt: skip
def test_files_that_are_no_table(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "batch.pickle"
    path.write_bytes(content)
    with pytest.raises(nc.CnmfError, match=r"batch\.pickle must"):
        read_table_pickle(path)


def test_results_outside_of_the_old_batch_are_not_read(batch: Batch, old: Path) -> None:
    write_outputs(old)
    table = old.read_bytes()
    name = read_table_pickle(old).columns["outputs"][1]["cnmf-hdf5-path"]
    outside = "../" + "x" * (len(name) - 8) + ".hdf5"
    old.write_bytes(table.replace(name.encode(), outside.encode()))
    shutil.copy(old.parent / name, old.parent / outside)
    imported = import_mesmerize(batch, old, movies=old.parents[1] / "raw")
    assert [note for note in imported.notes if "leads out of the folder" in note]
    assert batch[1].state is State.QUEUED
