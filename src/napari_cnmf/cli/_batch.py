"""``napari-cnmf batch DIR …``: the batch manager from a terminal."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

from napari_cnmf.cli._options import (
    add_action,
    add_cluster_options,
    add_item_options,
    cluster_client,
    given_options,
    open_options,
    open_or_create,
    path_option,
    print_items,
    read_parameters,
    run_options,
    whole_number_option,
)
from napari_cnmf.errors import BatchError, ParameterError

if TYPE_CHECKING:
    import pandas as pd

    from napari_cnmf.batch import Batch, Item

_Actions = Any
_LIST_COLUMNS = ("name", "algorithm", "engine", "state", "seconds", "n_components", "n_accepted")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command and its actions."""
    parser = commands.add_parser("batch", help="list, add, start, cancel, retry, remove items")
    parser.add_argument("folder", type=path_option, metavar="DIR")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    _add_list(actions)
    _add_adding(actions)
    _add_start(actions)
    _add_changing(actions)
    _add_files(actions)


def _add_list(actions: _Actions) -> None:
    add_action(actions, "list", run_list, "every item, and where it stands")
    about = "one item: what was asked, how it came to be, its log"
    show = add_action(actions, "show", run_show, about)
    show.add_argument("item", metavar="ITEM", help="name, uuid or position")


def _add_adding(actions: _Actions) -> None:
    add = add_action(actions, "add", run_add, "add an item; nothing starts")
    grid = add_action(actions, "grid", run_grid, "add every combination of some values")
    for parser in (add, grid):
        parser.add_argument("movies", nargs="*", type=path_option, metavar="MOVIE")
        parser.add_argument(
            "--item", metavar="ITEM", help="take the movie that this item makes, instead of MOVIE"
        )
        add_item_options(parser)
    grid.add_argument(
        "--vary",
        nargs="+",
        action="append",
        required=True,
        metavar=("GROUP.KEY", "VALUE"),
        help="a parameter and its values; may be repeated: --vary gSig 4,4 6,6",
    )
    grid.add_argument("--skip-duplicates", action="store_true", help="leave out what is there")


def _add_start(actions: _Actions) -> None:
    start = add_action(actions, "start", run_start, "run what is queued, and wait for it")
    start.add_argument("items", nargs="*", metavar="ITEM", help="only these; default: all")
    start.add_argument("--from", dest="start", metavar="ITEM", help="this one and all after it")
    start.add_argument(
        "--n-workers", type=whole_number_option, default=1, metavar="N", help="items at once"
    )
    add_cluster_options(start, "run items on")
    start.add_argument(
        "--spread", action="store_true", help="spread each recording over all workers"
    )
    start.add_argument("--at", metavar="HH:MM", help="wait until then; today, or else tomorrow")


def _add_changing(actions: _Actions) -> None:
    for name, function, about in (
        ("cancel", run_cancel, "cancel items, and wait until their processes are gone"),
        ("retry", run_retry, "queue failed, cancelled or interrupted items again"),
    ):
        parser = add_action(actions, name, function, about)
        parser.add_argument("items", nargs="*", metavar="ITEM")
        parser.add_argument("--all", action="store_true", help="every item it can be done to")
    rename = add_action(actions, "rename", run_rename, "give an item another name")
    rename.add_argument("item", metavar="ITEM")
    rename.add_argument("name", metavar="NAME")
    remove = add_action(actions, "remove", run_remove, "remove items and their data")
    remove.add_argument("items", nargs="+", metavar="ITEM")
    remove.add_argument("--with-children", action="store_true", help="and the items that need them")


def _add_files(actions: _Actions) -> None:
    locate = add_action(actions, "locate", run_locate, "look for movies that were moved")
    locate.add_argument("where", type=path_option, metavar="FOLDER", help="where they are now")
    about = "take in a batch of mesmerize-core; makes DIR"
    bring = add_action(actions, "import", run_import, about)
    bring.add_argument("table", type=path_option, metavar="OLD.pickle")
    bring.add_argument(
        "--movies", type=path_option, metavar="FOLDER", help="where its movies are now"
    )
    bring.add_argument("--no-results", action="store_true", help="queue items that it had run")
    about = "write scripts that run the queued items"
    scripts = add_action(actions, "scripts", run_scripts, about)
    scripts.add_argument("items", nargs="*", metavar="ITEM", help="only these; default: all queued")
    scripts.add_argument("--kind", choices=("shell", "slurm"), default="shell")
    scripts.add_argument("--to", type=path_option, required=True, metavar="FOLDER")
    scripts.add_argument("--overwrite", action="store_true", help="replace earlier scripts")


def run_list(args: argparse.Namespace) -> int:
    """Print the table of a batch."""
    from napari_cnmf.batch.table import batch_table

    batch = _open(args)
    table = batch_table(batch.items, curated=False)  # a list must not open every result
    if args.json:
        print(_to_json(table))
        return 0
    shown = table[list(_LIST_COLUMNS)].astype(object)
    shown["seconds"] = table["seconds"].round(1).astype(object)
    running = table["state"] == "running"
    shown.loc[running, "state"] += [f" {done:.0%}" for done in table.loc[running, "progress"]]
    print(shown.where(shown.notna(), "").to_string() if len(table) else "(no items)")
    for item in batch:
        if item.error:
            print(f"{item.name}: {item.error}")
    return 0


def run_show(args: argparse.Namespace) -> int:
    """Print what is known about one item."""
    from napari_cnmf.params import CNMFParams

    item = _open(args).find(args.item, typed=True)
    status = item.status
    trace = item.history_trace
    if args.json:
        told = {"uuid": item.uuid, "name": item.name, "state": status.state.value}
        more = {"folder": str(item.folder), "problem": item.problem, "history_trace": trace}
        print(json.dumps(told | more, default=str))
        return 0
    print(f"{item.name}: {status.state}\nuuid: {item.uuid}\nfolder: {item.folder}")
    if item.comment:
        print(f"comment: {item.comment}")
    for step in trace:
        about = " ".join(str(step[key]) for key in ("engine", "version", "time") if step.get(key))
        print(f"{step['step']} of {step.get('name', item.name)}: {about}")
    for name, (value, default) in item.params.diff(CNMFParams()).items():
        print(f"{name} = {value}  (default {default})")
    if status.error is not None:
        print(f"error: {status.error.message}", status.error.traceback, sep="\n")
    print("log:", item.log_text().strip() or "(nothing yet)", sep="\n")
    return 0


def _to_json(table: pd.DataFrame) -> str:
    """The table as a JSON list, one object a row; missing values are null."""
    return str(table.to_json(orient="records", date_format="iso"))


def run_add(args: argparse.Namespace) -> int:
    """Add one item; prints its uuid."""
    params, (batch, source) = read_parameters(args), _source(args)
    item = batch.add(args.algorithm, source, params=params, **_options(args, batch))
    _print_added([item], as_json=args.json)
    return 0


def run_grid(args: argparse.Namespace) -> int:
    """Add the product of the values; prints the uuids."""
    params, (batch, source) = read_parameters(args), _source(args)
    grid = {}
    for name, *values in args.vary:
        if not values:
            raise ParameterError(f"--vary needs values after {name}: --vary {name} 1 2 3.")
        grid[name] = values
    items = batch.add_grid(
        args.algorithm,
        source,
        params=params,
        grid=grid,
        skip_duplicates=args.skip_duplicates,
        **_options(args, batch),
    )
    _print_added(items, as_json=args.json)
    return 0


def _print_added(items: list[Item], *, as_json: bool) -> None:
    if not items:
        print("Nothing was added: the batch has all of it.", file=sys.stderr)
    if as_json:
        print_items(items, as_json=True)
        return
    for item in items:
        print(f"{item.name}: {item.state}", file=sys.stderr)
        print(item.uuid)


def run_start(args: argparse.Namespace) -> int:
    """Run items; the exit code is 0 only if all of them completed."""
    from napari_cnmf.batch.schedule import next_time, wait_for

    batch = _open(args)
    items = [batch.find(name, typed=True) for name in args.items] or None
    start = None if args.start is None else batch.find(args.start, typed=True)
    if args.at is not None:
        when = next_time(args.at, datetime.now())
        print(f"Waiting until {when:%Y-%m-%d %H:%M:%S}", file=sys.stderr)
        wait_for(when)
    if args.spread and args.scheduler is None and args.cluster is None:
        raise BatchError("--spread needs --scheduler or --cluster: the workers to spread over.")
    with cluster_client(args) as client:
        ran = batch.run(
            items, start=start, n_workers=args.n_workers, client=client, spread=args.spread
        )
    if args.json:
        print(_to_json(batch.df[batch.df["uuid"].isin([item.uuid for item in ran])]))
    else:
        print_items(ran, as_json=False)
    completed = all(item.state.value == "completed" for item in ran)
    return 0 if completed else 1


def run_cancel(args: argparse.Namespace) -> int:
    """Cancel items for sure."""
    from napari_cnmf.batch.running import cancel_and_wait

    items = _chosen(args, lambda item: not item.state.ended)
    cancel_and_wait(items)
    print_items(items, as_json=args.json)
    return 0 if all(item.state.ended for item in items) else 1


def run_retry(args: argparse.Namespace) -> int:
    """Queue items again."""
    from napari_cnmf.batch.status import RETRIABLE

    items = _chosen(args, lambda item: item.problem is None and item.state in RETRIABLE)
    for item in items:
        if item.state in RETRIABLE or item.uuid in args.items:
            item.retry()
    print_items(items, as_json=args.json)
    return 0


def run_rename(args: argparse.Namespace) -> int:
    """Give an item another name."""
    item = _open(args).find(args.item, typed=True)
    item.rename(args.name)
    print_items([item], as_json=args.json)
    return 0


def run_remove(args: argparse.Namespace) -> int:
    """Remove items."""
    batch = _open(args)
    items = [batch.find(name, typed=True) for name in args.items]
    removed = [{"uuid": item.uuid, "name": item.name} for item in items]
    batch.remove(*items, with_children=args.with_children)
    if args.json:
        print(json.dumps(removed))
    return 0


def run_locate(args: argparse.Namespace) -> int:
    """Find moved movies; 1 when some are still missing."""
    batch = _open(args)
    found = batch.locate(args.where)
    missing = batch.missing_movies()
    if args.json:
        print(json.dumps({"found": [item.uuid for item in found], "missing": missing}))
        return 1 if missing else 0
    for item in found:
        print(f"{item.name}: found")
    for uuid, paths in missing.items():
        print(f"{batch[uuid].name}: still missing {paths[0]}", file=sys.stderr)
    return 1 if missing else 0


def run_import(args: argparse.Namespace) -> int:
    """Take in another program's batch; what was left out is said on stderr."""
    from napari_cnmf.batch import import_mesmerize
    from napari_cnmf.io.table_pickle import read_table_pickle

    read_table_pickle(args.table)  # refused before a folder is made for it
    imported = import_mesmerize(
        open_or_create(args.folder), args.table, movies=args.movies, results=not args.no_results
    )
    for note in imported.notes:
        print(note, file=sys.stderr)
    _print_added(imported.items, as_json=args.json)
    return 0


def run_scripts(args: argparse.Namespace) -> int:
    """Write scripts; prints the one to start."""
    from napari_cnmf.batch.scripts import write_scripts

    batch = _open(args)
    items = [batch.find(name, typed=True) for name in args.items] or None
    script = write_scripts(batch, args.to, kind=args.kind, items=items, overwrite=args.overwrite)
    print(json.dumps({"script": str(script)}) if args.json else script)
    return 0


def _open(args: argparse.Namespace) -> Batch:
    from napari_cnmf.batch import Batch

    return Batch.open(args.folder)


def _source(args: argparse.Namespace) -> tuple[Batch, Any]:
    """Batch, and the movie or item that a new item takes as its input."""
    from napari_cnmf.batch.inputs import to_movie

    if bool(args.movies) == (args.item is not None):
        raise BatchError("Give either MOVIE files or --item, one of the two.")
    if args.item is not None:
        batch = _open(args)
        return batch, batch.find(args.item, typed=True)
    movie = to_movie(args.movies if len(args.movies) > 1 else args.movies[0], **open_options(args))
    return open_or_create(args.folder), movie


def _options(args: argparse.Namespace, batch: Batch) -> dict[str, Any]:
    return {
        **given_options(args, batch),
        "engine": args.engine,
        "name": args.name,
        "refit": args.refit,
        "run": run_options(args),
        "reuse": not args.again,
    }


def _chosen(args: argparse.Namespace, possible: Any) -> list[Item]:
    batch = _open(args)
    if bool(args.items) == args.all:
        raise BatchError("Give either items or --all, one of the two.")
    if args.all:
        return [item for item in batch if possible(item)]
    return [batch.find(name, typed=True) for name in args.items]
