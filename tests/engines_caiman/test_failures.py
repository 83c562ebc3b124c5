"""Whatever goes wrong in CaImAn's process is one readable reason, and nothing stays behind."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from napari_cnmf.engines.base import Job, RunOptions
from napari_cnmf.engines.caiman import memmap
from napari_cnmf.engines.caiman.child import run_worker
from napari_cnmf.engines.caiman.engine import run_job
from napari_cnmf.engines.caiman.interpreter import WORKER, CaimanFound, worker_environment
from napari_cnmf.errors import CancelledByUser, EngineError, MovieError, ResultError

PARAMS = """
class CNMFParams:
    def to_dict(self): return {"init": {"K": 1, "gSig": None}}
    def change_params(self, values): pass
"""
CHECK = """
        self.to_dict = lambda: {"init": {"K": 3, "gSig": (3, 3)}}
"""
MMAPPING = """
import numpy as np
def load_memmap(path): return np.zeros((120, 40), 'f4'), (12, 10), 40
"""
MODEL = """
class CNMF:
    def __init__(self, n, params, dview, Ain=None): self.dview = dview
    def fit(self, images):
        {body}
"""


@pytest.fixture(autouse=True)
def no_surviving_children() -> Iterator[None]:
    before = set(psutil.Process().children(recursive=True))
    yield
    after = set(psutil.Process().children(recursive=True)) - before
    _, alive = psutil.wait_procs(after, timeout=5)
    assert not alive


@pytest.fixture
def run(fake: Any, make_job: Callable[..., Job], recorder: type) -> Callable[..., tuple[Any, Path]]:
    """Run a job with a CaImAn whose ``fit`` is ``body``; returns reporter and folder."""

    def run_with(
        body: str, *, reporter: Any = None, params_source: str = PARAMS, **changes: Any
    ) -> tuple[Any, Path]:
        fake.install(
            mmapping=MMAPPING,
            source_extraction__cnmf__params=params_source,
            source_extraction__cnmf__cnmf=MODEL.format(body=body.replace("\n", "\n        ")),
        )
        reporter = reporter or recorder()
        job = make_job(**changes)
        try:
            run_job(CaimanFound(fake.python, "1.12.1", "a stand-in"), job, reporter)
        finally:
            assert not list(job.folder.rglob("*")), "something stayed in the item's folder"
        return reporter, job.folder

    return run_with


def test_an_exception_of_caiman(run: Any) -> None:
    with pytest.raises(EngineError, match=r"CaImAn failed: ValueError: no neurons\."):
        run("raise ValueError('no neurons')")


def test_scipy_that_is_too_new(run: Any) -> None:
    body = "import sys, types, numpy\nfrom importlib import metadata\n"
    body += "metadata.version = lambda name: '1.15.0'\n"
    body += "raise numpy.linalg.LinAlgError('3-dimensional array given')"
    with pytest.raises(EngineError, match=r"does not work with SciPy 1\.15\.0.*scipy<1\.14"):
        run(body)


def test_a_full_disk(run: Any) -> None:
    with pytest.raises(EngineError, match="disk with the batch is full"):
        run("raise OSError(28, 'No space left on device')")


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="groups of processes of POSIX")
def test_what_its_process_leaves_running_is_ended(run: Any) -> None:
    """A pool may start a process at the very moment at which its own ends."""
    body = "import os, subprocess, sys\n"
    body += "left = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    body += "sys.stderr.write(f'left {left.pid}\\n'); sys.stderr.flush(); os._exit(3)"
    with pytest.raises(EngineError, match=r"left \d+") as failure:
        run(body)
    left = re.search(r"left (\d+)", str(failure.value))
    assert left is not None
    with suppress(psutil.NoSuchProcess):
        orphan = psutil.Process(int(left[1]))
        psutil.wait_procs([orphan], timeout=10)
        assert not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE


def test_a_full_disk_that_ends_the_process(run: Any) -> None:
    """As the library of HDF5 does: it says why, and takes its process along."""
    body = "import os, sys\nsys.stderr.write('errno = 28, No space left on device\\n')\n"
    body += "sys.stderr.flush(); os.abort()"
    with pytest.raises(EngineError, match="disk with the batch is full"):
        run(body)


def test_a_process_that_dies(run: Any) -> None:
    with pytest.raises(EngineError, match=r"without a result \(exit code 3\).*last words: oh dear"):
        run("import os, sys\nsys.stderr.write('oh dear\\n'); sys.stderr.flush(); os._exit(3)")


@pytest.mark.skipif(not hasattr(subprocess.signal, "SIGKILL"), reason="signals of POSIX")
def test_a_process_that_is_killed(run: Any) -> None:
    with pytest.raises(EngineError, match=r"signal SIGKILL.*memory was short"):
        run("import os; os.kill(os.getpid(), 9)")


def test_an_import_that_fails_since_it_was_probed(
    fake: Any, make_job: Callable[..., Job], recorder: type
) -> None:
    python = fake.install("raise ImportError('gone overnight')")
    with pytest.raises(EngineError, match="ImportError: gone overnight"):
        run_job(CaimanFound(python, "1.12.1", ""), make_job(), recorder())


def test_garbage_instead_of_events(
    fake: Any, make_job: Callable[..., Job], recorder: type, tmp_path: Path
) -> None:
    fake.install()
    fake.put(
        "sitecustomize.py", "import os; os.write(1, b'\\xff\\xfe {\"event\"\\n[1]\\n'); os._exit(0)"
    )
    reporter = recorder()
    with pytest.raises(EngineError, match=r"without a result \(exit code 0\)"):
        run_job(CaimanFound(fake.python, "1.12.1", ""), make_job(), reporter)
    assert sum("CaImAn's process said" in line for line in reporter.logs) == 2


def test_a_result_that_is_cut_short(run: Any) -> None:
    body = (
        "import numpy as np, types\n"
        "def save(path): open(path, 'wb').write(b'\\x89HDF\\r\\n\\x1a\\n')\n"
        "self.estimates = types.SimpleNamespace(C=np.zeros((0, 40)))\n"
        "self.params = types.SimpleNamespace(to_dict=dict)\n"
        "self.save = save"
    )
    with pytest.raises(ResultError, match="complete HDF5 file"):
        run(body)


def test_a_dead_pool_process_is_tried_again_on_one(run: Any, recorder: type) -> None:
    """Two processes: the pool hangs for ever without us. One: the error is the answer."""
    body = (
        "import os, signal\n"
        "if self.dview._pool is None: raise ValueError('one process only')\n"
        "self.dview._pool._pool[0].terminate()\n"
        "import threading; threading.Event().wait()"
    )
    reporter = recorder()
    with pytest.raises(EngineError, match="one process only"):
        run(body, reporter=reporter, run=RunOptions(n_processes=2))
    assert sum("pool died" in warning for warning in reporter.warnings) == 1


@pytest.mark.parametrize("n_processes", [1, 2])
def test_cancel_ends_the_whole_tree(run: Any, recorder: type, n_processes: int) -> None:
    body = "self.dview.map_async(print, [1])\nimport threading; threading.Event().wait()"
    reporter = recorder(stop_in="print")
    with pytest.raises(CancelledByUser):
        run(body, reporter=reporter, run=RunOptions(n_processes=n_processes))


def test_cancel_while_the_input_is_written(run: Any, recorder: type) -> None:
    with pytest.raises(CancelledByUser):
        run("", reporter=recorder(stop_in="preparing CaImAn's input"))


def test_it_ends_with_its_parent(fake: Any, tmp_path: Path) -> None:
    python = fake.install("import threading; threading.Event().wait()")
    request = tmp_path / "request.json"
    request.write_text(f'{{"scratch": "{tmp_path.as_posix()}", "seed": 0}}')
    process = subprocess.Popen(
        [str(python), str(WORKER), str(request)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=worker_environment(python),
    )
    assert b"starting" in process.stdout.readline()
    process.stdin.close()
    assert process.wait(timeout=30) == 76
    process.stdout.close()


@pytest.mark.parametrize(
    ("value", "message"), [(np.nan, "must be finite"), (np.inf, "must be finite"), (3.0, "vary")]
)
def test_movies_that_cannot_be_analysed(
    run: Any, tmp_path: Path, value: float, message: str
) -> None:
    frames = np.full((40, 12, 10), 3.0, dtype=np.float32)
    frames[7, 3, 2] = value
    path = tmp_path / "bad.npy"
    np.save(path, frames)
    with pytest.raises(MovieError, match=message):
        run("", movie_paths=(path,))


def test_no_room_for_the_copy(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = memmap.shutil.disk_usage
    monkeypatch.setattr(memmap.shutil, "disk_usage", lambda path: usage(path)._replace(free=1000))
    with pytest.raises(EngineError, match=r"copies of the movie as float32"):
        run("")


def test_a_request_reaches_the_process_whole(fake: Any, tmp_path: Path, recorder: type) -> None:
    """Names with spaces and umlauts, and lines as long as they come."""
    scratch = tmp_path / "mit Ümläuten und Leerzeichen"
    scratch.mkdir()
    body = "raise ValueError('x' * 9000)"
    fake.install(
        mmapping=MMAPPING,
        source_extraction__cnmf__params=PARAMS,
        source_extraction__cnmf__cnmf=MODEL.format(body=body),
    )
    request = {"algorithm": "cnmf", "movie": "ä.mmap", "params": {}, "n_processes": 1, "seed": 0}
    request |= {"scratch": str(scratch), "dims": [12, 10], "refit": False, "use_cnn": False}
    request["asked_for"] = []
    started = time.monotonic()
    with pytest.raises(EngineError, match=r"ValueError: x{500}\."):
        run_worker(CaimanFound(fake.python, "1", ""), request, scratch, recorder())
    assert time.monotonic() - started < 60


def test_what_caiman_changes_is_said(run: Any, fake: Any, recorder: type) -> None:
    """A stand-in whose check makes gSig odd."""
    reporter = recorder()
    checking = PARAMS.replace("pass", CHECK)
    with pytest.raises(EngineError, match="enough"):
        run("raise ValueError('enough')", reporter=reporter, params_source=checking)
    assert reporter.warnings == ["CaImAn's own check changed init.gSig from [2, 2] to [3, 3]."]
