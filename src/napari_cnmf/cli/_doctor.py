"""``napari-cnmf doctor``: whether napari opens, which engines are there, and why others not."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_cnmf.cli._options import add_json_option
from napari_cnmf.cli._view import has_screen, why_no_viewer

if TYPE_CHECKING:
    from napari_cnmf.engines.caiman import CaimanEngine

_PACKAGES = ("napari-cnmf", "napari", "numpy", "scipy", "numba", "dask", "distributed", "h5py")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "doctor", help="whether napari opens, engines found and why not, versions, what to do"
    )
    parser.add_argument(
        "--set-caiman",
        metavar="PATH",
        help="use the CaImAn of this Python interpreter, or of the environment in this folder; "
        "'auto' searches for it again",
    )
    parser.add_argument(
        "--install-caiman",
        action="store_true",
        help="make an environment with CaImAn from conda-forge; needs mamba, conda or pixi",
    )
    parser.add_argument(
        "--auto",
        choices=("builtin", "caiman", "found"),
        help="the engine of runs that leave it to auto; 'found' takes CaImAn where it is found",
    )
    add_json_option(parser)
    parser.set_defaults(run_command=run)


def run(args: argparse.Namespace) -> int:
    """Print which engines are installed."""
    from napari_cnmf.cli import EXIT_OK

    if args.set_caiman is not None:
        set_caiman(args.set_caiman)
    if args.auto is not None:
        set_auto(args.auto)
    if args.install_caiman:
        install()
    report = examine()
    if args.json:
        print(json.dumps(report))
        return EXIT_OK
    print(f"Python {report['python']} on {report['system']}: {report['interpreter']}")
    print(f"{report['cores']} cores, {report['memory_gb']:.1f} GB of memory")
    for name, found in report["packages"].items():
        print(f"  {name:<14} {found or 'not installed'}")
    viewer = report["viewer"]
    print("napari opens here" if viewer["ready"] else f"napari does not open: {viewer['reason']}")
    for name, engine in report["engines"].items():
        print(f"Engine {name}: {_state(engine)}")
        for path, source, why in engine.get("tried", ()):
            if why not in str(engine["reason"]):
                print(f"  looked at {path} ({source}): {why}")
    auto = report["auto"]
    print(f"Engine auto takes {auto['engine'] or 'none'}: {_said_once(report)}")
    return EXIT_OK


def _said_once(report: dict[str, Any]) -> str:
    """Reason for the engine of auto; what stands above already is not said again."""
    reason = str(report["auto"]["reason"])
    for engine in report["engines"].values():
        if engine["reason"]:
            reason = reason.replace(str(engine["reason"]), "see above.")
    return reason


def _state(engine: dict[str, Any]) -> str:
    if not engine["ready"]:
        return str(engine["reason"])
    where = f", {engine['path']} ({engine['source']})" if "path" in engine else ""
    remarks = "".join(f"; {remark}" for remark in engine.get("remarks", ()))
    return f"ready, version {engine['version']}{where}{remarks}"


def set_caiman(path: str) -> None:
    """Remember CaImAn's interpreter, after it has shown that it has CaImAn.

    Raises
    ------
    EngineError
        When it has not; the settings stay as they were.
    """
    from napari_cnmf.engines.caiman.discovery import choose_caiman

    found = choose_caiman(None if path == "auto" else Path(path))
    if found is None:
        print("CaImAn is searched for from now on.", file=sys.stderr)
    else:
        print(
            f"CaImAn {found.version} in {found.path} is used from now on, also where the engine is "
            "auto. 'napari-cnmf doctor --auto builtin' keeps those runs on the built-in engine.",
            file=sys.stderr,
        )


def set_auto(engine: str) -> None:
    """Remember which engine runs with engine auto take; ``found`` forgets the choice."""
    from napari_cnmf.settings import update_settings

    update_settings(auto_engine=None if engine == "found" else engine)


def install() -> None:
    """Make an environment with CaImAn; Ctrl-C cancels and removes it.

    Raises
    ------
    EngineError
        No tool that could, or what the tool said when it failed.
    """
    from napari_cnmf.engines import look_again
    from napari_cnmf.engines.caiman.install import install_caiman

    install_caiman(lambda line: print(line, file=sys.stderr, flush=True), lambda: False)
    look_again()


def examine() -> dict[str, Any]:
    """Examine the installation: everything `run` prints, as plain values."""
    import psutil

    from napari_cnmf.core.base.threads import n_usable_cores
    from napari_cnmf.engines import AUTO, engines, resolve
    from napari_cnmf.engines.base import Algorithm
    from napari_cnmf.engines.caiman import CaimanEngine
    from napari_cnmf.errors import EngineError

    found: dict[str, dict[str, Any]] = {}
    for name, engine in engines().items():
        reason = engine.unavailable_reason()
        found[name] = {
            "title": engine.title,
            "ready": reason is None,
            "reason": reason,
            "version": engine.version(),
        }
        if isinstance(engine, CaimanEngine):
            found[name] |= _search_of(engine)
    auto: dict[str, str | None]
    try:
        engine, why = resolve(AUTO, Algorithm.CNMF)
        auto = {"engine": engine.name, "reason": why}
    except EngineError as error:
        auto = {"engine": None, "reason": str(error)}
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "interpreter": sys.executable,
        "cores": n_usable_cores(),
        "memory_gb": psutil.virtual_memory().total / 1e9,
        "packages": {name: _version(name) for name in _PACKAGES},
        "viewer": _viewer(),
        "engines": found,
        "auto": auto,
    }


def _viewer() -> dict[str, Any]:
    """Whether napari opens here, and why not."""
    reason = why_no_viewer() if has_screen() else "there is no screen."
    return {"ready": reason is None, "reason": reason}


def _search_of(engine: CaimanEngine) -> dict[str, Any]:
    """The interpreter, where it was found, and where else was looked."""
    search = engine.search
    facts: dict[str, Any] = {"tried": [list(entry) for entry in search.tried]}
    if search.found is not None:
        facts |= {"path": str(search.found.path), "source": search.found.source}
        remarks = [search.found.without, search.found.known_problem]
        facts["remarks"] = [remark for remark in remarks if remark]
    return facts


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
