"""Words of a neuroscientist for why there is a cell at a place, or none."""

from __future__ import annotations

from napari_cnmf.model.why import LIGHTS_UP, CandidateHere, ComponentHere, Explanation
from napari_cnmf.params import QualityParams

_SCORE_RULES = ("SNR ", "r ", "probability ", "elongation ")
"""How the rules about scores begin; the others are about the shape, in words already."""
_DROPPED = {
    "no activity": "nothing lights up there by itself",
    "too small": "it is too small",
    "too little energy of its own": "its own activity is too weak",
}
"""What became of a place that was tried, by the verdict of the search."""


def describe_place(found: Explanation, quality: QualityParams) -> str:
    """Describe the place in one or two sentences."""
    accepted = [c for c in found.components if c.accepted]
    if accepted:
        return f"There is a cell here: component {accepted[0].id} is accepted."
    if found.components:
        return describe_component(found.components[0], quality)
    dropped = [c for c in found.candidates if c.verdict != "component"]
    if dropped:
        return f"A cell was looked for here and dropped: {_why_dropped(dropped[0], found)}."
    if found.candidates:
        return "A cell was begun here. It moved beside this place, or was merged with another one."
    if "energy" not in found.images or found.least_energy is None:
        return "There is no cell here, and the result does not say what was tried."
    if found.images["energy"] > found.least_energy:
        return "There is no cell here. What lights up is light from a cell beside it."
    if (correlation := found.images.get("correlation", 0.0)) >= LIGHTS_UP:
        return (
            f"Pixels here light up together (local correlation {correlation:.2f}), but no "
            "component could be made of it. Draw the cell, or give its footprint."
        )
    return (
        "Nothing lights up here more than noise does. A cell that is silent in this recording "
        "cannot be found."
    )


def describe_component(component: ComponentHere, quality: QualityParams) -> str:
    """Describe whether a component is accepted, and what speaks against it."""
    scores = _scores(component)
    spoke = f" What counted most: {'; '.join(component.spoke)}." if component.spoke else ""
    if component.accepted:
        return f"Component {component.id} is accepted{f': {scores}' if scores else ''}.{spoke}"
    if component.rules == ("by hand",):
        return f"Component {component.id} was rejected by hand."
    why = _why_rejected(component, quality)
    return f"Component {component.id} was rejected: {'; '.join(why)}.{spoke}"


def _scores(component: ComponentHere) -> str:
    named = (
        ("SNR", component.snr),
        ("spatial correlation r", component.r_value),
        ("probability of a cell", component.p_soma),
    )
    return ", ".join(f"{name} {value:.2f}" for name, value in named if value is not None)


def _why_rejected(component: ComponentHere, quality: QualityParams) -> list[str]:
    why = [rule for rule in component.rules if not rule.startswith(_SCORE_RULES)]
    said = [rule for rule in component.rules if rule.startswith(_SCORE_RULES)]
    snr, r, cnn = component.snr, component.r_value, component.p_soma
    if any(" and r " in rule for rule in said):
        weak = []
        if snr is not None:
            weak.append(f"its transients are weak (SNR {snr:.2f}, min_SNR is {quality.min_SNR:g})")
        if r is not None:
            weak.append(
                f"the movie follows its shape too little (r {r:.2f}, rval_thr is "
                f"{quality.rval_thr:g})"
            )
        if cnn is not None:
            weak.append(
                f"it does not look like a cell (probability {cnn:.2f}, min_cnn_thr is "
                f"{quality.min_cnn_thr:g})"
            )
        why.append(" and ".join(weak) or "its scores are too low")
    for rule in said:
        if "SNR_lowest" in rule:
            why.append(f"its transients hardly exceed noise (SNR_lowest is {quality.SNR_lowest:g})")
        elif "rval_lowest" in rule:
            why.append(
                f"the movie does not follow its shape (rval_lowest is {quality.rval_lowest:g})"
            )
        elif "cnn_lowest" in rule:
            why.append(f"it looks like no cell at all (cnn_lowest is {quality.cnn_lowest:g})")
        elif rule.startswith("elongation"):
            why.append(f"it is too elongated for a cell body (max_ecc is {quality.max_ecc:g})")
    return why or [
        f"{component.component_class or 'its'} shape is not one that is accepted unasked"
    ]


def describe_candidate(candidate: CandidateHere, found: Explanation) -> str:
    """Describe what became of a candidate near the place that was asked about."""
    where = f"{candidate.distance_px:.0f} px from here"
    if candidate.verdict == "component":
        return f"A cell was found {where}."
    return f"A bright spot {where} was tried and dropped: {_why_dropped(candidate, found)}."


def _why_dropped(candidate: CandidateHere, found: Explanation) -> str:
    why = _DROPPED.get(candidate.verdict, candidate.verdict)
    if candidate.verdict == "too small" and found.least_area_px is not None:
        return f"{why} ({candidate.area_px} px, at least {found.least_area_px} px are needed)"
    if "energy" in candidate.verdict and found.least_energy:
        share = max(candidate.energy, 0.0) / found.least_energy
        return f"{why} ({_times(share)} what a cell needs)"
    return why


def describe_images(found: Explanation) -> list[str]:
    """Describe what the summary images of the recording show at the place."""
    said = []
    if "correlation" in found.images:
        value = found.images["correlation"]
        said.append(f"Neighbouring pixels correlate by {value:.2f} here (1 is perfect).")
    if "pnr" in found.images:
        said.append(f"The peak is {found.images['pnr']:.1f} times the noise here.")
    if "energy" in found.images and found.least_energy:
        share = max(found.images["energy"], 0.0) / found.least_energy
        said.append(f"The activity here is {_times(share)} what a cell needs.")
    return said


def _times(share: float) -> str:
    """Write a ratio in words: a part as per cent, several times as a number."""
    return f"{share:.0%} of" if share < 2 else f"{share:,.0f} times"
