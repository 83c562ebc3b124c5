"""One recording over many workers: a real scheduler, and workers that are real processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pytest
from distributed import Client, LocalCluster

from napari_cnmf.batch import Batch, DuplicateItemWarning, State
from napari_cnmf.batch.running import run_batch
from napari_cnmf.cli import main
from napari_cnmf.core.base import parts
from napari_cnmf.core.base.parts import Place
from napari_cnmf.core.motion import estimate
from napari_cnmf.core.plan import plan
from napari_cnmf.engines import spread
from napari_cnmf.engines.base import Algorithm, Job
from napari_cnmf.engines.builtin import BuiltinEngine
from napari_cnmf.engines.spread import RunOnCluster
from napari_cnmf.errors import BatchError, CancelledByUser, EngineError
from napari_cnmf.io import open_movie
from napari_cnmf.io.caiman import read_caiman
from napari_cnmf.params import CNMFParams
from napari_cnmf.testing import Simulation, simulate

RATE = 15.0


@contextmanager
def two_workers() -> Iterator[Client]:
    """Client of two worker processes; a part may end one worker, and not a second one."""
    config = {"distributed.scheduler.allowed-failures": 1}
    with (
        dask.config.set(config),
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """Client of two worker processes for all tests that leave them alive."""
    with two_workers() as client:
        yield client


@pytest.fixture(scope="module")
def movie_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """420 frames of 72 x 88 with 12 cells, in a field that moves and bends."""
    path = tmp_path_factory.mktemp("movie") / "movie.tif"
    simulation = Simulation.build(n_frames=420, size=(72, 88), n_cells=12, seed=3)
    moving = {"rigid_motion_rms_px": 1.0, "nonrigid_motion_rms_px": 0.5}
    simulate(simulation, event_rate_hz=0.3, **moving).write(path)
    return path


@pytest.fixture(autouse=True)
def many_small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut a small movie as a large one is cut: into parts, tiles, and kept and measured frames."""
    monkeypatch.setattr(parts, "PART_BYTES", 1_000_000)
    monkeypatch.setattr(plan, "_TILE_BYTES", 4e6)
    monkeypatch.setattr(estimate, "KEEP_BYTES", 1e6)


class Listener:
    """Reporter that does something at a stage, and says when to stop."""

    def __init__(self, at: Callable[[str, float], None] = lambda stage, share: None) -> None:
        self._at, self.stop, self.stages = at, False, []

    def progress(self, stage: str, done: float, total: float) -> None:
        self.stages.append(stage)
        self._at(stage, done / total)

    def log(self, message: str) -> None:
        """Nothing is asked of the log."""

    warning = log

    def should_stop(self) -> bool:
        return self.stop


def run(
    folder: Path,
    path: Path,
    algorithm: str,
    client: Client | None,
    listener: Listener | None = None,
    **groups: Any,
) -> dict[str, Any]:
    """Everything that a run gives, by name."""
    folder.mkdir()
    job = Job(folder, Algorithm(algorithm), (path,), CNMFParams(**groups), RATE, client=client)
    BuiltinEngine().run(job, listener or Listener())
    assert not (folder / "parts").exists()
    return outputs(folder)


def outputs(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with np.load(folder / "images.npz") as images:
        found |= {f"image {name}": images[name] for name in images}
    if (folder / "corrected.tif").exists():
        found["corrected"] = np.asarray(open_movie(folder / "corrected.tif").data)
        found["motion"] = (folder / "motion.h5").stat().st_size
    else:
        result = read_caiman(folder / "result.hdf5")
        found["A"] = result.A.toarray()
        for name in ("C", "S", "YrA", "b", "f", "snr", "r_values", "cnn_preds", "accepted"):
            found[name] = np.asarray(getattr(result, name))
    return found


def assert_same(here: dict[str, Any], there: dict[str, Any]) -> None:
    assert here.keys() == there.keys()
    for name, value in here.items():
        np.testing.assert_array_equal(value, there[name], err_msg=name)


@pytest.mark.parametrize(
    ("algorithm", "groups"),
    [
        ("cnmf", {}),
        ("cnmfe", {"init": {"nb": 0}}),
        ("mcorr", {"motion": {"max_shifts": (6, 6)}}),
        ("mcorr", {"motion": {"pw_rigid": True}}),
    ],
    ids=["cells", "one-photon with a ring", "rigid", "non-rigid"],
)
def test_a_result_is_the_same_bit_for_bit(
    algorithm: str, groups: dict[str, Any], client: Client, movie_path: Path, tmp_path: Path
) -> None:
    here = run(tmp_path / "here", movie_path, algorithm, None, **groups)
    listener = Listener()
    there = run(tmp_path / "there", movie_path, algorithm, client, listener, **groups)
    assert_same(here, there)
    if algorithm == "cnmf":
        assert len(here["C"]) >= 3
        assert {"reading", "finding components", "extracting traces", "scoring"} <= {
            *listener.stages
        }


def test_the_part_of_a_dead_worker_is_done_again(
    client: Client, movie_path: Path, tmp_path: Path
) -> None:
    killed = []

    def kill_one(stage: str, share: float) -> None:
        if stage == "finding components" and share > 0 and not killed:
            killed.append(next(iter(client.run(os.getpid).values())))
            os.kill(killed[0], signal.SIGKILL)

    here = run(tmp_path / "here", movie_path, "cnmf", None)
    there = run(tmp_path / "there", movie_path, "cnmf", client, Listener(kill_one))
    assert killed
    assert_same(here, there)


def test_a_run_that_is_stopped_leaves_nothing(
    client: Client, movie_path: Path, tmp_path: Path
) -> None:
    listener = Listener()

    def stop(stage: str, share: float) -> None:
        listener.stop = stage == "finding components"

    listener._at = stop
    with pytest.raises(CancelledByUser):
        run(tmp_path / "stopped", movie_path, "cnmf", client, listener)
    assert not list((tmp_path / "stopped").iterdir())
    assert {future.status for future in client.futures.values()} <= {"cancelled"}


def fail(shared: str, piece: int, place: Place) -> None:
    raise OSError(28, "No space left on device")


def die(shared: str, piece: int, place: Place) -> None:
    os._exit(1)


def double(shared: int, piece: int, place: Place) -> int:
    place.check()
    return shared * piece


def map_on(runner: RunOnCluster, work: Callable[..., Any], shared: Any = 2) -> list[Any]:
    with runner:
        return list(
            runner.map(work, shared, range(7), check=lambda: None, on_share=lambda share: None)
        )


def test_what_a_part_gives_comes_in_order(client: Client, tmp_path: Path) -> None:
    assert map_on(RunOnCluster(client, tmp_path), double) == [0, 2, 4, 6, 8, 10, 12]


def test_the_memory_of_a_part_is_that_of_the_smallest_worker(
    client: Client, tmp_path: Path
) -> None:
    limits = [w["memory_limit"] for w in client.scheduler_info()["workers"].values()]
    assert RunOnCluster(client, tmp_path).memory_gb == pytest.approx(0.75 * min(limits) / 1e9)


def test_a_worker_that_does_not_see_the_movie_says_so(client: Client, tmp_path: Path) -> None:
    runner = RunOnCluster(client, tmp_path, [tmp_path / "elsewhere.tif"])
    with pytest.raises(EngineError, match=r"same path on every worker: .*elsewhere.tif is not th"):
        map_on(runner, double)
    assert not list(tmp_path.iterdir())


def test_other_versions_on_a_worker_are_refused(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = spread.made_with() | {"numba": "0.1"}
    monkeypatch.setattr(spread, "made_with", lambda: other)
    with pytest.raises(EngineError, match=r"Every worker must have numba 0\.1, .* got \d"):
        map_on(RunOnCluster(client, tmp_path), double)


def test_an_error_of_a_part_is_the_error_of_the_run(client: Client, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left"):
        map_on(RunOnCluster(client, tmp_path), fail)


def test_a_part_that_ends_every_worker_is_given_up(tmp_path: Path) -> None:
    with two_workers() as client, pytest.raises(EngineError, match="more memory than a worker"):
        map_on(RunOnCluster(client, tmp_path), die)


@pytest.mark.long
def test_items_are_spread_by_batch_and_command_line(
    client: Client, movie_path: Path, tmp_path: Path
) -> None:
    batch = Batch.create(tmp_path / "batch")
    alone = batch.add("cnmf", movie_path)
    batch.run(alone, progress=False)
    with pytest.warns(DuplicateItemWarning):
        spread_out = batch.add("cnmf", movie_path, name="spread", reuse=False)
    batch.run(spread_out, client=client, spread=True, progress=False)
    assert spread_out.state is State.COMPLETED, spread_out.error
    assert_same(outputs(alone.folder), outputs(spread_out.folder))
    again = ["run", str(movie_path), "--batch", str(batch.path), "--algorithm", "mcorr"]
    assert main([*again, "--scheduler", client.scheduler.address]) == 0


def test_a_recording_is_spread_over_workers_that_are_named(tmp_path: Path) -> None:
    batch = Batch.create(tmp_path / "batch")
    with pytest.raises(BatchError, match="spread=True needs a dask client"):
        run_batch(
            batch, None, start=None, n_workers=1, client=None, spread=True, progress=False,
            on_event=None,
        )  # fmt: skip
    assert main(["batch", str(batch.path), "start", "--spread"]) == 2
