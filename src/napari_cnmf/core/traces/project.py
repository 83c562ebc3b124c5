"""Pass 2: traces at the full frame rate, footprints fixed, background solved along.

With whitened frames y, footprints A and the normalised convolution of
:mod:`napari_cnmf.core.background.grid` written as ``bg = H (n(y) - N c)``, n(y) the weighted sums
over grid nodes and N those of the footprints, least squares for the traces is

    A'(y - A c - P bg) = 0   =>   (A'A - D N) c = A'y - D n(y),    D = A'P H,

with P bilinear interpolation to pixels. The sparse matrix on the left is factorised once;
each frame costs one pass over its pixels and one solve. Only the traces are kept.
"""

# ruff: noqa: PLR0917 (kernels take arrays by position, steps their inputs)

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.core.background.grid import component_sums, node_weights, pixel_weights
from napari_cnmf.core.base.compiling import kernel_for_frames
from napari_cnmf.core.base.geometry import Field, Grid
from napari_cnmf.core.base.parts import PartRunner, Place, part_edges
from napari_cnmf.core.base.rows import weighted
from napari_cnmf.core.base.threads import Workers
from napari_cnmf.core.movie.reading import Piece, each_stretch, stretch_unit
from napari_cnmf.core.movie.source import FrameSource

_COMPONENTS = 64
"""Components whose part of the traces' system a thread makes in one go."""
_BLOCK = 128
"""Rows of that system that a thread works on together."""
DENSE = 1500
"""Components up to which the inverse of the traces' system is kept dense."""
_SIGNATURE = (
    "void({0}[:, ::1], int32[::1], int32[::1], float32[::1], float32[::1], int64[::1], "
    "int64[::1], int64[::1], float32[:, ::1], float32[:, ::1], int64, int64)"
)


@kernel_for_frames(_SIGNATURE)
def _project_frames(
    frames: NDArray[Any],
    indptr: NDArray[np.int32],
    indices: NDArray[np.int32],
    weights: NDArray[np.float32],
    q: NDArray[np.float32],
    edge_z: NDArray[np.int64],
    edge_y: NDArray[np.int64],
    edge_x: NDArray[np.int64],
    onto: NDArray[np.float32],
    sums: NDArray[np.float32],
    start: int,
    stop: int,
) -> None:
    """Project frames start to stop: products with sparse columns, weighted sums over grid nodes."""
    n_columns = len(indptr) - 1
    n_gz, n_gy, n_gx = len(edge_z) - 1, len(edge_y) - 1, len(edge_x) - 1
    n_y, n_x = edge_y[n_gy], edge_x[n_gx]
    line = np.empty(n_x, np.float32)
    last = stop - 1
    # Four frames at a time: an index and a weight are loaded once for all of them.
    for t in range(start, stop, 4):
        t1, t2, t3 = min(t + 1, last), min(t + 2, last), min(t + 3, last)
        f0, f1 = frames[t], frames[t1]
        f2, f3 = frames[t2], frames[t3]
        for k in range(n_columns):
            a = b = c = d = np.float32(0.0)
            for i in range(indptr[k], indptr[k + 1]):
                p, w = indices[i], weights[i]
                a += w * np.float32(f0[p])
                b += w * np.float32(f1[p])
                c += w * np.float32(f2[p])
                d += w * np.float32(f3[p])
            onto[t, k], onto[t1, k] = a, b
            onto[t2, k], onto[t3, k] = c, d
    for t in range(start, stop):
        frame = frames[t]
        for g in range(sums.shape[1]):
            sums[t, g] = 0.0
        for band in range(n_gz * n_gy):
            gz, gy = band // n_gy, band % n_gy
            for x in range(n_x):
                line[x] = 0.0
            for z in range(edge_z[gz], edge_z[gz + 1]):
                for y in range(edge_y[gy], edge_y[gy + 1]):
                    first = (z * n_y + y) * n_x
                    weight = q[first : first + n_x]
                    row = frame[first : first + n_x]
                    for x in range(n_x):
                        line[x] += weight[x] * np.float32(row[x])
            for gx in range(n_gx):
                total = np.float32(0.0)
                for x in range(edge_x[gx], edge_x[gx + 1]):
                    total += line[x]
                sums[t, band * n_gx + gx] = total


@dataclass(frozen=True, eq=False)
class Demixer:
    """Everything in the equations of pass 2 that does not depend on the frames.

    Attributes
    ----------
    weights
        ``A / sn``, CSC ``(n_pixels, n_components)``.
    q
        ``w / sn`` of the background's sums in units of raw frames ``(n_pixels,)``.
    offset_onto, offset_sums
        What the mean image gives, taken off each frame's products.
    D, N, H
        Sparse matrices of the module's equation.
    energy
        Squared norm of each whitened footprint ``(n_components,)``.
    """

    field: Field
    weights: sp.csc_matrix
    q: NDArray[np.float32]
    offset_onto: NDArray[np.float64]
    offset_sums: NDArray[np.float64]
    D: sp.csr_matrix
    N: sp.csr_matrix
    H: sp.csr_matrix
    energy: NDArray[np.float64]
    solver: Callable[[NDArray[np.float64]], NDArray[np.float64]]

    @classmethod
    def build(
        cls,
        field: Field,
        A: sp.csc_matrix,
        mean: NDArray[np.float32],
        sn: NDArray[np.float32],
        inside: NDArray[np.bool_],
        gain: NDArray[np.float32],
        workers: Workers,
        from_sums: sp.csr_matrix | None = None,
    ) -> Demixer:
        """Set up the equations for whitened footprints ``A (n_pixels, n)``.

        Parameters
        ----------
        mean, sn
            Mean image and noise ``(n_pixels,)``, units of the movie; infinite noise leaves out.
        inside
            Pixels inside footprints ``(Z, Y, X)``.
        gain
            Weight of the background in each pixel ``(Z, Y, X)``.
        from_sums
            H as kriging has it ``(n_nodes, n_nodes)``; by default the background is smoothed.
        """
        grid = field.grid
        A = A.sorted_indices()
        one_over = np.where(np.isfinite(sn), 1 / sn, 0).astype(np.float32)
        q = pixel_weights(inside, gain)
        flat_q = q.ravel()
        if from_sums is None:
            weight = node_weights(q * gain, grid)
            H = sp.diags(1.0 / weight.ravel().astype(np.float64)) @ grid.smoothing
        else:
            H = from_sums
        D, N, system = traces_equations(A, gain.ravel(), flat_q, grid, H.tocsr(), workers)
        weights = weighted(A.T, columns=one_over).T
        weights.indptr = np.ascontiguousarray(weights.indptr, np.int32)
        weights.indices = np.ascontiguousarray(weights.indices, np.int32)
        raw_q = (flat_q * one_over).astype(np.float32)
        sums = grid.nodes @ (raw_q * mean)
        return cls(
            field, weights, raw_q, weights.T @ mean.astype(np.float64),
            np.asarray(sums, np.float64), D, N, H.tocsr(),
            np.asarray(A.multiply(A).sum(0), np.float64).ravel(),
            _solver(system, workers),
        )  # fmt: skip

    def project(self, frames: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Project some frames: ``A'y (n_components, n)`` and ``n(y) (n_nodes, n)``."""
        n = len(frames)
        onto = np.empty((n, self.weights.shape[1]), np.float32)
        sums = np.empty((n, self.field.grid.n_nodes), np.float32)
        w = self.weights
        _project_frames(
            frames, w.indptr, w.indices, w.data, self.q, *self.field.grid.edges, onto, sums, 0, n
        )
        return onto.T - self.offset_onto[:, None], sums.T - self.offset_sums[:, None]

    def level_in_mean(self) -> NDArray[np.float64]:
        """Level of each component in the mean image ``(n_components,)``, in units of the traces.

        Its light at rest is in there, with that of its surroundings taken off as in every frame.
        """
        onto = self.offset_onto - self.D @ self.offset_sums
        return np.asarray(self.solver(onto[:, None])[:, 0])

    def readout(
        self, modes: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Matrices that give ``modes bg`` from sums and traces, without making ``bg``.

        Returns
        -------
        of_sums, of_traces
            ``(n_modes, n_nodes)`` and ``(n_modes, n_components)``.
        """
        of_sums = np.asarray((self.H.T @ modes.T).T)
        return of_sums, np.asarray((self.N.T @ of_sums.T).T)


def traces_equations(
    A: sp.csc_matrix,
    gain: NDArray[np.float32],
    q: NDArray[np.float32],
    grid: Grid,
    H: sp.csr_matrix,
    workers: Workers,
) -> tuple[sp.csr_matrix, sp.csr_matrix, sp.csc_matrix]:
    """``D``, ``N`` and the traces' system ``A'A - D N``, some components at a time."""
    AT, by_pixel = A.T, A.tocsr()
    N = component_sums(A, q, grid, workers)
    starts = range(0, max(1, A.shape[1]), _COMPONENTS)
    parts = [slice(start, start + _COMPONENTS) for start in starts]

    def equations(part: slice) -> tuple[sp.csr_matrix, sp.csr_matrix]:
        own = AT[part]
        D = weighted(own, columns=gain) @ grid.interpolation @ H
        return D, own @ by_pixel - D @ N

    both = workers.map(equations, parts)
    D = sp.vstack([d for d, _ in both], format="csr")
    return D, N, sp.vstack([row for _, row in both], format="csc", dtype=np.float64)


def _solver(
    system: sp.csc_matrix, workers: Workers
) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Solver ``x -> system^-1 x`` for many columns: by the dense inverse unless that is too large.

    One matrix product is ten times faster than sparse triangular solves, column by column.
    """
    if system.shape[0] <= DENSE:
        return invert(system.toarray(), workers).__matmul__
    return _SparseSolver(system)


class _SparseSolver:
    """Solver by the factors of a sparse matrix; another process makes them anew."""

    def __init__(self, system: sp.csc_matrix) -> None:
        from scipy.sparse.linalg import splu

        self._system, self._factors = system, splu(system)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._system,)

    def __call__(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(self._factors.solve(np.ascontiguousarray(x)))


def invert(system: NDArray[np.float64], workers: Workers) -> NDArray[np.float64]:
    """Inverse of a matrix ``(n, n)`` close to a positive definite one, by blocks.

    Gauss-Jordan elimination with blocks for elements, in place (Golub and Van Loan 2013, Matrix
    Computations, 3.2.10 and 4.2): all of it but one block a step is products, on all threads. Not
    one whole call of the library for linear algebra: that has one thread here, and its results
    would depend on the number of threads.
    """
    M = np.array(system)
    n = len(M)
    blocks = [slice(start, min(start + _BLOCK, n)) for start in range(0, n, _BLOCK)]
    for pivot in blocks:
        inverse = np.linalg.inv(M[pivot, pivot])
        M[pivot, pivot] = np.eye(len(inverse))
        M[pivot] = inverse @ M[pivot]
        row = M[pivot]

        def eliminate(block: slice, pivot: slice = pivot, row: NDArray[np.float64] = row) -> None:
            if block != pivot:
                factor = M[block, pivot].copy()
                M[block, pivot] = 0
                M[block] -= factor @ row

        workers.map(eliminate, blocks)
    return M


@dataclass(frozen=True, eq=False)
class Traces:
    """Traces of the components and of the background at the full frame rate.

    Attributes
    ----------
    raw
        Demixed traces ``(n_components, n_frames)`` float32, mean near 0.
    surround
        What was taken out of each for its background, in the same units, like ``raw``.
    modes
        Weights of the background's modes ``(n_modes, n_frames)`` float32.
    """

    raw: NDArray[np.float32]
    surround: NDArray[np.float32]
    modes: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class _Demixing:
    """Everything that demixing any frames of the movie needs.

    Attributes
    ----------
    of_sums, of_traces
        See `Demixer.readout`.
    """

    source: FrameSource
    demixer: Demixer
    of_sums: NDArray[np.float64]
    of_traces: NDArray[np.float64]
    block_bytes: int


def extract_traces(
    source: FrameSource,
    demixer: Demixer,
    modes: NDArray[np.float64],
    lost: NDArray[np.bool_],
    runner: PartRunner,
    *,
    block_bytes: int = 64 << 20,
    check: Callable[[], None] = lambda: None,
    on_share: Callable[[float], None] = lambda share: None,
) -> Traces:
    """Read the movie once more and demix every frame.

    Parameters
    ----------
    modes
        Orthonormal spatial patterns over the grid's nodes ``(n_modes, n_nodes)``; of the
        background only its weights on these are kept.
    lost
        Frames without content ``(n_frames,)``: their values are interpolated.
    check, on_share
        May raise to stop; told the share of the frames that is done.
    """
    n_frames = source.shape[0]
    raw = np.zeros((demixer.weights.shape[1], n_frames), np.float32)
    surround = np.zeros_like(raw)
    along = np.zeros((len(modes), n_frames), np.float32)
    of = _Demixing(source, demixer, *demixer.readout(modes), block_bytes)
    frame_bytes = int(np.prod(source.shape[1:])) * source.dtype.itemsize
    edges = part_edges(n_frames, frame_bytes, stretch_unit(source, block_bytes))
    spans = list(pairwise(edges))
    parts = runner.map(_demix_part, of, spans, check=check, on_share=on_share)
    for (start, stop), part in zip(spans, parts, strict=True):
        for rows, of_part in zip((raw, surround, along), part, strict=True):
            rows[:, start:stop] = of_part
    if lost.any() and not lost.all():
        good, bad = np.flatnonzero(~lost), np.flatnonzero(lost)
        for rows in (raw, surround, along):
            for row in rows:
                row[bad] = np.interp(bad, good, row[good])
    return Traces(raw, surround, along)


def _demix_part(
    of: _Demixing, span: tuple[int, int], place: Place
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Traces of the frames of one part, those of their surroundings, and the modes' weights."""
    demixer, begin, n = of.demixer, span[0], span[1] - span[0]
    raw = np.zeros((demixer.weights.shape[1], n), np.float32)
    surround = np.zeros_like(raw)
    along = np.zeros((len(of.of_sums), n), np.float32)
    dead = demixer.q == 0
    own = (demixer.D @ demixer.N).tocsr()
    energy = np.where(demixer.energy > 0, demixer.energy, 1.0)

    # A lost frame of NaN would poison nothing but itself; it is replaced in the end.
    def work(pieces: Iterator[Piece]) -> None:
        starts, right, taken, seen = [], [], [], []
        for start, frames in pieces:
            if frames.dtype == np.float32 and dead.any():
                frames[:, dead] = 0
            onto, sums = demixer.project(frames)
            starts.append(start - begin)
            around = demixer.D @ sums
            right.append(onto - around)
            taken.append(around)
            seen.append(of.of_sums @ sums)
        # Together: the inverse, larger than a cache, is read once for all of them.
        c = demixer.solver(np.concatenate(right, axis=1))
        at = slice(starts[0], starts[0] + c.shape[1])
        raw[:, at], along[:, at] = c, np.concatenate(seen, axis=1) - of.of_traces @ c
        surround[:, at] = (np.concatenate(taken, axis=1) - own @ c) / energy[:, None]

    with Workers(place.n_threads, place.check) as workers:
        each_stretch(
            of.source, workers, work,
            block_bytes=of.block_bytes,
            on_block=lambda done: place.tell((done - begin) / n),
            span=span,
        )  # fmt: skip
    return raw, surround, along
