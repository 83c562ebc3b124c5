"""A real scheduler with workers in real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from distributed import Client, LocalCluster

from napari_cnmf.batch import Batch, Queue, State, stopping
from napari_cnmf.batch.cluster import DaskLauncher, connect, make_cluster
from napari_cnmf.batch.remote import run_item
from napari_cnmf.errors import BatchError


@pytest.fixture
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
    ) as cluster:
        yield cluster


def dask_workers(client: Client) -> dict[str, int]:
    """Pids by address."""
    return client.run(os.getpid)


def test_items_run_on_the_cluster(batch: Batch, movie_path: Path, cluster: LocalCluster) -> None:
    motion = batch.add("mcorr", movie_path, engine="toy")
    cells = batch.add("cnmf", motion, engine="toy")
    broken = batch.add("cnmf", movie_path, engine="toy", comment="fail")
    with connect(cluster.scheduler_address) as client:
        pids = dask_workers(client)
        batch.run(client=client, progress=False)
    assert (motion.state, cells.state) == (State.COMPLETED, State.COMPLETED)
    assert broken.state is State.FAILED
    assert broken.error == "The toy must work, and it broke. Try another one."
    process = cells.status.process
    assert process is not None
    assert process.pid not in pids.values()


def test_cancel_ends_the_process_tree_there(
    batch: Batch, movie_path: Path, cluster: LocalCluster, wait_until
) -> None:
    # The dask workers are other processes: patience is set there as well.
    def hurry() -> None:
        stopping.ASK_SECONDS = stopping.TERMINATE_SECONDS = 0.3

    item = batch.add("cnmf", movie_path, engine="toy", comment="deaf")
    with Client(cluster) as client:
        client.run(hurry)
        queue = Queue(batch, launcher=DaskLauncher(client))
        queue.start()
        wait_until(lambda: any(e.stage.startswith("deaf") for e in item.events()))
        grandchild = int(item.events()[-1].stage.split()[1])
        assert item.status.progress is not None
        queue.cancel(item)
        assert queue.wait(60)
    assert item.state is State.CANCELLED
    wait_until(lambda: not psutil.pid_exists(grandchild))


def test_an_item_survives_the_death_of_its_dask_worker(
    batch: Batch, movie_path: Path, cluster: LocalCluster, wait_until, tmp_path: Path
) -> None:
    """Its machine dies: worker and item together. It is run once more, elsewhere."""
    item = batch.add("mcorr", movie_path, engine="toy", comment="gate go")
    cells = batch.add("cnmf", item, engine="toy")
    with Client(cluster) as client:
        queue = Queue(batch, launcher=DaskLauncher(client))
        queue.start()
        wait_until(lambda: any(event.stage == "gate" for event in item.events()))
        first = item.status.process
        assert first is not None
        owner = psutil.Process(first.pid).parent()
        assert owner is not None
        assert owner.pid in dask_workers(client).values()
        owner.kill()
        os.kill(first.pid, signal.SIGKILL)
        wait_until(lambda: item.status.attempts == 2 and item.state is State.RUNNING, 60)
        second = item.status.process
        assert second is not None
        assert second.pid != first.pid
        (tmp_path / "go").touch()
        assert queue.wait(60)
    assert (item.state, cells.state) == (State.COMPLETED, State.COMPLETED)
    assert (item.status.attempts, cells.status.attempts) == (2, 1)


def test_a_viewer_that_notes_the_death_does_not_keep_it_from_running_again(
    batch: Batch, movie_path: Path, wait_until
) -> None:
    item = batch.add("cnmf", movie_path, engine="toy", comment="orphan")
    batch.run(progress=False)
    assert item.state is State.INTERRUPTED
    item.set_comment("")
    assert (
        run_item(Batch.open, str(batch.path), item.folder.name, attempts_before=1) == "interrupted"
    )
    assert run_item(Batch.open, str(batch.path), item.folder.name, attempts_before=0) == "completed"
    assert item.status.attempts == 2


@pytest.mark.long
def test_an_item_outlives_a_dask_worker_that_dies_alone(
    batch: Batch, movie_path: Path, cluster: LocalCluster, wait_until, tmp_path: Path
) -> None:
    item = batch.add("cnmf", movie_path, engine="toy", comment="gate go")
    with Client(cluster) as client:
        queue = Queue(batch, launcher=DaskLauncher(client))
        queue.start()
        wait_until(lambda: any(event.stage == "gate" for event in item.events()))
        first = item.status.process
        assert first is not None
        owner = psutil.Process(first.pid).parent()
        assert owner is not None
        owner.kill()
        owner.wait(10)
        (tmp_path / "go").touch()
        assert queue.wait(60)
    assert item.state is State.COMPLETED
    assert item.status.attempts == 1
    assert item.status.process == first


@pytest.mark.long
def test_what_a_dead_scheduler_had_not_begun_stays_queued(
    batch: Batch, movie_path: Path, wait_until, tmp_path: Path
) -> None:
    running = batch.add("cnmf", movie_path, engine="toy", comment="gate go")
    others = [
        batch.add("cnmf", movie_path, engine="toy", params={"init": {"K": k}}) for k in (3, 4)
    ]
    file = tmp_path / "scheduler.json"
    at = ["--scheduler-file", str(file), "--no-dashboard", "--host", "127.0.0.1"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    scheduler = subprocess.Popen(
        [sys.executable, "-m", "distributed.cli.dask_scheduler", *at, "--port", "0"],
        **quiet,
    )
    worker = subprocess.Popen(
        [sys.executable, "-m", "distributed.cli.dask_worker", *at, "--nthreads=1", "--no-nanny"],
        **quiet,
    )
    problems: list[str] = []
    try:
        wait_until(file.exists, 60)
        with Client(scheduler_file=str(file), set_as_default=False) as client:
            client.wait_for_workers(1, timeout=60)
            queue = Queue(
                batch,
                n_workers=2,
                launcher=DaskLauncher(client),
                on_event=lambda event: problems.append(event.message),
            )
            queue.start()
            wait_until(lambda: any(event.stage == "gate" for event in running.events()), 60)
            scheduler.kill()
            wait_until(lambda: any("scheduler is gone" in text for text in problems), 60)
            assert [item.state for item in others] == [State.QUEUED, State.QUEUED]
            (tmp_path / "go").touch()
            assert queue.wait(60)
            assert [item.state for item in others] == [State.QUEUED, State.QUEUED]
            assert running.state is State.COMPLETED, "its process needs no scheduler"
    finally:
        for process in (scheduler, worker):
            process.kill()
            process.wait(10)


def test_nobody_answers() -> None:
    with (
        pytest.raises(BatchError, match="must answer at tcp://127"),
        connect("tcp://127.0.0.1:9", timeout_s=0.5),
    ):
        pass


@pytest.mark.parametrize(
    ("kind", "option", "expected"),
    [
        ("slurm", "", ["#SBATCH -p short", "#SBATCH --cpus-per-task=4", "#SBATCH --mem=8G"]),
        ("pbs", "", ["#PBS -q short", "#PBS -l select=1:ncpus=4:mem=7630MB"]),
        ("lsf", "use_stdin = true\n", ["#BSUB -q short", "#BSUB -n 4", "#BSUB -W 01:00"]),
    ],
)
def test_clusters_from_a_short_file(
    tmp_path: Path, kind: str, option: str, expected: list[str]
) -> None:
    path = tmp_path / "cluster.toml"
    path.write_text(
        f'kind = "{kind}"\njobs = 3\n[options]\ncores = 4\nmemory = "8GB"\nqueue = "short"\n'
        f'walltime = "{"01:00" if kind == "lsf" else "01:00:00"}"\n{option}'
    )
    with make_cluster(path) as cluster:
        script = cluster.job_script()
    for line in [*expected, "--nthreads 1"]:
        assert line in script


@pytest.mark.parametrize("text", ['kind = "cray"', 'kind = "slurm"\nrun = "rm"', "kind ="])
def test_a_cluster_file_that_is_wrong(tmp_path: Path, text: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(text)
    with pytest.raises(BatchError, match=r"c\.toml"):
        make_cluster(path)
