"""The command line: one file per command, each with ``add_parser`` and a function that runs it.

Progress and messages go to stderr. The last line of stdout is the answer, for scripts to take.
Exit codes: 0 done, 1 an item did not complete, 2 what was asked cannot be, 130 interrupted.
"""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version
from typing import Any

from napari_cnmf._names import did_you_mean, not_one_of
from napari_cnmf.errors import CnmfError

EXIT_OK = 0
EXIT_NOT_COMPLETED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

COMMANDS = (
    "demo", "info", "run", "batch", "curate", "export", "import", "project", "match", "params",
    "suggest", "view", "doctor", "completion",
)  # fmt: skip


EXAMPLES = {
    "info": "napari-cnmf info recording.tif --json",
    "napari-cnmf": "napari-cnmf run movie.tif --batch results --set data.fr=30",
    "demo": "napari-cnmf demo --headless --out demo",
    "run": "napari-cnmf run movie.tif --batch results --motion --set data.fr=30 --set gSig=5,5",
    "batch": "napari-cnmf batch results list",
    "batch list": "napari-cnmf batch results list --json",
    "batch show": "napari-cnmf batch results show movie",
    "batch add": "napari-cnmf batch results add movie.tif --set data.fr=30 --name movie",
    "batch grid": "napari-cnmf batch results grid movie.tif --vary gSig 4,4 6,6 --vary p 1 2",
    "batch start": "napari-cnmf batch results start --n-workers 2",
    "batch cancel": "napari-cnmf batch results cancel --all",
    "batch retry": "napari-cnmf batch results retry movie",
    "batch remove": "napari-cnmf batch results remove movie",
    "batch rename": "napari-cnmf batch results rename movie 'mouse 3, day 1'",
    "batch locate": "napari-cnmf batch results locate /data/moved",
    "batch import": "napari-cnmf batch results import old.pickle --movies /data",
    "batch scripts": "napari-cnmf batch results scripts --kind slurm --to jobs",
    "curate": "napari-cnmf curate result.hdf5 --reject 3,7 --set quality.min_SNR=3",
    "export": "napari-cnmf export result.hdf5 --to nwb movie.nwb",
    "import": "napari-cnmf import suite2p/plane0 result.hdf5",
    "project": "napari-cnmf project study list",
    "project list": "napari-cnmf project study list --where 'genotype=wt'",
    "project add": "napari-cnmf project study add result.hdf5 AnimalID=m1 TrialID=1",
    "project update": "napari-cnmf project study update m1-_-1 genotype=wt",
    "project remove": "napari-cnmf project study remove m1-_-1",
    "project column": "napari-cnmf project study column genotype --choices wt,ko",
    "match": "napari-cnmf match day1/result.hdf5 day2/result.hdf5 --csv same-cells.csv",
    "params": "napari-cnmf params --preset one-photon > params.toml",
    "suggest": "napari-cnmf suggest movie.tif --set data.fr=30",
    "view": "napari-cnmf view results",
    "doctor": "napari-cnmf doctor",
    "completion": "napari-cnmf completion bash > ~/.napari-cnmf-completion",
}
"""One command a person could type, for the help of each command."""


class _HelpWithExample(argparse.HelpFormatter):
    """Wraps texts as argparse does, and leaves the example on a line of its own."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith(_EXAMPLE):
            return indent + text
        return super()._fill_text(text, width, indent)


_EXAMPLE = "example: "


class _Parser(argparse.ArgumentParser):
    """Parser that names the closest command, option or choice where one is misspelt."""

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            what = "It" if action.option_strings else str(action.metavar or action.dest)
            raise argparse.ArgumentError(action, not_one_of(what, action.choices, value))

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Parse as usual; what a command does not know is said with that command's usage."""
        namespace, unknown = super().parse_known_args(args, namespace)
        if unknown:
            guess = did_you_mean(unknown[0].partition("=")[0], self._option_string_actions)
            self.error(f"unrecognized arguments: {' '.join(unknown)}.{guess}")
        return namespace, unknown


def build_parser() -> argparse.ArgumentParser:
    """The parser of every command."""
    parser = _Parser(
        prog="napari-cnmf",
        description="Find cells in calcium imaging movies: CNMF, batches and curation.",
    )
    parser.add_argument("--version", action="version", version=version("napari-cnmf"))
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name in COMMANDS:
        import_module(f"napari_cnmf.cli._{name}").add_parser(commands)
    _complete(parser, "napari-cnmf")
    return parser


def _complete(parser: argparse.ArgumentParser, name: str) -> None:
    """Give a parser and all below it an example, and ``-v``, wherever a person types it."""
    parser.formatter_class = _HelpWithExample
    if name in EXAMPLES:
        parser.epilog = f"{_EXAMPLE}{EXAMPLES[name]}"
    parser.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        # Without a default, a command's parser does not undo what was given before its name.
        default=argparse.SUPPRESS,
        help="show the traceback of errors",
    )
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command, child in action.choices.items():
                _complete(child, command if name == "napari-cnmf" else f"{name} {command}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A Windows console may know neither umlauts nor the characters of a bar.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    parser = build_parser()
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    if args.command is None:
        parser.print_help()
        return EXIT_OK
    try:
        with _plain_warnings():
            code: int = args.run_command(args)
    except CnmfError as error:
        if getattr(args, "verbose", False):
            logging.getLogger("napari_cnmf").exception("the error:")
        print(f"Error: {_safe(str(error))}", file=sys.stderr)
        return EXIT_USAGE
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader (head, a pager) has seen enough.
        sys.stderr.close()
        return EXIT_OK
    return code


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """Print warnings as sentences: the line of code that warns says nothing in a shell."""
    before = warnings.formatwarning
    warnings.formatwarning = lambda message, *_args, **_named: f"Warning: {_safe(str(message))}\n"
    try:
        yield
    finally:
        warnings.formatwarning = before


def _safe(text: str) -> str:
    """An error as it can be printed: names of files may hold what steers a terminal."""
    from napari_cnmf.batch._files import printable

    return printable(text)


if __name__ == "__main__":
    sys.exit(main())
