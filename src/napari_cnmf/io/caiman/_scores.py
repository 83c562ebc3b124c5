"""Scores as CaImAn's ``filter_components`` needs them to come to the verdict of the file.

CaImAn knows thresholds alone. A verdict may rest on more: on the shape of a footprint, on a
decision by hand. In the file a component that is rejected for such a reason has ``r = -1``, with
which CaImAn marks what cannot be judged, and one that is accepted in spite of its scores has an
infinite SNR. Their own scores lie in our group, and are what is read here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.model.components import Components

_DEFAULTS = {
    "min_SNR": 2.5, "SNR_lowest": 0.5, "rval_thr": 0.8, "rval_lowest": -1.0,
    "min_cnn_thr": 0.9, "cnn_lowest": 0.1, "use_cnn": True, "use_ecc": False, "max_ecc": 3.0,
}  # fmt: skip
"""What CaImAn takes where a file does not say it."""
SCORES = ("snr", "r_values", "cnn_preds", "ecc")


def scores_for_caiman(
    components: Components, quality: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Scores to write, and what our group keeps so that they can be taken back.

    Parameters
    ----------
    components
        The result.
    quality
        The parameters of that group as they are written.

    Returns
    -------
    written
        ``snr, r_values, cnn_preds, ecc`` for ``/estimates``.
    kept
        The components' own scores and ``replaced``, the indices of what differs; empty where
        nothing does.
    """
    written: dict[str, Any] = {name: getattr(components, name) for name in SCORES}
    snr, r = components.snr, components.r_values
    accepted = components.accepted
    if snr is None or r is None or accepted is None:
        return written, {}
    said = {k: v for k, v in quality.items() if k in _DEFAULTS and isinstance(v, int | float)}
    limits = {**_DEFAULTS, **said}
    passed = _passes_in_caiman(components, limits)
    replaced = np.flatnonzero(passed != accepted)
    if not replaced.size:
        return written, {}
    kept = {name: value for name, value in written.items() if value is not None and value.size}
    snr, r = np.array(snr, dtype=float), np.array(r, dtype=float)
    raised = replaced[accepted[replaced]]
    r[replaced[~accepted[replaced]]] = min(-1.0, limits["rval_lowest"])
    snr[raised], r[raised] = np.inf, 1.0
    written |= {"snr": snr, "r_values": r}
    for name, best in (("cnn_preds", 1.0), ("ecc", 0.0)):
        if name in kept:
            written[name] = np.array(kept[name], dtype=float)
            written[name][raised] = best
    return written, {**kept, "replaced": replaced}


def _passes_in_caiman(components: Components, quality: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Find what ``filter_components`` accepts; comparisons with NaN are false there too."""
    snr, r, cnn = components.snr, components.r_values, components.cnn_preds
    assert snr is not None
    assert r is not None
    passed = (r >= quality["rval_thr"]) | (snr > quality["min_SNR"])
    failed = (r <= quality["rval_lowest"]) | (snr <= quality["SNR_lowest"])
    if quality["use_cnn"] and cnn is not None and cnn.size == snr.size:
        passed |= cnn >= quality["min_cnn_thr"]
        failed |= cnn <= quality["cnn_lowest"]
    if quality["use_ecc"] and components.ecc is not None:
        failed |= ~(components.ecc < quality["max_ecc"])
    return np.asarray(passed & ~failed)


def restored_scores(values: Mapping[str, Any], kept: Any) -> dict[str, Any]:
    """The components' own scores, where those in the file are still the ones that we wrote.

    Parameters
    ----------
    values
        ``snr, r_values, cnn_preds, ecc`` as the file has them.
    kept
        What `scores_for_caiman` kept; anything else changes nothing.
    """
    if not isinstance(kept, dict) or "replaced" not in kept:
        return {}
    replaced = np.asarray(kept["replaced"], dtype=np.intp)
    restored = {}
    for name in SCORES:
        own, stored = kept.get(name), values.get(name)
        if own is None or stored is None or np.shape(own) != np.shape(stored):
            continue
        own, untouched = np.asarray(own), np.ones(len(own), dtype=bool)
        untouched[replaced] = False
        if np.array_equal(own[untouched], stored[untouched], equal_nan=True):
            restored[name] = own
    # all of them or none: scores of two evaluations do not belong together
    n_kept = sum(name in kept for name in SCORES)
    return restored if len(restored) == n_kept else {}
