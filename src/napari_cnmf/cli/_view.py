"""``napari-cnmf view``: a batch or a result in napari."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from napari_cnmf.cli._options import path_option
from napari_cnmf.errors import BatchError, ViewerError

_VIEWER = (sys.executable, "-P", "-m", "napari_cnmf.ui")
_ENDED = (
    "Qt cannot open a window on this screen, and ended. On Debian and Ubuntu, install what it "
    "loads with: sudo apt install libxcb-cursor0 libxkbcommon-x11-0 libegl1 libgl1. Over ssh, or "
    "where DISPLAY names no screen that is there, use a remote desktop or xvfb-run."
)


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser("view", help="open a batch or a result in napari")
    parser.add_argument("path", type=path_option, metavar="BATCH_OR_RESULT")
    parser.set_defaults(run_command=run)


def run(args: argparse.Namespace) -> int:
    """Start napari as a child process and wait for it."""
    if not args.path.exists():
        raise BatchError(
            f"view needs a batch folder or a result file, and {args.path} is not there."
        )
    require_screen("view")
    return open_viewer(args.path)


def require_screen(asked: str) -> None:
    """Raise ``BatchError`` where no window can be opened, before any work is done."""
    if not has_screen():
        raise BatchError(
            f"{asked} needs a screen, and neither DISPLAY nor WAYLAND_DISPLAY names one. "
            "Run it on a desktop, or under xvfb-run."
        )


def require_viewer(asked: str) -> None:
    """Raise ``ViewerError`` where napari would not open, before hours of work are done."""
    require_screen(asked)
    if (reason := why_no_viewer()) is not None:
        raise ViewerError(reason)


def why_no_viewer() -> str | None:
    """One sentence where napari would not open, ``None`` where it would; takes a few seconds.

    A child process tries it: Qt ends the process in which it finds no screen.
    """
    from napari_cnmf.cli import EXIT_USAGE

    done = subprocess.run(
        [*_VIEWER, "--check"], check=False, capture_output=True, text=True, errors="replace"
    )
    if done.returncode == EXIT_USAGE:
        return done.stderr.strip().splitlines()[-1].removeprefix("Error: ")
    if done.returncode:
        return _ENDED
    return None


def has_screen() -> bool:
    """Whether a window can be opened: on Linux a display server must be named."""
    named = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return sys.platform != "linux" or bool(named)


def open_viewer(path: Path) -> int:
    """Open a batch or a result in napari, as a child process; return its exit code."""
    from napari_cnmf.cli import EXIT_OK, EXIT_USAGE

    code = subprocess.run([*_VIEWER, str(path)], check=False).returncode
    known = code in (EXIT_OK, EXIT_USAGE)
    if not known and (reason := why_no_viewer()) is not None:
        raise ViewerError(reason)
    return code
