"""Finds an interpreter that has CaImAn, and says why not where there is none."""

from __future__ import annotations

import importlib.util
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from napari_cnmf._portable import expand_home
from napari_cnmf.engines.caiman.environments import environments, python_of
from napari_cnmf.engines.caiman.interpreter import CaimanFound, Unusable, probe
from napari_cnmf.errors import EngineError
from napari_cnmf.settings import read_settings, update_settings

VARIABLE = "NAPARI_CNMF_CAIMAN_PYTHON"
INSTALL_HINT = (
    "Run 'napari-cnmf doctor --install-caiman', or name an interpreter that has it with "
    "'napari-cnmf doctor --set-caiman PATH'."
)
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class CaimanSearch:
    """Result of a search for CaImAn.

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


def choose_caiman(path: Path | None) -> CaimanFound | None:
    """Remember an interpreter in the settings, after it has shown that it has CaImAn.

    Parameters
    ----------
    path
        The Python executable, or the folder of its environment; ``None`` forgets the choice, so
        that CaImAn is searched for.

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
        path = _interpreter(path)
        try:
            found = probe(path, "settings")
        except Unusable as error:
            reason = f"{path} cannot be CaImAn's interpreter: {error}. "
            raise EngineError(reason + INSTALL_HINT) from error
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


def _interpreter(named: str | Path) -> Path:
    """Interpreter that a user named: itself, or the folder of its environment."""
    path = Path(os.path.abspath(expand_home(named)))
    return python_of(path) if path.is_dir() else path


def _candidates() -> Iterator[tuple[Path, str, bool]]:
    """``(path, source, whether the user named it)`` in the order of preference."""
    chosen = read_settings().caiman_python
    if chosen:
        yield _interpreter(chosen), "settings", True
    variable = os.environ.get(VARIABLE)
    if variable:
        yield _interpreter(variable), VARIABLE, True
    if importlib.util.find_spec("caiman") is not None:
        yield Path(sys.executable), "this interpreter", False
    for prefix in environments():
        package = next(_packages(prefix), None)
        if package is not None:
            yield python_of(prefix), f"environment {prefix}", False


def _packages(prefix: Path) -> Iterator[Path]:
    """Folders named ``caiman`` among the packages of an environment, found without running it."""
    for pattern in ("lib/python3*/site-packages/caiman", "Lib/site-packages/caiman"):
        yield from prefix.glob(pattern)


def _nothing_found(tried: list[tuple[str, str, str]]) -> str:
    if not tried:
        return f"CaImAn was not found on this computer. {INSTALL_HINT}"
    path, _, why = tried[0]
    more = f" ({len(tried) - 1} more were looked at)" if len(tried) > 1 else ""
    return f"No working CaImAn was found: {path}: {why}{more}. {INSTALL_HINT}"
