"""Parameters that divide the field into patches."""

from __future__ import annotations

from typing import ClassVar

from napari_cnmf.params._axes import PatchOverlap, PatchSize
from napari_cnmf.params._group import ParameterGroup, parameter

_NO_PATCHES = "It works on the whole field and needs no patches"


class PatchParams(ParameterGroup):
    """Patches keep CaImAn's memory bounded and give each region a background of its own."""

    group: ClassVar[str] = "patch"

    rf: PatchSize | None = parameter(
        None,
        title="Patch half-size",
        unit="px",
        description=(
            "Half the width of a patch; one number, or one for each axis. Empty processes the "
            "whole field at once, which CaImAn holds in memory several times over: set it to "
            "about 4 times the cell's diameter on fields above 256 x 256. Must exceed gSiz. "
            "K counts components per patch once this is set."
        ),
    )
    stride: PatchOverlap | None = parameter(
        None,
        title="Patch overlap",
        unit="px",
        description=(
            "Overlap of neighbouring patches, in spite of CaImAn's name for it. At least the "
            "cell's diameter, or cells on a seam are cut in CaImAn. Empty: a tenth of the patch, "
            "which is often too little there. The built-in engine looks at the whole field, and "
            "counts K in patches that overlap like this."
        ),
    )
    border_pix: int = parameter(
        0,
        title="Border to leave out",
        unit="px",
        ge=0,
        description=(
            "Width of the border without components. After motion correction the width that "
            "shifted frames left empty is added by itself."
        ),
    )
    nb_patch: int = parameter(
        1,
        title="Background components per patch",
        ge=-2,
        description=(
            "Rank of the background within a patch. 0 or below chooses CNMF-E's ring background "
            "together with init.nb."
        ),
        builtin_ignores="Its background is local everywhere.",
    )
    low_rank_background: bool | None = parameter(
        True,
        title="Low-rank background",
        advanced=True,
        description=(
            "Merge the patches' backgrounds into one of rank nb. False keeps one background per "
            "patch; empty is for the ring background."
        ),
        builtin_ignores="Its background is local everywhere.",
    )
    p_patch: int = parameter(
        0,
        title="AR order within a patch",
        ge=0,
        le=2,
        advanced=True,
        description="Order of the autoregressive model while a patch is processed; 0 skips "
        "deconvolution there, which is faster and loses nothing when the result is refitted.",
        builtin_ignores="It deconvolves once, at the end.",
    )
    p_ssub: int = parameter(
        2,
        title="Spatial downsampling within a patch",
        ge=1,
        advanced=True,
        description="Overrides init.ssub while a patch is processed. With cells below 3 px of "
        "radius 2 is too coarse: use 1.",
        builtin_ignores=f"{_NO_PATCHES}; init.ssub counts.",
    )
    p_tsub: int = parameter(
        2,
        title="Temporal downsampling within a patch",
        ge=1,
        advanced=True,
        description="Overrides init.tsub while a patch is processed.",
        builtin_ignores=f"{_NO_PATCHES}; init.tsub counts.",
    )
    only_init: bool = parameter(
        True,
        title="Only initialise within patches",
        advanced=True,
        description=(
            "Stop after the initialisation within patches; a refit of the whole field makes up for "
            "it. Without patches CaImAn then stops after the initialisation of the field: turn "
            "this off, or refit."
        ),
        builtin_ignores=f"{_NO_PATCHES}.",
    )
    skip_refinement: bool = parameter(
        False,
        title="Skip refinement within patches",
        advanced=True,
        description="One update within a patch instead of two.",
        builtin_ignores=f"{_NO_PATCHES}.",
    )
    del_duplicates: bool = parameter(
        False,
        title="Delete duplicates of overlaps",
        advanced=True,
        description="Delete what two patches found twice; otherwise such pairs are merged. "
        "Usual for one-photon recordings.",
        builtin_ignores=f"{_NO_PATCHES}, so that nothing is found twice.",
    )
    remove_very_bad_comps: bool = parameter(
        False,
        title="Drop very bad components early",
        advanced=True,
        description="Drop components far below the quality thresholds while a patch is "
        "processed: less memory, but they cannot be looked at afterwards.",
        builtin_ignores="It keeps what it rejects, with the reasons.",
    )
    memory_fact: float = parameter(
        1,
        title="Memory factor",
        gt=0,
        advanced=True,
        description="Multiplies the memory that CaImAn takes a patch to have.",
        builtin_ignores="Its budget is the item's memory option.",
    )
