"""CaImAn's rule of acceptance on scores that are already there: no movie, a few lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf._checks import shown
from napari_cnmf.errors import ParameterError
from napari_cnmf.model.components import Components, FloatArray
from napari_cnmf.params import QualityParams, modern_name
from napari_cnmf.params.numbers import kind_of

ACCEPTED_CLASSES: tuple[str, ...] | None = None
"""Kinds that can be accepted unasked; ``None``: the scores decide alone, and the probability of a
cell is one of them."""

HELD_BACK = "verdict_held_back"
"""Attribute of components whose verdict is held back: the reason, in a sentence."""


def why_held_back(components: Components) -> str:
    """Why none of the components is accepted unasked, in a sentence; empty where they are judged.

    A movie that still moves makes edges of cells look like cells, to every score alike.
    """
    return str(components.attributes.get(HELD_BACK) or "")


def passes_thresholds(
    components: Components,
    quality: QualityParams,
    accepted_classes: tuple[str, ...] | None = ACCEPTED_CLASSES,
) -> NDArray[np.bool_]:
    """Whether the thresholds accept each component.

    ``(r >= rval_thr or SNR > min_SNR or cnn >= min_cnn_thr) and r > rval_lowest and
    SNR > SNR_lowest and cnn > cnn_lowest``. A score that the result does not hold takes no part in
    the rule, nor does the classifier where ``use_cnn`` switches it off. Of components whose verdict
    is held back (`why_held_back`) none passes; decisions by hand count as ever.

    Parameters
    ----------
    components
        With ``snr``, ``r_values`` or ``cnn_preds``; without any of them all pass.
    quality
        The thresholds.
    accepted_classes
        Of ``COMPONENT_CLASSES``, where some kinds alone are wanted; of no effect on components
        without classes.

    Returns
    -------
    bool ``(n_components,)``

    References
    ----------
    Giovannucci et al. 2019, section "Component quality assessment". An r of NaN counts as -1 and
    an SNR of NaN as 0, as in CaImAn.

    See Also
    --------
    is_scored : which components there is anything to judge by.
    """
    n = components.n_components
    good, high_enough = np.zeros(n, dtype=bool), np.ones(n, dtype=bool)
    snr, r, cnn = _scores_in_use(components, quality)
    if snr is not None:
        good |= snr > quality.min_SNR
        high_enough &= snr > quality.SNR_lowest
    if r is not None:
        good |= r >= quality.rval_thr
        high_enough &= r > quality.rval_lowest
    if cnn is not None:
        good |= cnn >= quality.min_cnn_thr
        # a component that was drawn or merged since was never shown to the classifier
        high_enough &= (cnn > _least_score(components, quality)) | np.isnan(cnn)
        if snr is None and r is None:
            good |= np.isnan(cnn)
    is_judged = any(score is not None for score in (snr, r, cnn))
    passed = good & high_enough if is_judged else high_enough
    if quality.use_ecc and components.ecc is not None:
        passed &= ~(components.ecc > quality.max_ecc)
    if accepted_classes is not None and components.classes is not None:
        passed &= np.isin(components.classes, accepted_classes)
    if why_held_back(components):
        passed[:] = False
    return passed


def read_thresholds(given: Mapping[str, Any]) -> dict[str, Any]:
    """Thresholds under CaImAn's names, once what cannot be meant is refused.

    `QualityParams` refuses the rest: unknown names, truth values, what is out of bounds.

    Raises
    ------
    ParameterError
        A number is not finite or text, or the SNR above which all is accepted is negative.
    """
    thresholds = {modern_name(name): value for name, value in given.items()}
    for name, value in thresholds.items():
        field = QualityParams.model_fields.get(name)
        annotation: Any = None if field is None else field.annotation
        if annotation is None or not kind_of(annotation).number:
            continue
        if isinstance(value, str | bytes):
            raise ParameterError(
                f"The threshold {name} must be a number such as 0.5, got the text "
                f"{value!r:.60}. Leave out the quotes."
            )
        if not np.isscalar(value) or (isinstance(value, float) and not np.isfinite(value)):
            raise ParameterError(
                f"The threshold {name} must be a finite number, got {shown(value)}. "
                "To accept or reject everything use accept and reject."
            )
        if name == "min_SNR" and isinstance(value, int | float | np.number) and value < 0:
            raise ParameterError(
                f"The threshold {name} must be 0 or more, got {value}: no peak is below the noise. "
                "To accept everything use accept."
            )
    return thresholds


def is_scored(components: Components, quality: QualityParams) -> NDArray[np.bool_]:
    """Whether each component has a score that thresholds can judge by, ``(n_components,)``.

    A score that is NaN is none.
    """
    cnn = _scores_in_use(components, quality)[2]
    ecc = components.ecc if quality.use_ecc else None
    scored = np.zeros(components.n_components, dtype=bool)
    for score in (components.snr, components.r_values, cnn, ecc):
        if score is not None:
            scored |= ~np.isnan(score)
    return scored


def _scores_in_use(
    components: Components, quality: QualityParams
) -> tuple[FloatArray | None, FloatArray | None, FloatArray | None]:
    """SNR, r and the score of the classifier as the rule takes them; ``None`` where not held."""
    snr, r, cnn = components.snr, components.r_values, components.cnn_preds
    if cnn is not None and (cnn.size != components.n_components or quality.use_cnn is False):
        cnn = None
    return (
        None if snr is None else np.nan_to_num(snr, nan=0.0, posinf=np.inf),
        None if r is None else np.nan_to_num(r, nan=-1.0),
        cnn,
    )


def failed_rules(components: Components, k: int, quality: QualityParams) -> tuple[str, ...]:
    """Terms of the rule that component ``k`` fails, in words; empty where it passes them all.

    See Also
    --------
    passes_thresholds : the rule.
    """
    snr, r, cnn = (
        None if score is None or np.isnan(score[k]) else float(score[k])
        for score in _scores_in_use(components, quality)
    )
    failed, not_good = [], []
    if snr is not None:
        not_good.append((snr > quality.min_SNR, f"SNR {snr:.2f} <= min_SNR {quality.min_SNR:g}"))
        if not snr > quality.SNR_lowest:
            failed.append(f"SNR {snr:.2f} <= SNR_lowest {quality.SNR_lowest:g}")
    if r is not None:
        not_good.append((r >= quality.rval_thr, f"r {r:.2f} < rval_thr {quality.rval_thr:g}"))
        if not r > quality.rval_lowest:
            failed.append(f"r {r:.2f} <= rval_lowest {quality.rval_lowest:g}")
    if cnn is not None:
        said = f"probability {cnn:.2f} < min_cnn_thr {quality.min_cnn_thr:g}"
        not_good.append((cnn >= quality.min_cnn_thr, said))
        least = _least_score(components, quality)
        if not cnn > least:
            failed.append(f"probability of a cell {cnn:.2f} <= cnn_lowest {least:g}")
    if not_good and not any(is_good for is_good, _ in not_good):
        failed.insert(0, " and ".join(said for _, said in not_good))
    if quality.use_ecc and components.ecc is not None and components.ecc[k] > quality.max_ecc:
        failed.append(f"elongation {components.ecc[k]:.1f} > max_ecc {quality.max_ecc:g}")
    if held_back := why_held_back(components):
        failed.append(held_back)
    return tuple(failed)


def _least_score(components: Components, quality: QualityParams) -> float:
    """Lowest score of the classifier, ``cnn_lowest``, or what suits it where nobody chose one."""
    quality = quality.for_scores(are_probabilities="evidence" in components.attributes)
    return float(quality.cnn_lowest or 0.0)


def worth_asking(components: Components) -> NDArray[np.float64]:
    """Rate how much a decision on each component would teach, 0 to 1, ``(n_components,)``.

    1 where it is as likely a cell as not; 0 where the verdict is sure, or there is no probability.
    """
    p = components.cnn_preds
    if p is None or p.size != components.n_components:
        return np.zeros(components.n_components)
    p = np.nan_to_num(np.asarray(p, np.float64), nan=0.0)
    return np.asarray(4 * p * (1 - p))
