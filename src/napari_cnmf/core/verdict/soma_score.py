"""How much a footprint looks like a soma: a small network in the place of CaImAn's.

It sees the footprint alone, cut out around its centre on a grid of 17 x 17 points, 6 gSig wide
and of peak 1: whatever the size of pixels and cells, a soma looks the same. Two hidden layers and
a logistic, about 14,600 weights, plain numpy. `benchmarks/train_soma_score.py` trains it on
simulated and drawn footprints and measures it on others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

POINTS = 17
"""Points of the grid along each axis."""
WIDTH_GSIG = 6.0
"""Width of the grid in gSig."""
_WEIGHTS = "soma_score.npz"


@dataclass(frozen=True, eq=False)
class Network:
    """Weights of the layers, first to last.

    Attributes
    ----------
    weights, biases
        ``(n_in, n_out)`` and ``(n_out,)`` of each layer.
    """

    weights: tuple[NDArray[np.float32], ...]
    biases: tuple[NDArray[np.float32], ...]

    def logits(self, patches: NDArray[np.floating]) -> NDArray[np.float32]:
        """Before the logistic, ``(n,)``; ``patches (n, POINTS, POINTS)``."""
        x = patches.reshape(len(patches), -1).astype(np.float32)
        last = len(self.weights) - 1
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = x @ weight + bias
            x = np.maximum(x, 0) if i < last else x
        return np.asarray(x[:, 0], np.float32)

    def probabilities(self, patches: NDArray[np.floating]) -> NDArray[np.float64]:
        """Of being a soma, mean over the eight mirrored and turned views, ``(n,)``."""
        views = [np.rot90(p, k, (1, 2)) for p in (patches, patches[:, ::-1]) for k in range(4)]
        logits = np.mean([self.logits(v) for v in views], axis=0, dtype=np.float64)
        return np.asarray(1 / (1 + np.exp(-np.clip(logits, -50, 50))), np.float64)


@cache
def trained_network() -> Network:
    """The network that comes with the package."""
    with (
        files("napari_cnmf.core.verdict").joinpath(_WEIGHTS).open("rb") as file,
        np.load(file, allow_pickle=False) as stored,
    ):
        n = len(stored.files) // 2
        return Network(
            tuple(stored[f"weights_{i}"].astype(np.float32) for i in range(n)),
            tuple(stored[f"biases_{i}"].astype(np.float32) for i in range(n)),
        )


def footprint_patches(
    A: sp.csc_matrix, dims: tuple[int, ...], g_sig: Sequence[float]
) -> NDArray[np.float32]:
    """Footprints as the network sees them, ``(n, POINTS, POINTS)``, peak 1.

    Parameters
    ----------
    A
        ``(n_pixels, n)``, C-order pixels of ``dims``; of a volume the sum over planes is seen.
    g_sig
        Half-width of a cell in pixels along (Y, X).
    """
    A = _seen_from_above(A.tocsc(), dims)
    n = A.shape[1]
    owner = np.repeat(np.arange(n), np.diff(A.indptr))
    value = np.maximum(A.data, 0).astype(np.float64)
    energy = np.maximum(np.bincount(owner, value**2, n), 1e-300)
    (rows, down), (columns, across) = (
        _points_near(at, np.bincount(owner, value**2 * at, n) / energy, owner, g)
        for at, g in zip(np.divmod(A.indices, dims[-1]), g_sig[-2:], strict=True)
    )
    out = np.zeros(n * POINTS**2)
    for i, wy in zip(rows, down, strict=True):
        for j, wx in zip(columns, across, strict=True):
            weight = value * wy * wx
            hit = np.flatnonzero(weight)
            place = (owner[hit] * POINTS + i[hit]) * POINTS + j[hit]
            out += np.bincount(place, weight[hit], len(out))
    patches = out.reshape(n, POINTS, POINTS)
    peak = patches.max((1, 2), initial=0.0)
    return np.asarray(patches / np.maximum(peak, 1e-12)[:, None, None], np.float32)


def _seen_from_above(A: sp.csc_matrix, dims: tuple[int, ...]) -> sp.csc_matrix:
    """Footprints of a volume summed over its planes; those of a plane as they are."""
    if len(dims) == 2:
        return A
    size = dims[-2] * dims[-1]
    planes = (A[z * size : (z + 1) * size] for z in range(dims[0]))
    return sp.csc_matrix(sum(planes, start=sp.csc_matrix((size, A.shape[1]), dtype=A.dtype)))


def _points_near(
    at: NDArray[np.integer], centre: NDArray[np.float64], owner: NDArray[np.int64], g_sig: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Points of the grid within a pixel of each, along an axis, and how much of it they see.

    Points and weights of linear interpolation, ``(n_points, n_pixels)``; the weight is 0 off the
    grid.
    """
    step = WIDTH_GSIG * g_sig / (POINTS - 1)
    place = (at - centre[owner]) / step + POINTS // 2
    point = np.ceil(place - 1 / step).astype(np.int64) + np.arange(int(2 / step) + 1)[:, None]
    weight = np.maximum(1 - np.abs(point - place) * step, 0)
    weight[(point < 0) | (point >= POINTS)] = 0
    return point, weight


def own_size(g_sig: Sequence[float], attributes: Mapping[str, Any]) -> tuple[float, ...]:
    """``gSig``, or what the cells of a result measure where that is more, along each axis, pixels.

    Without it a third of the somata were lost where ``gSig`` was told 40 % too small. Told too
    large it costs nothing; seen at a smaller scale a sure soma of the real recording was lost.
    """
    width = float(attributes.get("typical_width", 1.0))
    return tuple(g * (width if width > 1 else 1.0) for g in g_sig)


def soma_scores(
    A: sp.csc_matrix,
    dims: tuple[int, ...],
    g_sig: Sequence[float],
    radii: Sequence[int] | None = None,
) -> NDArray[np.float64]:
    """Probability of each footprint to be a soma, ``(n,)``.

    Parameters
    ----------
    radii
        Half-widths to try instead of ``g_sig`` (``quality.gSig_range``); the best counts.
    """
    sizes = [g_sig] if not radii else [(r, r) for r in radii]
    if A.shape[1] == 0:
        return np.zeros(0)
    network = trained_network()
    scores = [network.probabilities(footprint_patches(A, dims, size)) for size in sizes]
    return np.asarray(np.max(scores, axis=0), np.float64)
