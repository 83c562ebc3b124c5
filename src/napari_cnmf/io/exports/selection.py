"""What an export writes: curated components with ids, decisions and figures, all in step."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.model.components import Components
from napari_cnmf.model.curation import Curation, Decision
from napari_cnmf.model.dff import compute_dff, is_detrended_only
from napari_cnmf.model.figures import areas, centres, event_counts

_SCORES = {
    "snr": "snr", "r_values": "r_value", "cnn_preds": "cnn", "ecc": "eccentricity",
    "neurons_sn": "trace_noise",
}  # fmt: skip
"""Fields of ``Components`` and the columns they go to."""


@dataclass(frozen=True, eq=False)
class Selected:
    """Curated components that are to be written, and all that is said about each.

    Attributes
    ----------
    components
        As curated; ``accepted`` is the curation's.
    ids
        Stable id of each component, ``(n_components,)``; ``-1`` never occurs.
    accepted
        ``(n_components,)``.
    decisions
        ``auto``, or ``accepted``, ``rejected``, ``unsure`` by hand.
    tags, notes
        Of each component; most are empty.
    curation
        Where they come from.
    """

    components: Components
    ids: NDArray[np.intp]
    accepted: NDArray[np.bool_]
    decisions: list[str]
    tags: list[list[str]]
    notes: list[str]
    curation: Curation

    @property
    def n_components(self) -> int:
        return self.components.n_components

    @property
    def has_dff(self) -> bool:
        """False where there is no baseline to divide by, and traces are detrended alone."""
        return not is_detrended_only(self.components)

    @cached_property
    def traces(self) -> dict[str, NDArray[np.float32]]:
        """Every kind of trace that the result has, each ``(n_components, n_frames)``.

        ``raw`` (``C + YrA``) and ``denoised`` (``C``) in the result's units, ``dff`` (a ratio) or,
        without a low-rank background, ``detrended``; ``spikes``.
        """
        components = self.components
        found: dict[str, Any] = {}
        if components.YrA is not None:
            found["raw"] = components.C + components.YrA
        found["denoised"] = components.C
        found["dff" if self.has_dff else "detrended"] = compute_dff(components, names=self.ids)
        if components.S is not None:
            found["spikes"] = components.S
        return {name: np.asarray(traces, np.float32) for name, traces in found.items()}

    @property
    def times_s(self) -> NDArray[np.float64] | None:
        """Start of each frame in seconds ``(n_frames,)``; ``None`` where the rate is unknown."""
        rate = self.components.frame_rate_hz
        return None if rate is None else np.arange(self.components.n_frames) / rate

    def table(self, pixel_size_um: tuple[float, ...] | None = None) -> dict[str, NDArray[Any]]:
        """One column a figure, one entry a component.

        Parameters
        ----------
        pixel_size_um
            ``([dz], dy, dx)``; adds positions in micrometres.
        """
        components = self.components
        axes = ("y", "x") if len(components.dims) == 2 else ("z", "y", "x")
        columns: dict[str, NDArray[Any]] = {
            "id": self.ids,
            "accepted": self.accepted,
            "decision": np.asarray(self.decisions, dtype=np.str_),
        }
        if components.classes is not None:
            columns["class"] = components.classes
        at = centres(components)
        columns |= {f"{axis}_px": at[:, i] for i, axis in enumerate(axes)}
        if pixel_size_um is not None:
            columns |= {f"{axis}_um": at[:, i] * pixel_size_um[i] for i, axis in enumerate(axes)}
        columns["area_px"] = areas(components)
        for field, column in _SCORES.items():
            values = getattr(components, field)
            if values is not None and values.size == self.n_components:
                columns[column] = np.asarray(values, np.float64)
        columns["n_events"] = event_counts(components)
        if components.frame_rate_hz is not None and components.n_frames:
            seconds = components.n_frames / components.frame_rate_hz
            columns["event_rate_hz"] = columns["n_events"] / seconds
        columns["tags"] = np.asarray(["; ".join(tags) for tags in self.tags], dtype=np.str_)
        columns["note"] = np.asarray(self.notes, dtype=np.str_)
        return columns


def as_curation(source: Curation | Components) -> Curation:
    """A curation as it is; bare components with nothing decided about them."""
    return source if isinstance(source, Curation) else Curation(source, who="")


def select(source: Curation | Components, *, include_rejected: bool) -> Selected:
    """What is to be written of a result.

    Parameters
    ----------
    include_rejected
        Without them the rows are fewer; ids stay what they are.
    """
    cur = as_curation(source)
    accepted = cur.accepted
    rows = np.arange(accepted.size) if include_rejected else np.flatnonzero(accepted)
    components = cur.components.replace(accepted=accepted)
    if rows.size < accepted.size:
        components = components.take(rows)
    ids = cur.ids[rows]
    return Selected(
        components=components,
        ids=ids,
        accepted=accepted[rows],
        decisions=[Decision(d).name.lower() for d in cur.decisions[rows]],
        tags=[sorted(cur.tags(i)) for i in ids.tolist()],
        notes=[cur.note_of(i) for i in ids.tolist()],
        curation=cur,
    )
