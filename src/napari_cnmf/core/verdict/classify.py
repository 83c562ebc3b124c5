"""Which components are cells: the rule on shape and neighbours, and the reasons it gives.

Accepted is what CaImAn's rule accepts and this one calls a soma. What is not stays in the
model, because its light has to go somewhere, with its class and the conditions it fails.
"""

# ruff: noqa: PLR0917 (steps take their inputs by position)

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.base.factors import Factors
from napari_cnmf.core.finding.merge import containment, neighbour_pairs
from napari_cnmf.core.verdict.shape import Shapes


@dataclass(frozen=True)
class Rule:
    """Limits of the rule; lengths in gSig."""

    width: float = 0.66
    """Least inscribed radius, times the movie's own cell size."""
    width_bounds: tuple[float, float] = (0.42, 1.2)
    width_likely: float = 0.75
    """Share of it that is enough for what the classifier takes for a soma."""
    eccentricity: float = 0.88
    eccentricity_cut: float = 0.93
    """Of one that the border cuts: half a disc has 0.85."""
    solidity: float = 0.75
    same: float = 0.75
    """Contained in each other by so much: one cell twice, most often by motion."""
    contained: float = 0.6
    """Share inside a stronger one from which on a small one in its middle is a part of it."""
    wide: float = float("inf")
    """Times the square of the movie's own cell size: an area above it is that of a cell out of
    focus, unless ..."""
    solidity_wide: float = 0.88
    """... its outline is as solid as that of a cell in focus, ..."""
    widest: float = float("inf")
    """... and never above this."""


LIKELY = 0.5
"""Probability from which on the classifier takes a footprint for a soma."""
ONE_PHOTON_RULE = Rule(wide=5.5, widest=7.5)
"""Cells above and below the focus are wide, smooth and weak, and two-photon light sees none of
them: 5.5 is the area that one cell in ten exceeds, 7.5 one in five hundred."""


@dataclass(frozen=True, eq=False)
class Classes:
    """The verdict of the rule.

    Attributes
    ----------
    names
        ``soma``, ``process`` or ``fragment`` for each component ``(n,)``.
    reasons
        For each component the conditions it fails, empty for a soma.
    """

    names: NDArray[np.str_]
    reasons: tuple[tuple[str, ...], ...]


def classify(
    factors: Factors,
    shapes: Shapes,
    energy: NDArray[np.float64],
    width: float | None,
    size: float,
    rule: Rule | None = None,
    dark: NDArray[np.bool_] | None = None,
    *,
    likely: NDArray[np.bool_] | None = None,
) -> Classes:
    """Class of each component and why.

    Parameters
    ----------
    energy
        Strength of each ``(n,)``; see :func:`napari_cnmf.core.finding.rank_one.active_energy`.
    width
        The movie's own cell size in gSig; see :func:`napari_cnmf.core.verdict.shape.typical_width`.
    size
        gSig in pixels.
    dark
        Those that are no brighter at rest than what is around them ``(n,)``; see
        :func:`napari_cnmf.core.verdict.contrast.find_dark`.
    likely
        Those that the classifier takes for somata ``(n,)``: where cells differ much in size, small
        ones are narrower than what is not round is beside large ones.
    """
    rule = rule or Rule()
    n = len(factors)
    wref = 1.0 if width is None else width
    # Where cells differ much in size, the brightest and largest would set the limits for all.
    scale = min(wref, 0.5 * (1 + wref))
    reasons: list[list[str]] = [[] for _ in range(n)]
    process = np.zeros(n, np.bool_)

    def fail(which: NDArray[np.bool_], why: str) -> None:
        process[which] = True
        for k in np.flatnonzero(which):
            reasons[k].append(why)

    least = float(np.clip(rule.width * scale, *rule.width_bounds))
    # A cell cut by the border shows a part of its outline.
    whole = ~shapes.cut
    enough = np.where(whole, least, 0.8 * least)
    if likely is not None:
        enough[likely] *= rule.width_likely
    fail(shapes.width < enough, "narrower than a cell")
    longest = np.where(whole, rule.eccentricity, rule.eccentricity_cut)
    fail(shapes.eccentricity >= longest, "elongated")
    fail(shapes.solidity < rule.solidity, "ragged outline")
    if dark is not None:
        fail(dark, "weak, and no brighter at rest than what is around it")
    if width is not None:
        wide = (shapes.area > rule.wide * wref**2) & (shapes.solidity < rule.solidity_wide)
        fail(wide | (shapes.area > rule.widest * wref**2), "as wide as a cell out of focus")
    fragment = np.zeros(n, np.bool_)
    for k, why in find_fragments(factors, shapes, energy, rule, size):
        fragment[k] = True
        reasons[k].append(why)
    names = np.where(fragment, "fragment", np.where(process, "process", "soma"))
    return Classes(names.astype(str), tuple(tuple(r) for r in reasons))


def find_fragments(
    factors: Factors, shapes: Shapes, energy: NDArray[np.float64], rule: Rule, size: float
) -> list[tuple[int, str]]:
    """Components that are a part of a stronger one: ``(id, reason)``.

    Being contained alone never rejects: true cells overlap by up to 0.98 in dense tissue. But not
    both ways: of 352 overlapping pairs of cells 3 were contained in each other by 0.75, of 157
    components that were a cell a second time (in movies that move) 113.
    ``size`` is gSig in pixels.
    """
    pairs = neighbour_pairs(factors)
    at, radius_px = factors.centroids()[:, 1:], shapes.width * size
    apart = np.linalg.norm(at[pairs[:, 0]] - at[pairs[:, 1]], axis=1)
    near = apart < 1.3 * radius_px[pairs].max(1, initial=0)
    pairs, apart = pairs[near], apart[near]
    share = containment(factors, pairs)
    out = []
    for n, pair in enumerate(pairs):
        for side in range(2):
            k, other = int(pair[side]), int(pair[1 - side])
            if energy[k] > energy[other]:
                continue
            small = shapes.area[k] < 0.5 * shapes.area[other]
            if share[n].min() >= rule.same and apart[n] < 1.3 * radius_px[other]:
                out.append((k, f"on the same pixels as component {other}"))
            elif share[n, side] >= rule.contained and small and apart[n] < radius_px[other]:
                out.append((k, f"small and in the middle of component {other}"))
    return out
