"""``napari-cnmf view``: a batch or a result in napari."""

from __future__ import annotations

import argparse
from pathlib import Path

from napari_cnmf.cli._demo import has_screen, open_viewer
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
    if not has_screen():
        raise BatchError(
            "view needs a screen, and neither DISPLAY nor WAYLAND_DISPLAY names one. "
            "Run it on a desktop, or under xvfb-run."
        )
    return open_viewer(args.path)
