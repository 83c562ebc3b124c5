"""``napari-cnmf suggest``: parameters that a movie itself suggests."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from napari_cnmf.cli._options import (
    add_json_option,
    add_open_options,
    add_parameter_options,
    open_options,
    path_option,
    read_parameters,
)


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "suggest",
        help="cell size, decay time and frame rate of a movie",
        description="Measure cell size and decay time on a sample of a movie that was motion "
        "corrected. The last line of stdout can be pasted behind `napari-cnmf run`.",
    )
    parser.add_argument("movies", nargs="+", type=path_option, metavar="MOVIE")
    parser.add_argument(
        "--one-photon", action="store_true", help="gSig and gSiz as one-photon methods take them"
    )
    add_open_options(parser)
    add_parameter_options(parser)
    add_json_option(parser)
    parser.set_defaults(run_command=run)


def run(args: argparse.Namespace) -> int:
    """Measure the movie, explain and print the suggested parameters."""
    from napari_cnmf.batch.suggesting import suggest
    from napari_cnmf.cli import EXIT_OK

    movies = args.movies if len(args.movies) > 1 else args.movies[0]
    params = read_parameters(args)
    found = suggest(movies, one_photon=args.one_photon, params=params, open_with=open_options(args))
    if args.json:
        print(json.dumps({
            "settings": found.settings, "radius_px": found.radius_px, "depth_px": found.depth_px,
            "radius_error_px": found.radius_error_px,
            "n_cells": found.n_cells, "decay_reason": found.decay_reason,
            "decay_frames": found.decay_frames, "remarks": found.remarks,
        }))  # fmt: skip
        return EXIT_OK
    for sentence in _sentences(found):
        print(sentence, file=sys.stderr)
    for remark in found.remarks:
        print(f"Warning: {remark}", file=sys.stderr)
    told = [f"--set {name}={_shown(value)}" for name, value in found.settings.items()]
    is_volume = found.size is not None and len(found.size.gSig) == 3
    print(" ".join(["--preset volumetric", *told] if is_volume else told))
    return EXIT_OK


def _sentences(found: Any) -> list[str]:
    if found.radius_px is None:
        lines = [
            f"{found.n_cells} clear cells: too few to measure their size."
            if found.n_cells
            else "No clear cells: nothing in the sample stands out from noise."
        ]
    else:
        deep = "" if found.depth_px is None else f" and {2 * found.depth_px:.1f} planes deep"
        lines = [
            f"{found.n_cells} clear cells are {2 * found.radius_px:.1f} px wide{_bar(found)}{deep} "
            "at half height."
        ]
        if found.size is None:
            lines.append("The planes do not show how deep they are: set gSig (z, y, x) by hand.")
    if found.decay_frames is not None:
        lines.append(f"Their transients decay within {found.decay_frames:.1f} frames.")
    else:
        lines.append(f"The decay time cannot be told. {found.decay_reason}".rstrip())
    if found.frame_rate_hz is None:
        lines.append("The movie does not say its frame rate: give it with --set data.fr=30.")
    return lines


def _bar(found: Any) -> str:
    """Error bar of the width."""
    error = found.radius_error_px
    return "" if error is None else f" (± {2 * error:.1f})"


def _shown(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else f"{value:g}"
