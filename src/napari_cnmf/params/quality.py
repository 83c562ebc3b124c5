"""Which components are accepted."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from napari_cnmf.params._group import ParameterGroup, parameter


class QualityParams(ParameterGroup):
    """CaImAn's rule, which needs no movie once the scores are there.

    Accepted: (r >= rval_thr or SNR > min_SNR or CNN >= min_cnn_thr) and r > rval_lowest and
    SNR > SNR_lowest and CNN > cnn_lowest; the CNN terms only where the classifier was used.
    """

    group: ClassVar[str] = "quality"

    min_SNR: float = parameter(
        2.5,
        title="Accept above SNR",
        description="A component whose transients exceed this peak signal-to-noise is accepted, "
        "whatever its correlation.",
    )
    SNR_lowest: float = parameter(
        0.5,
        title="Reject below SNR",
        description="A component below is rejected, whatever its other scores.",
    )
    rval_thr: float = parameter(
        0.8,
        title="Accept above r",
        ge=-1,
        le=1,
        description=(
            "A component whose footprint correlates so with the movie at its transients is "
            "accepted. False components often have a high r too: their footprint was fitted to the "
            "same movie."
        ),
    )
    rval_lowest: float = parameter(
        -1,
        title="Reject below r",
        ge=-1,
        le=1,
        description="A component below is rejected, whatever its other scores. CaImAn's -1 "
        "rejects nothing.",
    )
    use_cnn: bool | None = parameter(
        None,
        title="Classifier",
        description=(
            "Score footprints with a neural network: CaImAn's, trained on two-photon somata of "
            "about 5 px, or the built-in engine's small one, trained on simulated ones. Empty: on "
            "for round somata in a plane (greedy_roi, two-photon), in CaImAn where it has it."
        ),
    )
    min_cnn_thr: float = parameter(
        0.9,
        title="Accept above classifier score",
        ge=0,
        le=1,
        description="A component with a higher score is accepted, whatever its other scores.",
    )
    cnn_lowest: float = parameter(
        0.1,
        title="Reject below classifier score",
        ge=0,
        le=1,
        description="A component below is rejected. Lower it to 0 for anything but round somata.",
    )
    gSig_range: tuple[Annotated[int, Field(ge=1)], ...] | None = parameter(
        None,
        title="Cell radii for the classifier",
        unit="px",
        advanced=True,
        description="Radii at which the classifier looks at a footprint; empty: gSig alone.",
    )
    use_ecc: bool = parameter(
        False,
        title="Reject elongated",
        description="Reject footprints with an elongation above max_ecc (2D only).",
    )
    max_ecc: float = parameter(
        3,
        title="Largest elongation",
        ge=1,
        description="Ratio of the long to the short axis above which a footprint is rejected, if "
        "elongated ones are.",
    )
