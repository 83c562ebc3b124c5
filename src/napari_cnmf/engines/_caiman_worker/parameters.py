"""CaImAn's parameters from ours, and what it made of them."""

from __future__ import annotations

from typing import Any

from .voice import Voice

_COPIES_OF_NB = (("spatial", "nb"), ("temporal", "nb"))
"""CaImAn overwrites them with ``init.nb``, whatever they were."""


def plain(value: Any) -> Any:
    """Parameters as plain values, for JSON."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def tuples(value: Any) -> Any:
    """Value with tuples instead of lists: JSON has lists alone, CaImAn wants tuples."""
    return tuple(tuples(item) for item in value) if isinstance(value, list) else value


def like(default: Any, value: Any) -> Any:
    """Whole number as int where CaImAn has an int: it counts pixels with some of them."""
    whole = isinstance(value, float) and value.is_integer()
    return int(value) if whole and type(default) is int else value


def make_params(request: dict[str, Any], voice: Voice) -> Any:
    """CaImAn's parameters from ours; says what it does not know and what it changed."""
    from caiman.source_extraction.cnmf.params import CNMFParams

    params = CNMFParams()
    known = params.to_dict()
    sent: dict[str, dict[str, Any]] = {}
    for group, values in request["params"].items():
        for key, value in values.items():
            if key in known.get(group, {}):
                sent.setdefault(group, {})[key] = like(known[group][key], tuples(value))
            elif f"{group}.{key}" in request["asked_for"]:
                message = f"{group}.{key} is not a parameter of this CaImAn; it was left out."
                voice.say("warning", message=message)
    if "fnames" in sent.get("data", {}):
        # a tuple would be the single frames of one movie
        sent["data"]["fnames"] = list(sent["data"]["fnames"])
    params.change_params(sent)
    result = params.to_dict()
    for group, values in sent.items():
        for key, value in values.items():
            if (group, key) in _COPIES_OF_NB:
                continue
            asked, used = plain(value), plain(result[group][key])
            if used != asked:
                voice.say("changed", parameter=f"{group}.{key}", asked=asked, used=used)
    return params
