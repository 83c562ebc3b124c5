"""One component a cell from the results of the planes of a stack.

A cell that two planes show is found twice: footprints of neighbouring planes that cover each
other and rise together become one component that spans planes. Planes share no pixel, so the best
common trace of its parts, ``sum_z a_z c_z = a c``, is the first singular vector of their traces.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.core.finding.merge import CONTAINED, active_part, correlation_of_pairs
from napari_cnmf.model.components import Components
from napari_cnmf.model.evaluation import HELD_BACK, why_held_back
from napari_cnmf.params import CNMFParams

CORE = 0.2
"""Share of its peak from which on a pixel belongs to a footprint's core."""
WEAKER = 0.85
"""Share of ``merge_thr`` that parts above each other must reach: where a cell ends it is dim, and
noise lowers the correlation."""
MOVING_PATTERNS = 8
"""Of the background that is written besides the mean image."""


@dataclass(frozen=True)
class Part:
    """A component of a plane."""

    plane: int
    index: int


def groups_across_planes(parts: list[Components], correlation: float) -> list[list[Part]]:
    """Groups of components of neighbouring planes that are one cell, each from the first plane on.

    Parameters
    ----------
    parts
        The result of each plane.
    correlation
        Of the active parts of two traces, above which they may be one.
    """
    of = {Part(z, k): [Part(z, k)] for z, p in enumerate(parts) for k in range(p.n_components)}
    for z in range(len(parts) - 1):
        for j, k in same_cells(parts[z], parts[z + 1], correlation):
            above, below = of[Part(z, j)], of[Part(z + 1, k)]
            if above is not below:
                above.extend(below)
                for part in below:
                    of[part] = above
    unique: list[list[Part]] = []
    for group in of.values():
        if not any(group is other for other in unique):
            unique.append(group)
    return unique


def same_cells(a: Components, b: Components, correlation: float) -> list[tuple[int, int]]:
    """Pairs of components of two neighbouring planes that are one cell, one to one."""
    if a.n_components == 0 or b.n_components == 0:
        return []
    share = np.maximum(_energy_inside(a.A, b.A), _energy_inside(b.A, a.A).T)
    pairs = np.argwhere(share > CONTAINED)
    if len(pairs) == 0:
        return []
    traces = active_part(np.concatenate([a.C, b.C]).astype(np.float32))
    together = correlation_of_pairs(traces, pairs + np.array([0, a.n_components]))
    order = np.argsort(-together, kind="stable")
    taken_a, taken_b, found = set(), set(), []
    for i in order:
        j, k = int(pairs[i, 0]), int(pairs[i, 1])
        if together[i] > WEAKER * correlation and j not in taken_a and k not in taken_b:
            found.append((j, k))
            taken_a.add(j)
            taken_b.add(k)
    return found


def _energy_inside(A: sp.csc_matrix, B: sp.csc_matrix) -> NDArray[np.float64]:
    """Share of the energy of each column of A inside the core of each of B, ``(n_A, n_B)``."""
    peak = np.maximum(B.max(axis=0).toarray().ravel(), 1e-30)
    core = B.copy()
    core.data = (B.data > CORE * np.repeat(peak, np.diff(B.indptr))).astype(np.float32)
    energy = A.multiply(A)
    total = np.maximum(np.asarray(energy.sum(0)).ravel(), 1e-30)
    return np.asarray((energy.T @ core).toarray() / total[:, None], np.float64)


@dataclass(frozen=True, eq=False)
class _Cell:
    """The parts of a group as one component.

    Attributes
    ----------
    pixels, values
        Of the footprint in the volume.
    C, YrA, S
        ``(n_frames,)``.
    first
        Its brightest part.
    """

    pixels: NDArray[np.int64]
    values: NDArray[np.float32]
    C: NDArray[np.float32]
    YrA: NDArray[np.float32]
    S: NDArray[np.float32]
    first: Part
    group: list[Part]


def stack_planes(
    parts: list[Components], groups: list[list[Part]], dims: tuple[int, ...], params: CNMFParams
) -> Components:
    """Stack the planes' results to one 3D result, each group one component, strongest first."""
    n_plane = int(np.prod(dims[1:]))
    cells = [_common_cell(parts, group, n_plane) for group in groups]
    cells.sort(key=lambda cell: -float(cell.C @ cell.C))
    n_frames = parts[0].n_frames

    def single(name: str) -> NDArray[np.float32]:
        values = [getattr(parts[c.first.plane], name)[c.first.index] for c in cells]
        return np.array(values, np.float32)

    def traces(name: str) -> NDArray[np.float32]:
        rows = [getattr(cell, name) for cell in cells]
        return np.array(rows, np.float32).reshape(len(cells), n_frames)

    b, f = _background(parts, dims)
    return Components(
        A=_matrix(cells, n_plane * dims[0]),
        C=traces("C"),
        dims=dims,
        S=traces("S"),
        YrA=traces("YrA"),
        b=b,
        f=f,
        sn=np.concatenate([p.sn for p in parts if p.sn is not None]),
        g=single("g").reshape(len(cells), -1),
        bl=single("bl"),
        c1=single("c1"),
        neurons_sn=single("neurons_sn"),
        lam=single("lam"),
        frame_rate_hz=parts[0].frame_rate_hz,
        classes=np.array([_class(parts, cell.group) for cell in cells], dtype=np.str_),
        params=params.to_dict(),
        attributes=_attributes(parts, cells),
    )


def _common_cell(parts: list[Components], group: list[Part], n_plane: int) -> _Cell:
    weight = _common_weights(parts, group)
    pixels, values = [], []
    for w, part in zip(weight, group, strict=True):
        A = parts[part.plane].A
        span = slice(A.indptr[part.index], A.indptr[part.index + 1])
        pixels.append(A.indices[span].astype(np.int64) + part.plane * n_plane)
        values.append(w * A.data[span])

    def common(name: str) -> NDArray[np.float32]:
        rows = np.stack([getattr(parts[p.plane], name)[p.index] for p in group])
        return np.asarray(weight @ rows, np.float32)

    return _Cell(
        np.concatenate(pixels),
        np.concatenate(values).astype(np.float32),
        common("C"),
        common("YrA"),
        common("S"),
        group[int(np.argmax(weight))],
        group,
    )


def _common_weights(parts: list[Components], group: list[Part]) -> NDArray[np.float64]:
    """Brightness of the common trace in each plane: unit norm, none negative."""
    if len(group) == 1:
        return np.ones(1)
    C = np.stack([parts[p.plane].C[p.index] for p in group]).astype(np.float64)
    _, vectors = np.linalg.eigh(C @ C.T)
    weight = np.abs(vectors[:, -1])
    return np.asarray(weight / np.linalg.norm(weight))


def _matrix(cells: list[_Cell], n_pixels: int) -> sp.csc_matrix:
    if not cells:
        return sp.csc_matrix((n_pixels, 0), dtype=np.float32)
    indptr = np.cumsum([0, *(len(cell.pixels) for cell in cells)])
    values = np.concatenate([cell.values for cell in cells])
    pixels = np.concatenate([cell.pixels for cell in cells])
    A = sp.csc_matrix((values, pixels, indptr), shape=(n_pixels, len(cells)))
    A.sort_indices()
    return A


def _background(
    parts: list[Components], dims: tuple[int, ...]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Background ``b`` and ``f`` of the volume: the planes' means, and the strongest patterns."""
    n_plane = int(np.prod(dims[1:]))
    courses = np.concatenate([p.f for p in parts if p.f is not None]).astype(np.float64)
    mean = courses.mean(1)
    strength = np.concatenate([np.linalg.norm(p.b, axis=0) for p in parts if p.b is not None])
    moving = (courses - mean[:, None]) * strength[:, None]
    u, s, v = np.linalg.svd(moving, full_matrices=False)
    n = min(MOVING_PATTERNS, int((s > 1e-6 * max(float(s.max(initial=0.0)), 1e-30)).sum()))
    mix = np.concatenate(
        [mean[:, None], u[:, :n] * s[:n] / np.maximum(strength, 1e-30)[:, None]], 1
    )
    b = np.zeros((n_plane * len(parts), 1 + n), np.float32)
    row = 0
    for z, part in enumerate(parts):
        if part.b is None:
            continue
        k = part.b.shape[1]
        b[z * n_plane : (z + 1) * n_plane] = part.b @ mix[row : row + k].astype(np.float32)
        row += k
    f = np.concatenate([np.ones((1, courses.shape[1])), v[:n]]).astype(np.float32)
    return b, f


def _class(parts: list[Components], group: list[Part]) -> str:
    """Class of a cell: what its parts are called, a soma if one of them is one."""
    names = []
    for part in group:
        classes = parts[part.plane].classes
        names.append("soma" if classes is None else str(classes[part.index]))
    return "soma" if "soma" in names else names[0]


def _attributes(parts: list[Components], cells: list[_Cell]) -> dict[str, Any]:
    """Provenance of each component from its brightest part; candidates with their plane."""
    found: dict[str, Any] = {
        name: [parts[c.first.plane].attributes[name][c.first.index] for c in cells]
        for name in ("decay_time_s", "rise_time_s")
    }
    found["planes"] = [[part.plane for part in cell.group] for cell in cells]
    held_back = [reason for part in parts if (reason := why_held_back(part))]
    if held_back:
        found[HELD_BACK] = held_back[0]
    found["one_photon"] = any(bool(p.attributes.get("one_photon")) for p in parts)
    found["candidates"] = _all_candidates([part.attributes["candidates"] for part in parts])
    return found


def _all_candidates(tables: list[dict[str, Any]]) -> dict[str, Any]:
    """All planes' tables of candidates, one below the other; what one needed is the same in all."""
    whole: dict[str, Any] = {}
    for z, table in enumerate(tables):
        for name, column in table.items():
            if not isinstance(column, list):
                whole[name] = column
                continue
            rows = [[z, *at] for at in column] if name == "at" else column
            whole.setdefault(name, []).extend(rows)
    return whole
