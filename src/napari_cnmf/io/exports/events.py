"""The table of events: when each component was active, how strongly, and how surely."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cnmf.errors import ResultError
from napari_cnmf.io.exports.selection import Selected, as_curation
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation import Curatable
from napari_cnmf.model.ids import Ids

_VALUES_AT_ONCE = 2**22
"""Values of a kind of trace that are read at once."""


def events_of_components(source: Curatable, ids: Ids | None = None) -> pd.DataFrame:
    """Events as `napari_cnmf.io.results.list_events` gives them, of a result that is open."""
    cur = as_curation(source)
    rows = np.flatnonzero(cur.accepted) if ids is None else cur.rows_of(ids)
    whole = cur.components
    rate = whole.frame_rate_hz
    times_s = None if rate is None else np.arange(whole.n_frames) / rate
    return _table(whole, rows, cur.ids[rows], times_s)


def events_of(chosen: Selected, on_share: Callable[[float], None]) -> pd.DataFrame | None:
    """Events of the selected components, as of open results; ``None`` without spikes.

    ``on_share`` is told the share that is done, and may raise to stop.
    """
    if missing_for_events(chosen.whole):
        return None
    return _table(chosen.whole, chosen.rows, chosen.ids, chosen.times_s, on_share)


def missing_for_events(components: Components) -> str:
    """Tell what a result lacks for a table of events; empty where it has all."""
    if components.S is None or components.g is None or not components.g.shape[1]:
        return "spikes, which temporal.p of 1 or 2 makes"
    return "the residual YrA, which tells the noise" if components.YrA is None else ""


def _table(
    whole: Components,
    rows: NDArray[np.intp],
    ids: NDArray[np.intp],
    times_s: NDArray[np.float64] | None,
    on_share: Callable[[float], None] = lambda share: None,
) -> pd.DataFrame:
    from napari_cnmf.core.traces.event_probability import TraceBlock, find_events

    missing = missing_for_events(whole)
    C, S, YrA, g = whole.C, whole.S, whole.YrA, whole.g
    if missing or S is None or YrA is None or g is None:
        raise ResultError(f"Events need a result with {missing}. This one has none.")
    known = np.asarray(np.isfinite(g).all(axis=1))
    if (unknown := ids[~known[rows]]).size:
        warnings.warn(
            f"Components {unknown.tolist()} have no time constants, so no events are listed "
            "for them.",
            stacklevel=3,
        )
    # All components say what noise does, so that no probability depends on which are asked for.
    everything = np.flatnonzero(known)
    step = max(1, _VALUES_AT_ONCE // max(1, whole.n_frames))

    def blocks() -> Iterator[TraceBlock]:
        for start in range(0, len(everything), step):
            on_share(start / len(everything))
            part = everything[start : start + step]
            yield C[part], S[part], YrA[part], g[part]

    found = find_events(blocks())
    id_of = np.full(whole.n_components, -1, np.intp)
    id_of[rows] = ids
    id_of_event = id_of[everything[found.row]]
    asked = id_of_event >= 0
    columns: dict[str, NDArray[Any]] = {
        "id": id_of_event,
        "start_frame": found.start,
        "stop_frame": found.stop,
    }
    if times_s is not None:
        columns["start_s"] = times_s[found.start]
    columns |= {"size": found.size, "snr": found.snr, "probability": found.probability}
    return pd.DataFrame({name: values[asked] for name, values in columns.items()})
