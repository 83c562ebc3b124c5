"""Parameters of merging: when two components are one."""

from __future__ import annotations

from typing import ClassVar

from napari_cnmf.params._group import ParameterGroup, parameter


class MergingParams(ParameterGroup):
    """Pieces of one cell are merged when they overlap and their traces agree."""

    group: ClassVar[str] = "merging"

    do_merge: bool = parameter(
        True,
        title="Merge",
        description="Merge overlapping components with correlated traces.",
    )
    merge_thr: float = parameter(
        0.8,
        title="Merge above a correlation of",
        ge=0,
        le=1,
        description="Lower it when cells come in pieces, raise it when neighbours are merged.",
    )
    merge_parallel: bool = parameter(
        False,
        title="Merge in parallel",
        advanced=True,
        description="Merge on several processes.",
        builtin_ignores="Merging takes it milliseconds.",
    )
