"""Batches in places that do not work: real file systems, nothing mocked."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from napari_cnmf.batch import Batch, State, _files
from napari_cnmf.errors import BatchError


@contextmanager
def small_disk(folder: Path, *options: str) -> Iterator[Callable[[str], None]]:
    """A file system of its own in ``folder``; yields what mounts it again with other options.

    Where this process may not mount, the test cannot say anything about a full disk.
    """
    folder.mkdir(exist_ok=True)

    def mount(*arguments: str) -> bool:
        command = ["mount", *arguments, str(folder)]
        return (
            shutil.which("mount") is not None
            and not subprocess.run(command, check=False, capture_output=True).returncode
        )

    if not mount("-t", "tmpfs", "-o", ",".join(options), "tmpfs"):
        pytest.skip("this process may not mount a file system")
    try:
        yield lambda option: None if mount("-o", f"remount,{option}") else pytest.fail(option)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_folder_that_is_no_batch(tmp_path: Path) -> None:
    with pytest.raises(BatchError, match="no such folder"):
        Batch.open(tmp_path / "nothing")
    with pytest.raises(BatchError, match=r"holds no batch\.json"):
        Batch.open(tmp_path)
    (tmp_path / "batch.json").write_text('{"format": "something else"}')
    with pytest.raises(BatchError, match="format"):
        Batch.open(tmp_path)
    (tmp_path / "batch.json").write_text("{")
    with pytest.raises(BatchError, match="must hold JSON"):
        Batch.open(tmp_path)
    (tmp_path / "batch.json").write_text('{"format": "napari-cnmf-batch", "version": 99}')
    with pytest.raises(BatchError, match=r"99.*Update napari-cnmf"):
        Batch.open(tmp_path)


def test_create_takes_new_and_empty_folders_alone(tmp_path: Path) -> None:
    Batch.create(tmp_path / "a" / "b")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("mine")
    with pytest.raises(BatchError, match="empty"):
        Batch.create(tmp_path / "full")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["thesis.tex"]
    (tmp_path / "file").write_text("")
    with pytest.raises(BatchError):
        Batch.create(tmp_path / "file")
    with pytest.raises(BatchError):
        Batch.create(tmp_path / "file" / "below")


def test_a_read_only_place(tmp_path: Path, movie_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=4m") as remount:
        batch = Batch.create(tmp_path / "disk" / "batch")
        item = batch.add("cnmf", movie_path, engine="toy", name="cells")
        batch.run(progress=False)
        queued = batch.add("cnmf", movie_path, engine="toy", refit=True)
        remount("ro")
        with pytest.raises(BatchError, match="can be written"):
            Batch.create(tmp_path / "disk" / "other")
        # It opens, and its results can be looked at.
        opened = Batch.open(batch.path)
        assert opened[item.uuid].state is State.COMPLETED
        assert opened["cells"].images()["mean"].shape == (24, 32)
        with pytest.raises(BatchError, match="Read-only"):
            opened.add("cnmf", movie_path, engine="toy", params={"init": {"K": 9}})
        with pytest.raises(BatchError, match="could not be written"):
            opened["cells"].rename("other")
        problems = []
        opened.run(progress=False, on_event=lambda event: problems.append(event.message))
        assert any("Read-only" in problem for problem in problems)
        assert opened[queued.uuid].state is State.QUEUED
        remount("rw")
        batch.run(progress=False)
        assert batch[queued.uuid].state is State.COMPLETED


def test_a_full_disk_while_adding(tmp_path: Path, movie_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=256k"):
        batch = Batch.create(tmp_path / "disk" / "batch")
        filler = tmp_path / "disk" / "filler"
        fill(filler)
        with pytest.raises(BatchError, match="No space left"):
            batch.add("cnmf", movie_path, engine="toy")
        with pytest.raises(BatchError, match="free some space"):
            Batch.create(tmp_path / "disk" / "other")
        assert not (tmp_path / "disk" / "other").exists()
        assert list((batch.path / "items").iterdir()) == []
        filler.unlink()
        assert batch.add("cnmf", movie_path, engine="toy").state is State.QUEUED


def test_a_disk_that_fills_up_while_an_item_runs(
    tmp_path: Path, movie_path: Path, wait_until
) -> None:
    from napari_cnmf.batch import Queue

    with small_disk(tmp_path / "disk", "size=512k"):
        batch = Batch.create(tmp_path / "disk" / "batch")
        item = batch.add("cnmf", movie_path, engine="toy", comment="gate go", name="cells")
        other = batch.add("cnmf", movie_path, engine="toy", name="other", refit=True)
        messages = []
        queue = Queue(batch, on_event=lambda event: messages.append(event.message))
        queue.start([item])
        wait_until(lambda: any(event.stage == "gate" for event in item.events()))
        filler = tmp_path / "disk" / "filler"
        fill(filler)
        (tmp_path / "disk" / "go").touch()
        assert queue.wait(60)
        # Whatever could still be written: it is not completed, and nothing half-done is left.
        assert item.state in (State.FAILED, State.INTERRUPTED)
        assert not (item.folder / "result.hdf5").exists()
        assert not [path for path in item.folder.iterdir() if path.name.endswith(".tmp")]
        assert [one.state for one in Batch.open(batch.path)][1] is State.QUEUED
        filler.unlink()
        batch.run([other], progress=False)
        assert other.state is State.COMPLETED, other.error
        item.retry()
        batch.run([item], progress=False)
        assert item.state is State.COMPLETED, item.error


@pytest.mark.long
def test_a_share_that_vanishes_while_an_item_runs(
    tmp_path: Path, movie_path: Path, wait_until
) -> None:
    from napari_cnmf.batch import Queue

    share = tmp_path / "share"
    with small_disk(share, "size=4m"):
        batch = Batch.create(share / "batch")
        item = batch.add("cnmf", movie_path, engine="toy", comment="gate go")
        batch.add("cnmf", movie_path, engine="toy", refit=True)
        messages = []
        queue = Queue(batch, on_event=lambda event: messages.append(event.message))
        queue.start()
        wait_until(lambda: any(event.stage == "gate" for event in item.events()))
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(share)], check=True)
        try:
            with pytest.raises(BatchError, match="no such folder"):
                Batch.open(batch.path)
            with pytest.raises(BatchError, match="Is the disk or the network share there"):
                batch.refresh()
            (share / "go").touch()
            assert queue.wait(60)
            assert any("share there" in message for message in messages)
            # Nothing is made where the share was: it would hide there, and look like a batch.
            assert [path.name for path in share.iterdir()] == ["go"]
        finally:
            subprocess.run(["umount", "-l", str(share)], check=True)
        # It is back: the item says what happened to it, and everything can be finished.
        back = Batch.open(batch.path)
        assert back[0].state is State.INTERRUPTED
        back[0].set_comment("")
        back[0].retry()
        back.run(progress=False)
        assert [one.state for one in back] == [State.COMPLETED] * 2


def fill(path: Path) -> None:
    """Write until the disk is full."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 1024)
        except OSError:
            pass


def test_damaged_items_do_not_hide_the_others(batch: Batch, movie_path: Path) -> None:
    items = [
        batch.add("cnmf", movie_path, engine="toy", name=f"n{i}", params={"init": {"K": i + 1}})
        for i in range(6)
    ]
    (items[0].folder / "item.json").write_text("{ torn")
    (items[1].folder / "item.json").unlink()
    (items[2].folder / "status.json").write_text('{"state": "sleeping"}')
    data = json.loads((items[3].folder / "item.json").read_text())
    (items[3].folder / "item.json").write_text(json.dumps(data | {"version": 7}))
    evil = data | {"ain": "../../../secret.npz", "uuid": items[4].uuid, "name": "evil"}
    (items[4].folder / "item.json").write_text(json.dumps(evil))
    shutil.rmtree(items[5].folder)
    (batch.path / "items" / "a file").write_text("")

    opened = Batch.open(batch.path)
    problems = {item.folder: str(item.problem) for item in opened}
    assert len(problems) == 5
    assert "must hold JSON" in problems[items[0].folder]
    assert "must be there" in problems[items[1].folder]
    for item in items[:2]:
        assert problems[item.folder].endswith("Mend the file, or put a copy of it back.")
    assert "state" in problems[items[2].folder]
    assert "Update napari-cnmf" in problems[items[3].folder]
    assert "file name inside the item's folder" in problems[items[4].folder]
    table = opened.df
    assert table["error"].notna().all()
    # Nothing follows for a result from a status that cannot be read.
    assert [item.name for item in opened if item.state is State.INTERRUPTED] == ["n2"]
    assert (table["state"] == "failed").sum() == 4

    good = opened.add("cnmf", movie_path, engine="toy", name="good")
    opened.run(progress=False)
    assert good.state is State.COMPLETED
    # An item whose status alone is lost can be run again.
    items[2].retry()
    opened.run(progress=False)
    assert opened["n2"].state is State.COMPLETED
    opened.remove(*(item for item in opened if item.problem is not None))
    assert sorted(item.name for item in opened) == ["good", "n2"]


def test_a_copy_of_an_items_folder_says_so_and_hides_nothing(
    batch: Batch, movie_path: Path
) -> None:
    item = batch.add("cnmf", movie_path, engine="toy", name="cells")
    copied = item.folder.with_name(f"{item.folder.name} (copy)")
    shutil.copytree(item.folder, copied)
    opened = Batch.open(batch.path)
    first, second = opened
    assert (first, second.folder) == (item, copied)
    assert (first.problem, opened["cells"], opened[item.uuid]) == (None, first, first)
    assert f"is a copy of the item {item.folder.name}" in str(second.error)
    assert opened.run(progress=False) == [item]
    assert first.state is State.COMPLETED
    opened.remove(first)
    assert [one.problem for one in opened] == [None]


def test_a_disk_that_fails_for_a_moment_damages_nothing(
    batch: Batch, movie_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = batch.add("cnmf", movie_path, engine="toy")
    opened = Batch.open(batch.path)
    with monkeypatch.context() as patch:

        def fail(*_args: object, **_options: object) -> int:
            raise OSError(5, "Input/output error")

        patch.setattr(_files.os, "open", fail)
        assert "Input/output error" in str(opened[0].problem)
        assert opened[0].state is State.FAILED
    assert (opened[0].problem, opened[item.uuid].state) == (None, State.QUEUED)


def test_a_python_file_in_the_working_folder_is_not_run(
    batch: Batch, movie_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("numpy.py", "json.py", "napari_cnmf.py"):
        (batch.path / name).write_text(f"open({str(batch.path / 'owned')!r}, 'w')\n")
    monkeypatch.chdir(batch.path)
    item = batch.add("cnmf", movie_path, engine="toy")
    batch.run(progress=False)
    assert item.state is State.COMPLETED
    assert not (batch.path / "owned").exists()


def test_a_link_among_an_items_files_is_refused(
    batch: Batch, movie_path: Path, tmp_path: Path
) -> None:
    """A batch from somebody else must not make us append to a file outside of it."""
    profile = tmp_path / "profile"
    profile.write_text("mine\n")
    item = batch.add("cnmf", movie_path, engine="toy")
    (item.folder / "worker.log").symlink_to(profile)
    opened = Batch.open(batch.path)
    assert "is a link" in str(opened[0].problem)
    assert opened.run(progress=False) == []
    assert profile.read_text() == "mine\n"


def test_a_copied_batch_opens_elsewhere_with_its_movies_beside_it(
    tmp_path: Path, movie_path: Path
) -> None:
    lab = tmp_path / "lab"
    lab.mkdir()
    movie = shutil.move(movie_path, lab / "movie.tif")
    batch = Batch.create(lab / "batch")
    motion = batch.add("mcorr", Path(movie), engine="toy")
    batch.add("cnmf", motion, engine="toy", name="cells")
    batch.run(progress=False)
    shutil.move(lab, tmp_path / "share")

    moved = Batch.open(tmp_path / "share" / "batch")
    assert [item.state for item in moved] == [State.COMPLETED] * 2
    assert moved["cells"].input_movie().shape == (20, 24, 32)
    assert moved[0].input_movie().paths == (tmp_path / "share" / "movie.tif",)
    assert moved.missing_movies() == {}


def test_movies_that_moved_are_located_by_name_and_content(
    batch: Batch, movie_path: Path, tmp_path: Path
) -> None:
    item = batch.add("cnmf", movie_path, engine="toy")
    other = tmp_path / "archive" / "2024"
    (tmp_path / "archive" / "impostor").mkdir(parents=True)
    other.mkdir()
    content = bytearray(movie_path.read_bytes())
    content[-100] ^= 255
    (tmp_path / "archive" / "impostor" / movie_path.name).write_bytes(content)
    movie_path.rename(other / movie_path.name)

    assert batch.missing_movies() == {item.uuid: [str(movie_path)]}
    batch.run(progress=False)
    assert item.state is State.FAILED
    assert "batch.locate" in str(item.error)
    assert batch.locate(tmp_path / "archive") == [item]
    assert item.input_movie().paths == (other / movie_path.name,)
    item.retry()
    batch.run(progress=False)
    assert item.state is State.COMPLETED, item.error


def test_paths_of_the_other_system_are_missing_movies_that_can_be_located(
    batch: Batch, movie_path: Path
) -> None:
    item = batch.add("cnmf", movie_path, engine="toy")
    data = json.loads((item.folder / "item.json").read_text())
    data["movie"] |= {"paths": [rf"C:\data\{movie_path.name}"], "beside": None}
    (item.folder / "item.json").write_text(json.dumps(data))
    assert list(batch.missing_movies()) == [item.uuid]
    assert batch.locate(movie_path.parent) == [item]
    assert item.input_movie().shape == (20, 24, 32)


def test_worker_on_a_folder_that_is_no_item(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "napari_cnmf.batch.worker", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode not in (0, 3)
    assert "status.json must be there" in done.stderr


@pytest.mark.parametrize("is_missing", [False, True])
def test_movies_are_not_located_in_a_folder_that_is_not_there(
    batch: Batch, movie_path: Path, tmp_path: Path, is_missing: bool
) -> None:
    """Whether a movie is missing or not: the one who gave the folder mistyped it."""
    batch.add("cnmf", movie_path, engine="toy")
    if is_missing:
        movie_path.unlink()
    with pytest.raises(BatchError, match=r"mistyped: No such file.*Check the name"):
        batch.locate(tmp_path / "mistyped")
