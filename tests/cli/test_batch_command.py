"""``napari-cnmf batch``: what the batch manager does, from a terminal."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from napari_cnmf.batch import Batch, State, scripts
from napari_cnmf.cli import main
from napari_cnmf.cli._export import FORMATS
from napari_cnmf.io.caiman import read_caiman
from napari_cnmf.io.exports import EXPORTERS
from napari_cnmf.params import CNMFParams


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "bätch"


def answer(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The stdout of a command that must succeed."""
    capsys.readouterr()
    assert main(["batch", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def test_items_are_added_listed_changed_and_removed(
    folder: Path, movie_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    uuid = answer(capsys, folder, "add", movie_path, "--algorithm", "mcorr", "--name", "m").strip()
    grid = answer(
        capsys, folder, "grid", "--item", "m", "--name", "g", "--json",
        "--vary", "gSig", "3,3", "4,4", "--vary", "merging.merge_thr", "0.7", "0.8",
    )  # fmt: skip
    batch = Batch.open(folder)
    assert batch["m"].uuid == uuid
    assert [entry["name"] for entry in json.loads(grid)] == [item.name for item in batch][1:]
    values = [(item.params.init.gSig, item.params.merging.merge_thr) for item in batch][1:]
    default = CNMFParams()
    assert default.merging.merge_thr == 0.8  # a value that is the default counts too
    assert values == [((3, 3), 0.7), ((3, 3), 0.8), ((4, 4), 0.7), ((4, 4), 0.8)]

    rows = json.loads(answer(capsys, folder, "list", "--json"))
    assert [row["state"] for row in rows] == ["queued"] + ["waiting"] * 4
    assert rows[1]["parent"] == uuid
    assert "waiting" in answer(capsys, folder, "list")

    answer(capsys, folder, "cancel", "1", "2")
    assert [item.state for item in batch][1:3] == [State.CANCELLED] * 2
    answer(capsys, folder, "retry", "--all")
    assert [item.state for item in batch][1:3] == [State.WAITING] * 2
    assert main(["batch", str(folder), "remove", "m"]) == 2
    answer(capsys, folder, "remove", "m", "--with-children")
    assert len(batch) == 0


def test_how_an_item_runs_is_asked_for_with_it(
    folder: Path, movie_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(
        capsys, folder, "add", movie_path, "--n-processes", "3", "--memory-gb", "1.5",
        "--keep-memmap",
    )  # fmt: skip
    answer(capsys, folder, "add", movie_path, "--algorithm", "mcorr")
    asked, usual = [item.spec.run.model_dump() for item in Batch.open(folder)]
    assert asked == {"n_processes": 3, "memory_gb": 1.5, "keep_memmap": True}
    assert usual == {"n_processes": None, "memory_gb": None, "keep_memmap": False}


def test_start_runs_items_at_a_time_of_day(
    folder: Path, movie_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for k in (1, 2):
        answer(capsys, folder, "add", movie_path, "--engine", "toy", "--set", f"K={k}")
    batch = Batch.open(folder)
    batch[0].cancel()
    soon = datetime.now() + timedelta(seconds=2)
    assert main(["batch", str(folder), "start", "--at", f"{soon:%H:%M:%S}", "--json"]) == 0
    captured = capsys.readouterr()
    assert "Waiting until" in captured.err
    assert [row["uuid"] for row in json.loads(captured.out)] == [batch[1].uuid]
    assert (batch[0].state, batch[1].state) == (State.CANCELLED, State.COMPLETED)
    started = batch[1].status.started
    assert started is not None
    assert started.timestamp() >= soon.replace(microsecond=0).timestamp()


@pytest.mark.long
def test_scripts_run_a_chain_and_quote_every_name(
    cli, folder: Path, movie_path: Path, tmp_path: Path
) -> None:
    folder = folder.with_name("it's $(touch owned) `x`")
    batch = Batch.create(folder)
    motion = batch.add("mcorr", movie_path, engine="builtin", name="'; touch owned; '")
    batch.add("mcorr", movie_path, engine="builtin", name="$(touch owned)", params={
        "motion": {"max_shifts": (2, 2)}})  # fmt: skip
    done = cli("batch", folder, "scripts", "--to", tmp_path / "scripts dir")
    assert done.returncode == 0, done.stderr
    script = Path(done.stdout.strip())
    ran = subprocess.run([script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert [item.state for item in batch] == [State.COMPLETED] * 2
    assert motion.movie().shape == (20, 24, 32)
    assert motion.log_text().count("Engine builtin") == 1
    assert not list(tmp_path.rglob("owned"))
    shown = cli("batch", folder, "show", "0").stdout
    assert "': completed" in shown
    assert "Engine builtin" in shown


def test_slurm_scripts_run_levels_in_order(
    cli, folder: Path, movie_path: Path, tmp_path: Path
) -> None:
    batch = Batch.create(folder)
    motion = batch.add("mcorr", movie_path, engine="toy")
    batch.add_grid("cnmf", motion, engine="toy", grid={"init.gSig": [(3, 3), (4, 4)]})
    where = tmp_path / "scripts"
    assert cli("batch", folder, "scripts", "--kind", "slurm", "--to", where).returncode == 0
    # Stands in for SLURM: runs the tasks of an array at once, and notes what it was asked.
    sbatch = tmp_path / "bin" / "sbatch"
    sbatch.parent.mkdir()
    sbatch.write_text(
        "#!/bin/sh\n"
        f'echo "$@" >> {tmp_path}/asked\n'
        "for word; do case $word in --array=1-*) n=${word#--array=1-};; *.sh) task=$word;; esac;"
        " list=$word; done\n"
        'i=1; while [ $i -le $n ]; do SLURM_ARRAY_TASK_ID=$i sh "$task" "$list" >&2 || exit 1;'
        " i=$((i + 1)); done\necho '77;main'\n"
    )
    sbatch.chmod(0o755)
    path = f"{sbatch.parent}:/usr/bin:/bin"
    ran = subprocess.run(
        [where / "submit.sh", "--mem=8G"], capture_output=True, text=True, check=False,
        env={"PATH": path, "PYTHONPATH": os.environ["PYTHONPATH"]},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert [item.state for item in batch] == [State.COMPLETED] * 3
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked[0] == "--parsable --mem=8G --array=1-1 task.sh items-0.txt"
    assert asked[1] == (
        "--parsable --mem=8G --dependency=afterany:77 --array=1-2 task.sh items-1.txt"
    )


@pytest.mark.parametrize("shell", ["sh", "bash", "dash"])
def test_slurm_arrays_are_no_longer_than_it_takes(
    folder: Path, movie_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shell: str
) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not here")
    monkeypatch.setattr(scripts, "_ARRAY_SIZE", 2)
    batch = Batch.create(folder)
    motion = batch.add("mcorr", movie_path, engine="toy", name="'; touch owned; '")
    cells = batch.add_grid("cnmf", motion, engine="toy", grid={"init.K": [1, 2, 3]})
    written = scripts.write_scripts(batch, tmp_path / "it's $(touch owned)", kind="slurm")
    sbatch = tmp_path / "bin" / "sbatch"
    sbatch.parent.mkdir()
    sbatch.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\nwc -l < {tmp_path}/asked\n')
    sbatch.chmod(0o755)
    path = f"{sbatch.parent}:/usr/bin:/bin"
    subprocess.run([shell, written], check=True, env={"PATH": path}, cwd=tmp_path)
    asked = [line.partition(" --array")[2] for line in (tmp_path / "asked").read_text().split("\n")]
    assert asked[:3] == [f"=1-{n} task.sh items-{i}.txt" for i, n in enumerate((1, 2, 1))]
    text = (tmp_path / "asked").read_text()
    assert text.count("--dependency=afterany:1 ") == 2
    listed = "".join((written.parent / f"items-{i}.txt").read_text() for i in range(3))
    # The mark of our scripts stands behind the items, which are counted from the first line.
    assert [line for line in listed.splitlines() if not line.startswith("#")] == [
        item.folder.name for item in (motion, *cells)
    ]
    assert not list(tmp_path.rglob("owned"))


def test_export_takes_the_decisions_along(
    folder: Path, movie_path: Path, tmp_path: Path, cli
) -> None:
    assert cli("run", movie_path, "--batch", folder, "--engine", "toy").returncode == 0
    item = Batch.open(folder)[0]
    item.result().accept([1])
    for source, to, out in (
        (item.folder, "csv", tmp_path / "csv"),
        (item.result_path, "npz", tmp_path / "r.npz"),
        (item.folder, "caiman", tmp_path / "r.hdf5"),
    ):
        done = cli("export", source, "--to", to, out)
        assert (done.returncode, done.stdout.strip()) == (0, str(out))
    assert list((tmp_path / "csv").glob("*.csv"))
    with np.load(tmp_path / "r.npz", allow_pickle=False) as archive:
        np.testing.assert_array_equal(archive["dims"], (24, 32))
    written = read_caiman(tmp_path / "r.hdf5")
    assert written.accepted is not None
    assert written.accepted.tolist() == [True, True]
    assert tuple(EXPORTERS) == FORMATS
    refused = cli("export", tmp_path, "--to", "npz", "x.npz")
    assert refused.returncode == 2
    assert "result file or the folder of an item" in refused.stderr


def test_parameters_are_printed_compared_and_read_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["params", "--preset", "two-photon somata", "--set", "gSig=7,7"]) == 0
    text = capsys.readouterr().out
    (tmp_path / "a.toml").write_text(text)
    assert main(["params", "--params", str(tmp_path / "a.toml"), "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    expected = CNMFParams.preset("two-photon somata").set("init.gSig", (7, 7))
    assert CNMFParams.from_dict(values) == expected
    (tmp_path / "b.json").write_text(json.dumps({"init": {"gSig": [7, 7], "K": 5}}))
    assert main(["params", "--diff", str(tmp_path / "a.toml"), str(tmp_path / "b.json")]) == 0
    assert "init.K: None | 5" in capsys.readouterr().out


def test_doctor_says_what_is_there_and_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["engines"]["builtin"]["ready"]
    assert report["packages"]["numpy"] == np.__version__
    assert report["viewer"] == {"ready": True, "reason": None}
    assert main(["doctor", "--set-caiman", str(tmp_path / "no python")]) == 2
    said = capsys.readouterr().err
    assert "there is no such file" in said
    assert "napari-cnmf doctor --install-caiman" in said


def test_view_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["view", str(tmp_path / "nothing")]) == 2
    assert "is not there" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is always a screen")
def test_view_without_a_screen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert main(["view", str(tmp_path)]) == 2
    assert "needs a screen" in capsys.readouterr().err
