"""Options that several commands share."""

from __future__ import annotations

import argparse
import json
import math
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_cnmf._checks import shown, why_not_a_path
from napari_cnmf.errors import ParameterError
from napari_cnmf.params import PRESETS, CNMFParams, read_item_params, table_in
from napari_cnmf.params.numbers import parse_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from napari_cnmf.batch import Batch, Item


def add_parameter_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--preset``, ``--params`` and ``--set``."""
    parser.add_argument(
        "--preset", metavar="P", help=f"start from a preset: {', '.join(map(repr, PRESETS))}"
    )
    parser.add_argument(
        "--params",
        metavar="FILE",
        type=path_option,
        help="TOML or JSON with parameters; CaImAn's and Mesmerize's own are understood; "
        "- reads them from stdin",
    )
    parser.add_argument(
        "--set",
        metavar="GROUP.KEY=VALUE",
        action="append",
        default=[],
        help="one parameter, for example init.gSig=5,5 or gSig=5,5; may be repeated",
    )


def add_item_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of what an item is made of, besides its movie."""
    parser.add_argument(
        "--algorithm", choices=("cnmf", "cnmfe", "mcorr"), default="cnmf", help="default: cnmf"
    )
    parser.add_argument("--refit", action="store_true", help="fit again from the first result")
    parser.add_argument(
        "--engine", default="auto", help="auto (CaImAn where it is found), builtin or caiman"
    )
    parser.add_argument("--name", metavar="N", help="name of the item; default: the movie's")
    parser.add_argument(
        "--ain",
        metavar="CELLS",
        help="cells to start from instead of searching: labels (npy, tif, png), Cellpose's "
        "_seg.npy, ImageJ ROIs (zip), suite2p's stat.npy, a result (hdf5), or an item of the batch",
    )
    parser.add_argument(
        "--mask",
        metavar="FILE",
        type=path_option,
        help="analyse only this region (npy, tif, png, zip)",
    )
    parser.add_argument(
        "--leave-out",
        metavar="FILE",
        type=path_option,
        help="leave this region out (npy, tif, png, zip)",
    )
    parser.add_argument(
        "--n-processes",
        metavar="N",
        type=whole_number_option,
        help="threads or processes; default: what is free",
    )
    parser.add_argument(
        "--memory-gb", metavar="GB", type=number_option, help="memory to use; default: what is free"
    )
    parser.add_argument(
        "--keep-memmap",
        action="store_true",
        help="keep CaImAn's copy of the movie in the item, for the next item on the same movie",
    )
    parser.add_argument(
        "--again", action="store_true", help="add it even when the batch has the same already"
    )
    add_open_options(parser)
    add_parameter_options(parser)


def path_option(text: str) -> Path:
    """Path in the text of an option; a name that no file can have is refused."""
    path = Path(text)
    if why := why_not_a_path(path):
        raise argparse.ArgumentTypeError(f"a path is needed, got {shown(text)}: {why}")
    return path


def as_number(text: str) -> float | str:
    """Number in a text; another text stays what it is, for `open_movie` to say what it needs."""
    try:
        number = parse_number(text)
    except ParameterError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text if number is None else number


def number_option(text: str) -> float:
    """Number in the text of an option, with a decimal point or a decimal comma."""
    number = as_number(text)
    if isinstance(number, str) or not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"a number such as 2.5 or 2,5 is needed, got {text!r}")
    return number


def whole_number_option(text: str) -> int:
    """Whole number in the text of an option."""
    number = number_option(text)
    if number != int(number):
        raise argparse.ArgumentTypeError(f"a whole number such as 4 is needed, got {text!r}")
    return int(number)


_NUMBERS_TO_OPEN = (
    ("--channel", "C", "which channel, counted from 0"),
    ("--n-channels", "N",
     "so many channels alternate frame by frame in a file that does not say so"),
    ("--plane", "P", "open one plane of a volume, counted from 0"),
    ("--n-planes", "N", "so many planes follow each other in a volume"),
    ("--n-flyback", "N", "so many images after the planes of each volume show none"),
    ("--field", "F", "which scan field (mROI), counted from 0"),
    ("--offset", "V", "add V to every stored value; 0 leaves out the calibration of the file"),
)  # fmt: skip


def add_open_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that some movies need to be opened."""
    parser.add_argument("--axes", help="which axis of the file is which, for example TZYX")
    parser.add_argument("--dataset", metavar="D", help="which array of an HDF5, NWB or zarr file")
    for name, metavar, about in _NUMBERS_TO_OPEN:
        parser.add_argument(name, metavar=metavar, type=as_number, help=about)
    parser.add_argument(
        "--pixel-size",
        metavar="UM",
        type=as_number,
        nargs="+",
        help="pixel size in micrometres: dy dx, or dz dy dx for volumes; one number stands for "
        "dy and dx",
    )
    parser.add_argument(
        "--allow-missing",
        action="store_true",
        default=None,
        help="open what is there of a recording with missing, empty or cut files",
    )


_OPEN_OPTIONS = (
    "axes", "dataset", "channel", "n_channels", "plane", "n_planes", "n_flyback", "field", "offset",
    "allow_missing",
)  # fmt: skip


def open_options(args: argparse.Namespace) -> dict[str, Any]:
    """Options of `open_movie` beside the paths."""
    told = {name: getattr(args, name) for name in _OPEN_OPTIONS}
    sizes = args.pixel_size
    told["pixel_size_um"] = sizes[0] if sizes is not None and len(sizes) == 1 else sizes
    return {name: value for name, value in told.items() if value is not None}


def run_options(args: argparse.Namespace) -> dict[str, Any]:
    """Options of how an item runs; they never change what comes out."""
    told = {"n_processes": args.n_processes, "memory_gb": args.memory_gb}
    given = {name: value for name, value in told.items() if value is not None}
    return given | {"keep_memmap": args.keep_memmap}


def given_options(args: argparse.Namespace, batch: Batch) -> dict[str, Any]:
    """Cells and regions that an item is given besides its movie."""
    return {
        "ain": None if args.ain is None else _cells(args.ain, batch),
        "mask": args.mask,
        "leave_out": args.leave_out,
    }


def _cells(ain: str, batch: Batch) -> Path | Item:
    """Cells from a file, or else from an item by its name, uuid or position."""
    path = Path(ain)
    is_path = bool(path.suffix) or bool(why_not_a_path(path)) or path.exists()
    return path if is_path else batch.find(ain, typed=True)


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--json``, for every command that prints a result."""
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def add_action(
    actions: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], int],
    about: str,
) -> argparse.ArgumentParser:
    """Add an action of a command, with ``--json``."""
    parser = actions.add_parser(name, help=about)
    parser.set_defaults(run_command=run)
    add_json_option(parser)
    return parser


def read_parameters(args: argparse.Namespace) -> CNMFParams:
    """Read parameters: preset, then file, then single settings, each on top of the one before.

    A table of mesmerize-core says ``refit`` beside its parameters: it counts as ``--refit`` does.
    """
    params = CNMFParams.preset(args.preset) if args.preset else CNMFParams()
    if args.params is not None:
        is_stdin = str(args.params) == "-"
        given = table_in(sys.stdin.read() if is_stdin else args.params)
        try:
            params, refit = read_item_params(given, params)
        except ParameterError as error:
            where = "" if is_stdin else f"{args.params}: "
            raise ParameterError(f"{where}{error}") from error
        if hasattr(args, "refit"):
            args.refit = args.refit or bool(refit)
    return params.with_settings(args.set)


def open_or_create(path: Path) -> Batch:
    """Open the batch in ``path``, made when there is none."""
    from napari_cnmf.batch import Batch

    return Batch.open(path, create=True)


def print_items(items: Iterable[Item], *, as_json: bool) -> None:
    """Print name and state of items, one line each or as one JSON list."""
    if as_json:
        rows = [{"uuid": i.uuid, "name": i.name, "state": i.state.value} for i in items]
        print(json.dumps(rows))
        return
    for item in items:
        print(f"{item.name}: {item.state}")


def add_cluster_options(parser: argparse.ArgumentParser, purpose: str) -> None:
    """Options that name a dask scheduler or a cluster; ``purpose`` says what is done there."""
    parser.add_argument(
        "--scheduler", metavar="ADDRESS", help=f"{purpose} a dask scheduler, tcp://host:port"
    )
    parser.add_argument(
        "--cluster",
        type=path_option,
        metavar="FILE",
        help=f"{purpose} a SLURM, PBS or LSF cluster, described in TOML",
    )


def cluster_client(args: argparse.Namespace) -> AbstractContextManager[Any]:
    """Client of the scheduler or cluster that was named, or ``None``."""
    if args.scheduler is None and args.cluster is None:
        return nullcontext(None)
    from napari_cnmf.batch.cluster import connect

    return connect(args.scheduler, args.cluster)
