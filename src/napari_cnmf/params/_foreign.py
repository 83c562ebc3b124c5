"""Reads parameters as other programs write them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from napari_cnmf.errors import ParameterError
from napari_cnmf.params._assignments import all_keys, all_names, homes_of, passed_on
from napari_cnmf.params._plain import to_plain
from napari_cnmf.params._problems import InvalidParametersError, not_a_table, unknown_name
from napari_cnmf.params.caiman_keys import CAIMAN_GROUPS, SET_BY_ENGINE
from napari_cnmf.params.kwargs import parse_kwargs

OLD_NAMES = {
    "k": "K",
    "gnb": "nb",
    "merge_thresh": "merge_thr",
    "frate": "fr",
    "r_values_min": "rval_thr",
    "bord_px": "border_pix",
    "frame_rate": "fr",
    "framerate": "fr",
    "final_frate": "fr",
    "stride_cnmf": "stride",
    "cnn_thr": "min_cnn_thr",
    "r_values_lowest": "rval_lowest",
    "iters_rigid": "niter_rig",
    "max_dev": "max_deviation_rigid",
    "upsample": "upsample_factor_grid",
    "upsample_grid": "upsample_factor_grid",
}
"""What Mesmerize and older CaImAn scripts call a key."""

ALONG_ONE_AXIS = {
    "max_shifts_y": ("max_shifts", 0),
    "max_shifts_x": ("max_shifts", 1),
    "strides_y": ("strides", 0),
    "strides_x": ("strides", 1),
    "overlaps_y": ("overlaps", 0),
    "overlaps_x": ("overlaps", 1),
}
"""Keys of Mesmerize that hold one number of a size (y, x), with its place there."""

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
        "name_rigid",
        "name_elas",
    }
)
"""Entries of Mesmerize's items that are about the item, not the analysis."""

OPTIONS_OF_ITEMS = {"Ain": "ain", "Ain_path": "ain"}
"""What others name among the parameters, and an item takes beside them."""


_FACTS = frozenset({"data.caiman_version", "data.last_commit", "data.dims"})
"""What CaImAn notes in its dumps: nobody expects it to count."""


_CHOICES_IN_DUMPS = frozenset({"data.fnames", "patch.n_processes"})


class DroppedParametersWarning(UserWarning):
    """Something that was given among parameters has no meaning here, and is left out."""


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

    @property
    def report(self) -> str:
        """A sentence for each thing that was left out; empty where nothing was."""
        sentences = []
        if self.refit is not None:
            sentences.append(
                f"refit is an option of the item, not a parameter: give refit={self.refit} beside "
                "the parameters."
            )
        for name in self.dropped:
            if name in _FACTS:
                continue
            group, _, key = name.partition(".")
            why = SET_BY_ENGINE.get(group, {}).get(key, "it describes an item of Mesmerize")
            sentences.append(f"{name} is left out: {why}.")
        return " ".join(sentences)

    def warn(self, *, stacklevel: int = 3) -> None:
        """Warn of what was left out."""
        if self.report:
            warnings.warn(self.report, DroppedParametersWarning, stacklevel=stacklevel + 1)


Given = Mapping[str, Any] | str | tuple[tuple[str, Any], ...]
"""Parameters as they come: a mapping, keyword arguments as text, or pairs, a later one winning."""


def to_nested(values: Given) -> ForeignParameters:
    """Sort flat, wrapped and nested entries into groups.

    Raises
    ------
    InvalidParametersError
        For names that nobody knows; all of them are named at once.
    """
    foreign, problems = sort_into_groups(values)
    if problems:
        raise InvalidParametersError(problems)
    return foreign


def sort_into_groups(values: Given) -> tuple[ForeignParameters, dict[str, str]]:
    """Sort entries into groups; what is wrong comes back as ``{name: sentence}``."""
    plain: Any
    if isinstance(values, str):
        plain = parse_kwargs(values)
    elif isinstance(values, Mapping):
        plain = to_plain(values)
    elif isinstance(values, tuple):
        plain = tuple((name, to_plain(value)) for name, value in values)
    else:
        raise ParameterError(not_a_table("The parameters", values))
    data = plain.get("data") if isinstance(plain, Mapping) else None
    sorter = _Sorter(is_caimans_dump=isinstance(data, dict) and "caiman_version" in data)
    sorter.read(plain.items() if isinstance(plain, Mapping) else plain)
    sorter.join_axes()
    if sorter.is_caimans_dump:
        _forget_derived(sorter.groups.get("init", {}))
    foreign = ForeignParameters(sorter.groups, sorter.refit, tuple(sorter.dropped))
    return foreign, sorter.problems


def _forget_derived(init: dict[str, Any]) -> None:
    """Drop a ``gSiz`` that CaImAn derived: it is no choice, and must follow a change of gSig."""
    gSig, gSiz = init.get("gSig"), init.get("gSiz")
    if isinstance(gSig, list) and gSiz == [2 * radius + 1 for radius in gSig]:
        del init["gSiz"]


@dataclass
class _Sorter:
    is_caimans_dump: bool
    groups: dict[str, Any] = field(default_factory=dict)
    refit: bool | None = None
    dropped: list[str] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    axes: dict[str, dict[int, Any]] = field(default_factory=dict)

    def read(self, values: Iterable[tuple[str, Any]]) -> None:
        """Read entries, each sorted into its group."""
        for name, value in values:
            if name in WRAPPERS and isinstance(value, str):
                self.read(parse_kwargs(value).items())
            elif not isinstance(value, Mapping):
                self._take_flat(name, value)
            elif name in WRAPPERS:
                self.read(value.items())
            elif name == "extra":
                for group, keys in value.items():
                    self._table("extra")[group] = keys
            elif name in CAIMAN_GROUPS:
                self._table(name)
                for key, item in value.items():
                    self._take(name, OLD_NAMES.get(str(key), str(key)), item)
            else:
                self._take_flat(name, value)

    def join_axes(self) -> None:
        """Join ``max_shifts_y`` and ``max_shifts_x`` in one parameter."""
        for key, numbers in self.axes.items():
            if len(numbers) < 2:
                self.problems[key] = (
                    f"{key}_y and {key}_x must be given together, got one of them. "
                    f"Give both, or {key}=(y, x)."
                )
                continue
            for home in homes_of(key):
                self._take(home, key, [numbers[0], numbers[1]])

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
        elif name in TABLES or name in WRAPPERS or name in OPTIONS_OF_ITEMS:
            self._take_misplaced(name, value)
        elif name.startswith("extra."):
            group, _, key = key.partition(".")
            self._table("extra").setdefault(group, {})[key] = passed_on(group, key, value)
        elif name in ALONG_ONE_AXIS:
            whole, place = ALONG_ONE_AXIS[name]
            self.axes.setdefault(whole, {})[place] = value
        elif dot and group in CAIMAN_GROUPS:
            self._take(group, OLD_NAMES.get(key, key), value)
        else:
            modern = OLD_NAMES.get(name, name)
            homes = homes_of(modern)
            if not homes:
                known = [*all_keys(), *OLD_NAMES, *all_names(), *CAIMAN_GROUPS, *WRAPPERS]
                self.problems[name] = unknown_name(name, known)
            for home in homes:
                self._take(home, modern, value)

    def _take_misplaced(self, name: str, value: Any) -> None:
        """Refuse a value where a table must be, and an option of the item; none is nothing."""
        if name in OPTIONS_OF_ITEMS and value is not None:
            self.problems[name] = (
                f"{name} is an option of the item, not a parameter: give "
                f"{OPTIONS_OF_ITEMS[name]}=... beside the parameters."
            )
        elif name in TABLES or (name in WRAPPERS and value is not None):
            self.problems[name] = not_a_table(name, value)

    def _take(self, group: str, key: str, value: Any) -> None:
        if key in SET_BY_ENGINE.get(group, {}):
            # A dump names everything that CaImAn knows: most of it was nobody's choice.
            is_choice = f"{group}.{key}" in _CHOICES_IN_DUMPS and value not in (None, 1, [])
            if value is not None and (is_choice or not self.is_caimans_dump):
                self.dropped.append(f"{group}.{key}")
        elif self.is_caimans_dump and group not in homes_of(key):
            # Written by a newer CaImAn than we know: its key, not a misspelt one.
            self._table("extra").setdefault(group, {})[key] = value
        else:
            self._table(group)[key] = passed_on(group, key, value)
