"""``napari-cnmf project DIR …``: a folder of samples, from a terminal."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_cnmf.cli._export import read_curation
from napari_cnmf.cli._options import add_action, path_option
from napari_cnmf.errors import ProjectError

if TYPE_CHECKING:
    import pandas as pd


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command and its actions."""
    parser = commands.add_parser("project", help="list, add, update, remove samples of a project")
    parser.add_argument("folder", type=path_option, metavar="DIR")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = add_action(actions, "list", run_list, "every sample, or every ROI")
    listing.add_argument("--rois", action="store_true", help="one row a ROI")
    listing.add_argument(
        "--where", default="", metavar="WORDS", help="such as 'genotype=wt n_accepted>20'"
    )
    listing.add_argument("--csv", action="store_true", help="print CSV")
    add = add_action(actions, "add", run_add, "add a result; the project is made if need be")
    add.add_argument("source", type=path_option, metavar="RESULT_OR_ITEM")
    add.add_argument("values", nargs="+", metavar="COLUMN=VALUE", help="AnimalID and TrialID too")
    add.add_argument(
        "--stimuli", type=path_option, metavar="CSV", help="start_time, stop_time in s, …"
    )
    add.add_argument("--movie-in-nwb", choices=("not", "linked", "copied"), default="not")
    add.add_argument("--curator", metavar="NAME", help="as this second curator decided")
    add.add_argument("--update", action="store_true", help="replace the sample that is there")
    update = add_action(actions, "update", run_update, "change values of a sample")
    update.add_argument("sample", metavar="SampleID")
    update.add_argument("values", nargs="+", metavar="COLUMN=VALUE")
    remove = add_action(actions, "remove", run_remove, "take samples out, with their files")
    remove.add_argument("samples", nargs="+", metavar="SampleID")
    column = add_action(actions, "column", run_column, "ask for one more column from now on")
    column.add_argument("name", metavar="NAME")
    column.add_argument("--kind", choices=("text", "number", "date"), default="text")
    column.add_argument("--required", action="store_true")
    column.add_argument("--choices", default="", metavar="A,B,…", help="the only values allowed")


def run_list(args: argparse.Namespace) -> int:
    """Print the table of samples."""
    from napari_cnmf.io.projects import Project, matching_rows

    project = Project.open(args.folder)
    table = project.rois if args.rois else project.df
    table = table[matching_rows(table, args.where)]
    _print(table, args)
    return 0


def _print(table: pd.DataFrame, args: argparse.Namespace) -> None:
    if args.json:
        print(json.dumps(json.loads(table.to_json(orient="records")), ensure_ascii=False))
    elif args.csv:
        from napari_cnmf.io.spreadsheets import csv_text

        print(csv_text(table), end="")
    else:
        print(table.to_string(index=False, na_rep="") if len(table) else "no samples")


def run_add(args: argparse.Namespace) -> int:
    """Write a sample; prints its id."""
    from napari_cnmf.batch.exporting import context_for
    from napari_cnmf.io.projects import Project
    from napari_cnmf.io.projects.project import PROJECT_FILE

    there = (args.folder / PROJECT_FILE).is_file()
    project = Project.open(args.folder) if there else Project.create(args.folder)
    curation = read_curation(args.source, args.curator)
    sample = project.add(
        curation,
        _values(args.values),
        stimuli=_stimuli(args.stimuli),
        context=context_for(curation, movie_in_nwb=args.movie_in_nwb),
        update=args.update,
    )
    print(json.dumps({"sample": sample.id}) if args.json else sample.id)
    return 0


def run_update(args: argparse.Namespace) -> int:
    """Change values of samples."""
    from napari_cnmf.io.projects import Project

    sample = Project.open(args.folder).update(args.sample, **_values(args.values))
    print(json.dumps({"sample": sample.id}) if args.json else sample.id)
    return 0


def run_remove(args: argparse.Namespace) -> int:
    """Remove samples."""
    from napari_cnmf.io.projects import Project

    Project.open(args.folder).remove(*args.samples)
    if args.json:
        print(json.dumps({"removed": args.samples}))
    return 0


def run_column(args: argparse.Namespace) -> int:
    """Add a column, or replace one."""
    from napari_cnmf.io.projects import Column, ColumnKind, Project

    choices = tuple(word.strip() for word in args.choices.split(",") if word.strip())
    column = Column(
        name=args.name, kind=ColumnKind(args.kind), required=args.required, choices=choices
    )
    Project.open(args.folder).add_column(column)
    if args.json:
        print(json.dumps(column.model_dump(mode="json")))
    return 0


def _values(words: list[str]) -> dict[str, Any]:
    values = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise ProjectError(f"Values are given as COLUMN=VALUE, got {word!r}.")
        values[name.strip()] = value
    return values


def _stimuli(path: Path | None) -> pd.DataFrame | None:
    from napari_cnmf.io.projects.stimuli import read_stimuli

    return None if path is None else read_stimuli(path)
