"""Environments of conda, mamba and pixi on this machine, and the tools that make them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import platformdirs

TOOLS = ("mamba", "micromamba", "conda", "pixi")
"""In the order of preference; the first two solve fastest."""

_ROOTS = ("miniforge3", "mambaforge", "miniconda3", "anaconda3", "micromamba")


def own_environment() -> Path:
    """Folder of the environment in which this package installs CaImAn."""
    return Path(platformdirs.user_data_dir("napari-cnmf", appauthor=False)) / "caiman-env"


def python_of(prefix: Path) -> Path:
    """Path of the interpreter of an environment."""
    return prefix / "python.exe" if os.name == "nt" else prefix / "bin" / "python"


def environments() -> Iterator[Path]:
    """Folders of environments that have an interpreter, each once, found without running them."""
    seen: set[Path] = set()
    for prefix in _prefixes():
        try:
            real = prefix.resolve()
            if real in seen or not python_of(prefix).is_file():
                continue
        except OSError:  # a share that is away, a folder of somebody else
            continue
        seen.add(real)
        yield prefix


def _prefixes() -> Iterator[Path]:
    own = own_environment()
    yield own
    yield own / ".pixi" / "envs" / "default"
    if "CONDA_PREFIX" in os.environ:
        yield Path(os.environ["CONDA_PREFIX"])
    for root in _roots():
        yield root
        yield from _children(root / "envs")
    yield from _children(Path.home() / ".conda" / "envs")
    yield from _children(Path.home() / ".pixi" / "envs")
    listed = Path.home() / ".conda" / "environments.txt"
    try:
        lines = listed.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    yield from (Path(line.strip()) for line in lines if line.strip())


def _roots() -> Iterator[Path]:
    for variable in ("MAMBA_ROOT_PREFIX", "CONDA_ROOT"):
        if variable in os.environ:
            yield Path(os.environ[variable])
    if "CONDA_EXE" in os.environ:
        yield Path(os.environ["CONDA_EXE"]).parent.parent
    bases = [Path.home(), Path("/opt"), Path("/usr/local")]
    if os.name == "nt":
        bases = [Path.home()]
        bases += [Path(os.environ[v]) for v in ("LOCALAPPDATA", "PROGRAMDATA") if v in os.environ]
    for base in bases:
        for name in _ROOTS:
            yield base / name
    yield Path("/opt/conda")


def _children(folder: Path) -> Iterator[Path]:
    try:
        yield from sorted(entry for entry in folder.iterdir() if entry.is_dir())
    except OSError:
        return


def find_tool() -> tuple[str, Path] | None:
    """Find the first tool that can make an environment: ``(name, path)``."""
    for name in TOOLS:
        found = shutil.which(name)
        if found is not None:
            return name, Path(found)
    folders = [root / part for root in _roots() for part in ("condabin", "bin", "Scripts")]
    folders.append(Path.home() / ".pixi" / "bin")
    for name in TOOLS:
        found = shutil.which(name, path=os.pathsep.join(map(str, folders)))
        if found is not None:
            return name, Path(found)
    return None
