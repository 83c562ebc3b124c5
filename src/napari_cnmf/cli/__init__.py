"""The command line: one file per command, each with ``add_parser`` and a function that runs it.

Progress and messages go to stderr. The last line of stdout is the answer, for scripts to take.
Exit codes: 0 done, 1 an item did not complete, 2 what was asked cannot be, 130 interrupted.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version

from napari_cnmf.errors import CnmfError

EXIT_OK = 0
EXIT_NOT_COMPLETED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

COMMANDS = (
    "demo", "info", "run", "batch", "curate", "export", "import", "project", "match", "params",
    "suggest", "view", "doctor", "bench",
)  # fmt: skip


def build_parser() -> argparse.ArgumentParser:
    """The parser of every command."""
    parser = argparse.ArgumentParser(
        prog="napari-cnmf",
        description="Find cells in calcium imaging movies: CNMF, batches and curation.",
    )
    parser.add_argument("--version", action="version", version=version("napari-cnmf"))
    parser.add_argument("-v", "--verbose", action="store_true", help="show the traceback of errors")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        import_module(f"napari_cnmf.cli._{name}").add_parser(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A Windows console may know neither umlauts nor the characters of a bar.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    args = build_parser().parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    try:
        code: int = args.run_command(args)
    except CnmfError as error:
        if args.verbose:
            logging.getLogger("napari_cnmf").exception("the error:")
        print(f"Error: {error}", file=sys.stderr)
        return EXIT_USAGE
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader (head, a pager) has seen enough.
        sys.stderr.close()
        return EXIT_OK
    return code


if __name__ == "__main__":
    sys.exit(main())
