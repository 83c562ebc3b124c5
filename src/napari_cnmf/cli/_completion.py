"""``napari-cnmf completion SHELL``: a script that completes commands, options and files."""

from __future__ import annotations

import argparse
from typing import Any

from napari_cnmf.cli._options import path_option
from napari_cnmf.errors import CnmfError, why_no_package

SHELLS = ("bash", "zsh", "tcsh")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "completion",
        help="print a script that lets the Tab key complete commands",
        description="Print a script for your shell that completes commands, options and files. "
        "Write it again after an update. Needs the package shtab.",
    )
    parser.add_argument("shell", choices=SHELLS)
    parser.set_defaults(run_command=run)


def run(args: argparse.Namespace) -> int:
    """Print the script."""
    from napari_cnmf.cli import EXIT_OK, build_parser

    try:
        import shtab
    except ImportError as error:
        raise CnmfError(why_no_package("Completion", "shtab", "completion", error)) from error
    parser = build_parser()
    _complete_paths(parser, shtab.FILE)
    print(shtab.complete(parser, shell=args.shell))
    return EXIT_OK


def _complete_paths(parser: argparse.ArgumentParser, how: Any) -> None:
    """Complete files and folders for every argument that takes a path."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                _complete_paths(child, how)
        elif action.type is path_option:
            action.complete = how  # type: ignore[attr-defined]
