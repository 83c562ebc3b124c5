"""Parameters as other programs write them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from napari_cnmf.errors import ParameterError
from napari_cnmf.params._assignments import all_keys, homes_of
from napari_cnmf.params._plain import to_plain
from napari_cnmf.params._problems import not_a_table, unknown_name
from napari_cnmf.params.caiman_keys import CAIMAN_GROUPS, SET_BY_ENGINE

logger = logging.getLogger("napari_cnmf")

OLD_NAMES = {
    "k": "K",
    "gnb": "nb",
    "merge_thresh": "merge_thr",
    "frate": "fr",
    "r_values_min": "rval_thr",
    "bord_px": "border_pix",
}
"""What Mesmerize and older CaImAn scripts call a key."""

WRAPPERS = frozenset({"main", "cnmf_kwargs", "cnmfe_kwargs", "eval_kwargs", "mc_kwargs"})
"""Tables that only hold flat keys: mesmerize-core's ``main`` and Mesmerize's kwargs boxes."""

TABLES = (CAIMAN_GROUPS - {"ring_CNN"}) | {"extra"}
"""Names that only a table can stand behind; ``ring_CNN`` is a switch of ``online`` as well."""

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
        Nested values for :meth:`CNMFParams.from_dict`, not yet checked.
    refit
        What mesmerize-core's item says; ``None`` when it says nothing.
    dropped
        Names that have no meaning here: paths, processes, the item's own name.
    """

    groups: dict[str, Any]
    refit: bool | None = None
    dropped: tuple[str, ...] = ()


def to_nested(values: Mapping[str, Any]) -> ForeignParameters:
    """Sort flat, wrapped and nested entries into groups.

    Raises
    ------
    ParameterError
        For a name that nobody knows; all of them are named at once.
    """
    if not isinstance(values, Mapping):
        raise ParameterError(not_a_table("The parameters", values))
    plain = to_plain(values)
    data = plain.get("data")
    sorter = _Sorter(is_caimans_dump=isinstance(data, dict) and "caiman_version" in data)
    sorter.read(plain)
    if sorter.is_caimans_dump:
        _forget_derived(sorter.groups.get("init", {}))
    if sorter.problems:
        raise ParameterError("\n".join(sorter.problems))
    return ForeignParameters(sorter.groups, sorter.refit, tuple(sorter.dropped))


def tell_dropped(foreign: ForeignParameters) -> ForeignParameters:
    """Log what somebody set and has no effect here, with the reason; returns the same.

    Names of items, comments and paths of Mesmerize are no parameters and not told. Nor is what
    every dump of CaImAn holds.
    """
    if "caiman_version" not in {name.rpartition(".")[2] for name in foreign.dropped}:
        for name in foreign.dropped:
            group, _, key = name.rpartition(".")
            if (why := SET_BY_ENGINE.get(group, {}).get(key)) is not None:
                logger.warning("%s has no effect here: %s.", name, why)
    return foreign


def _forget_derived(init: dict[str, Any]) -> None:
    """A ``gSiz`` that CaImAn derived is no choice: it must follow a later change of gSig."""
    gSig, gSiz = init.get("gSig"), init.get("gSiz")
    if isinstance(gSig, list) and gSiz == [2 * radius + 1 for radius in gSig]:
        del init["gSiz"]


@dataclass
class _Sorter:
    is_caimans_dump: bool
    groups: dict[str, Any] = field(default_factory=dict)
    refit: bool | None = None
    dropped: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def read(self, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            if not isinstance(value, Mapping):
                self._take_flat(name, value)
            elif name in WRAPPERS:
                self.read(value)
            elif name == "extra":
                for group, keys in value.items():
                    self._table("extra")[group] = keys
            elif name in CAIMAN_GROUPS:
                self._table(name)
                for key, item in value.items():
                    self._take(name, OLD_NAMES.get(str(key), str(key)), item)
            else:
                self._take_flat(name, value)

    def _table(self, name: str) -> dict[str, Any]:
        table: dict[str, Any] = self.groups.setdefault(name, {})
        return table

    def _take_flat(self, name: str, value: Any) -> None:
        group, dot, key = name.partition(".")
        if name == "refit":
            self.refit = bool(value)
        elif name == "random_seed":
            self.groups[name] = value
        elif name in NO_PARAMETERS:
            self.dropped.append(name)
        elif name in WRAPPERS and value is None:
            return
        elif name in TABLES or name in WRAPPERS:
            self.problems.append(not_a_table(name, value))
        elif dot and group in CAIMAN_GROUPS:
            self._take(group, key, value)
        else:
            modern = OLD_NAMES.get(name, name)
            homes = homes_of(modern)
            if not homes:
                self.problems.append(unknown_name(name, [*all_keys(), *OLD_NAMES]))
            for home in homes:
                self._take(home, modern, value)

    def _take(self, group: str, key: str, value: Any) -> None:
        if key in SET_BY_ENGINE.get(group, {}):
            self.dropped.append(f"{group}.{key}")
        elif self.is_caimans_dump and group not in homes_of(key):
            # Written by a newer CaImAn than we know: its key, not a misspelt one.
            self._table("extra").setdefault(group, {})[key] = value
        else:
            self._table(group)[key] = value
