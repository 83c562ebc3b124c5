"""The non-rigid field's model: a template, and what frames say of displacements at nodes.

References
----------
Lucas & Kanade, IJCAI 1981; Baker & Matthews, Int. J. Comput. Vision 2004: the linearised fit.
Pnevmatikakis & Giovannucci, NoRMCorre, J. Neurosci. Methods 2017: piecewise rigid registration.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.fft
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.core.motion.field_kernels import field_scores, pull_back
from napari_cnmf.core.motion.spectrum import Band, cosine_edges
from napari_cnmf.core.motion.template import Template, Workers, split_rows

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

CLIP = 1.5
"""Whitened residuals beyond this are neurons that fire, not displacements."""
LEAST_LIGHT = 1e-3
"""Of the typical information about a node's brightness: nodes that see nothing have none."""
N_PARTS = 8
"""Of the frames that are scored: fixed, as rounding must not depend on the machine's cores."""
EDGE_SAMPLES = 3
MIN_NODES_APART_PX = 16.0


def field_band(band: Band) -> Band:
    """The band with a narrow window: frames are aligned, hardly anything enters or leaves."""
    y, x = (cosine_edges(taper.size, EDGE_SAMPLES) for taper in band.tapers[1:])
    return replace(band, tapers=(band.tapers[0], y, x))


@dataclass(frozen=True, eq=False)
class Nodes:
    """Bilinear nodes at even distances over the field.

    Attributes
    ----------
    y, x
        Positions in px of the movie.
    """

    y: F64
    x: F64

    @property
    def positions(self) -> F64:
        """Positions of the nodes in pixels ``(gy * gx, 2)``."""
        return np.stack(np.meshgrid(self.y, self.x, indexing="ij"), axis=-1).reshape(-1, 2)

    @staticmethod
    def weights(nodes: F64, at: F64) -> tuple[NDArray[np.int64], F32]:
        """Index of the node before each coordinate ``at``, and the share of the next."""
        place = np.clip((at - nodes[0]) / (nodes[1] - nodes[0]), 0, nodes.size - 1)
        index = np.minimum(place.astype(np.int64), nodes.size - 2)
        return index, (place - index).astype(np.float32)


def plan_nodes(dims: tuple[int, int, int], strides: tuple[float, float, float]) -> Nodes:
    """Nodes at most ``strides`` apart, and close enough for fields that bend over the field."""
    axes = []
    for n, stride in zip(dims[1:], strides[1:], strict=True):
        apart = max(MIN_NODES_APART_PX, min(stride, n / 8))
        axes.append(np.linspace(0, n - 1, max(2, round((n - 1) / apart) + 1)))
    return Nodes(axes[0], axes[1])


@dataclass(frozen=True, eq=False)
class Residuals:
    """Sums over the frames' clipped residuals, and how many there were.

    ``total`` and ``count (Y, X)`` are of the places where the template sees them; ``power
    (2, Y, X)`` is the sum of squares and the number of those in the frames' own places.
    """

    total: F32
    count: F32
    power: F64


class FieldModel:
    """Template and precision of aligned and whitened frames; better with every `update`."""

    def __init__(self, band: Band, template: Template, nodes: Nodes) -> None:
        self.band = band
        self.nodes = nodes
        self.spacing_px = 2 if band.halved else 1
        self.grid = band.fft_dims[1:]
        share = band.multiplicity[0]
        with np.errstate(divide="ignore"):
            sd = np.sqrt(np.where(share > 0, share / np.maximum(template.weight[0], 1e-30), np.inf))
        n_samples = self.grid[0] * self.grid[1]
        # the noise of a sample is 1 then
        self.whitening = n_samples / np.sqrt(2 * share.sum()) / sd
        shape = (band.dims[1] // self.spacing_px, band.dims[2] // self.spacing_px)
        self.shape = shape
        offset = 0.5 if band.halved else 0.0
        self.index_y, self.part_y = nodes.weights(
            nodes.y, np.arange(shape[0], dtype=np.float64) * self.spacing_px + offset
        )
        self.index_x, self.part_x = nodes.weights(
            nodes.x, np.arange(shape[1], dtype=np.float64) * self.spacing_px + offset
        )
        spectrum = (template.spectrum[0] + 1j * template.spectrum[1])[0] * self.whitening
        self.template = self._to_grid(spectrum[None])[0]
        self.precision = np.ones(shape, np.float32)
        self._refresh()

    def _to_grid(self, spectrum: NDArray[np.complexfloating]) -> F32:
        """Band-limited spectra ``(n, ny, nx)`` as images on the grid of samples."""
        full = np.zeros((len(spectrum), self.grid[0], self.grid[1] // 2 + 1), np.complex64)
        full[:, self.band.keep[1], : spectrum.shape[2]] = spectrum
        image = scipy.fft.irfft2(full, s=self.grid)[:, : self.shape[0], : self.shape[1]]
        return np.ascontiguousarray(image, np.float32)

    def align(self, spectra: F32, shifts: F64) -> F32:
        """Whitened frames ``(n, Y, X)`` with ``shifts (n, 3)`` taken out."""
        _, ky, kx = self.band.k
        y = np.exp(1j * (shifts[:, 1, None] * ky)).astype(np.complex64)
        x = np.exp(1j * (shifts[:, 2, None] * kx)).astype(np.complex64)
        whole = (spectra[:, 0, 0] + 1j * spectra[:, 1, 0]) * (y[:, :, None] * x[:, None])
        return self._to_grid(whole * self.whitening.astype(np.float32))

    def bounds(self, shifts: F64) -> NDArray[np.int64]:
        """First and past-the-last row and column that frames really show, ``(n, 4)``."""
        out = np.empty((len(shifts), 4), np.int64)
        for axis, n in enumerate(self.shape):
            d = shifts[:, 1 + axis] / self.spacing_px
            out[:, 2 * axis] = np.clip(np.ceil(EDGE_SAMPLES - d), EDGE_SAMPLES, n)
            out[:, 2 * axis + 1] = np.clip(np.floor(n - EDGE_SAMPLES - d), 0, n - EDGE_SAMPLES)
        return out

    def _refresh(self) -> None:
        """Renew the template, its derivatives per px, and the information about the nodes."""
        up = self.spacing_px
        padded = np.zeros(self.grid, np.float32)
        padded[: self.shape[0], : self.shape[1]] = self.template
        spectrum = scipy.fft.rfft2(padded)
        rows, n_columns = self.band.keep[1], self.band.k[2].size
        spectrum = spectrum[rows, :n_columns] * up**2
        _, ky, kx = self.band.k
        fine_shape = (self.grid[0] * up, self.grid[1] * up)
        fine_rows = np.where(rows > self.grid[0] // 2, rows + fine_shape[0] - self.grid[0], rows)
        full = np.zeros((3, fine_shape[0], fine_shape[1] // 2 + 1), np.complex64)
        factors: tuple[Any, ...] = (1.0, 1j * ky[:, None], 1j * kx)
        for i, factor in enumerate(factors):
            full[i, fine_rows, :n_columns] = spectrum * factor
        fine = scipy.fft.irfft2(full, s=fine_shape)
        fine = fine[:, : self.shape[0] * up, : self.shape[1] * up]
        self.fine = np.ascontiguousarray(np.moveaxis(fine, 0, -1), np.float32)
        # brightness adds what a displacement along a slope takes off
        slopes = np.concatenate([fine[1:, ::up, ::up], -fine[:1, ::up, ::up]])
        whole = self._information(slopes)
        n = whole.shape[0]
        among = whole[:, 2][:, :, 2]
        among = among + LEAST_LIGHT * np.trace(among) / n * np.eye(n)
        both = whole[:, :2][:, :, :, 2].reshape(2 * n, n)
        self.by_light = np.linalg.solve(among, both.T).T
        self.H = whole[:, :2][:, :, :, :2].reshape(2 * n, 2 * n) - self.by_light @ both.T

    def _information(self, slopes: F32) -> F64:
        """Information ``(n, 3, n, 3)`` about displacements and brightness at the nodes."""
        basis = sp.kron(
            _basis(self.index_y, self.part_y, self.nodes.y.size),
            _basis(self.index_x, self.part_x, self.nodes.x.size),
            format="csr",
        )
        weighted = (slopes * self.precision).reshape(3, -1).astype(np.float64)
        n = basis.shape[1]
        H = np.empty((n, 3, n, 3))
        for a in range(3):
            for b in range(a, 3):
                part = basis.T @ sp.diags(weighted[a] * weighted[b]) @ basis
                H[:, a, :, b] = H[:, b, :, a] = part.toarray()
        return H

    def scores(
        self, frames: F32, bounds: NDArray[np.int64], c: F64, workers: Workers, *, learn: bool
    ) -> tuple[F64, Residuals | None]:
        """Scores ``b (n, 2 gy gx)`` of aligned frames whose displacements are about ``c``.

        One step of Gauss and Newton: ``b = H c + score``; with ``learn`` also what the frames say
        of the template. The template's brightness is free at each node: cells that fire and light
        that falls otherwise where the field has moved to must not look like bending.
        """
        field = np.ascontiguousarray(
            c.reshape(len(frames), self.nodes.y.size, self.nodes.x.size, 2), np.float32
        )
        b = c @ self.H

        def work(part: NDArray[np.int64]) -> Residuals | None:
            own = slice(int(part[0]), int(part[-1]) + 1)
            scores = np.empty((*field[own].shape[:3], 3), np.float32)
            kept = np.empty(part.size, np.float32)
            residuals = np.empty_like(frames[own])
            places = (self.index_y, self.part_y, self.index_x, self.part_x, field[own], bounds[own])
            field_scores(
                frames[own], self.fine, self.spacing_px, self.precision,
                *places, EDGE_SAMPLES * self.spacing_px, CLIP, scores, kept, residuals,
            )  # fmt: skip
            # What a part that is brighter or darker explains is no displacement.
            moved = scores[..., :2].reshape(part.size, -1)
            moved = moved - scores[..., 2].reshape(part.size, -1) @ self.by_light.T
            b[own] += moved / np.maximum(kept, 0.1)[:, None]
            if not learn:
                return None
            sums = np.zeros((2, *self.shape), np.float32)
            found = Residuals(sums[0], sums[1], np.zeros((2, *self.shape)))
            pull_back(
                residuals, self.precision, self.spacing_px, *places, CLIP,
                found.total, found.count, found.power,
            )  # fmt: skip
            return found

        parts = split_rows(np.arange(len(frames)), N_PARTS)
        found = [r for r in workers.pool.map(work, parts) if r is not None]
        if not found:
            return b, None
        return b, Residuals(
            *(np.sum([getattr(r, n) for r in found], axis=0) for n in ("total", "count", "power"))
        )

    def update(self, residuals: Residuals) -> None:
        """Improve template and precision, and the information that follows from them."""
        step = residuals.total / np.maximum(residuals.count, 1)
        self.template = (self.template + step).astype(np.float32)
        self._set_precision(residuals.power)
        self._refresh()

    def _set_precision(self, power: F64) -> None:
        """Set precision to 1 / sd of each sample's residual, at least a fifth of the typical sd."""
        seen = power[1] > 0.2 * power[1].max()
        sd = np.sqrt(power[0] / np.maximum(power[1], 1))
        typical = float(np.median(sd[seen])) if seen.any() else 0.0
        if typical > 0:
            self.precision = (seen / np.maximum(sd, 0.2 * typical)).astype(np.float32)


def _basis(index: NDArray[np.int64], part: F32, n_nodes: int) -> sp.csr_matrix:
    """Bilinear weights ``(n_samples, n_nodes)`` along one axis."""
    n = index.size
    rows = np.concatenate([np.arange(n), np.arange(n)])
    columns = np.concatenate([index, index + 1])
    return sp.csr_matrix((np.concatenate([1 - part, part]), (rows, columns)), shape=(n, n_nodes))
