"""CaImAn's rule of acceptance on scores that are already there: no movie, a few lines."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.model.components import Components
from napari_cnmf.params import QualityParams

ACCEPTED_CLASSES = ("soma",)
"""Shape classes that can be accepted unasked; results without classes pass on their scores."""


def passes_thresholds(
    components: Components,
    quality: QualityParams,
    accepted_classes: tuple[str, ...] = ACCEPTED_CLASSES,
) -> NDArray[np.bool_]:
    """Which components the thresholds accept.

    ``(r >= rval_thr or SNR > min_SNR or cnn >= min_cnn_thr) and r > rval_lowest and
    SNR > SNR_lowest and cnn > cnn_lowest``, and a class that is accepted. The classifier's terms
    count only where it was used and ``use_cnn`` does not switch it off.

    Parameters
    ----------
    components
        With ``snr`` and ``r_values``; without them nothing can be judged and all pass.
    quality
        The thresholds.
    accepted_classes
        Of ``COMPONENT_CLASSES``; of no effect on components without classes.

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
            lowest &= (cnn > quality.cnn_lowest) | np.isnan(cnn)
        passed = good & lowest
    if quality.use_ecc and components.ecc is not None:
        passed &= ~(components.ecc > quality.max_ecc)
    if components.classes is not None:
        passed &= np.isin(components.classes, accepted_classes)
    return passed
