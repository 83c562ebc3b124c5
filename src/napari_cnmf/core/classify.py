"""Which components are cells: the rule on shape and activity, and the reasons it gives.

Accepted is what CaImAn's rule accepts and this one calls a soma. What is not stays in the
model, because its light has to go somewhere, with its class and the conditions it fails.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.activity import Activity
from napari_cnmf.core.factors import Factors
from napari_cnmf.core.merge import (
    active_part,
    containment,
    correlation_of_pairs,
    neighbour_pairs,
)
from napari_cnmf.core.shape import Shapes, typical_width


@dataclass(frozen=True)
class Rule:
    """Limits of the rule; lengths in gSig."""

    width: float = 0.6
    """Least inscribed radius, times the movie's own cell size."""
    width_bounds: tuple[float, float] = (0.42, 1.0)
    eccentricity: float = 0.88
    solidity: float = 0.78
    solidity_noisy: float = 0.72
    solidity_smooth: float = 0.78
    """Noise frays outlines: one that is compact once smoothed is not ragged."""
    minor: float = 0.29
    area: float = 0.5
    peak_snr: float = 3.2
    coactivity: float = 0.26
    split_half: float = 0.1
    contained: float = 0.6
    concentric: float = 0.35
    """Distance of centroids over the stronger one's inscribed radius."""
    weak_contained: float = 0.5
    weak_snr: float = 4.0


@dataclass(frozen=True, eq=False)
class Classes:
    """The verdict of the rule.

    Attributes
    ----------
    names
        ``soma``, ``process`` or ``fragment`` for each component ``(n,)``.
    reasons
        For each component the conditions it fails, empty for a soma.
    typical_width
        ``wref``: the movie's own cell size in gSig.
    """

    names: NDArray[np.str_]
    reasons: tuple[tuple[str, ...], ...]
    typical_width: float


def classify(
    factors: Factors, shapes: Shapes, activity: Activity, size: float, rule: Rule | None = None
) -> Classes:
    """Class of each component and why; ``size`` is gSig in pixels."""
    rule = rule or Rule()
    n = len(factors)
    wref = typical_width(shapes, activity.energy, rule.eccentricity, rule.solidity)
    reasons: list[list[str]] = [[] for _ in range(n)]
    process = np.zeros(n, np.bool_)

    def fail(which: NDArray[np.bool_], why: str) -> None:
        process[which] = True
        for k in np.flatnonzero(which):
            reasons[k].append(why)

    noisy = activity.peak_snr < 6
    least = float(np.clip(rule.width * wref, *rule.width_bounds))
    minor = rule.minor * float(np.clip(wref, 0.7, 1.6))
    # A cell cut by the border shows a part of its outline: only its width is held against it.
    whole = ~shapes.cut
    fail(shapes.width < np.where(whole, least, 0.8 * least), "narrower than a cell")
    fail((shapes.eccentricity >= rule.eccentricity) & whole, "elongated")
    ragged = shapes.solidity < np.where(noisy, rule.solidity_noisy, rule.solidity)
    fail(ragged & (shapes.solidity_smooth < rule.solidity_smooth) & whole, "ragged outline")
    fail((shapes.minor < minor) & whole, "short axis too short")
    fail((shapes.area < rule.area * wref**2) & whole & ~noisy, "smaller than a cell")
    fail(activity.peak_snr < rule.peak_snr, "peaks barely above noise")
    fail(activity.coactivity > rule.coactivity, "active beyond its outline")
    fail(activity.split_half < rule.split_half, "not the same in both halves of its events")
    fragment = np.zeros(n, np.bool_)
    for k, why in find_fragments(factors, shapes, activity, rule, size):
        fragment[k] = True
        reasons[k].append(why)
    names = np.where(fragment, "fragment", np.where(process, "process", "soma"))
    return Classes(names.astype(str), tuple(tuple(r) for r in reasons), wref)


def find_fragments(
    factors: Factors, shapes: Shapes, activity: Activity, rule: Rule, size: float
) -> list[tuple[int, str]]:
    """Components that are a part of a stronger one: ``(id, reason)``.

    Containment alone never rejects: true cells overlap by up to 0.98 in dense tissue.
    ``size`` is gSig in pixels.
    """
    pairs = neighbour_pairs(factors)
    if len(pairs) == 0:
        return []
    share = containment(factors, pairs)
    correlation = correlation_of_pairs(active_part(factors.C), pairs)
    full = correlation_of_pairs(factors.C.astype(np.float64), pairs)
    at = factors.centroids()
    out = []
    for n, pair in enumerate(pairs):
        for side in range(2):
            k, other = int(pair[side]), int(pair[1 - side])
            if share[n, side] < rule.weak_contained or activity.energy[k] > activity.energy[other]:
                continue
            apart = float(np.linalg.norm((at[k] - at[other])[1:]))
            radius_px = shapes.width[other] * size
            small = shapes.area[k] < 0.5 * shapes.area[other]
            if share[n, side] >= rule.contained:
                if apart < rule.concentric * radius_px:
                    out.append((k, f"concentric with component {other}"))
                elif full[n] < -0.3:
                    out.append((k, f"goes down when component {other} goes up"))
                elif correlation[n] > 0.4 and small:
                    out.append((k, f"small part of component {other}, active with it"))
            if activity.peak_snr[k] < rule.weak_snr:
                out.append((k, f"weak, and inside component {other}"))
    return out
