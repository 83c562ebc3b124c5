"""``napari-cnmf info``: what is known about a recording, before one of its frames is read."""

from __future__ import annotations

import argparse
import json

from napari_cnmf.cli._options import (
    add_json_option,
    add_open_options,
    as_number,
    open_options,
    path_option,
)


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "info",
        help="describe a recording: files, channels, planes, frame rate, pixel size",
        description="Describe a recording without reading its frames: what its files say, where "
        "that stands, and what you have to say. Each line can be overruled by an option.",
    )
    parser.add_argument(
        "movie",
        metavar="PATH",
        nargs="+",
        type=path_option,
        help="a file, files in order, or a folder",
    )
    parser.add_argument(
        "--frame-rate", metavar="HZ", type=as_number, help="frames or volumes per second"
    )
    add_open_options(parser)
    add_json_option(parser)
    parser.set_defaults(run_command=run)


def run(args: argparse.Namespace) -> int:
    """Print the description."""
    from napari_cnmf.cli import EXIT_OK
    from napari_cnmf.io.movies import describe_recording

    found = describe_recording(
        args.movie if len(args.movie) > 1 else args.movie[0],
        frame_rate_hz=args.frame_rate,
        **open_options(args),
    )
    print(json.dumps(found.to_dict()) if args.json else found)
    return EXIT_OK
