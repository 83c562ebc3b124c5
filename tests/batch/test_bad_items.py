"""Whatever one item's folder holds, the other items list, run and can be removed as usual."""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_cnmf.batch import Batch, BatchWatcher, Item, State
from napari_cnmf.batch.processes import adopt
from napari_cnmf.batch.running import cancel_and_wait
from napari_cnmf.batch.settling import settle_interrupted
from napari_cnmf.batch.status import ProcessInfo, Status, write_status
from napari_cnmf.batch.watch import Changes
from napari_cnmf.errors import BatchError, CnmfError

MUTATIONS = int(os.environ.get("NAPARI_CNMF_MUTATIONS", "40"))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A batch of a chain of two items and one item by itself; the last one gets broken."""
    folder = tmp_path_factory.mktemp("template")
    frames = np.random.default_rng(0).integers(100, 200, (20, 24, 32), dtype=np.uint16)
    tifffile.imwrite(
        folder / "m.tif", frames, imagej=True, metadata={"axes": "TYX", "finterval": 0.1}
    )
    batch = Batch.create(folder / "batch")
    params = {"init": {"gSig": (3, 3)}}
    motion = batch.add("mcorr", folder / "m.tif", name="good motion")
    batch.add("cnmf", motion, params=params, name="good cells")
    batch.add("cnmf", folder / "m.tif", params=params, name="bad one")
    return batch.path


@pytest.fixture
def copy(template: Path, tmp_path: Path) -> Path:
    shutil.copytree(template, tmp_path / "batch")
    return tmp_path / "batch"


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_a_folder_that_cannot_be_looked_at_hides_no_other(copy: Path) -> None:
    loop = copy / "items" / "20260101-000000-bad-loop"
    loop.symlink_to(loop.name)
    batch = Batch.open(copy)
    assert [item.name for item in batch if item.problem is None] == [
        "good motion", "good cells", "bad one"
    ]  # fmt: skip
    (bad,) = [item for item in batch if item.folder == loop]
    assert "symbolic links" in str(bad.problem)
    for read in (Item.events, Item.log_text, lambda item: item.warnings):
        with pytest.raises(BatchError, match="symbolic links"):
            read(bad)
    assert len(batch.df) == 4
    watcher = BatchWatcher(batch)
    assert len(watcher.poll().added) == 4
    assert watcher.poll() == Changes((), (), ())
    loop.unlink()
    assert watcher.poll().removed == (bad.uuid,)


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_a_link_to_a_folder_that_is_gone_stays_in_sight(copy: Path) -> None:
    folder = bad_folder(copy)
    elsewhere = folder.rename(copy.parent / "another disk")
    folder.symlink_to(elsewhere)
    (copy / "items" / "notes.txt").touch()
    (copy / "items" / "link to notes").symlink_to("notes.txt")
    assert len(Batch.open(copy).items) == 3
    elsewhere.rename(copy.parent / "unplugged")
    batch = Batch.open(copy)
    assert len(batch.items) == 3
    (bad,) = [item for item in batch if item.folder == folder]
    assert bad.problem
    batch.remove(bad)
    assert not folder.is_symlink()
    assert (copy.parent / "unplugged" / "item.json").is_file()


def test_figures_that_are_no_numbers_are_passed_over(copy: Path) -> None:
    folder = bad_folder(copy)
    status = json.loads((folder / "status.json").read_text())
    status["figures"] = {"seconds": 2.5, "method": "new", "parts": {"a": [1]}}
    status["state"] = "completed"
    (folder / "status.json").write_text(json.dumps(status))
    (bad,) = [item for item in Batch.open(copy) if item.folder == folder]
    assert bad.state is State.COMPLETED
    assert bad.status.figures == {"seconds": 2.5}


def bad_folder(root: Path) -> Path:
    (folder,) = (root / "items").glob("*bad*")
    return folder


def use_everything(root: Path) -> Item:
    """Do what GUI, scripts and command line do; returns the bad item."""
    batch = Batch.open(root)
    items = batch.items
    assert len(items) == 3
    bad = next(item for item in items if item.folder == bad_folder(root))
    good = [item for item in items if item != bad]
    assert [item.name for item in good] == ["good motion", "good cells"]
    assert {item.state for item in good} == {State.QUEUED, State.WAITING}
    assert all(item.problem is None for item in good)
    table = batch.df
    assert len(table) == 3
    table.to_json(orient="records", date_format="iso")
    assert "good motion" in batch._repr_html_()
    assert len(BatchWatcher(batch).poll().added) == 3
    settle_interrupted(items)
    batch.missing_movies()
    for item in items:
        repr(item)
        _ = item.uuid, item.name, item.state, item.error, item.progress, item.problem
        item.log_text()
        item.events()
        item._repr_html_()
        asked: list[Callable[[], object]] = [
            lambda item=item: item.history_trace,
            lambda item=item: item.parent,
            lambda item=item: item.params,
            lambda item=item: item.frame_rate_hz,
            lambda item=item: item.border_px,
            lambda item=item: item.warnings,
            lambda item=item: batch.children(item),
        ]
        for ask in asked:
            if item == bad:
                with suppress(CnmfError):  # it says what is wrong; nothing else may come
                    ask()
            else:
                ask()
    return bad


def json_of(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def edit(name: str, **changes: Any) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        values = json_of(folder / name) | changes
        (folder / name).write_text(json.dumps(values))

    return apply


def replace_by(name: str, text: str | bytes) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        data = text.encode() if isinstance(text, str) else text
        (folder / name).write_bytes(data)

    return apply


def make_special(name: str, make: Callable[[Path], None]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        make(folder / name)

    return apply


def own_parent(folder: Path) -> None:
    values = json_of(folder / "item.json")
    del values["movie"]
    values["parent"] = values["uuid"]
    (folder / "item.json").write_text(json.dumps(values))


RUNNING = {"state": "running", "started": "2026-01-01T00:00:00Z"}
HOST = socket.gethostname()
BREAK = {
    "nested too deeply": replace_by("item.json", "[" * 100_000),
    "nested in params": edit("item.json", params=json.loads('{"a":' * 200 + "1" + "}" * 200)),
    "no zone": edit("item.json", added="2026-01-01T00:00:00"),
    "year 1": edit("item.json", added="0001-01-01T00:00:00+14:00"),
    "year 9999": edit("item.json", added="9999-12-31T23:59:59-14:00"),
    "status of year 1": edit("status.json", started="0001-01-01T00:00:00+14:00"),
    "status of year 9999": edit("status.json", ended="9999-12-31T23:59:59"),
    "pid -1": edit("status.json", **RUNNING, process={"pid": -1, "host": HOST, "created": 0}),
    "pid 0": edit("status.json", **RUNNING, process={"pid": 0, "host": HOST, "created": 0}),
    "pid huge": edit("status.json", **RUNNING, process={"pid": 2**80, "host": HOST, "created": 0}),
    "created nan": edit(
        "status.json", **RUNNING, process={"pid": 1, "host": HOST, "created": float("nan")}
    ),
    "figures nan": edit("status.json", figures={"border_px": float("inf")}),
    "count huge": edit("status.json", n_components=10**30),
    "progress odd": edit("status.json", **RUNNING, progress={"stage": "x", "total": -1}),
    "long path": edit("item.json", movie={"paths": ["x" * 20_000]}),
    "path with NUL": edit("item.json", movie={"paths": ["a\0b"]}),
    "own parent": own_parent,
    "parent of nobody": edit("item.json", movie=None, parent="0" * 32),
    "not JSON": replace_by("item.json", b"\xff\xfe\x00"),
    "empty": replace_by("status.json", b""),
    "no object": replace_by("status.json", "[1]"),
    "no status": lambda folder: (folder / "status.json").unlink(),
    "pipe": make_special("item.json", os.mkfifo),
    "pipe as status": make_special("status.json", os.mkfifo),
    "pipe as events": make_special("events.jsonl", os.mkfifo),
    "pipe as log": make_special("worker.log", os.mkfifo),
    "pipe as lock": make_special("item.lock", os.mkfifo),
    "pipe as journal": make_special("curation.jsonl", os.mkfifo),
    "folder as item.json": make_special("item.json", Path.mkdir),
    "link": make_special("item.json", lambda path: path.symlink_to("/etc/hostname")),
    "link as status": make_special("status.json", lambda path: path.symlink_to("/dev/zero")),
    "unknown algorithm": edit("item.json", algorithm="voltage"),
    "unknown state": edit("status.json", state="paused"),
    "newer item": edit("item.json", version=2),
    "newer status": edit("status.json", version=2),
}


@pytest.mark.parametrize("kind", BREAK)
def test_one_bad_item_is_its_own_problem_alone(copy: Path, kind: str) -> None:
    folder = bad_folder(copy)
    BREAK[kind](folder)
    began = time.monotonic()
    bad = use_everything(copy)
    assert time.monotonic() - began < 20
    assert "\n" not in (bad.error or "")[:50]
    if kind.startswith("newer"):
        assert "Update napari-cnmf" in str(bad.problem)
    batch = Batch.open(copy)
    cancel_and_wait([item for item in batch.items if item == bad], timeout_s=1)
    batch.remove(bad)
    assert [item.name for item in Batch.open(copy)] == ["good motion", "good cells"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems take text alone as a name")
def test_a_folder_whose_name_is_no_text(copy: Path) -> None:
    bad = bad_folder(copy)
    (bad / "item.json").unlink()
    os.rename(bad, os.fsencode(bad) + b"-Erg\xe4nzung")
    batch = Batch.open(copy)
    batch.df.to_json(orient="records", date_format="iso")
    assert "good motion" in batch._repr_html_()
    item = next(item for item in batch if item.problem)
    assert item.name.endswith("-Erg\\udce4nzung")
    batch.remove(item.name)
    assert [item.name for item in Batch.open(copy)] == ["good motion", "good cells"]


def test_a_circle_of_items_ends(copy: Path) -> None:
    (motion,) = (copy / "items").glob("*motion*")
    (cells,) = (copy / "items").glob("*cells*")
    values = json_of(motion / "item.json")
    del values["movie"]
    values["parent"] = json_of(cells / "item.json")["uuid"]
    (motion / "item.json").write_text(json.dumps(values))
    batch = Batch.open(copy)
    assert len(batch.df) == 3
    for item in batch.items[:2]:
        assert "does not depend on this item" in str(item.problem)
        with pytest.raises(BatchError, match="does not depend on this item"):
            _ = item.history_trace
        with pytest.raises(BatchError, match="does not depend on this item"):
            item.input_movie()
    batch.remove(*batch.items[:2])
    assert [item.name for item in batch] == ["bad one"]


def test_others_run_beside_a_bad_item(copy: Path) -> None:
    BREAK["nested too deeply"](bad_folder(copy))
    for path in (copy / "items").glob("*good*"):
        edit("item.json", engine="toy")(path)
    ran = Batch.open(copy).run(progress=False)
    assert {item.name: item.state for item in ran} == {
        "good motion": State.COMPLETED,
        "good cells": State.COMPLETED,
    }


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The place of every value in a JSON document."""
    yield path
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inside in pairs:
            yield from leaves(inside, (*path, key))


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from([2**70, -(2**70), 1e308, "9" * 400, "\x1b[2J", "/dev/zero", "..", [], {}]),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=5), st.none(), max_size=2),
)


@settings(
    max_examples=MUTATIONS,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.data())
def test_mutated_item_files_are_the_problem_of_their_item_alone(
    copy: Path, data: st.DataObject
) -> None:
    folder = bad_folder(copy)
    kept = {name: (folder / name).read_bytes() for name in ("item.json", "status.json")}
    try:
        for name in data.draw(st.sets(st.sampled_from(sorted(kept)), min_size=1)):
            values = json.loads(kept[name])
            place = data.draw(st.sampled_from(list(leaves(values))))
            odd = data.draw(ODD)
            if not place:
                values = odd
            else:
                inside = values
                for key in place[:-1]:
                    inside = inside[key]
                inside[place[-1]] = odd
            (folder / name).write_text(json.dumps(values))
        use_everything(copy)
    finally:
        for name, content in kept.items():
            (folder / name).write_bytes(content)


def test_flipped_bytes_are_the_problem_of_their_item_alone(copy: Path) -> None:
    generator = random.Random(5)
    folder = bad_folder(copy)
    for _ in range(MUTATIONS // 3):
        name = generator.choice(["item.json", "status.json"])
        content = (folder / name).read_bytes()
        damaged = bytearray(content)
        for _ in range(generator.randint(1, 4)):
            damaged[generator.randrange(len(damaged))] = generator.randrange(256)
        (folder / name).write_bytes(damaged[: generator.randint(1, len(damaged))])
        use_everything(copy)
        (folder / name).write_bytes(content)


def test_what_a_newer_version_added_is_kept(copy: Path) -> None:
    folder = bad_folder(copy)
    edit("item.json", priority="high")(folder)
    edit("status.json", gpu={"name": "x"}, progress={"stage": "a", "eta_s": 3})(folder)
    batch = Batch.open(copy)
    item = batch["bad one"]
    assert (item.problem, item.state) == (None, State.QUEUED)
    item.rename("renamed")
    item.cancel()
    assert item.state is State.CANCELLED
    assert json_of(folder / "item.json")["priority"] == "high"
    assert json_of(folder / "status.json")["gpu"] == {"name": "x"}
    edit("status.json", state="completed", n_accepted=2, n_components=3)(folder)
    assert item.state is State.COMPLETED


def test_parameters_of_a_newer_version_can_be_looked_at_and_not_run(copy: Path) -> None:
    folder = bad_folder(copy)
    values = json_of(folder / "item.json")
    values["params"] |= {"voltage": {"spikes": True}}
    values["params"]["init"]["gDepth"] = 3
    values["engine"] = "toy"
    (folder / "item.json").write_text(json.dumps(values))
    item = Batch.open(copy)["bad one"]
    assert item.params.init.gSig == (3, 3)
    assert item.spec.unknown_params == {"voltage", "init.gDepth"}
    item.rename("other name")
    assert json_of(folder / "item.json")["params"]["init"]["gDepth"] == 3
    item.batch.run(item, progress=False)
    assert item.state is State.FAILED
    assert "init.gDepth, voltage" in str(item.error)


@pytest.mark.parametrize("content", ["{", '{"state": "paused"}'])
def test_an_unreadable_status_never_costs_a_result(copy: Path, content: str) -> None:
    folder = bad_folder(copy)
    edit("item.json", engine="toy")(folder)
    batch = Batch.open(copy)
    item = batch["bad one"]
    batch.run(item, progress=False)
    assert item.state is State.COMPLETED
    result = (folder / "result.hdf5").read_bytes()
    (folder / "curation.jsonl").write_text("{}\n")
    (folder / "status.json").write_text(content)
    assert item.state is State.INTERRUPTED, "nothing says that it failed"
    settle_interrupted([item])
    batch.run(progress=False)
    assert (folder / "result.hdf5").read_bytes() == result
    item.retry()
    batch.run(item, progress=False)
    assert item.state is State.COMPLETED
    aside = folder / "earlier-result-1"
    assert (aside / "result.hdf5").read_bytes() == result
    assert (aside / "curation.jsonl").is_file()
    assert not (folder / "curation.jsonl").exists()


def test_a_status_of_a_newer_version_is_not_retried(copy: Path) -> None:
    folder = bad_folder(copy)
    edit("status.json", version=2)(folder)
    (folder / "result.hdf5").write_bytes(b"whole")
    item = Batch.open(copy)["bad one"]
    with pytest.raises(BatchError, match="Update napari-cnmf"):
        item.retry()
    assert (folder / "result.hdf5").read_bytes() == b"whole"


def test_a_flood_of_events_is_read_from_its_end(copy: Path) -> None:
    folder = bad_folder(copy)
    line = json.dumps({"event": "log", "message": "x" * 1000}).encode() + b"\n"
    with (folder / "events.jsonl").open("wb") as stream:
        stream.truncate(3_000_000_000)  # a hole
        stream.seek(0, 2)
        stream.write(b"\n" + line * 10)
    item = Batch.open(copy)["bad one"]
    before = psutil.Process().memory_info().rss
    assert [event.message[:1] for event in item.events()] == ["x"] * 10
    assert item.warnings == []
    assert psutil.Process().memory_info().rss - before < 200_000_000


def test_nothing_is_written_through_a_linked_inputs_folder(copy: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (copy / "inputs").rmdir()
    (copy / "inputs").symlink_to(outside, target_is_directory=True)
    frames = np.zeros((5, 24, 32), np.uint16)
    with pytest.raises(BatchError, match="is a link to another place"):
        Batch.open(copy).add("mcorr", frames)
    assert list(outside.iterdir()) == []
    assert len(Batch.open(copy)) == 3


def test_a_lock_that_is_a_link_does_not_empty_what_it_points_to(copy: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    (bad_folder(copy) / "item.lock").symlink_to(precious)
    batch = Batch.open(copy)
    with pytest.raises(BatchError):
        batch[2].retry()
    batch.remove(2)
    assert precious.read_text() == "precious"


def test_a_forged_status_never_ends_a_process_that_is_no_worker(copy: Path) -> None:
    """Even with the right number and the right time of its beginning."""
    folder = bad_folder(copy)
    commands = [
        [sys.executable, "-c", "import time; time.sleep(600)"],
        [
            sys.executable,
            "-c",
            "import time; time.sleep(600)",
            "napari_cnmf.batch.worker",
            "elsewhere",
        ],
        # the worker of the item of that name in another copy of the batch
        [
            sys.executable,
            "-c",
            "import time; time.sleep(600)",
            "napari_cnmf.batch.worker",
            f"/elsewhere/{folder.name}",
        ],
    ]
    for command in commands:
        victim = subprocess.Popen(command)
        try:
            process = ProcessInfo.of(victim.pid)
            write_status(folder, Status().to(State.RUNNING, process=process))
            batch = Batch.open(copy)
            item = batch["bad one"]
            assert adopt(process, folder) is None
            assert item.state is State.INTERRUPTED
            cancel_and_wait([item], timeout_s=2)
            settle_interrupted(batch.items)
            assert victim.poll() is None
        finally:
            victim.kill()
            victim.wait()


def test_processes_of_the_original_survive_the_settling_of_a_copied_batch(
    copy: Path, tmp_path: Path
) -> None:
    from napari_cnmf.batch.processes import start_worker

    folder = bad_folder(copy)
    edit("item.json", engine="toy", comment="polite")(folder)
    item = Batch.open(copy)["bad one"]
    worker = start_worker(folder, item.uuid)
    try:
        deadline = time.monotonic() + 60
        while item.state is not State.RUNNING and time.monotonic() < deadline:
            time.sleep(0.05)
        assert item.state is State.RUNNING
        shutil.copytree(copy, tmp_path / "copy")
        copied = Batch.open(tmp_path / "copy")
        assert copied["bad one"].state is State.INTERRUPTED
        settle_interrupted(copied.items)
        cancel_and_wait(copied.items, timeout_s=2)
        assert worker.poll() is None
        assert item.state is State.RUNNING
    finally:
        cancel_and_wait([item])
        worker.wait(30)
