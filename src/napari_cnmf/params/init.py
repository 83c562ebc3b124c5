"""Parameters of the search for components."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from napari_cnmf.params._axes import Sizes
from napari_cnmf.params._group import ParameterGroup, parameter

MethodInit = Literal[
    "greedy_roi", "corr_pnr", "sparse_nmf", "graph_nmf", "compressed_nmf", "pca_ica"
]
Smoothing = Annotated[tuple[Annotated[float, Field(ge=0)], ...], Field(min_length=3, max_length=4)]

_NO_NMF = "It finds components by peeling an energy map, with no factorisation of the movie."


class InitParams(ParameterGroup):
    """Size and number of cells, and the method that finds them: the group to look at first."""

    group: ClassVar[str] = "init"

    K: int | None = parameter(
        None,
        title="Components",
        ge=1,
        description=(
            "How many to look for in each patch, or in the field without patches. Empty: the "
            "built-in engine needs none and the one-photon method finds as many as exceed min_corr "
            "and min_pnr; otherwise CaImAn must have one, which is proposed from the area and "
            "gSig. CaImAn alone would take 30, whatever the field."
        ),
    )
    gSig: Sizes = parameter(
        (5, 5),
        title="Cell radius",
        unit="px",
        description=(
            "Half the size of a typical cell along (y, x) or (z, y, x): the standard deviation of "
            "the Gaussian that is looked for. The most important parameter; 30 % off costs cells. "
            "Measure it on the mean image rather than keep CaImAn's 5."
        ),
    )
    gSiz: Sizes | None = parameter(
        None,
        title="Window around a cell",
        unit="px",
        advanced=True,
        description=(
            "Full width of the box that holds one cell when it is initialised, made odd by "
            "CaImAn, whose documentation calls it a half-size. Empty: 2 gSig + 1; one-photon "
            "recordings are often given 4 gSig + 1. The built-in engine takes it for the ring "
            "alone, its boxes reach 2 gSig to each side."
        ),
    )
    plane_by_plane: bool = parameter(
        False,
        title="Plane by plane",
        description="Volumes: look for cells in every plane by itself, then merge those that "
        "neighbouring planes share. For planes further apart than a cell is high.",
        caiman_ignores="It looks in the whole volume.",
    )
    nb: int = parameter(
        1,
        title="Background components",
        ge=-2,
        description=(
            "Rank of the global background. 0 or below chooses CNMF-E's ring background: in CaImAn "
            "0 returns it as ring weights, -1 as a full movie, -2 not at all; the built-in engine "
            "returns ring weights each time, for the algorithm cnmfe in planes. 1 is taken as not "
            "chosen there: CaImAn takes the ring, the built-in engine its own background, which "
            "follows what moves better and is written with 16 patterns, or as many as a higher "
            "number says."
        ),
    )
    method_init: MethodInit = parameter(
        "greedy_roi",
        title="Method",
        description=(
            "greedy_roi for round cells in two-photon recordings; corr_pnr for one-photon; "
            "sparse_nmf or graph_nmf for dendrites and axons."
        ),
        builtin_ignores="It has one method; the algorithm (cnmf or cnmfe) chooses its background.",
    )
    min_corr: float = parameter(
        0.85,
        title="Minimum correlation of seeds",
        ge=-1,
        le=1,
        description=(
            "One-photon: a pixel starts a component only where the local correlation exceeds this. "
            "It depends on the recording, so choose it on the correlation image. The built-in "
            "engine looks everywhere until this or min_pnr differs from CaImAn's default and the "
            "preset."
        ),
    )
    min_pnr: float = parameter(
        20,
        title="Minimum peak-to-noise of seeds",
        ge=0,
        description=(
            "One-photon: a pixel starts a component only where the peak-to-noise ratio exceeds "
            "this. CaImAn's 20 is far too strict for most recordings: choose it on the PNR image, "
            "often 5 to 10. For the built-in engine as min_corr."
        ),
    )
    ring_size_factor: float | None = parameter(
        1.5,
        title="Ring radius",
        unit="gSiz",
        gt=0,
        description="One-photon: radius of the ring that predicts the background of a pixel, in "
        "units of the cell's window. Empty in CaImAn: no ring. In the built-in engine it counts "
        "where init.nb asks for a ring.",
    )
    ssub_B: int = parameter(
        2,
        title="Background downsampling",
        ge=1,
        advanced=True,
        description="One-photon: spatial downsampling of the ring background; 2 costs little "
        "accuracy. In the built-in engine it counts where init.nb asks for a ring.",
    )
    center_psf: bool = parameter(
        False,
        title="One-photon filter",
        description="Filter the frames with a centred Gaussian that removes smooth background. "
        "Must be on for one-photon recordings.",
        builtin_ignores="The algorithm cnmfe turns it on.",
    )
    ssub: int | None = parameter(
        None,
        title="Spatial downsampling",
        ge=1,
        description="Pixels along each axis that are one while components are found. Empty: 2 in "
        "CaImAn, which loses cells below 3 px of radius (use 1 there), and none in the built-in "
        "engine. That one fits what it found to all pixels, and takes no blocks larger than gSig. "
        "Within patches CaImAn takes patch.p_ssub instead.",
    )
    tsub: int | None = parameter(
        None,
        title="Temporal downsampling",
        ge=1,
        description="Frames that are one while components are found. Empty: 2 in CaImAn; half a "
        "decay time in the built-in engine, which takes a number as the least it may take. "
        "With less than 10 frames a transient use 1. Within patches CaImAn takes patch.p_tsub "
        "instead.",
    )
    nIter: int = parameter(
        5,
        title="Refinements of a new component",
        ge=1,
        advanced=True,
        description="Rank-one iterations for each component found by greedy_roi.",
        builtin_ignores="Four are enough for it.",
    )
    maxIter: int = parameter(
        5,
        title="HALS iterations",
        ge=0,
        advanced=True,
        description="Alternating updates of all components after they were found.",
        builtin_ignores="Its rounds are fixed.",
    )
    init_iter: int = parameter(
        2,
        title="One-photon rounds",
        ge=1,
        advanced=True,
        description="Rounds of corr_pnr: each looks again at what the last one left.",
        builtin_ignores="It looks twice.",
    )
    normalize_init: bool = parameter(
        True,
        title="Normalise pixels",
        advanced=True,
        description="Divide each pixel by its mean brightness, so that dim cells count as much. "
        "CaImAn turns it off with a ring background.",
        builtin_ignores="It always whitens by the noise.",
    )
    rolling_sum: bool = parameter(
        True,
        title="Rolling sum",
        advanced=True,
        description="Look for cells by the largest rolling sum in time, so that rarely active "
        "cells are found too.",
        builtin_ignores=_NO_NMF,
    )
    rolling_length: int = parameter(
        100,
        title="Rolling window",
        unit="frames",
        ge=1,
        advanced=True,
        description="Length of the rolling sum; frames after downsampling in time.",
        builtin_ignores=_NO_NMF,
    )
    alpha_snmf: float = parameter(
        0.5,
        title="Sparsity of sparse_nmf",
        ge=0,
        advanced=True,
        description="Weight of sparsity for sparse_nmf: higher gives smaller pieces. Values of "
        "older scripts (100 and more) had another scale.",
        builtin_ignores=_NO_NMF,
    )
    snmf_l1_ratio: float = parameter(
        0.0,
        title="L1 share of sparse_nmf",
        ge=0,
        le=1,
        advanced=True,
        description="Share of the absolute penalty in sparse_nmf; the rest is quadratic.",
        builtin_ignores=_NO_NMF,
    )
    sigma_smooth_snmf: Smoothing = parameter(
        (0.5, 0.5, 0.5),
        title="Smoothing of sparse_nmf",
        unit="frames, px, px",
        advanced=True,
        description="Gaussian smoothing along (t, y, x) or (t, z, y, x) before sparse_nmf.",
        builtin_ignores=_NO_NMF,
    )
    perc_baseline_snmf: float = parameter(
        20,
        title="Baseline of sparse_nmf",
        unit="%",
        ge=0,
        le=100,
        advanced=True,
        description="Percentile of each pixel that is subtracted before sparse_nmf.",
        builtin_ignores=_NO_NMF,
    )
    lambda_gnmf: float = parameter(
        1,
        title="Graph weight of graph_nmf",
        ge=0,
        advanced=True,
        description="Weight of the graph of similar pixels in graph_nmf.",
        builtin_ignores=_NO_NMF,
    )
