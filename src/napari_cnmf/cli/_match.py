"""``napari-cnmf match``: the same cells in several results of one field."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


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
    parser.add_argument("results", nargs="+", type=Path, metavar="RESULT_OR_ITEM")
    parser.add_argument("--out", type=Path, metavar="MATCHES.json", help="keep the matches")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the table to a file")
    parser.add_argument("--rejected", action="store_true", help="match rejected components too")
    parser.add_argument("--max-distance", type=float, metavar="PX", help="between centres")
    parser.add_argument(
        "--min-probability",
        type=float,
        default=0.5,
        metavar="P",
        help="pairs that are less probably one cell are two; 0 to 1; default: 0.5",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace matches and table of an earlier call"
    )
    parser.set_defaults(run_command=run)


def run(args: argparse.Namespace) -> int:
    """Match the results, write the matches, and print how many there are."""
    from napari_cnmf.io.matching import (
        match_sessions,
        matches_table,
        write_matches,
        write_matches_csv,
    )

    matched = match_sessions(
        args.results,
        include_rejected=args.rejected,
        max_distance_px=args.max_distance,
        min_probability=args.min_probability,
    )
    table = matches_table(matched.matches)
    in_all = int((table["n_sessions"] == len(args.results)).sum())
    print(f"{len(table)} cells, {in_all} of them in every session", file=sys.stderr)
    if args.csv is not None:
        print(write_matches_csv(matched.matches, args.csv, overwrite=args.overwrite))
    elif args.out is None:
        print(table.to_csv(float_format="%.4f"), end="")
    if args.out is not None:
        print(write_matches(matched, args.out, overwrite=args.overwrite))
    return 0
