"""``napari-cnmf export``: a curated result as other programs read it."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from napari_cnmf._names import FormatName
from napari_cnmf.cli._options import add_json_option, number_option, path_option
from napari_cnmf.errors import ExportError

if TYPE_CHECKING:
    from napari_cnmf.io.exports import Session
    from napari_cnmf.io.exports.writing import OnProgress
    from napari_cnmf.model.curation import Curation

FORMATS = get_args(FormatName)

_SESSION = {
    "subject_id": "id of the animal",
    "species": "in Latin, such as 'Mus musculus'",
    "sex": "M, F, U or O",
    "age": "ISO 8601 duration, such as P90D",
    "genotype": "of the animal",
    "session_id": "id of the session",
    "description": "what was done in the session",
    "lab": "name of the lab",
    "institution": "name of the institution",
    "indicator": "such as GCaMP6f",
    "location": "brain area",
    "device": "the microscope",
}


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "export",
        help="write a result for another program",
        description="Write a result with its decisions; csv, parquet, suite2p and dandi go to a "
        "folder. The last line is where it is.",
    )
    parser.add_argument("source", type=path_option, metavar="RESULT_OR_ITEM")
    parser.add_argument("--to", choices=FORMATS, required=True)
    parser.add_argument("out", type=path_option, metavar="OUT")
    parser.add_argument(
        "--rejected",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="write rejected components too, marked as such; by default in caiman files alone",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace an earlier export of this format; nothing else is ever replaced",
    )
    parser.add_argument(
        "--movie", type=path_option, metavar="FILE", help="the movie of a result file"
    )
    parser.add_argument("--curator", metavar="NAME", help="as this second curator decided")
    add_json_option(parser)
    nwb = parser.add_argument_group("NWB", "what the format asks for and no result knows")
    nwb.add_argument("--movie-in-nwb", choices=("not", "linked", "copied"), default="not")
    nwb.add_argument("--start", metavar="TIME", help="ISO 8601, such as 2026-03-01T14:30+01:00")
    nwb.add_argument("--experimenter", action="append", default=[], metavar="NAME")
    nwb.add_argument("--excitation-nm", type=number_option, metavar="NM")
    nwb.add_argument("--emission-nm", type=number_option, metavar="NM")
    for name, said in _SESSION.items():
        nwb.add_argument(f"--{name.replace('_', '-')}", metavar="TEXT", help=said)
    parser.set_defaults(run_command=run)


def run(args: argparse.Namespace) -> int:
    """Write what was asked for; prints where it is."""
    from napari_cnmf.batch.exporting import export
    from napari_cnmf.io import open_movie

    curation = read_curation(args.source, args.curator)
    rate = curation.components.frame_rate_hz
    movie = None if args.movie is None else open_movie(args.movie, frame_rate_hz=rate)
    written = export(
        curation,
        args.to,
        args.out,
        include_rejected=args.rejected,
        overwrite=args.overwrite,
        on_progress=_bar(),
        movie=movie,
        session=_session(args),
        movie_in_nwb=args.movie_in_nwb,
    )
    print(json.dumps({"path": str(written), "format": args.to}) if args.json else written)
    return 0


def _bar() -> OnProgress:
    """Show how far the export is, where stderr is a terminal and it takes a while."""
    from napari_cnmf.io.exports.writing import ignore_progress

    if not sys.stderr.isatty():
        return ignore_progress
    from tqdm import tqdm

    bar = tqdm(total=100, unit="%", delay=1.0, leave=False)

    def show(done: int, total: int) -> None:
        bar.update(round(100 * done / max(total, 1)) - bar.n)
        if done >= total:
            bar.close()

    return show


def _session(args: argparse.Namespace) -> Session:
    from napari_cnmf.io.exports import Session

    said = {name: getattr(args, name) for name in _SESSION if getattr(args, name) is not None}
    return Session(
        **said,
        start=_time(args.start),
        experimenter=tuple(args.experimenter),
        excitation_nm=args.excitation_nm,
        emission_nm=args.emission_nm,
    )


def _time(text: str | None) -> datetime | None:
    try:
        return None if text is None else datetime.fromisoformat(text)
    except ValueError as error:
        raise ExportError(
            f"--start must be a time as in ISO 8601, got {text!r}. "
            "Write it as 2026-03-01T14:30+01:00."
        ) from error


def read_curation(source: Path, curator: str | None = None) -> Curation:
    """Read the result in ``source`` with its decisions: an item's folder, a file, or an import.

    Parameters
    ----------
    curator
        A second curator's name, who decides in a journal of their own.
    """
    from napari_cnmf.batch.opening import open_result

    return open_result(source, curator=curator)
