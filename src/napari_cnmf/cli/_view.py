"""``napari-cnmf view``: a batch or a result in napari."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from napari_cnmf.errors import BatchError


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser("view", help="open a batch or a result in napari")
    parser.add_argument("path", type=Path, metavar="BATCH_OR_RESULT")
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


def has_screen() -> bool:
    """Whether a window can be opened: on Linux a display server must be named."""
    named = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return sys.platform != "linux" or bool(named)


def open_viewer(path: Path) -> int:
    """Open a batch or a result in napari, as a child process; return its exit code."""
    command = [sys.executable, "-P", "-m", "napari_cnmf.ui", str(path)]
    return subprocess.run(command, check=False).returncode
