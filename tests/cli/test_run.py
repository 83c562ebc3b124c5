"""The main job, and everything that can be wrong with what it is given."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_cnmf.batch import Batch, State
from napari_cnmf.cli import main
from napari_cnmf.io.caiman import read_caiman


@pytest.mark.long
def test_the_demo_finds_the_cells_of_a_simulated_recording(cli, tmp_path: Path) -> None:
    done = cli("demo", "--headless", "--out", tmp_path / "dëmo", "--engine", "builtin")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["precision"] >= 0.9
    assert answer["recall"] >= 0.9
    assert answer["found"] >= answer["accepted"] > 0
    assert "precision" in done.stdout
    assert "1 of 1 done, demo (cnmf): completed" in done.stderr
    picture = Path(answer["picture"])
    assert picture == tmp_path / "dëmo" / "demo.png"
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    batch = Batch.open(answer["batch"])
    assert batch[0].spec.refit
    process = batch[0].status.process
    assert process is not None
    components = read_caiman(answer["result"])
    assert components.n_components == answer["found"]
    assert components.frame_rate_hz == pytest.approx(15)
    images = batch[0].images()
    assert all(image.shape == components.dims for image in images.values())
    journal = batch[0].result()
    journal.reject([0])
    assert not batch[0].result().accepted[0]


def test_run_returns_a_completed_duplicate_and_reruns_when_told(cli, movie_path: Path) -> None:
    arguments = ("run", movie_path, "--batch", "my batch", "--engine", "toy", "--motion")
    first = cli(*arguments)
    assert first.returncode == 0, first.stderr
    result = Path(first.stdout.splitlines()[-1])
    assert result.name == "result.hdf5"
    assert read_caiman(result).n_components == 2
    assert "2 found, 1 accepted" in first.stderr
    assert (result.parent / "result.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    batch = Batch.open(result.parents[2])
    assert [item.algorithm.value for item in batch] == ["mcorr", "cnmf"]
    assert {item.name for item in batch} == {"a movie"}

    assert cli(*arguments).stdout == first.stdout
    assert len(batch) == 2
    again = cli(*arguments, "--again")
    assert again.returncode == 0, again.stderr
    assert again.stdout != first.stdout
    assert len(batch) == 4
    # Other parameters of CNMF share the motion correction.
    other = cli(*arguments, "--set", "gSig=3,3", "--name", "smaller")
    assert other.returncode == 0, other.stderr
    assert len(batch) == 5
    assert batch["smaller"].params.init.gSig == (3, 3)


def test_several_files_are_one_session(cli, movie_path: Path, tmp_path: Path) -> None:
    second = tmp_path / "b.tif"
    frames = np.full((7, 24, 32), 5, np.uint16)
    tifffile.imwrite(second, frames, imagej=True, metadata={"axes": "TYX", "finterval": 0.1})
    done = cli("run", movie_path, second, "--batch", "b", "--algorithm", "mcorr", "--engine", "toy")
    assert done.returncode == 0, done.stderr
    assert tifffile.imread(done.stdout.splitlines()[-1]).shape == (27, 24, 32)


def test_a_failed_item_is_exit_code_1_and_the_next_run_retries_it(
    cli, movie_path: Path, tmp_path: Path
) -> None:
    batch = Batch.create(tmp_path / "b")
    item = batch.add("cnmf", movie_path, engine="toy", comment="fail")
    arguments = ("run", movie_path, "--batch", batch.path, "--engine", "toy")
    failed = cli(*arguments)
    assert failed.returncode == 1
    assert failed.stdout == ""
    assert "it broke. Try another one." in failed.stderr
    item.set_comment("")
    mended = cli(*arguments)
    assert mended.returncode == 0, mended.stderr
    assert len(batch) == 1
    assert item.state is State.COMPLETED


def bad_inputs(folder: Path, movie_path: Path) -> dict[str, tuple[list[object], str]]:
    """Arguments and what the error must say."""
    np.save(folder / "no rate.npy", np.zeros((9, 24, 32), np.uint16))
    np.save(folder / "one.npy", np.zeros((1, 24, 32), np.uint16))
    tifffile.imwrite(folder / "plane.tif", np.zeros((24, 32), np.uint16))
    (folder / "torn.tif").write_bytes(movie_path.read_bytes()[:9000])
    (folder / "text.tif").write_text("hello")
    (folder / "thesis").mkdir()
    (folder / "thesis" / "thesis.tex").write_text("mine")
    rate = ["--set", "data.fr=10"]
    return {
        "no such file": ([folder / "nothing.tif"], "nothing.tif"),
        "not a movie": ([folder / "text.tif", *rate], "text.tif"),
        "a plane": ([folder / "plane.tif", *rate], "plane"),
        "truncated": ([folder / "torn.tif", *rate], "torn.tif"),
        "one frame": ([folder / "one.npy", *rate], "at least 2 frames"),
        "wrong axes": ([movie_path, "--axes", "TZYX"], "axes"),
        "no rate": ([folder / "no rate.npy"], "data.fr"),
        "rate 0": ([movie_path, "--set", "data.fr=0"], "fr"),
        "gSig too big": ([movie_path, "--set", "gSig=50,50"], "gSig"),
        "unknown parameter": ([movie_path, "--set", "init.gsigg=3"], "gSig"),
        "unknown preset": ([movie_path, "--preset", "elephants"], "elephants"),
        "unknown engine": ([movie_path, "--engine", "warp"], "must be one of auto"),
        "no parameter file": ([movie_path, "--params", folder / "p.toml"], "p.toml"),
    }


def test_bad_input_gets_a_clear_error_and_leaves_nothing(cli, movie_path: Path, tmp_path) -> None:
    for case, (arguments, message) in bad_inputs(tmp_path, movie_path).items():
        folder = tmp_path / "batch"
        code, errors = in_process(main, ["run", *map(str, arguments), "--batch", str(folder)])
        assert code == 2, case
        assert message in errors, (case, errors)
        assert errors.startswith("Error: "), case
        assert "Traceback" not in errors, case
        # Naming an engine wrongly is noticed with the batch at hand; that is empty then.
        assert not folder.exists() or len(Batch.open(folder)) == 0, case
        if folder.exists():
            shutil.rmtree(folder)
    code, errors = in_process(main, ["run", str(movie_path), "--batch", str(tmp_path / "thesis")])
    assert code == 2
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["thesis.tex"]


def in_process(main, arguments: list[str]) -> tuple[int, str]:
    """The exit code and stderr of a command, without the start of another interpreter."""
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors):
        code = main(arguments)
    return code, errors.getvalue()


@pytest.mark.parametrize("kind", ["constant", "nan"])
def test_a_movie_without_cells_is_a_result_or_a_clear_error(cli, tmp_path: Path, kind: str) -> None:
    frames = np.full((60, 40, 48), 7.0, np.float32)
    if kind == "nan":
        frames[:] = np.nan
    np.save(tmp_path / "flat.npy", frames)
    done = cli(
        "run", tmp_path / "flat.npy", "--batch", tmp_path / "b", "--set", "data.fr=10",
        "--engine", "builtin",
    )  # fmt: skip
    item = Batch.open(tmp_path / "b")[0]
    if done.returncode == 0:
        assert read_caiman(done.stdout.splitlines()[-1]).n_components == 0
    else:
        assert done.returncode == 1
        assert item.state is State.FAILED
        assert item.status.error is not None
        assert item.status.error.kind.endswith("Error")
        assert "The log has the traceback" not in str(item.error), item.error


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is always a screen")
def test_view_without_a_screen_is_refused_before_anything_is_done(cli, movie_path: Path) -> None:
    done = cli("run", movie_path, "--batch", "b", "--view", DISPLAY="", WAYLAND_DISPLAY="")
    assert done.returncode == 2
    assert "--view needs a screen" in done.stderr
    assert not list(movie_path.parent.rglob("batch.json"))
