"""``napari-cnmf export``: a curated result as other programs read it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from napari_cnmf.errors import ResultError

if TYPE_CHECKING:
    from napari_cnmf.model.curation import Curation

FORMATS = ("caiman", "csv", "npz")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "export",
        help="write a result for another program",
        description="Write a result with its decisions; csv goes to a folder.",
    )
    parser.add_argument("source", type=Path, metavar="RESULT_OR_ITEM")
    parser.add_argument("--to", choices=FORMATS, required=True)
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.set_defaults(run_command=run)


def run(args: argparse.Namespace) -> int:
    """Write what was asked for; prints where it is."""
    from napari_cnmf.io.caiman import write_caiman
    from napari_cnmf.io.exports.plain import write_csv, write_npz

    curation = read_curation(args.source)
    components = curation.components
    accepted = curation.accepted
    if args.to == "csv":
        write_csv(components, args.out, accepted=accepted)
    elif args.to == "npz":
        write_npz(components, args.out, accepted=accepted)
    else:
        write_caiman(components.replace(accepted=accepted), args.out)
    print(args.out)
    return 0


def read_curation(source: Path) -> Curation:
    """The result in ``source``, an item's folder or a file, with its decisions."""
    from napari_cnmf.batch import Batch, Item
    from napari_cnmf.batch.spec import ITEM_FILE
    from napari_cnmf.io.curation import open_curation

    if (source / ITEM_FILE).is_file():
        folder = source.absolute()
        return Item(Batch.open(folder.parents[1]), folder).result()
    if not source.is_file():
        raise ResultError(f"A result file or the folder of an item is needed, got {source}.")
    in_batch = (source.absolute().parent / ITEM_FILE).is_file()
    return open_curation(source, in_batch=in_batch)
