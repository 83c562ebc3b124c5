"""``napari-cnmf match``: the same cells in several results of one field."""

from __future__ import annotations

import argparse
import json
import math
import sys
from typing import TYPE_CHECKING, Any

from napari_cnmf.cli._options import add_json_option, number_option, path_option

if TYPE_CHECKING:
    from napari_cnmf.model.matching import SessionMatches


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "match",
        help="find the same cells in several results",
        description=(
            "Align results of one field and find the same cells. The table of ids goes to stdout "
            "as CSV, one row a cell; with --out the matches are kept in a file that can be "
            "curated in napari, and the last line is where."
        ),
    )
    parser.add_argument("results", nargs="+", type=path_option, metavar="RESULT_OR_ITEM")
    parser.add_argument("--out", type=path_option, metavar="MATCHES.json", help="keep the matches")
    parser.add_argument("--csv", type=path_option, metavar="FILE", help="write the table to a file")
    parser.add_argument("--rejected", action="store_true", help="match rejected components too")
    parser.add_argument("--max-distance", type=number_option, metavar="PX", help="between centres")
    parser.add_argument(
        "--min-probability",
        type=number_option,
        default=0.5,
        metavar="P",
        help="pairs that are less probably one cell are two; 0 to 1; default: 0.5",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace matches and table of an earlier call"
    )
    add_json_option(parser)
    parser.set_defaults(run_command=run)


def run(args: argparse.Namespace) -> int:
    """Match the results, write the matches, and print how many there are."""
    from napari_cnmf.io.matching import (
        match_sessions,
        matches_table,
        write_matches,
        write_matches_csv,
    )
    from napari_cnmf.io.spreadsheets import csv_text

    matched = match_sessions(
        args.results,
        include_rejected=args.rejected,
        max_distance_px=args.max_distance,
        min_probability=args.min_probability,
    )
    table = matches_table(matched.matches)
    in_all = int((table["n_sessions"] == len(args.results)).sum())
    cells = "1 cell" if len(table) == 1 else f"{len(table)} cells"
    print(f"{cells}, {in_all} of them in every session", file=sys.stderr)
    written: dict[str, str] = {}
    if args.csv is not None:
        path = write_matches_csv(matched.matches, args.csv, overwrite=args.overwrite)
        written["csv"] = str(path)
    if args.out is not None:
        written["out"] = str(write_matches(matched, args.out, overwrite=args.overwrite))
    if args.json:
        print(json.dumps(_as_dict(matched.matches) | written))
    elif written:
        print(*written.values(), sep="\n")
    else:
        print(csv_text(table, index=True, float_format="%.4f"), end="")
    return 0


def _as_dict(matches: SessionMatches) -> dict[str, Any]:
    """Matches as plain values: every cell with its components by session."""
    names = matches.sessions
    cells = [
        {
            "cell": number,
            "probability": None if math.isnan(cell.probability) else cell.probability,
            "state": cell.state,
            "components": {names[session]: id_ for session, id_ in cell.components.items()},
            "probabilities": {names[session]: p for session, p in cell.probabilities.items()},
        }
        for number, cell in matches.cells.items()
    ]
    return {"sessions": list(names), "cells": cells}
