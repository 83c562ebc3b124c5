"""Stand-ins for interpreters that do not work, and a reporter that remembers.

Stand-ins are for failures alone: what works is shown on the real CaImAn.
"""

from __future__ import annotations

import os
import shutil
import site
import sys
import venv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_cnmf.engines.base import Algorithm, Job, RunOptions
from napari_cnmf.engines.caiman import discovery, environments, install
from napari_cnmf.engines.caiman.environments import python_of
from napari_cnmf.params import CNMFParams

DATA = Path(__file__).parents[1] / "data"
VARIABLE = "NAPARI_CNMF_CAIMAN_PYTHON"


TOOL = """#!{python}
import os, sys, pathlib, time
prefix = pathlib.Path(sys.argv[sys.argv.index("--prefix") + 1])
print("Solving", flush=True)
{body}
"""


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No CaImAn and no tool that makes environments but those a test puts there; PATH's folder."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(environments, "_roots", lambda: iter(()))
    monkeypatch.setattr(discovery, "environments", lambda: iter(()))
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    monkeypatch.setattr(install, "own_environment", lambda: tmp_path / "data" / "caiman env")
    return tmp_path / "bin"


@pytest.fixture
def put_tool(bare_machine: Path) -> Callable[[str, str], Path]:
    """Put a stand-in for conda on PATH; ``prefix`` is the folder it is to make."""

    def put(name: str, body: str) -> Path:
        path = bare_machine / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(TOOL.format(python=sys.executable, body=body))
        path.chmod(0o755)
        return path

    return put


class Recorder:
    """A reporter that remembers, and cancels when ``stop_in`` begins."""

    def __init__(self, stop_in: str | None = None) -> None:
        self.stages: list[str] = []
        self.logs: list[str] = []
        self.warnings: list[str] = []
        self._stop_in = stop_in
        self._stop = False

    def progress(self, stage: str, done: float, total: float) -> None:
        assert 0 <= done <= total
        if not self.stages or self.stages[-1] != stage:
            self.stages.append(stage)
        self._stop = self._stop or stage == self._stop_in

    def log(self, message: str) -> None:
        self.logs.append(message)

    def warning(self, message: str) -> None:
        self.warnings.append(message)

    def should_stop(self) -> bool:
        return self._stop


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bare interpreter that sees our numpy; its own packages are put in by `fake`."""
    prefix = tmp_path_factory.mktemp("environment") / "env"
    venv.EnvBuilder(with_pip=False, symlinks=os.name != "nt").create(prefix)
    return prefix


class FakeCaiman:
    """An interpreter with a package that the probe takes for CaImAn, or for something else."""

    def __init__(self, prefix: Path) -> None:
        self.python = python_of(prefix)
        (self._packages,) = [*prefix.glob("lib/python3*/site-packages")] or [
            prefix / "Lib" / "site-packages"
        ]

    def empty(self) -> None:
        """Take out what was put in."""
        for entry in self._packages.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def install(self, cnmf: str = "", *, version: str = "1.12.1", **modules: str) -> Path:
        """Put in a package; ``cnmf`` is what runs at its import, ``modules`` lie beside it."""
        self.put("caiman/__init__.py", "")
        self.put("caiman/source_extraction/__init__.py", "")
        self.put("caiman/source_extraction/cnmf/__init__.py", cnmf)
        metadata = f"Metadata-Version: 2.1\nName: caiman\nVersion: {version}\n"
        self.put("caiman.dist-info/METADATA", metadata)
        for name, source in modules.items():
            self.put(f"caiman/{name.replace('__', '/')}.py", source)
        # after its own packages, so that nothing of ours stands before them
        self.put("ours.pth", "\n".join(site.getsitepackages()))
        return self.python

    def put(self, name: str, text: str) -> Path:
        """Put in one file."""
        path = self._packages / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return self.python


@pytest.fixture
def fake(environment: Path) -> Iterator[FakeCaiman]:
    """An interpreter without anything, to be filled."""
    interpreter = FakeCaiman(environment)
    interpreter.empty()
    yield interpreter
    interpreter.empty()


@pytest.fixture
def recorder() -> type[Recorder]:
    """The class: tests make their own."""
    return Recorder


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    """A small movie of noise."""
    path = tmp_path / "movie.npy"
    np.save(path, np.random.default_rng(0).integers(0, 99, (40, 12, 10)).astype(np.uint16))
    return path


@pytest.fixture
def make_job(tmp_path: Path, movie: Path) -> Callable[..., Job]:
    """A job on the small movie, changed where asked."""

    def make(algorithm: str = "cnmf", **changes: Any) -> Job:
        folder = tmp_path / "items ü" / f"an item {algorithm}"
        folder.mkdir(parents=True, exist_ok=True)
        values: dict[str, Any] = {
            "folder": folder,
            "movie_paths": (movie,),
            "params": CNMFParams().replace(init={"gSig": (2, 2), "K": 3}),
            "frame_rate_hz": 10.0,
            "run": RunOptions(n_processes=1),
        }
        return Job(algorithm=Algorithm(algorithm), **(values | changes))

    return make
