"""Makes an environment with CaImAn through conda, mamba, micromamba or pixi."""

from __future__ import annotations

import contextlib
import os
import queue
import shlex
import shutil
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from napari_cnmf.engines.caiman.environments import (
    TOOLS,
    find_tool,
    own_environment,
    python_of,
)
from napari_cnmf.engines.caiman.interpreter import CaimanFound, Unusable, probe
from napari_cnmf.errors import CancelledByUser, EngineError

PACKAGES = ("caiman",)
OLDER_SCIPY = "scipy<1.14"
"""For CaImAn before 1.13, whose estimate of time constants fails with later SciPy."""
_POLL_S = 0.1


@dataclass(frozen=True)
class InstallPlan:
    """Commands that an installation will run.

    Attributes
    ----------
    tool
        ``mamba``, ``micromamba``, ``conda`` or ``pixi``.
    commands
        One after the other, each a list of arguments.
    prefix
        The folder that is made.
    python
        The interpreter that is there afterwards.
    older_scipy
        Run afterwards where the CaImAn that was installed needs it.
    """

    tool: str
    commands: tuple[tuple[str, ...], ...]
    prefix: Path
    python: Path
    older_scipy: tuple[str, ...]

    def __str__(self) -> str:
        """Text of the command lines, to be read and typed."""
        join = subprocess.list2cmdline if sys.platform == "win32" else shlex.join
        return "\n".join(join(command) for command in self.commands)


def plan_installation(prefix: Path | None = None) -> InstallPlan:
    """Plan what would be run to install CaImAn; nothing is run.

    Parameters
    ----------
    prefix
        Folder of the new environment; by default one of our own, which is searched for CaImAn.

    Raises
    ------
    EngineError
        No tool that could do it.
    """
    prefix = own_environment() if prefix is None else Path(prefix)
    found = find_tool()
    if found is None:
        raise EngineError(
            f"CaImAn is installed with one of {', '.join(TOOLS)}, and none was found. Install "
            "Miniforge (https://conda-forge.org/download), open a new terminal and try again."
        )
    tool, path = found
    if tool == "pixi":
        manifest = prefix / "pixi.toml"
        commands: tuple[tuple[str, ...], ...] = (
            (str(path), "init", "--channel", "conda-forge", str(prefix)),
            (str(path), "add", "--manifest-path", str(manifest), *PACKAGES),
        )
        older = (str(path), "add", "--manifest-path", str(manifest), OLDER_SCIPY)
        python = python_of(prefix / ".pixi/envs/default")
        return InstallPlan(tool, commands, prefix, python, older)
    where = (
        "--yes", "--prefix", str(prefix), "--override-channels", "--channel", "conda-forge",
    )  # fmt: skip
    command: tuple[str, ...] = (str(path), "create", *where, *PACKAGES)
    with_older_scipy = (str(path), "install", *where, OLDER_SCIPY)
    return InstallPlan(tool, (command,), prefix, python_of(prefix), with_older_scipy)


def install_caiman(
    on_line: Callable[[str], None],
    should_stop: Callable[[], bool],
    *,
    prefix: Path | None = None,
) -> CaimanFound:
    """Install CaImAn from conda-forge into an environment of its own.

    Parameters
    ----------
    on_line
        Takes each line of the tool's output, the command line first.
    should_stop
        Asked ten times a second; what was made until then is removed.
    prefix
        As in `plan_installation`.

    Returns
    -------
    CaimanFound
        The new interpreter; it is found without a setting.

    Raises
    ------
    CancelledByUser
    EngineError
        No tool, the folder is taken, the tool failed, or what it made does not work.
    """
    plan = plan_installation(prefix)
    if plan.prefix.exists() and any(plan.prefix.iterdir()):
        raise EngineError(
            f"CaImAn is installed into a new folder, and {plan.prefix} is there already. Remove "
            "it to install again."
        )
    try:
        plan.prefix.parent.mkdir(parents=True, exist_ok=True)
        for command in plan.commands:
            _run(command, on_line, should_stop)
        on_line("Checking the new environment; a first import takes a while.")
        found = probe(plan.python, f"environment {plan.prefix}")
        if found.wants_older_scipy:
            on_line(f"CaImAn {found.version} needs an older SciPy than {found.scipy}.")
            _run(plan.older_scipy, on_line, should_stop)
            found = probe(plan.python, f"environment {plan.prefix}")
    except Unusable as error:
        _remove(plan.prefix)
        raise EngineError(
            f"The new environment does not work: {error}. The log above may say why; try again, "
            f"or install it by hand:\n{plan}"
        ) from error
    except BaseException:
        _remove(plan.prefix)
        raise
    on_line(f"CaImAn {found.version} is ready in {found.path}.")
    return found


def _run(
    command: tuple[str, ...], on_line: Callable[[str], None], should_stop: Callable[[], bool]
) -> None:
    on_line(f"$ {shlex.join(command)}")
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONUNBUFFERED": "1", "NO_COLOR": "1"},
        )
    except OSError as error:
        raise EngineError(f"{command[0]} cannot be run: {error.strerror or error}.") from error
    last: deque[str] = deque(maxlen=5)
    lines: queue.Queue[str] = queue.Queue()
    reader = threading.Thread(target=_read, args=(process.stdout, lines), daemon=True)
    reader.start()
    try:
        while process.poll() is None or reader.is_alive() or not lines.empty():
            if should_stop():
                raise CancelledByUser("The installation of CaImAn was cancelled.")
            with contextlib.suppress(queue.Empty):
                line = lines.get(timeout=_POLL_S)
                last.append(line)
                on_line(line)
    finally:
        _end(process)
        reader.join(timeout=5)
        if process.stdout is not None and not reader.is_alive():
            process.stdout.close()
    if process.returncode != 0:
        said = "; ".join(line.strip() for line in last if line.strip())
        raise EngineError(
            f"{Path(command[0]).name} failed with exit code {process.returncode}: "
            f"{said[:500].rstrip('.')}. The log above has the rest."
        )


def _read(stream: IO[bytes], lines: queue.Queue[str]) -> None:
    """Yield lines as they come; a progress bar rewrites its line with carriage returns."""
    for raw in iter(stream.readline, b""):
        text = raw.decode(errors="replace").rstrip().rsplit("\r", 1)[-1]
        if text:
            lines.put(text)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    with contextlib.suppress(psutil.NoSuchProcess):
        members = psutil.Process(process.pid).children(recursive=True)
        for member in members:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
    process.kill()
    process.wait()


def _remove(prefix: Path) -> None:
    shutil.rmtree(prefix, ignore_errors=True)
