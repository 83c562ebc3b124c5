"""Colours of the verdicts on components, the same in windows, pictures and exports."""

from __future__ import annotations

from enum import StrEnum


class Verdict(StrEnum):
    """Verdict on a component, as far as colours go."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNSURE = "unsure"
    ACCEPTED_BY_HAND = "accepted by hand"
    REJECTED_BY_HAND = "rejected by hand"
    UNJUDGED = "unjudged"


# Blue against orange: red and green are one colour to 8 % of men. Any two of these differ by
# more than 30 (CIE76) also as people with deuteranopia or protanopia see them.
VERDICT_COLORS = {
    Verdict.ACCEPTED: "#7ba9f4",
    Verdict.REJECTED: "#d14f06",
    Verdict.UNSURE: "#fedf07",
    Verdict.ACCEPTED_BY_HAND: "#034eed",
    Verdict.REJECTED_BY_HAND: "#aa0847",
    Verdict.UNJUDGED: "#f4f5f5",
}
"""Colour of each verdict on dark backgrounds; the user interface darkens them for light ones."""
