"""``napari-cnmf params``: parameters as TOML, and what differs between two files."""

from __future__ import annotations

import argparse
import json

from napari_cnmf.cli._options import (
    add_json_option,
    add_parameter_options,
    path_option,
    read_parameters,
)
from napari_cnmf.params import PRESETS, read_params


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "params",
        help="print parameters as TOML, for --params",
        description="Print parameters as TOML, ready for --params, or compare two files.",
    )
    add_parameter_options(parser)
    parser.add_argument(
        "--diff",
        nargs=2,
        type=path_option,
        metavar=("A", "B"),
        help="what differs between two files",
    )
    parser.add_argument(
        "--list-presets", action="store_true", help="the presets and what each sets"
    )
    add_json_option(parser)
    parser.set_defaults(run_command=run)


def run(args: argparse.Namespace) -> int:
    """Print the parameters, or the differences between two files."""
    from napari_cnmf.cli import EXIT_OK

    if args.list_presets:
        if args.json:
            print(json.dumps({name: preset.as_dict() for name, preset in PRESETS.items()}))
        for preset in () if args.json else PRESETS.values():
            print(preset)
    elif args.diff:
        first, second = (read_params(path) for path in args.diff)
        differences = first.diff(second)
        if args.json:
            print(json.dumps(differences))
        for name, (mine, theirs) in () if args.json else differences.items():
            print(f"{name}: {mine} | {theirs}")
    elif args.json:
        print(json.dumps(read_parameters(args).to_dict()))
    else:
        from napari_cnmf.params import to_toml

        print(to_toml(read_parameters(args)), end="")
    return EXIT_OK
