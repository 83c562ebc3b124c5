"""Handles ``extra``: parameters that CaImAn knows and that are not modelled here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari_cnmf.params._problems import not_a_table, unknown_name
from napari_cnmf.params.caiman_keys import CAIMAN_GROUPS, PASSED_ON, SET_BY_ENGINE
from napari_cnmf.params.groups import GROUPS


def separate_extra(data: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split nested values into modelled ones and ``extra``.

    A key that CaImAn has and that is not modelled may stand in its group. What the engine sets by
    itself goes along, to be refused with its reason.
    """
    values = {name: keys for name, keys in data.items() if name != "extra"}
    given = data.get("extra") or {}
    if not isinstance(given, Mapping):
        return values, {"": given}
    extra = {
        group: dict(keys) if isinstance(keys, Mapping) else keys for group, keys in given.items()
    }
    for group, keys in data.items():
        if group not in CAIMAN_GROUPS or not isinstance(keys, Mapping):
            continue
        foreign = {*PASSED_ON.get(group, {}), *SET_BY_ENGINE.get(group, {})}
        if group not in GROUPS:
            foreign = set(keys)
            del values[group]
        else:
            values[group] = {key: value for key, value in keys.items() if key not in foreign}
        passed_on = {key: value for key, value in keys.items() if key in foreign}
        if passed_on:
            extra[group] = {**extra.get(group, {}), **passed_on}
    return values, extra


def problems_of_extra(extra: Mapping[str, Any]) -> dict[str, str]:
    """Reasons why parts of ``extra`` cannot go to CaImAn, by name."""
    problems: dict[str, str] = {}
    for group, keys in extra.items():
        if not isinstance(keys, Mapping):
            name = f"extra.{group}".rstrip(".")
            problems[name] = not_a_table(name, keys)
        elif group not in CAIMAN_GROUPS:
            problems[f"extra.{group}"] = unknown_name(group, CAIMAN_GROUPS, "group of CaImAn")
        else:
            problems |= {
                f"{group}.{key}": sentence
                for key in keys
                if (sentence := _why_not_extra(group, key)) is not None
            }
    return problems


def _why_not_extra(group: str, key: str) -> str | None:
    if group in GROUPS and key in GROUPS[group].model_fields:
        return f"{group}.{key} is a parameter of its own, got it in extra. Set it in {group}."
    if why := SET_BY_ENGINE.get(group, {}).get(key):
        return f"{group}.{key} cannot be set: {why}. Leave it out."
    return None


def without_defaults(extra: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return ``extra`` without CaImAn's defaults, so that a full dump reads as its few changes."""
    kept = {
        group: {key: keys[key] for key in sorted(keys) if not _is_default(group, key, keys[key])}
        for group, keys in sorted(extra.items())
    }
    return {group: keys for group, keys in kept.items() if keys}


def _is_default(group: str, key: str, value: Any) -> bool:
    defaults = PASSED_ON.get(group, {})
    if key not in defaults or isinstance(value, bool) != isinstance(defaults[key], bool):
        return False
    return bool(value == defaults[key])
