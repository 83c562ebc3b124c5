"""Which groups of parameters a method uses."""

from __future__ import annotations

GROUPS_OF = {
    "mcorr": ("data", "motion"),
    "cnmf": (
        "data", "init", "patch", "preprocess", "spatial", "temporal", "merging", "quality", "",
    ),
    "evaluate": ("data", "quality"),
}  # fmt: skip
GROUPS_OF["cnmfe"] = GROUPS_OF["cnmf"]
