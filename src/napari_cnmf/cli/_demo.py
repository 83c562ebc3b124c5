"""``napari-cnmf demo``: the main job on a recording whose truth is known."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_cnmf._overwriting import ExportKind, check_target, mark_of, marked_kind, new_file
from napari_cnmf.cli._options import path_option

if TYPE_CHECKING:
    from napari_cnmf.batch import Item
    from napari_cnmf.testing import Recording

_NOTE = "demo.txt"
_NOTE_TEXT = "demo.tif is a simulated recording, demo.png shows the cells that were found in it."
_NOTHING = ExportKind("demo", lambda path: False)


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "demo",
        help="find the cells of a simulated recording and compare them with the truth",
        description="Simulate a two-photon recording, find its cells in a child process, compare "
        "them with the truth, and save a picture. The last line of stdout is JSON.",
    )
    parser.add_argument("--headless", action="store_true", help="do not open napari at the end")
    parser.add_argument(
        "--out",
        type=path_option,
        metavar="DIR",
        help="default: a new folder among the temporary ones",
    )
    parser.add_argument("--engine", default="auto", help="auto, builtin or caiman")
    parser.set_defaults(run_command=run)


def run(args: argparse.Namespace) -> int:
    """Simulate, run, score, draw, print, open."""
    from napari_cnmf.batch import Batch, State
    from napari_cnmf.cli import EXIT_NOT_COMPLETED, EXIT_OK
    from napari_cnmf.cli._picture import draw_result
    from napari_cnmf.cli._view import has_screen, open_viewer
    from napari_cnmf.params import CNMFParams
    from napari_cnmf.testing import demo_recording

    out = prepare_folder(args.out)
    print("Simulating a two-photon recording ...", file=sys.stderr)
    recording = demo_recording().write(out / "demo.tif")
    batch = Batch.create(out / f"batch-{datetime.now():%Y%m%d-%H%M%S-%f}")
    params = CNMFParams.preset("two-photon somata").replace(
        init={"gSig": recording.gSig}, data={"decay_time": recording.decay_time_s}
    )
    began = time.perf_counter()
    item = batch.add(
        "cnmf",
        Path(str(recording.movie)),
        params=params,
        refit=True,
        engine=args.engine,
        name="demo",
    )
    batch.run([item])
    seconds = time.perf_counter() - began
    if item.state is not State.COMPLETED:
        print(f"The demo is {item.state}: {item.error}", file=sys.stderr)
        return EXIT_NOT_COMPLETED
    figures = compare(item, recording) | {"seconds": round(seconds, 2)}
    picture = out / "demo.png"
    draw_result(item, picture)
    print_table(figures)
    paths = {"batch": str(batch.path), "result": str(item.result_path), "picture": str(picture)}
    print(json.dumps(figures | paths))
    if args.headless:
        return EXIT_OK
    if not has_screen():
        print(
            f"There is no screen here. On one: napari-cnmf view {shlex.quote(str(batch.path))}",
            file=sys.stderr,
        )
        return EXIT_OK
    sys.stdout.flush()
    return open_viewer(batch.path)


def prepare_folder(out: Path | None) -> Path:
    """Return the folder for movie, batch and picture; a note in it says that a demo wrote it.

    Raises
    ------
    ExportError
        The folder cannot be made, or it holds files of these names that no demo wrote.
    """
    if out is None:
        return Path(tempfile.mkdtemp(prefix="napari-cnmf-demo-"))
    out = out.absolute()
    note = marked_kind("demo")
    files = ExportKind("demo", lambda path: note.is_earlier(path.with_name(_NOTE)))
    has_note = (out / _NOTE).is_file()
    for name in ("demo.tif", "demo.png"):
        # movie and picture of an earlier demo are drawn anew: both come from the same simulation
        check_target(out / name, files if has_note else _NOTHING, overwrite=True)
    with new_file(out / _NOTE, note, overwrite=True) as beside:
        beside.write_text(f"{_NOTE_TEXT}\n({mark_of('demo')})\n", encoding="utf-8")
    return out


def compare(item: Item, recording: Recording) -> dict[str, Any]:
    """Compare the result with the truth: found, accepted, precision and recall."""
    from napari_cnmf.io.caiman import read_caiman
    from napari_cnmf.testing import score

    components = read_caiman(item.result_path)
    result = score(components, recording.truth, subset=components.accepted)
    return {
        "engine": item.engine,
        "cells": result.n_cells,
        "found": components.n_components,
        "accepted": result.n_components,
        "precision": round(result.precision, 4),
        "recall": round(result.recall, 4),
        "trace_correlation": round(result.trace_correlation, 4),
    }


def print_table(figures: dict[str, Any]) -> None:
    """Print the figures, one a line."""
    labels = {"trace_correlation": "trace correlation", "cells": "cells in truth"}
    for name, value in figures.items():
        shown = f"{value:.3f}" if isinstance(value, float) else value
        print(f"{labels.get(name, name):>18}  {shown}")
