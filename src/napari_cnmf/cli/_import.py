"""``napari-cnmf import``: what suite2p or an NWB file holds, as a result to curate."""

from __future__ import annotations

import argparse
import json

from napari_cnmf.cli._options import add_json_option, path_option


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "import",
        help="take over a result of suite2p or of an NWB file",
        description=(
            "Write a suite2p folder or the segmentation of an NWB file as a CaImAn HDF5 result, "
            "to be curated and exported like any other. The last line is where it is."
        ),
    )
    parser.add_argument("source", type=path_option, metavar="FOLDER_OR_NWB")
    parser.add_argument("out", type=path_option, metavar="OUT.hdf5")
    parser.add_argument(
        "--plane",
        metavar="N",
        help="of a suite2p folder with several; of an NWB file with several tables of cells, the "
        "number of one in alphabetical order, or its name",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier import")
    add_json_option(parser)
    parser.set_defaults(run_command=run)


def run(args: argparse.Namespace) -> int:
    """Read a foreign result, write it as ours, and print where it is."""
    from napari_cnmf.io.imports import import_result

    plane = args.plane
    if plane is not None and plane.isascii() and plane.isdigit():
        plane = int(plane)
    written = import_result(args.source, args.out, plane=plane, overwrite=args.overwrite)
    print(json.dumps({"path": str(written)}) if args.json else written)
    return 0
