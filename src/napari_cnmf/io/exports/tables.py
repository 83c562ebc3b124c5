"""Writes tables: CSV, which every program reads, and Parquet, which is smaller and faster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cnmf._overwriting import new_folder
from napari_cnmf.io.exports.context import NOTHING_KNOWN, Context
from napari_cnmf.io.exports.events import events_of
from napari_cnmf.io.exports.selection import Selected, select
from napari_cnmf.io.exports.writing import (
    OnProgress,
    PathLike,
    checked_writer,
    ignore_progress,
    require,
)
from napari_cnmf.io.spreadsheets import csv_text
from napari_cnmf.model.curation import Curatable

_VALUES_AT_ONCE = 2**18
_FRAMES_A_GROUP = 5000
"""Frames of a row group of Parquet: readers skip whole groups."""


@checked_writer
def write_csv(
    source: Curatable,
    out: PathLike,
    *,
    include_rejected: bool = False,
    overwrite: bool = False,
    context: Context = NOTHING_KNOWN,
    on_progress: OnProgress = ignore_progress,
) -> Path:
    """Write a folder of tables, UTF-8 with commas.

    ``components.csv`` has one row a component: id, decision, position, size, scores, tags, note.
    ``traces_raw.csv, traces_denoised.csv, traces_dff.csv, traces_spikes.csv`` have one row a frame:
    ``time_s`` (``frame`` where the time is unknown), then one column a component. A column is
    named by the component's id, ``12``; that of a rejected one is ``12 (rejected)``.
    One-photon results have ``traces_detrended.csv`` in place of dF/F. ``files.csv`` says which
    frames belong to which file of a session. ``events.csv`` has one row an event with its
    probability, as `list_events` gives it. What is not a number is an empty field. A tag, a note
    or a name that a spreadsheet would compute, such as ``=1+1``, has an apostrophe before it, which
    `read_table` takes away.

    Parameters
    ----------
    source
        A result with its decisions, or bare components.
    out
        A folder that is new, empty, or an earlier export.
    include_rejected
        Write rejected components too.
    overwrite
        Replace an earlier export of this kind; anything else at ``out`` is never replaced.
    context
        The movie and what else is known.
    on_progress
        ``on_progress(done, total)``; may raise to stop, and nothing is left behind.

    Raises
    ------
    ExportError
        The folder holds other files, or cannot be written.
    """
    chosen = select(source, include_rejected=include_rejected, context=context)
    kinds, n_frames = chosen.trace_kinds, chosen.n_frames
    total = (len(kinds) + 1) * n_frames  # the table of events and each kind of traces
    with new_folder(
        out, "CSV", overwrite=overwrite, sources=chosen.sources, said=chosen.about()
    ) as folder:
        _write_table(_components(chosen, context), folder / "components.csv")
        if chosen.timeline.frames_per_file:
            _write_table(pd.DataFrame(chosen.timeline.file_table()), folder / "files.csv")
        events = events_of(chosen, lambda share: on_progress(int(share * n_frames), total))
        if events is not None:
            _write_table(events, folder / "events.csv")
        for number, kind in enumerate(kinds, 1):
            traces = chosen.all_traces(kind)
            with (folder / f"traces_{kind}.csv").open("wb") as stream:
                for done, lines in _csv_lines(chosen, traces):
                    stream.write(lines)
                    on_progress(number * n_frames + done, total)
            del traces
    return Path(out)


@checked_writer
def write_parquet(
    source: Curatable,
    out: PathLike,
    *,
    include_rejected: bool = False,
    overwrite: bool = False,
    context: Context = NOTHING_KNOWN,
    on_progress: OnProgress = ignore_progress,
) -> Path:
    """Write the tables of `write_csv` as Parquet; parameters and columns are the same.

    The schema's metadata holds ids, decisions and the frames of each file as JSON, under
    ``napari_cnmf``.

    Raises
    ------
    ExportError
        The package pyarrow is not installed, the folder holds other files, or cannot be written.
    """
    pa = require("pyarrow", "parquet", "Parquet")
    parquet = require("pyarrow.parquet", "parquet", "Parquet")
    chosen = select(source, include_rejected=include_rejected, context=context)
    said = {"napari_cnmf": chosen.about_json()}
    kinds, n_frames = chosen.trace_kinds, chosen.n_frames
    total = (len(kinds) + 1) * n_frames  # the table of events and each kind of traces
    name, times = _time_column(chosen)
    with new_folder(
        out, "Parquet", overwrite=overwrite, sources=chosen.sources, said=chosen.about()
    ) as folder:
        tables = {"components": _components(chosen, context)}
        if chosen.timeline.frames_per_file:
            tables["files"] = pd.DataFrame(chosen.timeline.file_table())
        events = events_of(chosen, lambda share: on_progress(int(share * n_frames), total))
        if events is not None:
            tables["events"] = events
        for stem, table in tables.items():
            whole = pa.Table.from_pandas(table, preserve_index=False)
            parquet.write_table(whole.replace_schema_metadata(said), folder / f"{stem}.parquet")
        for number, kind in enumerate(kinds, 1):
            traces = chosen.all_traces(kind)  # columns of the table are views of its rows
            frame = pa.table([times, *traces], names=[name, *chosen.headers], metadata=said)
            path = folder / f"traces_{kind}.parquet"
            # no dictionary: hardly two values are the same; split bytes compress better
            options: dict[str, Any] = {
                "compression": "zstd", "use_dictionary": False, "use_byte_stream_split": True,
                "write_statistics": False,
            }  # fmt: skip
            with parquet.ParquetWriter(path, frame.schema, **options) as writer:
                for start in range(0, max(n_frames, 1), _FRAMES_A_GROUP):
                    writer.write_table(frame.slice(start, _FRAMES_A_GROUP))
                    done = number * n_frames + min(start + _FRAMES_A_GROUP, n_frames)
                    on_progress(done, total)
            del traces, frame
    return Path(out)


def _components(chosen: Selected, context: Context) -> pd.DataFrame:
    table = pd.DataFrame(chosen.table(context.pixel_size_um(chosen.whole)))
    table["accepted"] = table["accepted"].astype(int)
    return table


def _time_column(chosen: Selected) -> tuple[str, NDArray[Any]]:
    times = chosen.times_s
    return ("frame", np.arange(chosen.n_frames)) if times is None else ("time_s", times)


def _csv_lines(chosen: Selected, traces: NDArray[np.float32]) -> Iterator[tuple[int, bytes]]:
    """Lines of a table of traces in blocks, each with the number of frames that are done."""
    import orjson

    name, times = _time_column(chosen)
    yield 0, ",".join([name, *(f"{header}" for header in chosen.headers)]).encode() + b"\n"
    step = max(1, _VALUES_AT_ONCE // max(1, len(traces)))
    for start in range(0, chosen.n_frames, step):
        stop = min(start + step, chosen.n_frames)
        # seconds of a long recording need more digits than a trace has
        clock = [f"{t:.6f}" if name == "time_s" else str(t) for t in times[start:stop].tolist()]
        lines = [time.encode() for time in clock]
        if len(traces):
            block = np.ascontiguousarray(traces[:, start:stop].T)
            # a JSON array of arrays of numbers is a table but for its brackets
            text = orjson.dumps(block, option=orjson.OPT_SERIALIZE_NUMPY)
            rows = text[2:-2].replace(b"null", b"").split(b"],[")
            lines = [b",".join(pair) for pair in zip(lines, rows, strict=True)]
        yield stop, b"\n".join(lines) + b"\n"


def _write_table(table: pd.DataFrame, path: Path) -> None:
    path.write_bytes(csv_text(table, float_format="%.7g").encode())
