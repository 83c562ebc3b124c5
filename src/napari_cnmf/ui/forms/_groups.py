"""Groups of parameters that a method uses."""

from __future__ import annotations

GROUPS_OF = {
    "mcorr": ("data", "motion"),
    "cnmf": (
        "data", "init", "patch", "preprocess", "spatial", "temporal", "merging", "quality", "",
    ),
    "evaluate": ("data", "quality"),
}  # fmt: skip
GROUPS_OF["cnmfe"] = GROUPS_OF["cnmf"]


def groups_of(algorithm: str, *, motion_first: bool = False) -> tuple[str, ...]:
    """Groups of parameters of an item, with those of a motion correction before it."""
    groups = GROUPS_OF[algorithm]
    return (*groups, "motion") if motion_first and "motion" not in groups else groups
