"""CSV: tables that every program reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cnmf.io.exports.context import NOTHING_KNOWN, Context
from napari_cnmf.io.exports.selection import Selected, select
from napari_cnmf.io.exports.writing import PathLike, new_folder
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation import Curation


def write_csv(
    source: Curation | Components,
    out: PathLike,
    *,
    include_rejected: bool = True,
    context: Context = NOTHING_KNOWN,
) -> Path:
    """Write a folder of tables, UTF-8 with commas.

    ``components.csv`` has one row a component: id, decision, position, size, scores, tags, note.
    ``traces_raw.csv, traces_denoised.csv, traces_dff.csv, traces_spikes.csv`` have one row a frame:
    ``time_s`` (``frame`` where the rate is unknown), then one column a component, named by its id.
    One-photon results have ``traces_detrended.csv`` in place of dF/F.

    Parameters
    ----------
    out
        A folder that is new, empty, or an earlier export, which is replaced.

    Raises
    ------
    ExportError
        The folder holds other files, or cannot be written.
    """
    chosen = select(source, include_rejected=include_rejected)
    with new_folder(out, ("components.csv", "traces_*.csv")) as folder:
        table = pd.DataFrame(chosen.table(context.pixel_size_um(chosen.components)))
        table["accepted"] = table["accepted"].astype(int)
        _write(table, folder / "components.csv")
        for name, traces in chosen.traces.items():
            _write(_by_frame(chosen, traces), folder / f"traces_{name}.csv")
    return Path(out)


def _by_frame(chosen: Selected, traces: NDArray[np.float32]) -> pd.DataFrame:
    frame = pd.DataFrame(traces.T, columns=[str(i) for i in chosen.ids])
    times = chosen.times_s
    if times is None:
        frame.insert(0, "frame", np.arange(len(frame)))
    else:
        # as text: seconds of a long recording need more digits than a trace has
        frame.insert(0, "time_s", [f"{time:.6f}" for time in times])
    return frame


def _write(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, index=False, float_format="%.7g", encoding="utf-8", lineterminator="\n")
