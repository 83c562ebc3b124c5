"""Our parameters as CaImAn's ``change_params`` takes them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from napari_cnmf._checks import check_dims, check_number
from napari_cnmf.errors import ParameterError
from napari_cnmf.params.caiman_keys import OUR_OWN
from napari_cnmf.params.groups import GROUPS

if TYPE_CHECKING:
    from napari_cnmf.params.cnmf import CNMFParams


def to_caiman(
    params: CNMFParams, frame_rate_hz: float | None, dims: tuple[int, ...] | None
) -> dict[str, dict[str, Any]]:
    """Turn parameters into CaImAn's nested dict; see :meth:`CNMFParams.to_caiman`."""
    if frame_rate_hz is not None:
        check_number("frame_rate_hz", frame_rate_hz, ParameterError, least=0)
    if dims is not None:
        check_dims("dims", dims, ParameterError)
    nested: dict[str, dict[str, Any]] = {
        group: {key: getattr(getattr(params, group), key) for key in model.model_fields}
        for group, model in GROUPS.items()
    }
    init, patch = nested["init"], nested["patch"]
    if frame_rate_hz is not None:
        nested["data"]["fr"] = float(frame_rate_hz)
    if init["gSiz"] is None:
        init["gSiz"] = tuple(2 * radius + 1 for radius in init["gSig"])
    if isinstance(patch["rf"], tuple) and patch["stride"] is None:
        # CaImAn's own default, a tenth of the patch, fails on an rf for each axis.
        patch["stride"] = tuple(radius * 2 // 10 for radius in patch["rf"])
    if init["K"] is None and dims is not None and not params.is_one_photon:
        init["K"] = propose_K(dims, init["gSig"], patch["rf"])
    if params.is_one_photon and init["nb"] == 1 and patch["nb_patch"] <= 0:
        # 1 is nobody's choice: patches with a ring belong to a field with one.
        init["nb"] = 0
    for group, key in OUR_OWN:
        del nested[group][key]
    left_to_the_engine = [
        ("data", "fr"), ("init", "ssub"), ("init", "tsub"), ("quality", "use_cnn"),
        ("quality", "cnn_lowest"), ("temporal", "fudge_factor"),
    ]  # fmt: skip
    if not params.is_one_photon:  # there, None means: as many as exceed the thresholds
        left_to_the_engine.append(("init", "K"))
    for group, key in left_to_the_engine:
        if nested[group][key] is None:
            del nested[group][key]
    for group, keys in params.extra.items():
        nested.setdefault(group, {}).update(keys)
    return nested


CELLS_PER_AREA = 0.35
"""Share of the field that cells fill in a usual recording, footprints taken as discs of gSig."""


def propose_K(
    dims: Sequence[int], gSig: Sequence[int], rf: int | Sequence[int] | None = None
) -> int:
    """Propose the number of components to look for, for an engine that must have one.

    Parameters
    ----------
    dims
        Field ``([Z], Y, X)`` in pixels.
    gSig
        Cell radius along the same axes, in pixels.
    rf
        Half-size of a patch; ``None`` for the whole field. With patches the number is per patch.

    Notes
    -----
    Area (or volume) over that of a cell, times the share of the field that cells usually fill.
    Meant as too many rather than too few: evaluation removes false components, nothing brings back
    what was not looked for.
    """
    widths = patch_widths(dims, rf)
    cell = math.pi * gSig[-2] * gSig[-1]
    if len(widths) == 3 and len(gSig) == 3:
        cell *= 4 / 3 * gSig[0]
    return max(1, math.ceil(CELLS_PER_AREA * math.prod(widths) / cell))


def patch_widths(dims: Sequence[int], rf: int | Sequence[int] | None) -> tuple[int, ...]:
    """Size of a patch in pixels along each axis; the field itself without patches."""
    if rf is None:
        return tuple(dims)
    radii = [rf] * len(dims) if isinstance(rf, int) else list(rf)
    return tuple(min(2 * radius, size) for radius, size in zip(radii, dims, strict=True))
