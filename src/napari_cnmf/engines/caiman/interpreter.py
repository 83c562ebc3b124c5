"""One interpreter: whether it has CaImAn, which version, and how it is run."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from napari_cnmf._atomic import write_text
from napari_cnmf.settings import settings_path

WORKER = Path(__file__).parents[1] / "_caiman_worker"
OLDEST = (1, 10, 6)
_SCIPY_TOO_NEW, _FIXED_IN = (1, 17), (1, 13)
"""SciPy with which older CaImAn fails, and the first CaImAn that does not."""
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

    @property
    def known_problem(self) -> str:
        """Known problem of this CaImAn, one sentence with the next step; empty if there is none."""
        numbers = _numbers(self.scipy)
        fixed = (_numbers(self.version) or _FIXED_IN) >= _FIXED_IN
        if numbers is None or numbers < _SCIPY_TOO_NEW or fixed:
            return ""
        return (
            f"CaImAn {self.version} fails with SciPy {self.scipy} where it estimates time "
            "constants. Install 'scipy<1.14' in its environment."
        )

    @property
    def wants_older_scipy(self) -> bool:
        """Whether this CaImAn was made for a SciPy before 1.14, and a newer one is installed."""
        ours, scipy = _numbers(self.version), _numbers(self.scipy)
        return ours is not None and scipy is not None and ours < _FIXED_IN and scipy >= (1, 14)


def _numbers(version: str) -> tuple[int, ...] | None:
    parts = version.split(".")[:3]
    return tuple(map(int, parts)) if all(part.isdigit() for part in parts) else None


class Unusable(Exception):
    """Reason why an interpreter does not count as CaImAn, without a full stop at the end."""


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
    """Last answer in what the probe printed."""
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
    numbers = _numbers(version)
    if numbers is not None and numbers < OLDEST:
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
    return environment | {"PYTHONUTF8": "1", "PYTHONSAFEPATH": "1"} | extra


def _memory() -> Path:
    return settings_path().with_name("caiman-probes.json")


def _stamp(path: Path, package: Path | None) -> list[int | str]:
    """Stamp that changes when the interpreter, its packages beside CaImAn, or our worker change.

    So it does with the folders that the weights of CaImAn's classifier may lie in.
    """
    watched = [path] if package is None else [path, package, package.parent]
    data = [Path.home() / "caiman_data", path.parent.parent / "share" / "caiman"]
    if "CAIMAN_DATA" in os.environ:
        data.append(Path(os.environ["CAIMAN_DATA"]))
    models = [folder / "model" for folder in data]
    seen = [model.stat().st_mtime_ns if model.is_dir() else 0 for model in models]
    return [_digest_of_worker(), *(entry.stat().st_mtime_ns for entry in watched), *seen]


@cache
def _digest_of_worker() -> str:
    """A hash of the code that answers: a newer worker may find what an older one did not."""
    digest = hashlib.blake2b(digest_size=8)
    for source in sorted(WORKER.rglob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def _remembered(path: Path) -> dict[str, Any] | None:
    try:
        entry = json.loads(_memory().read_text(encoding="utf-8"))[str(path)]
        package = Path(entry["package"]) if entry["package"] else None
        return dict(entry) if entry["stamp"] == _stamp(path, package) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remember(found: CaimanFound) -> None:
    """Remember an answer, as an import takes seconds; failing to write it is no error."""
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
