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
        files("napari_cnmf.core").joinpath(_WEIGHTS).open("rb") as file,
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
    gy, gx = float(g_sig[-2]), float(g_sig[-1])
    offsets = (np.arange(POINTS) - POINTS // 2) * WIDTH_GSIG / (POINTS - 1)
    out = np.zeros((A.shape[1], POINTS, POINTS), np.float32)
    for k in range(A.shape[1]):
        part = slice(A.indptr[k], A.indptr[k + 1])
        values = np.maximum(A.data[part], 0)
        if not values.size or not values.max() > 0:
            continue
        y, x = np.unravel_index(A.indices[part], dims)[-2:]
        # Sums over planes, in a box around the footprint with a margin for the interpolation.
        box = np.zeros((y.max() - y.min() + 3, x.max() - x.min() + 3), np.float32)
        np.add.at(box, (y - y.min() + 1, x - x.min() + 1), values)
        energy = box.astype(np.float64) ** 2
        energy /= energy.sum()
        cy = float(energy.sum(1) @ np.arange(box.shape[0]))
        cx = float(energy.sum(0) @ np.arange(box.shape[1]))
        across = _between(cy + offsets * gy, box.shape[0])
        patch = across @ box @ _between(cx + offsets * gx, box.shape[1]).T
        out[k] = patch / max(float(patch.max()), 1e-12)
    return out


def _between(at: NDArray[np.float64], n: int) -> NDArray[np.float32]:
    """Weights ``(len(at), n)`` of linear interpolation at places of an axis; 0 outside of it."""
    return np.asarray(np.maximum(1 - np.abs(at[:, None] - np.arange(n)), 0), np.float32)


def own_size(g_sig: Sequence[float], attributes: Mapping[str, Any]) -> tuple[float, ...]:
    """``gSig``, or what the cells of a result measure where that is more, along each axis, pixels.

    Without it four in ten somata were lost where ``gSig`` was told 40 % too small; told too large
    it costs nothing, and cells that measure less are those with processes around.
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
