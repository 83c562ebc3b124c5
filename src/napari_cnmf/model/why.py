"""Why is there a cell at a place, or none: what was met there and the rule that dropped it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

import numpy as np

from napari_cnmf.errors import ResultError
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation import Curation, Decision
from napari_cnmf.model.curation.table import SCORE_NAMES
from napari_cnmf.model.evaluation import failed_rules

_IMAGES = ("correlation", "pnr", "energy")
_REACH_GSIG = 1.0
"""How far from a place a site still counts as tried there, in gSig."""
_REACH_PX = 6.0
"""The same where the result does not say its gSig."""


@dataclass(frozen=True)
class ComponentHere:
    """A component whose footprint covers the place.

    Attributes
    ----------
    share
        Its footprint at the place, over its peak.
    rules
        What speaks against it: limits of shape and activity, thresholds that it fails; of a
        decision by hand that alone. Empty for one that is accepted.
    """

    id: int
    accepted: bool
    kind: str
    share: float
    snr: float | None
    r_value: float | None
    p_soma: float | None
    rules: tuple[str, ...]

    def __str__(self) -> str:
        scores = {"SNR": self.snr, "r": self.r_value, "classifier": self.p_soma}
        said = ", ".join(f"{name} {v:.2f}" for name, v in scores.items() if v is not None)
        head = f"component {self.id} ({self.kind}{', ' if self.kind and said else ''}{said})"
        if self.accepted:
            return f"{head}: accepted"
        return f"{head}: rejected: {'; '.join(self.rules) or 'its class is not accepted'}"


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


@dataclass(frozen=True)
class Explanation:
    """What is known about a place of a result.

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
            why = "; ".join(first.rules) or "its class is not accepted"
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
        """As plain values, for JSON."""
        return asdict(self) | {"summary": self.summary}


def explain_place(
    result: Curation | Components, at: Sequence[int], *, reach_px: float | None = None
) -> Explanation:
    """Why there is a cell at a place, or none.

    Parameters
    ----------
    at
        Pixel ``([z], y, x)``.
    reach_px
        How far away a tried site counts; by default gSig.

    Raises
    ------
    ResultError
        A place outside the field.
    """
    cur = result if isinstance(result, Curation) else Curation(result)
    dims = cur.components.dims
    place = _pixel(at, dims)
    if len(place) != len(dims) or not all(0 <= i < n for i, n in zip(place, dims, strict=True)):
        raise ResultError(f"A place must be a pixel of the field {dims}, got {place}.")
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
    values = np.asarray(at)
    if values.ndim != 1 or values.dtype.kind not in "iu":
        raise ResultError(
            f"A place must be a pixel of the field {dims}, in whole numbers, got {at!r:.80}. "
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
        reasons = cur.original.attributes.get("reasons") or []
        shape = reasons[id_] if id_ < len(reasons) else []
        rules = (*shape, *failed_rules(components, k, cur.quality))
    known: dict[str, float | None] = {}
    for field, name in SCORE_NAMES.items():
        values = getattr(components, field)
        is_known = values is not None and values.size > k and np.isfinite(values[k])
        known[name] = float(values[k]) if is_known else None
    kind = "" if components.classes is None else str(components.classes[k])
    return ComponentHere(id_, accepted, kind, share, **known, rules=rules)


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
