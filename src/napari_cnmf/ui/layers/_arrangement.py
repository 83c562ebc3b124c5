"""Choices of how several stacks are seen at once."""

from __future__ import annotations

from enum import StrEnum


class Arrangement(StrEnum):
    """Arrangement of the stacks that are switched on."""

    ABOVE = "one above the other"
    BESIDE = "side by side"
    BLENDED = "blended"
    VERDICTS = "accepted beside rejected"
    """The stack on top twice: accepted components on the left copy, rejected ones on the right."""


STACK_KINDS = ("raw", "denoised", "background", "residual")
"""Lazy stacks of a result, bottom first."""

BLEND_COLORMAPS = {"raw": "gray", "denoised": "green", "background": "blue", "residual": "magenta"}
"""Of the stacks when they are added up."""
