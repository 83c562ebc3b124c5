"""Turns sizes of a plane into those of a volume: what a user chose along y and x stays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from napari_cnmf._names import PresetName
from napari_cnmf.params.cnmf import CNMFParams
from napari_cnmf.params.groups import SIZES_PER_AXIS

_PRESET: PresetName = "volumetric"


def in_a_volume(values: Mapping[str, Any]) -> dict[str, Any]:
    """Turn sizes ``(y, x)`` among settings into ``(z, y, x)``, with ``motion.is3D``.

    Along z they are the volumetric preset's, or 1 where it has none.
    """
    preset = CNMFParams.preset(_PRESET)
    changed: dict[str, Any] = {"motion.is3D": True}
    for name, value in values.items():
        group, _, key = name.rpartition(".")
        if key not in SIZES_PER_AXIS or not isinstance(value, tuple | list) or len(value) != 2:
            continue
        model = getattr(getattr(preset, group), key)
        depth = model[0] if isinstance(model, tuple) and len(model) == 3 else 1
        changed[name] = (depth, *value)
    return changed


def set_all(params: CNMFParams, values: Mapping[str, Any]) -> CNMFParams:
    """Set several ``{"group.key": value}`` at once: one by one they would not fit together.

    Where ``values`` hold a size of a volume, those that were chosen for a plane become such.
    """
    changes = dict(values)
    if any(len(value) == 3 for value in _sizes(values.items())):
        chosen = {name: mine for name, (mine, _) in params.diff(CNMFParams()).items()}
        changes = in_a_volume(chosen) | changes
    nested: dict[str, dict[str, Any]] = {}
    for name, value in changes.items():
        group, _, key = name.rpartition(".")
        nested.setdefault(group, {})[key] = value
    return params.replace(**nested)


def _sizes(items: Iterable[tuple[str, Any]]) -> list[tuple[int, ...]]:
    return [
        value
        for name, value in items
        if name.rpartition(".")[2] in SIZES_PER_AXIS and isinstance(value, tuple)
    ]
