"""``napari-cnmf doctor``: which engines are here, and why the others are not."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from napari_cnmf.cli._options import add_json_option
from napari_cnmf.errors import EngineError

_PACKAGES = ("napari-cnmf", "napari", "numpy", "scipy", "numba", "dask", "distributed", "h5py")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser("doctor", help="engines found and why not, versions, what to do")
    parser.add_argument(
        "--set-caiman", metavar="PATH", help="use the CaImAn of this Python interpreter"
    )
    add_json_option(parser)
    parser.set_defaults(run_command=run)


def run(args: argparse.Namespace) -> int:
    """Print what is here."""
    from napari_cnmf.cli import EXIT_OK

    if args.set_caiman is not None:
        set_caiman(args.set_caiman)
    report = examine()
    if args.json:
        print(json.dumps(report))
        return EXIT_OK
    print(f"Python {report['python']} on {report['system']}: {report['interpreter']}")
    print(f"{report['cores']} cores, {report['memory_gb']:.1f} GB of memory")
    for name, found in report["packages"].items():
        print(f"  {name:<14} {found or 'not installed'}")
    for name, engine in report["engines"].items():
        state = f"ready, version {engine['version']}" if engine["ready"] else engine["reason"]
        print(f"Engine {name}: {state}")
    return EXIT_OK


def set_caiman(path: str) -> None:
    """Remember the interpreter, after it has shown that it has CaImAn.

    Raises
    ------
    EngineError
        When it has not; the settings stay as they were.
    """
    from napari_cnmf.engines.caiman.discovery import Unusable, probe
    from napari_cnmf.settings import read_settings, write_settings

    absolute = Path(path).expanduser().absolute()
    try:
        found = probe(absolute, "--set-caiman")
    except Unusable as error:
        raise EngineError(f"{absolute} cannot be CaImAn's interpreter: {error}.") from error
    write_settings(read_settings().replace(caiman_python=str(absolute)))
    print(f"CaImAn {found.version} in {absolute} is used from now on.", file=sys.stderr)


def examine() -> dict[str, Any]:
    """Everything `run` prints, as plain values."""
    import psutil

    from napari_cnmf.batch.machine import n_usable_cores
    from napari_cnmf.engines import engines

    found = {}
    for name, engine in engines().items():
        reason = engine.unavailable_reason()
        found[name] = {
            "title": engine.title,
            "ready": reason is None,
            "reason": reason,
            "version": engine.version(),
        }
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "interpreter": sys.executable,
        "cores": n_usable_cores(),
        "memory_gb": psutil.virtual_memory().total / 1e9,
        "packages": {name: _version(name) for name in _PACKAGES},
        "engines": found,
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
