"""Finds an interpreter that has CaImAn, and says why not where there is none."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from napari_cnmf._atomic import write_text
from napari_cnmf.engines.caiman.environments import environments, python_of
from napari_cnmf.errors import EngineError
from napari_cnmf.settings import read_settings, settings_path, update_settings

VARIABLE = "NAPARI_CNMF_CAIMAN_PYTHON"
WORKER = Path(__file__).parents[1] / "_caiman_worker"
OLDEST = (1, 10, 6)
INSTALL_HINT = (
    "Run 'napari-cnmf doctor --install-caiman', or name an interpreter that has it with "
    "'napari-cnmf doctor --set-caiman PATH'."
)
_ONE_AT_A_TIME = threading.Lock()
_PROBE_SECONDS = 180.0
"""A first import from a cold disk or a network share takes minutes."""


@dataclass(frozen=True)
class CaimanFound:
    """An interpreter with CaImAn.

    Attributes
    ----------
    path
        The Python executable.
    version
        CaImAn's, such as ``1.12.1``.
    source
        Where it was found: ``settings``, the variable, ``this interpreter``, or the environment.
    without
        What it has to do without and why, such as TensorFlow; empty when nothing is missing.
    """

    path: Path
    version: str
    source: str
    scipy: str = ""
    package: Path | None = None
    without: str = ""


@dataclass(frozen=True)
class CaimanSearch:
    """What a search came to.

    Attributes
    ----------
    found
        ``None`` when there is no CaImAn.
    reason
        One sentence with the next step, empty when it was found.
    tried
        ``(path, source, what was wrong)`` of each interpreter that was looked at.
    """

    found: CaimanFound | None
    reason: str = ""
    tried: tuple[tuple[str, str, str], ...] = field(default=())


class Unusable(Exception):
    """Why an interpreter does not count as CaImAn, without a full stop at the end."""


def choose_caiman(path: Path | None) -> CaimanFound | None:
    """Remember an interpreter in the settings, after it has shown that it has CaImAn.

    Parameters
    ----------
    path
        The Python executable; ``None`` forgets the choice, so that CaImAn is searched for.

    Returns
    -------
    CaimanFound
        ``None`` when the choice was forgotten.

    Raises
    ------
    EngineError
        It has no CaImAn that works; the settings stay as they were.
    SettingsError
        The settings cannot be written.
    """
    found = None
    if path is not None:
        path = Path(os.path.abspath(path.expanduser()))
        try:
            found = probe(path, "settings")
        except Unusable as error:
            raise EngineError(f"{path} cannot be CaImAn's interpreter: {error}.") from error
    update_settings(caiman_python=None if found is None else str(path))
    return found


def find_caiman() -> CaimanSearch:
    """Search the settings, the variable, this interpreter, then the environments on the machine.

    An interpreter that was named and does not work ends the search: another one would not be what
    was asked for.
    """
    # Several ask at once when docks open; the second finds the answer that the first remembered.
    with _ONE_AT_A_TIME:
        return _find_caiman()


def _find_caiman() -> CaimanSearch:
    tried: list[tuple[str, str, str]] = []
    for path, source, named in _candidates():
        try:
            return CaimanSearch(probe(path, source), tried=tuple(tried))
        except Unusable as error:
            tried.append((str(path), source, str(error)))
            if named:
                reason = f"{path} ({source}) cannot be used as CaImAn's interpreter: {error}. "
                return CaimanSearch(None, reason + INSTALL_HINT, tuple(tried))
    return CaimanSearch(None, _nothing_found(tried), tuple(tried))


def _candidates() -> Iterator[tuple[Path, str, bool]]:
    """``(path, source, whether the user named it)`` in the order of preference."""
    chosen = read_settings().caiman_python
    if chosen:
        yield Path(chosen).expanduser(), "settings", True
    variable = os.environ.get(VARIABLE)
    if variable:
        yield Path(variable).expanduser(), VARIABLE, True
    if importlib.util.find_spec("caiman") is not None:
        yield Path(sys.executable), "this interpreter", False
    for prefix in environments():
        package = next(_packages(prefix), None)
        if package is not None:
            yield python_of(prefix), f"environment {prefix}", False


def _packages(prefix: Path) -> Iterator[Path]:
    """Folders named ``caiman`` among the packages of an environment; nothing is run."""
    for pattern in ("lib/python3*/site-packages/caiman", "Lib/site-packages/caiman"):
        yield from prefix.glob(pattern)


def _nothing_found(tried: list[tuple[str, str, str]]) -> str:
    if not tried:
        return f"CaImAn was not found on this computer. {INSTALL_HINT}"
    path, _, why = tried[0]
    more = f" ({len(tried) - 1} more were looked at)" if len(tried) > 1 else ""
    return f"No working CaImAn was found: {path}: {why}{more}. {INSTALL_HINT}"


def probe(path: Path, source: str, *, timeout_s: float = _PROBE_SECONDS) -> CaimanFound:
    """Ask an interpreter whether it has CaImAn; an answer is remembered until it changes.

    Raises
    ------
    Unusable
        It is not there, no Python, has no CaImAn, another ``caiman``, or one that cannot be
        imported.
    """
    path = Path(os.path.abspath(path))  # links stay: a virtual environment is one
    if not path.is_file():
        raise Unusable("there is no such file")
    remembered = _remembered(path)
    if remembered is not None:
        return CaimanFound(path, remembered["version"], source, *_details(remembered))
    answer = _ask(path, timeout_s)
    found = CaimanFound(path, str(answer["version"]), source, *_details(answer))
    _require_version(found.version)
    _remember(found)
    return found


def _details(answer: dict[str, Any]) -> tuple[str, Path | None, str]:
    package = answer.get("package")
    where = Path(package) if package else None
    return str(answer.get("scipy", "")), where, str(answer.get("without") or "")


def _ask(path: Path, timeout_s: float) -> dict[str, Any]:
    try:
        done = subprocess.run(
            [str(path), str(WORKER), "--probe"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            env=worker_environment(path),
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Unusable(f"it gave no answer within {timeout_s:.0f} s") from None
    except OSError as error:
        raise Unusable(f"it cannot be run ({error.strerror or error})") from error
    answer = _answer_in(done.stdout)
    status = answer.get("status")
    if status == "found":
        return answer
    if status == "absent":
        raise Unusable(f"Python {answer['python']} there has no CaImAn")
    if status == "other":
        raise Unusable(
            "it has another package named caiman, the MicroPython build tool of PyPI; CaImAn is "
            "on conda-forge"
        )
    if status == "broken":
        raise Unusable(f"CaImAn is there and cannot be imported ({_short(str(answer['reason']))})")
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    how = f"exit code {done.returncode}, {_short(lines[-1]) if lines else 'no output'}"
    if status == "importing":
        raise Unusable(f"CaImAn is there, and importing it ends its Python ({how})")
    raise Unusable(f"it is no Python that works ({how})")


def _answer_in(output: bytes) -> dict[str, Any]:
    """The last that the probe said."""
    for line in reversed(output.splitlines()):
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict) and value.get("event") == "probe":
            return value
    return {}


def _short(text: str) -> str:
    return text if len(text) <= 300 else text[:297] + "..."


def _require_version(version: str) -> None:
    parts = version.split(".")[:3]
    if all(part.isdigit() for part in parts) and tuple(map(int, parts)) < OLDEST:
        needed = ".".join(map(str, OLDEST))
        raise Unusable(f"CaImAn must be {needed} or later, got {version}; update it there")


def worker_environment(python: Path, **extra: str) -> dict[str, str]:
    """The environment of CaImAn's interpreter, as if its environment were activated."""
    hidden = ("PYTHONPATH", "PYTHONHOME", "PYTHONEXECUTABLE", "__PYVENV_LAUNCHER__")
    environment = {k: v for k, v in os.environ.items() if k.upper() not in hidden}
    prefix = python.parent if os.name == "nt" else python.parent.parent
    folders = [python.parent]
    if os.name == "nt":  # libraries of conda are found through PATH alone
        folders += [prefix / "Library" / part for part in ("mingw-w64/bin", "usr/bin", "bin")]
        folders += [prefix / "Scripts"]
    parts = [*map(str, folders), environment.get("PATH", "")]
    environment["PATH"] = os.pathsep.join(parts)
    if (prefix / "conda-meta").is_dir():
        environment["CONDA_PREFIX"] = str(prefix)
    shared = prefix / "share" / "caiman"
    set_up = "CAIMAN_DATA" in environment or (Path.home() / "caiman_data").is_dir()
    if not set_up and (shared / "model").is_dir():
        environment["CAIMAN_DATA"] = str(shared)  # the models that came with the package
    return environment | {"PYTHONUTF8": "1", "PYTHONSAFEPATH": "1"} | extra


def _memory() -> Path:
    return settings_path().with_name("caiman-probes.json")


def _stamp(path: Path, package: Path | None) -> list[int]:
    """Changes when the interpreter or what is installed beside CaImAn does."""
    watched = [path] if package is None else [path, package, package.parent]
    return [entry.stat().st_mtime_ns for entry in watched]


def _remembered(path: Path) -> dict[str, Any] | None:
    try:
        entry = json.loads(_memory().read_text(encoding="utf-8"))[str(path)]
        package = Path(entry["package"]) if entry["package"] else None
        return dict(entry) if entry["stamp"] == _stamp(path, package) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remember(found: CaimanFound) -> None:
    """Import takes seconds and is asked for often; a memory that cannot be kept is no error."""
    try:
        known = json.loads(_memory().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    if not isinstance(known, dict):
        known = {}
    entry = {k: None if v is None else str(v) for k, v in asdict(found).items()}
    try:
        known[str(found.path)] = entry | {"stamp": _stamp(found.path, found.package)}
        _memory().parent.mkdir(parents=True, exist_ok=True)
        write_text(_memory(), json.dumps(known, indent=2))
    except OSError:
        return
