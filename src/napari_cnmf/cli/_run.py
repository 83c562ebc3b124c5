"""``napari-cnmf run``: movies in, a result out."""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from typing import TYPE_CHECKING, Any

from napari_cnmf.cli._options import (
    add_cluster_options,
    add_item_options,
    add_json_option,
    cluster_client,
    given_options,
    open_options,
    open_or_create,
    path_option,
    read_parameters,
    run_options,
)
from napari_cnmf.cli._view import open_viewer, require_viewer

PICTURE = "result.png"

if TYPE_CHECKING:
    from napari_cnmf.batch import Batch, Item
    from napari_cnmf.model.movie import Movie
    from napari_cnmf.params import CNMFParams


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "run",
        help="find the cells of a movie",
        description="Find the cells of a movie. Several files are one session, in the order given. "
        "A picture of it lies beside the result, whose path is the last line of stdout.",
    )
    parser.add_argument("movies", nargs="+", type=path_option, metavar="MOVIE")
    parser.add_argument(
        "--batch", required=True, type=path_option, metavar="DIR", help="made if need be"
    )
    parser.add_argument("--motion", action="store_true", help="correct motion first")
    parser.add_argument("--view", action="store_true", help="open napari with the result")
    add_item_options(parser)
    add_cluster_options(parser, "spread the recording over the workers of")
    add_json_option(parser)
    parser.set_defaults(run_command=run)


def run(args: argparse.Namespace) -> int:
    """Add what is missing to the batch, run it, print where the result is."""
    from napari_cnmf.batch import DuplicateItemWarning, State
    from napari_cnmf.batch.adding import check_input
    from napari_cnmf.batch.inputs import to_movie
    from napari_cnmf.cli import EXIT_NOT_COMPLETED, EXIT_OK

    if args.view:
        require_viewer("--view")
    params = read_parameters(args)
    # Before the batch is made: a wrong path must leave nothing behind.
    movie = to_movie(args.movies if len(args.movies) > 1 else args.movies[0], **open_options(args))
    check_input(movie, params, args.algorithm)
    batch = open_or_create(args.batch)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DuplicateItemWarning)  # --again asks for one
        item = add_chain(batch, movie, params, args)
    if not item.state.ended:
        with cluster_client(args) as client:
            batch.run([item], client=client, spread=client is not None)
    status = item.status
    if status.state is not State.COMPLETED:
        reason = status.error.message if status.error is not None else "no more is known."
        print(f"{item.name} is {status.state}: {reason}", file=sys.stderr)
        return EXIT_NOT_COMPLETED
    for warning in status.warnings:
        print(f"Warning: {warning}", file=sys.stderr)
    if status.n_components is not None:
        report(item)
    if args.json:
        print(json.dumps(summary(item)), flush=True)
    else:
        print(item.result_path, flush=True)
    return open_viewer(item.folder) if args.view else EXIT_OK


def summary(item: Item) -> dict[str, Any]:
    """Summary for a script of an item that has completed."""
    status = item.status
    return {
        "result": str(item.result_path),
        "uuid": item.uuid,
        "name": item.name,
        "engine": status.engine,
        "n_components": status.n_components,
        "n_accepted": status.n_accepted,
        "seconds": status.seconds,
        "warnings": list(status.warnings),
    }


def report(item: Item) -> None:
    """Print what was found and how long it took, and draw a picture into the item's folder."""
    from napari_cnmf.cli._picture import draw_result

    status = item.status
    picture = item.folder / PICTURE
    draw_result(item, picture)
    print(
        f"{status.n_components} found, {status.n_accepted} accepted in {status.seconds:.1f} s; "
        f"picture: {picture}",
        file=sys.stderr,
    )


def add_chain(batch: Batch, movie: Movie, params: CNMFParams, args: argparse.Namespace) -> Item:
    """Add the item asked for, behind a motion correction where that is asked for too."""
    source: Movie | Item = movie
    options: dict[str, Any] = {
        "engine": args.engine,
        "name": args.name,
        "run": run_options(args),
        "reuse": not args.again,
    }
    if args.motion and args.algorithm != "mcorr":
        source = batch.add("mcorr", movie, params=params, **options)
    options |= given_options(args, batch)
    return batch.add(args.algorithm, source, params=params, refit=args.refit, **options)
