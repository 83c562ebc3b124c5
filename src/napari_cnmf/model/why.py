"""Explains why there is a cell at a place, or none: what was met there, and what dropped it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

import numpy as np

from napari_cnmf._checks import check_array, check_number, shown
from napari_cnmf.errors import ResultError
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation import Curatable, Curation, Decision, as_curation
from napari_cnmf.model.curation.table import SCORE_NAMES
from napari_cnmf.model.evaluation import failed_rules

_IMAGES = ("correlation", "pnr", "energy")
_REACH_GSIG = 1.0
"""How far from a place a site still counts as tried there, in gSig."""
_REACH_PX = 6.0
"""The same where the result does not say its gSig."""


LIGHTS_UP = 0.5
"""Local correlation of pixels from which on nobody may call a place silent."""
_SAID_FROM = 0.05
"""Change of the logit from which on a figure is worth a word."""


@dataclass(frozen=True)
class ComponentHere:
    """A component whose footprint covers the place.

    Attributes
    ----------
    component_class
        ``class`` in the tables and in JSON: soma, process or fragment; empty where it is unknown.
    share
        Its footprint at the place, over its peak.
    rules
        What speaks against it: thresholds that it fails; of a decision by hand that alone. Empty
        for one that is accepted.
    spoke
        The three figures that spoke most for or against a cell, in words.
    """

    id: int
    accepted: bool
    component_class: str
    share: float
    snr: float | None
    r_value: float | None
    p_soma: float | None
    rules: tuple[str, ...]
    spoke: tuple[str, ...] = ()

    def __str__(self) -> str:
        scores = {"SNR": self.snr, "r": self.r_value, "probability of a cell": self.p_soma}
        said = ", ".join(f"{name} {v:.2f}" for name, v in scores.items() if v is not None)
        head = f"component {self.id} ({', '.join(filter(None, (self.component_class, said)))})"
        because = f" ({'; '.join(self.spoke)})" if self.spoke else ""
        if self.accepted:
            return f"{head}: accepted{because}"
        return f"{head}: rejected: {'; '.join(self.rules) or 'its class is not wanted'}{because}"


@dataclass(frozen=True)
class CandidateHere:
    """A site near the place that the search tried.

    Attributes
    ----------
    at
        Pixel of the site.
    score, energy
        Of the energy map at the site; of the candidate's own trace.
    area_px
        Of its footprint.
    verdict
        What became of it, in words.
    """

    at: tuple[int, ...]
    distance_px: float
    score: float
    energy: float
    area_px: int
    verdict: str

    def __str__(self) -> str:
        return (
            f"tried at {self.at}, {self.distance_px:.1f} px away: {self.verdict} (map "
            f"{self.score:.1f}, own energy {self.energy:.1f}, {self.area_px} px)"
        )


@dataclass(frozen=True, repr=False)
class Explanation:
    """Answer about one place of a result: the component there, or why there is none.

    Attributes
    ----------
    components
        Those that cover it, the brightest there first.
    candidates
        Sites that the search tried near it, nearest first.
    images
        ``correlation``, ``pnr`` and ``energy`` (of the map that the search began with) there, where
        the result has them.
    least_energy, least_area_px
        What a candidate needs; ``None`` where the result does not say.
    """

    at: tuple[int, ...]
    components: tuple[ComponentHere, ...]
    candidates: tuple[CandidateHere, ...]
    images: dict[str, float]
    least_energy: float | None
    least_area_px: int | None

    @property
    def summary(self) -> str:
        """The answer in one sentence."""
        accepted = [c for c in self.components if c.accepted]
        if accepted:
            return f"There is a cell: component {accepted[0].id} is accepted."
        if self.components:
            first = self.components[0]
            why = "; ".join((*first.rules, *first.spoke)) or "its class is not wanted"
            return f"Component {first.id} is here and was rejected: {why}."
        dropped = [c for c in self.candidates if c.verdict != "component"]
        if dropped:
            return f"Tried and dropped: {self._why_dropped(dropped[0])}."
        if self.candidates:
            return "A component was begun near here and lies beside this place, or was merged."
        if "energy" in self.images and self.least_energy is not None:
            energy, least = self.images["energy"], self.least_energy
            if energy > least:
                return "What lights up here spills over from a component beside it."
            correlation = self.images.get("correlation", 0.0)
            if correlation >= LIGHTS_UP:
                return (
                    f"Pixels here light up together (local correlation {correlation:.2f}), but the "
                    f"energy map has {max(energy, 0):.1f} and a cell needs {least:.1f}: no "
                    "component could be made of it. Draw the cell, or give its footprint."
                )
            return (
                f"Nothing lights up here: the energy map has {max(energy, 0):.1f}, a cell needs "
                f"{least:.1f}. Silent cells are not found."
            )
        return "No component covers this place; the result does not tell what was tried here."

    def _why_dropped(self, candidate: CandidateHere) -> str:
        if candidate.verdict == "too small" and self.least_area_px is not None:
            needs = f"its footprint of {candidate.area_px} px needs {self.least_area_px}"
        elif "energy" in candidate.verdict and self.least_energy is not None:
            needs = f"its trace has {candidate.energy:.1f} and needs {self.least_energy:.1f}"
        else:
            return candidate.verdict
        return f"{candidate.verdict}: {needs}"

    def __repr__(self) -> str:
        return f"<Explanation {self.at}: {self.summary}>"

    def __str__(self) -> str:
        lines = [f"{self.at}: {self.summary}"]
        lines += [f"  {c}" for c in (*self.components, *self.candidates)]
        if self.images:
            lines.append("  " + ", ".join(f"{n} {v:.2f}" for n, v in self.images.items()))
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        lines = "".join(f"<li>{escape(str(c))}</li>" for c in (*self.components, *self.candidates))
        images = ", ".join(f"{name} {value:.2f}" for name, value in self.images.items())
        return f"<p><b>{self.at}</b>: {escape(self.summary)}</p><ul>{lines}</ul><p>{images}</p>"

    def to_dict(self) -> dict[str, Any]:
        """The explanation as plain values, for JSON."""
        told = asdict(self) | {"summary": self.summary}
        for component in told["components"]:
            component["class"] = component.pop("component_class")  # as in cur.df
        return told


def explain_place(
    result: Curatable, at: Sequence[int], *, reach_px: float | None = None
) -> Explanation:
    """Why there is a cell at a place, or none.

    Parameters
    ----------
    result
        An item, a project's sample, a curation or components.
    at
        Pixel ``([z], y, x)``.
    reach_px
        How far away a tried site counts; by default gSig.

    Raises
    ------
    ResultError
        A place outside the field.
    """
    cur = as_curation(result)
    dims = cur.components.dims
    place = _pixel(at, dims)
    if len(place) != len(dims) or not all(0 <= i < n for i, n in zip(place, dims, strict=True)):
        raise ResultError(f"A place must be a pixel of the field {dims}, got {place}.")
    if reach_px is not None:
        check_number("reach_px", reach_px, ResultError, least=0, advice="It is in pixels.")
    reach = reach_px if reach_px is not None else _default_reach(cur.original)
    table = cur.original.attributes.get("candidates") or {}
    return Explanation(
        at=place,
        components=_components_at(cur, place),
        candidates=_candidates_near(table, place, reach),
        images=_image_values(cur.original, place),
        least_energy=table.get("least_energy"),
        least_area_px=table.get("least_area"),
    )


def _pixel(at: Sequence[int], dims: tuple[int, ...]) -> tuple[int, ...]:
    values = check_array("A place", at, ResultError, advice="Give the pixel (y, x).")
    if values.ndim != 1 or values.dtype.kind not in "iu":
        raise ResultError(
            f"A place must be a pixel of the field {dims}, in whole numbers, got {shown(at)}. "
            "Round a position on the canvas to a pixel first."
        )
    return tuple(values.tolist())


def _default_reach(components: Components) -> float:
    g_sig = (components.params.get("init") or {}).get("gSig")
    return _REACH_GSIG * float(max(g_sig)) if g_sig else _REACH_PX


def _components_at(cur: Curation, place: tuple[int, ...]) -> tuple[ComponentHere, ...]:
    components = cur.components
    row = components.A[int(np.ravel_multi_index(place, components.dims))].tocoo()
    peaks = components.A.max(axis=0).toarray().ravel()
    found = [
        _component(cur, int(k), float(value / peaks[k]))
        for k, value in zip(row.col, row.data, strict=True)
        if value > 0
    ]
    return tuple(sorted(found, key=lambda c: -c.share))


def _component(cur: Curation, k: int, share: float) -> ComponentHere:
    components, id_ = cur.components, int(cur.ids[k])
    accepted = bool(cur.accepted[k])
    rules: tuple[str, ...] = ()
    if not accepted and Decision(int(cur.decisions[k])) is Decision.REJECTED:
        rules = ("by hand",)
    elif not accepted:
        rules = failed_rules(components, k, cur.quality)
    known: dict[str, float | None] = {}
    for field, name in SCORE_NAMES.items():
        values = getattr(components, field)
        is_known = values is not None and values.size > k and np.isfinite(values[k])
        known[name] = float(values[k]) if is_known else None
    component_class = "" if components.classes is None else str(components.classes[k])
    spoke = what_spoke(cur.original, id_)
    return ComponentHere(id_, accepted, component_class, share, **known, rules=rules, spoke=spoke)


def what_spoke(components: Components, k: int, most: int = 3) -> tuple[str, ...]:
    """Reasons for and against component ``k`` being a cell, in words with figures.

    Parameters
    ----------
    components
        As the verdict left them: the evidence is in their attributes.
    most
        How many are told.

    Returns
    -------
    words
        The strongest first; empty where the result carries no evidence.
    """
    evidence = components.attributes.get("evidence") or {}
    spoke, rows, names = (evidence.get(name) or [] for name in ("spoke", "values", "figures"))
    if k >= min(len(spoke), len(rows)):
        return ()
    known = {n: v for n, v in zip(names, rows[k], strict=False) if v is not None}
    told = []
    for group, change in sorted(spoke[k].items(), key=lambda item: -abs(item[1])):
        words = _words(group, known)
        if words and abs(change) >= _SAID_FROM:
            told.append(f"{words} ({'for' if change > 0 else 'against'})")
    return tuple(told[:most])


def _words(group: str, figure: dict[str, float]) -> str:
    """Plain words for one group of figures; empty where nothing of it is known."""

    def of(name: str) -> float:
        return figure.get(name, math.nan)

    said = {
        "size": lambda: f"size: {math.exp(of('width')):.2g} times the movie's cells",
        "outline": lambda: (
            f"outline: {'round' if of('eccentricity') < 0.8 else 'elongated'}, "
            f"{'smooth' if of('solidity') > 0.85 else 'ragged'} (solidity {of('solidity'):.2f})"
        ),
        "cut": lambda: f"cut by border or mask: {of('outside'):.0%}",
        "rest": lambda: (
            f"bright at rest: {'yes' if of('rest_contrast') > 0.5 else 'no'} "
            f"({math.sinh(of('rest_contrast')):+.1f} spreads of what is around)"
        ),
        "correlation image": lambda: (
            f"correlation image: {of('correlation_inside'):.2f} inside, "
            f"{of('correlation_contrast'):+.2f} over what is around"
        ),
        "picture of its events": lambda: (
            f"picture of its events: like the footprint to {of('event_match'):.2f}, "
            f"{of('event_around'):.0%} as bright around it"
        ),
        "strength": lambda: f"strength: SNR {math.exp(of('snr')):.1f}, r {of('r'):.2f}",
        "events": lambda: (
            f"event shape: {'yes' if of('event_shape') > 0.8 else 'no'}, "
            f"{max(0, round(math.expm1(of('n_events'))))} events"
        ),
        "neighbours": lambda: f"inside a stronger component: {of('inside_stronger'):.0%}",
    }  # fmt: skip
    try:
        text = said[group]()
    except (KeyError, ValueError):
        return ""
    return "" if "nan" in text else text


def _candidates_near(
    table: dict[str, Any], place: tuple[int, ...], reach_px: float
) -> tuple[CandidateHere, ...]:
    if not table.get("at"):
        return ()
    away = np.linalg.norm(np.asarray(table["at"], dtype=float) - np.asarray(place), axis=1)
    order = [i for i in np.argsort(away, kind="stable") if away[i] <= reach_px]
    return tuple(
        CandidateHere(
            at=tuple(int(v) for v in table["at"][i]),
            distance_px=float(away[i]),
            score=float(table["score"][i]),
            energy=float(table["energy"][i]),
            area_px=int(table["area"][i]),
            verdict=str(table["verdict"][i]),
        )
        for i in order
    )


def _image_values(components: Components, place: tuple[int, ...]) -> dict[str, float]:
    values = {}
    for name in _IMAGES:
        image = components.images.get(name)
        if image is not None and image.shape == components.dims:
            values[name] = float(image[place])
    return values
