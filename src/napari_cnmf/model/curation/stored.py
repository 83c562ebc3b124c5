"""Stores of a journal and the arrays of its edits: here in memory, in ``io`` in files."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.model.components import TRACES, Components
from napari_cnmf.model.rows import choose_rows


@dataclass(frozen=True, eq=False)
class EditedComponent:
    """One component that an edit made: all that :class:`Components` holds of it.

    Attributes
    ----------
    pixels, weights
        The footprint: C-order pixel indices and float32 weights ``(n_support,)``.
    C, S, YrA
        Traces ``(n_frames,)``; ``S`` and ``YrA`` may be ``None``.
    g
        AR coefficients ``(p,)``.
    snr, r_value, cnn_pred, bl, c1, neurons_sn, lam, ecc
        Scores and deconvolution, NaN where unknown.
    component_class
        One of ``COMPONENT_CLASSES``.
    """

    pixels: NDArray[np.int64]
    weights: NDArray[np.float32]
    C: NDArray[np.float32]
    S: NDArray[np.float32] | None = None
    YrA: NDArray[np.float32] | None = None
    g: NDArray[np.float32] | None = None
    snr: float = np.nan
    r_value: float = np.nan
    cnn_pred: float = np.nan
    bl: float = 0.0
    c1: float = 0.0
    neurons_sn: float = np.nan
    lam: float = 0.0
    ecc: float = np.nan
    component_class: str = "soma"

    def fits(self, n_pixels: int, n_frames: int) -> bool:
        """Whether the component can stand among those of a field and a recording of this size."""
        traces = [trace for trace in (self.C, self.S, self.YrA) if trace is not None]
        return (
            self.pixels.ndim == 1
            and np.issubdtype(self.pixels.dtype, np.integer)
            and self.pixels.shape == self.weights.shape
            and bool(np.all((self.pixels >= 0) & (self.pixels < n_pixels)))
            and all(t.shape == (n_frames,) and t.dtype.kind in "fiu" for t in traces)
            and self.weights.dtype.kind in "fiu"
            and (self.g is None or (self.g.ndim == 1 and self.g.dtype.kind in "fiu"))
        )

    def array_fields(self) -> dict[str, NDArray[Any]]:
        """Arrays of the component that are there, by name."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, np.ndarray)}

    def scalar_fields(self) -> dict[str, float | str]:
        """Values of the component that are no arrays, by name."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: v for name, v in values.items() if isinstance(v, (int, float, str))}


class Journal(Protocol):
    """An append-only list of lines, each a JSON object."""

    @property
    def n_damaged(self) -> int:
        """Number of places that could not be read when the lines were read last."""
        ...

    def lines(self) -> Sequence[dict[str, Any]]:
        """Every whole line, in the order written."""
        ...

    def set_aside(self) -> str:
        """Copy a damaged journal beside itself; says where the copy is, or why there is none."""
        ...

    def writing(self) -> AbstractContextManager[None]:
        """Keep other writers out; raises ``CurationError`` if they wrote since the last reading."""
        ...

    def append(self, line: dict[str, Any]) -> None:
        """Write one line so that a crash right after it does not lose it, or nothing at all."""
        ...

    def rewrite(self, lines: Sequence[dict[str, Any]]) -> None:
        """Replace a damaged journal, of which a copy is kept, by these lines."""
        ...


class SeenIds(Protocol):
    """Ids of components that a curator has looked at. No edit, and no part of the journal."""

    def read(self) -> set[int]:
        """Every id in the store."""
        ...

    def add(self, ids: Sequence[int]) -> None:
        """Remember more ids. Never raises because another window remembers some, too."""
        ...


class ArrayStore(Protocol):
    """Arrays of the components that edits made, by edit number."""

    def read(self, number: int) -> list[EditedComponent]:
        """The components that edit ``number`` made."""
        ...

    def write(self, number: int, components: Sequence[EditedComponent]) -> None:
        """Keep the components that edit ``number`` made."""
        ...


class MemoryJournal:
    """A journal that ends with the process."""

    n_damaged = 0

    def __init__(self) -> None:
        self._lines: list[dict[str, Any]] = []

    def lines(self) -> Sequence[dict[str, Any]]:
        """Every line, in the order written."""
        return list(self._lines)

    def set_aside(self) -> str:
        """Sentence that says that no copy can be made."""
        return "It is kept in memory alone."

    def writing(self) -> AbstractContextManager[None]:
        """Do nothing: nobody else can write here."""
        return nullcontext()

    def append(self, line: dict[str, Any]) -> None:
        """Keep one more line."""
        self._lines.append(line)

    def rewrite(self, lines: Sequence[dict[str, Any]]) -> None:
        """Put these lines in place of all that there were."""
        self._lines = list(lines)


class MemorySeenIds:
    """Ids that are forgotten when the process ends."""

    def __init__(self) -> None:
        self._ids: set[int] = set()

    def read(self) -> set[int]:
        """Every id that was added."""
        return set(self._ids)

    def add(self, ids: Sequence[int]) -> None:
        """Add more ids."""
        self._ids.update(ids)


class MemoryArrayStore:
    """An array store that ends with the process."""

    def __init__(self) -> None:
        self._components: dict[int, list[EditedComponent]] = {}

    def read(self, number: int) -> list[EditedComponent]:
        """The components that edit ``number`` made."""
        return self._components[number]

    def write(self, number: int, components: Sequence[EditedComponent]) -> None:
        """Keep the components that edit ``number`` made."""
        self._components[number] = list(components)


def assemble(base: Components, rows: Sequence[int | EditedComponent]) -> Components:
    """Components of which some are the engine's (by row of ``base``) and some were edited.

    Parameters
    ----------
    rows
        In the order wanted.
    """
    is_edited = np.array([isinstance(row, EditedComponent) for row in rows], dtype=bool)
    kept = np.array([row for row in rows if not isinstance(row, EditedComponent)], dtype=np.intp)
    edited = [row for row in rows if isinstance(row, EditedComponent)]
    if not edited:
        untouched = np.array_equal(kept, np.arange(base.n_components))
        return base if untouched else base.take(kept)

    def joined(value: NDArray[Any], new: Sequence[Any]) -> NDArray[Any]:
        dtype = np.result_type(value, "<U8") if value.dtype.kind == "U" else value.dtype
        out = np.empty((len(rows), *value.shape[1:]), dtype=dtype)
        out[~is_edited] = value[kept]
        for position, single in zip(np.flatnonzero(is_edited), new, strict=True):
            out[position] = single
        return out

    changes: dict[str, Any] = {"A": _footprints(base, kept, edited, is_edited)}
    index = np.empty(len(rows), dtype=np.intp)
    index[~is_edited], index[is_edited] = kept, -1 - np.arange(len(edited))
    for name in TRACES:
        value = getattr(base, name)
        if value is not None:
            # dF/F of an edited component is computed from its traces when asked for
            blank = np.broadcast_to(np.nan if name == "F_dff" else 0.0, base.n_frames)
            new = [getattr(e, name, None) for e in edited]
            changes[name] = choose_rows(value, index, [blank if v is None else v for v in new])
    for name, single in _SCORES.items():
        value = getattr(base, name)
        if value is not None:
            changes[name] = joined(value, [getattr(e, single) for e in edited])
    if base.cnn_preds is not None and base.cnn_preds.size:
        changes["cnn_preds"] = joined(base.cnn_preds, [e.cnn_pred for e in edited])
    if base.g is not None:
        changes["g"] = joined(base.g, [_fit(e.g, base.g.shape[1]) for e in edited])
    if base.accepted is not None:
        changes["accepted"] = joined(base.accepted, [True] * len(edited))
    return base.replace(**changes)


_SCORES = {
    "snr": "snr", "r_values": "r_value", "ecc": "ecc", "bl": "bl", "c1": "c1",
    "neurons_sn": "neurons_sn", "lam": "lam", "classes": "component_class",
}  # fmt: skip
"""Fields of ``Components`` and what they are called of one."""


def _footprints(
    base: Components,
    kept: NDArray[np.intp],
    edited: list[EditedComponent],
    is_edited: NDArray[np.bool_],
) -> sp.csc_matrix:
    new = sp.csc_matrix(
        (
            np.concatenate([e.weights for e in edited]).astype(np.float32),
            np.concatenate([e.pixels for e in edited]),
            np.cumsum([0, *[e.pixels.size for e in edited]]),
        ),
        shape=(base.n_pixels, len(edited)),
    )
    stacked = sp.csc_matrix(sp.hstack([base.A[:, kept], new], format="csc"))
    order = np.concatenate([np.flatnonzero(~is_edited), np.flatnonzero(is_edited)])
    if np.array_equal(order, np.arange(order.size)):
        return stacked
    return stacked[:, np.argsort(order)].tocsc()


def _fit(g: NDArray[np.float32] | None, p: int) -> NDArray[np.float32]:
    """Pad ``g`` with zeros to ``p`` coefficients."""
    fitted = np.zeros(p, dtype=np.float32)
    if g is not None:
        fitted[: min(p, g.size)] = g[:p]
    return fitted
