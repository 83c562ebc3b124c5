"""Selects what an export writes: components with ids, decisions and figures, all in step."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.io.exports.context import NOTHING_KNOWN, Context
from napari_cnmf.io.exports.timeline import Timeline
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation import Curatable, Curation, Decision
from napari_cnmf.model.curation import as_curation as curation_of
from napari_cnmf.model.curation.table import SCORE_NAMES
from napari_cnmf.model.dff import compute_dff, is_detrended_only
from napari_cnmf.model.figures import areas, centres, event_counts

_SCORES = SCORE_NAMES | {"ecc": "eccentricity", "neurons_sn": "trace_noise"}
"""Fields of ``Components`` and the columns they go to."""
_BLOCK_BYTES = 2**22
"""Size of the block of traces that is computed at once; dF/F needs some ten times as much."""


@dataclass(frozen=True, eq=False)
class Selected:
    """Curated components that are to be written, and all that is said about each.

    Traces are computed block by block when a writer asks for them: a large result is never
    copied as a whole.

    Attributes
    ----------
    whole
        Every curated component; ``whole.accepted`` is what the curation decided.
    rows
        Rows of ``whole`` that are written, ``(n_components,)``.
    ids
        Stable id of each component, ``(n_components,)``.
    accepted
        Whether each of them is accepted, ``(n_components,)``.
    decisions
        ``auto``, or ``accepted``, ``rejected``, ``unsure`` by hand.
    tags, notes
        Tags and note of each component; most are empty.
    timeline
        Times of the frames and files of the session.
    curation
        The curation that they come from.
    sources
        Files that the export is made of: the result and its movie.
    """

    whole: Components
    rows: NDArray[np.intp]
    ids: NDArray[np.intp]
    accepted: NDArray[np.bool_]
    decisions: list[str]
    tags: list[list[str]]
    notes: list[str]
    timeline: Timeline
    curation: Curation
    sources: tuple[Path, ...] = ()

    @cached_property
    def components(self) -> Components:
        """The selected components as a result of their own; copies their traces."""
        return self.whole if self._is_whole else self.whole.take(self.rows)

    @cached_property
    def A(self) -> sp.csc_matrix:
        """Footprints of the selected components, ``(n_pixels, n_components)``."""
        return self.whole.A if self._is_whole else self.whole.A[:, self.rows].tocsc()

    @property
    def _is_whole(self) -> bool:
        return self.rows.size == self.whole.n_components

    @property
    def dims(self) -> tuple[int, ...]:
        """Field ``(Y, X)`` or ``(Z, Y, X)`` in pixels."""
        return self.whole.dims

    @property
    def n_components(self) -> int:
        """Number of components that are written."""
        return self.rows.size

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return self.whole.n_frames

    @property
    def has_dff(self) -> bool:
        """Whether there is a baseline to divide by; without one, traces are only detrended."""
        return not is_detrended_only(self.whole)

    @property
    def trace_kinds(self) -> tuple[str, ...]:
        """Kinds of traces that the result has, in the order of `traces`."""
        kinds = ["raw"] if self.whole.YrA is not None else []
        kinds += ["denoised", "dff" if self.has_dff else "detrended"]
        return (*kinds, *(("spikes",) if self.whole.S is not None else ()))

    def trace_block(self, kind: str, start: int, stop: int) -> NDArray[np.float32]:
        """Traces of the selected components ``start`` to ``stop``, ``(stop - start, n_frames)``.

        ``raw`` (``C + YrA``) and ``denoised`` (``C``) in the result's units, ``dff`` (a ratio) or,
        without a low-rank background, ``detrended``; ``spikes``; ``residual`` (``YrA``).
        """
        rows = self.rows[start:stop]
        if kind in ("dff", "detrended"):
            return compute_dff(self.whole, rows, names=self._ids_of_rows)
        sources = {
            "raw": (self.whole.C, self.whole.YrA),
            "denoised": (self.whole.C,),
            "spikes": (self.whole.S,),
            "residual": (self.whole.YrA,),
        }[kind]
        # consecutive rows are a view of the result, and cost nothing
        at = slice(rows[0], rows[-1] + 1) if rows.size and np.ptp(rows) < rows.size else rows
        parts = [np.asarray(array[at]) for array in sources if array is not None]
        return np.asarray(parts[0] if len(parts) == 1 else parts[0] + parts[1], np.float32)

    def blocks(self) -> Iterator[tuple[int, int]]:
        """Yield ranges of components whose traces are computed at once."""
        step = max(1, _BLOCK_BYTES // max(1, 8 * self.n_frames))
        for start in range(0, self.n_components, step):
            yield start, min(start + step, self.n_components)

    def all_traces(self, kind: str) -> NDArray[np.float32]:
        """Traces of one kind, ``(n_components, n_frames)``: a third or less of a result's size."""
        # dF/F is computed in blocks already, and warns once when all of it is asked for at once.
        at_once = {"dff", "detrended"} | ({"denoised", "spikes"} if self._is_whole else set())
        if kind in at_once:
            return self.trace_block(kind, 0, self.n_components)
        out = np.empty((self.n_components, self.n_frames), np.float32)
        for start, stop in self.blocks():
            out[start:stop] = self.trace_block(kind, start, stop)
        return out

    @cached_property
    def _ids_of_rows(self) -> NDArray[np.intp]:
        """Stable id of each row of ``whole``; a row that is not selected has none, -1."""
        ids = np.full(self.whole.n_components, -1, np.intp)
        ids[self.rows] = self.ids
        return ids

    @cached_property
    def traces(self) -> dict[str, NDArray[np.float32]]:
        """Every kind of trace that the result has, each ``(n_components, n_frames)``."""
        return {kind: self.all_traces(kind) for kind in self.trace_kinds}

    @property
    def times_s(self) -> NDArray[np.float64] | None:
        """Time of each frame in seconds ``(n_frames,)``; ``None`` where it is unknown."""
        return self.timeline.times_s

    @property
    def headers(self) -> list[str]:
        """Name of each component's column: its id, and ``(rejected)`` behind it where it is."""
        return [
            str(id_) if good else f"{id_} (rejected)"
            for id_, good in zip(self.ids.tolist(), self.accepted.tolist(), strict=True)
        ]

    def about(self) -> dict[str, Any]:
        """Description of the export, as plain values: its components, files and times."""
        return {
            "ids": self.ids.tolist(),
            "accepted": self.accepted.astype(int).tolist(),
            "n_frames": int(self.n_frames),
            **self.timeline.as_plain(),
        }

    def about_json(self) -> str:
        """Description of the export, `about`, as JSON."""
        return json.dumps(self.about())

    def values(self, name: str) -> NDArray[Any] | None:
        """Values of a field of ``Components`` for the selected ones."""
        array = getattr(self.whole, name)
        return array[self.rows] if array is not None and len(array) else None

    def table(self, pixel_size_um: tuple[float, ...] | None = None) -> dict[str, NDArray[Any]]:
        """Table with one column a figure, one entry a component.

        Parameters
        ----------
        pixel_size_um
            ``([dz], dy, dx)``; adds positions in micrometres.
        """
        whole, rows = self.whole, self.rows
        axes = ("y", "x") if len(self.dims) == 2 else ("z", "y", "x")
        columns: dict[str, NDArray[Any]] = {
            "id": self.ids,
            "accepted": self.accepted,
            "decision": np.asarray(self.decisions, dtype=np.str_),
        }
        if whole.classes is not None:
            columns["class"] = whole.classes[rows]
        at = centres(whole)[rows]
        columns |= {f"{axis}_px": at[:, i] for i, axis in enumerate(axes)}
        if pixel_size_um is not None:
            columns |= {f"{axis}_um": at[:, i] * pixel_size_um[i] for i, axis in enumerate(axes)}
        columns["area_px"] = areas(whole)[rows]
        for field, column in _SCORES.items():
            if (values := self.values(field)) is not None:
                columns[column] = np.asarray(values, np.float64)
        columns["n_events"] = event_counts(whole)[rows]
        if whole.frame_rate_hz is not None and whole.n_frames:
            columns["event_rate_hz"] = columns["n_events"] * (whole.frame_rate_hz / whole.n_frames)
        columns["tags"] = np.asarray(["; ".join(tags) for tags in self.tags], dtype=np.str_)
        columns["note"] = np.asarray(self.notes, dtype=np.str_)
        return columns


def as_curation(source: Curatable) -> Curation:
    """Return the curation of a result, and bare components as one with nothing decided about them.

    Raises
    ------
    ResultError
        When it is no item, sample, curation or components, or its result cannot be read.
    """
    return Curation(source, who="") if isinstance(source, Components) else curation_of(source)


def select(
    source: Curatable,
    *,
    include_rejected: bool,
    context: Context = NOTHING_KNOWN,
) -> Selected:
    """Choose what is written of a result.

    Parameters
    ----------
    source
        A result with its decisions, or bare components.
    include_rejected
        Whether rejected components are written too; without them the rows are fewer, and ids
        stay what they are.
    context
        Tells the files of the session and the times of its frames.
    """
    cur = as_curation(source)
    accepted = cur.accepted
    rows = np.arange(accepted.size) if include_rejected else np.flatnonzero(accepted)
    whole = cur.components.replace(accepted=accepted)
    ids = cur.ids[rows]
    return Selected(
        whole=whole,
        rows=rows,
        ids=ids,
        accepted=accepted[rows],
        decisions=[Decision(d).name.lower() for d in cur.decisions[rows]],
        tags=[sorted(cur.tags(i)) for i in ids.tolist()],
        notes=[cur.note_of(i) for i in ids.tolist()],
        timeline=Timeline.of(whole.n_frames, whole.frame_rate_hz, context.recording),
        curation=cur,
        sources=sources_of(cur, context),
    )


def sources_of(cur: Curation, context: Context) -> tuple[Path, ...]:
    """Files that an export is made of: the result, its movie, and the movie before motion."""
    movies = [movie.paths for movie in (context.movie, context.recording) if movie is not None]
    paths = [*(path for files in movies for path in files), *context.uncorrected_paths]
    own = () if cur.path is None else (Path(cur.path),)
    return (*own, *dict.fromkeys(Path(path) for path in paths))
