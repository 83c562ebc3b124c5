"""Parameters as other programs write them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from napari_cnmf.errors import ParameterError
from napari_cnmf.params._assignments import all_keys, homes_of
from napari_cnmf.params._plain import to_plain
from napari_cnmf.params._problems import unknown_name
from napari_cnmf.params.caiman_keys import CAIMAN_GROUPS, SET_BY_ENGINE

OLD_NAMES = {
    "k": "K",
    "gnb": "nb",
    "merge_thresh": "merge_thr",
    "frate": "fr",
    "r_values_min": "rval_thr",
    "bord_px": "border_pix",
    "method_deconv": "method_deconvolution",
}
"""What Mesmerize and older CaImAn scripts call a key."""

WRAPPERS = frozenset({"main", "cnmf_kwargs", "cnmfe_kwargs", "eval_kwargs", "mc_kwargs"})
"""Tables that only hold flat keys: mesmerize-core's ``main`` and Mesmerize's kwargs boxes."""

NO_PARAMETERS = frozenset(
    {
        "item_name",
        "name",
        "comment",
        "Input",
        "use_memmap",
        "keep_memmap",
        "do_cnmfe",
        "do_corr_pnr",
        "name_corr_pnr",
        "name_cnmfe",
        "use_patches",
        "is_3d",
        "output_bit_depth",
    }
)
"""Entries of Mesmerize's items that are about the item, not the analysis."""


@dataclass(frozen=True)
class ForeignParameters:
    """Parameters of another program, sorted into CaImAn's groups.

    Attributes
    ----------
    groups
        Nested values, not yet checked.
    refit
        What mesmerize-core's item says; ``None`` when it says nothing.
    dropped
        Names that have no meaning here: paths, processes, the item's own name.
    """

    groups: dict[str, dict[str, Any]]
    refit: bool | None = None
    dropped: tuple[str, ...] = field(default=())


def to_nested(values: Mapping[str, Any]) -> ForeignParameters:
    """Sort flat, wrapped and nested entries into groups.

    Raises
    ------
    ParameterError
        For a name that nobody knows; all of them are named at once.
    """
    if not isinstance(values, Mapping):
        raise ParameterError(
            f"Parameters must be a table of names and values, got {type(values).__name__}. "
            "Give a dictionary, or the file that holds it."
        )
    nested: dict[str, Any] = {}
    refit: bool | None = None
    dropped: list[str] = []
    problems: list[str] = []
    for group, key, value in _entries(to_plain(values)):
        if group is None and key == "refit":
            refit = bool(value)
        elif group is None and key == "random_seed":
            nested[key] = value
        elif group is None and key in NO_PARAMETERS:
            dropped.append(key)
        else:
            name = OLD_NAMES.get(key, key)
            homes = homes_of(name) if group is None else [group]
            if not homes:
                problems.append(unknown_name(key, [*all_keys(), *OLD_NAMES]))
            for home in homes:
                if name in SET_BY_ENGINE.get(home, {}):
                    dropped.append(f"{home}.{name}")
                else:
                    nested.setdefault(home, {})[name] = value
    if problems:
        raise ParameterError("\n".join(problems))
    return ForeignParameters(nested, refit, tuple(dropped))


def _entries(values: Mapping[str, Any]) -> Iterator[tuple[str | None, str, Any]]:
    """Each ``(group or None, key, value)``; wrappers unpacked, in the order they were written."""
    for key, value in values.items():
        if isinstance(value, Mapping) and key in CAIMAN_GROUPS:
            for inner, item in value.items():
                yield key, inner, item
        elif isinstance(value, Mapping) and key == "extra":
            for group, keys in value.items():
                for inner, item in (keys or {}).items():
                    yield group, inner, item
        elif isinstance(value, Mapping) and key in WRAPPERS:
            yield from _entries(value)
        elif value is None and key in WRAPPERS:
            continue
        elif key.partition(".")[0] in CAIMAN_GROUPS and "." in key:
            group, _, inner = key.partition(".")
            yield group, inner, value
        else:
            yield None, key, value
