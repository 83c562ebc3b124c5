"""Parameters that decide which components are accepted."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from napari_cnmf.params._group import ParameterGroup, parameter

LEAST_PROBABILITY, LEAST_OF_CAIMAN = 0.5, 0.1
"""What ``cnn_lowest`` is where nobody chose it: as likely a cell as not; CaImAn's default."""


class QualityParams(ParameterGroup):
    """CaImAn's rule, which needs no movie once the scores are there.

    Accepted: (r >= rval_thr or SNR > min_SNR or CNN >= min_cnn_thr) and r > rval_lowest and
    SNR > SNR_lowest and CNN > cnn_lowest; the CNN terms only where the classifier was used. The
    built-in engine's classifier is a calibrated probability of being a cell.
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
            "Score components: with the built-in engine by the probability of being a cell, from "
            "footprint, images, events and trace; with CaImAn by its network, trained on "
            "two-photon somata of about 5 px. Empty: on, with CaImAn for round somata in a "
            "two-photon plane where it has it."
        ),
    )
    min_cnn_thr: float = parameter(
        0.9,
        title="Accept above p(cell)",
        ge=0,
        le=1,
        description="A component with a higher probability of being a cell, or score of CaImAn's "
        "network, is accepted, whatever its other scores.",
    )
    cnn_lowest: float | None = parameter(
        None,
        title="Reject below p(cell)",
        ge=0,
        le=1,
        description="A component below is rejected. Empty: 0.5 for the built-in engine, whose "
        "score is a probability, and CaImAn's 0.1 for its network.",
    )
    learned: str | None = parameter(
        None,
        title="Learnt verdict",
        description="A file that `napari-cnmf curate --learn` or `nc.learn` wrote from your "
        "decisions: it corrects the probability of being a cell. Empty: the shipped one.",
        caiman_ignores="CaImAn's network is not corrected.",
    )
    gSig_range: tuple[Annotated[int, Field(ge=1)], ...] | None = parameter(
        None,
        title="Cell radii for the classifier",
        unit="px",
        advanced=True,
        description="Radii at which the classifier looks at a footprint; empty: gSig alone.",
        builtin_ignores="The built-in verdict measures the size of the movie's own cells.",
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

    def for_scores(self, *, are_probabilities: bool) -> QualityParams:
        """Thresholds with the least score that suits the classifier, where none was chosen."""
        if self.cnn_lowest is not None:
            return self
        least = LEAST_PROBABILITY if are_probabilities else LEAST_OF_CAIMAN
        return self.model_copy(update={"cnn_lowest": least})
