"""CaImAn's rule of acceptance on scores that are already there: no movie, a few lines."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.model.components import Components
from napari_cnmf.params import QualityParams

ACCEPTED_CLASSES: tuple[str, ...] | None = None
"""Kinds that can be accepted unasked; ``None``: the scores decide alone, and the probability of a
cell is one of them."""


def passes_thresholds(
    components: Components,
    quality: QualityParams,
    accepted_classes: tuple[str, ...] | None = ACCEPTED_CLASSES,
) -> NDArray[np.bool_]:
    """Which components the thresholds accept.

    ``(r >= rval_thr or SNR > min_SNR or cnn >= min_cnn_thr) and r > rval_lowest and
    SNR > SNR_lowest and cnn > cnn_lowest``. The classifier's terms count only where it was used and
    ``use_cnn`` does not switch it off.

    Parameters
    ----------
    components
        With ``snr`` and ``r_values``; without them nothing can be judged and all pass.
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
    """
    n = components.n_components
    passed = np.ones(n, dtype=bool)
    if components.snr is not None and components.r_values is not None:
        snr = np.nan_to_num(components.snr, nan=0.0, posinf=np.inf)
        r = np.nan_to_num(components.r_values, nan=-1.0)
        good = (r >= quality.rval_thr) | (snr > quality.min_SNR)
        lowest = (r > quality.rval_lowest) & (snr > quality.SNR_lowest)
        cnn = components.cnn_preds
        if cnn is not None and cnn.size == n and quality.use_cnn is not False:
            good |= cnn >= quality.min_cnn_thr
            # a component that was drawn or merged since was never shown to the classifier
            lowest &= (cnn > _least_score(components, quality)) | np.isnan(cnn)
        passed = good & lowest
    if quality.use_ecc and components.ecc is not None:
        passed &= ~(components.ecc > quality.max_ecc)
    if accepted_classes is not None and components.classes is not None:
        passed &= np.isin(components.classes, accepted_classes)
    return passed


def failed_rules(components: Components, k: int, quality: QualityParams) -> tuple[str, ...]:
    """Which terms of the rule component ``k`` fails, in words; empty where it passes them all.

    See Also
    --------
    passes_thresholds : the rule.
    """
    failed = []
    if components.snr is not None and components.r_values is not None:
        snr = float(np.nan_to_num(components.snr[k], nan=0.0, posinf=np.inf))
        r = float(np.nan_to_num(components.r_values[k], nan=-1.0))
        cnn = _classifier_score(components, k, quality)
        if not (r >= quality.rval_thr or snr > quality.min_SNR) and not (
            cnn is not None and cnn >= quality.min_cnn_thr
        ):
            said = f"SNR {snr:.2f} <= min_SNR {quality.min_SNR:g} and r {r:.2f} < rval_thr "
            said += f"{quality.rval_thr:g}"
            if cnn is not None:
                said += f" and probability {cnn:.2f} < min_cnn_thr {quality.min_cnn_thr:g}"
            failed.append(said)
        if not snr > quality.SNR_lowest:
            failed.append(f"SNR {snr:.2f} <= SNR_lowest {quality.SNR_lowest:g}")
        if not r > quality.rval_lowest:
            failed.append(f"r {r:.2f} <= rval_lowest {quality.rval_lowest:g}")
        least = _least_score(components, quality)
        if cnn is not None and cnn <= least:
            failed.append(f"probability of a cell {cnn:.2f} <= cnn_lowest {least:g}")
    if quality.use_ecc and components.ecc is not None and components.ecc[k] > quality.max_ecc:
        failed.append(f"elongation {components.ecc[k]:.1f} > max_ecc {quality.max_ecc:g}")
    return tuple(failed)


def _classifier_score(components: Components, k: int, quality: QualityParams) -> float | None:
    """Of component ``k`` where the classifier takes part in the rule."""
    cnn = components.cnn_preds
    if cnn is None or cnn.size != components.n_components or quality.use_cnn is False:
        return None
    return None if np.isnan(cnn[k]) else float(cnn[k])


def _least_score(components: Components, quality: QualityParams) -> float:
    """``cnn_lowest``, or what suits the scores where nobody chose one."""
    quality = quality.for_scores(are_probabilities="evidence" in components.attributes)
    return float(quality.cnn_lowest or 0.0)


def worth_asking(components: Components) -> NDArray[np.float64]:
    """How much a decision on each component would teach, 0 to 1 ``(n_components,)``.

    1 where it is as likely a cell as not; 0 where the verdict is sure, or there is no probability.
    """
    p = components.cnn_preds
    if p is None or p.size != components.n_components:
        return np.zeros(components.n_components)
    p = np.nan_to_num(np.asarray(p, np.float64), nan=0.0)
    return np.asarray(4 * p * (1 - p))
