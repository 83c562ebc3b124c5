"""Reads parameters as other programs write them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from napari_cnmf.errors import ParameterError
from napari_cnmf.params._assignments import (
    all_keys,
    all_names,
    homes_of,
    parse_value,
    passed_on,
)
from napari_cnmf.params._plain import to_plain
from napari_cnmf.params._problems import (
    InvalidParametersError,
    not_a_table,
    shown,
    unknown_name,
)
from napari_cnmf.params.caiman_keys import CAIMAN_GROUPS, SET_BY_ENGINE
from napari_cnmf.params.groups import GROUPS
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


def modern_name(name: str) -> str:
    """CaImAn's name of a key that others call differently."""
    return OLD_NAMES.get(name, name)


ALONG_ONE_AXIS = {
    "max_shifts_y": ("max_shifts", -2),
    "max_shifts_x": ("max_shifts", -1),
    "strides_y": ("strides", -2),
    "strides_x": ("strides", -1),
    "overlaps_y": ("overlaps", -2),
    "overlaps_x": ("overlaps", -1),
}
"""Keys of Mesmerize that hold one number of a size ([z], y, x), with its place there."""

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
    named
        Every parameter that was given, as ``(group.key, axis)``; the axis where a size is given
        along one alone.
    """

    groups: dict[str, Any]
    refit: bool | None = None
    dropped: tuple[str, ...] = ()
    named: frozenset[tuple[str, int | None]] = frozenset()

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
"""Parameters as they come: a mapping, keyword arguments as text, or pairs."""


def to_nested(values: Given, below: Mapping[str, Any] | None = None) -> ForeignParameters:
    """Sort flat, wrapped and nested entries into groups, on top of nested plain values.

    Raises
    ------
    InvalidParametersError
        For names that nobody knows; all of them are named at once.
    """
    foreign, problems = sort_into_groups(values, below or {})
    if problems:
        raise InvalidParametersError(problems)
    return foreign


def sort_into_groups(
    values: Given, below: Mapping[str, Any]
) -> tuple[ForeignParameters, dict[str, str]]:
    """Sort entries into groups; what is wrong comes back as ``{name: sentence}``.

    ``below`` holds what stays where nothing is said: the x of a size whose y alone is given.
    """
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
    sorter = _Sorter(isinstance(data, dict) and "caiman_version" in data, below)
    sorter.read(plain.items() if isinstance(plain, Mapping) else plain)
    if sorter.is_caimans_dump:
        _forget_derived(sorter.groups.get("init", {}))
    named = frozenset((name, one.axis) for name, all_ in sorter.said.items() for one in all_)
    foreign = ForeignParameters(sorter.groups, sorter.refit, tuple(sorter.dropped), named)
    return foreign, sorter.problems


def _forget_derived(init: dict[str, Any]) -> None:
    """Drop a ``gSiz`` that CaImAn derived: it is no choice, and must follow a change of gSig."""
    gSig, gSiz = init.get("gSig"), init.get("gSiz")
    if isinstance(gSig, list) and gSiz == [2 * radius + 1 for radius in gSig]:
        del init["gSiz"]


@dataclass(frozen=True)
class _Said:
    """One entry that gave a value: its name as written, its value, and the axis it is for."""

    entry: str
    value: Any
    axis: int | None = None


def _agree(group: str, key: str, first: _Said, second: _Said) -> bool:
    """Whether two entries give a parameter the same value, however each is written."""
    if first.axis is not None and second.axis is not None and first.axis != second.axis:
        return True
    a, b = (_as_read(group, key, said) for said in (first, second))
    if first.axis is None and second.axis is not None:
        return bool(_along(a, second.axis) == b)
    if second.axis is None and first.axis is not None:
        return bool(a == _along(b, first.axis))
    return bool(a == b)


def _as_read(group: str, key: str, said: _Said) -> Any:
    """Value as its model reads it; as a person types it where the model refuses it."""
    value = parse_value(said.value) if isinstance(said.value, str) else said.value
    model = GROUPS.get(group)
    if said.axis is not None or model is None or key not in model.model_fields:
        return value
    try:
        return getattr(model.model_validate({key: said.value}), key)
    except ParameterError:  # what is wrong with it is said where it is read
        return value


def _along(size: Any, axis: int) -> Any:
    """Size along one axis; one number holds for all of them."""
    is_size = isinstance(size, list | tuple) and len(size) >= -axis
    return size[axis] if is_size else size


@dataclass
class _Sorter:
    is_caimans_dump: bool
    below: Mapping[str, Any]
    groups: dict[str, Any] = field(default_factory=dict)
    refit: bool | None = None
    dropped: list[str] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    said: dict[str, list[_Said]] = field(default_factory=dict)
    """What was given of each parameter so far, by its full name."""
    entry: str = ""
    """Name of the entry that is read, as the user wrote it."""

    def read(self, values: Iterable[tuple[str, Any]], where: str = "") -> None:
        """Read entries, each sorted into its group; ``where`` says in which table they stand."""
        for name, value in values:
            self.entry = f"{name}{where}"
            if isinstance(value, str) and name in WRAPPERS:
                self.read(parse_kwargs(value).items(), f" in {name}")
            elif isinstance(value, str) and name in TABLES and value.startswith("{"):
                self.read([(name, parse_kwargs(value))], where)
            elif not isinstance(value, Mapping):
                self._take_flat(name, value)
            elif name in WRAPPERS:
                self.read(value.items(), f" in {name}")
            elif name == "extra":
                self._take_extra(value, where)
            elif name in CAIMAN_GROUPS:
                self._table(name)
                for key, item in value.items():
                    self.entry = f"{name}.{key}{where}"
                    self._take(name, OLD_NAMES.get(str(key), str(key)), item)
            else:
                self._take_flat(name, value)

    def _take_extra(self, groups: Mapping[str, Any], where: str) -> None:
        for group, keys in groups.items():
            if isinstance(keys, Mapping):
                table = self._table("extra").setdefault(group, {})
                for key, value in keys.items():
                    self.entry = f"extra.{group}.{key}{where}"
                    self._note(group, key, value)
                    table[key] = value
            else:
                self._table("extra")[group] = keys

    def _note(self, group: str, key: str, value: Any, axis: int | None = None) -> None:
        """Keep what was given, and refuse what contradicts what was given before.

        ``axis`` is the place of a value that is given for one axis of a size.
        """
        name = f"{group}.{key}" if group else key
        new = _Said(self.entry, value, axis)
        for before in self.said.setdefault(name, []):
            if name not in self.problems and not _agree(group, key, before, new):
                self.problems[name] = (
                    f"{name} must have one value, got {before.entry} = {shown(before.value)} and "
                    f"{new.entry} = {shown(new.value)}. Leave one of them out."
                )
        self.said[name].append(new)

    def _table(self, name: str) -> dict[str, Any]:
        table: dict[str, Any] = self.groups.setdefault(name, {})
        return table

    def _take_flat(self, name: str, value: Any) -> None:
        group, dot, key = name.partition(".")
        if name == "refit":
            self._take_refit(value)
        elif name == "random_seed":
            self._note("", name, value)
            self.groups[name] = value
        elif name in NO_PARAMETERS:
            self.dropped.append(name)
        elif name in TABLES or name in WRAPPERS or name in OPTIONS_OF_ITEMS:
            self._take_misplaced(name, value)
        elif name.startswith("extra."):
            group, _, key = key.partition(".")
            value = passed_on(group, key, value)
            self._note(group, key, value)
            self._table("extra").setdefault(group, {})[key] = value
        elif dot and group in CAIMAN_GROUPS:
            self._take(group, OLD_NAMES.get(key, key), value)
        else:
            modern = OLD_NAMES.get(name, name)
            homes = homes_of(ALONG_ONE_AXIS[name][0] if name in ALONG_ONE_AXIS else modern)
            if not homes:
                keys = [*all_keys(), *OLD_NAMES, *ALONG_ONE_AXIS]
                known = [*keys, *all_names(), *CAIMAN_GROUPS, *WRAPPERS]
                self.problems[name] = unknown_name(name, known)
            for home in homes:
                self._take(home, modern, value)

    def _take_refit(self, value: Any) -> None:
        said = parse_value(value) if isinstance(value, str) else value
        if isinstance(said, bool):
            self._note("", "refit", said)
            self.refit = said
        elif said is not None:
            self.problems["refit"] = f"refit must be True or False, got {shown(value)}."

    def _take_misplaced(self, name: str, value: Any) -> None:
        """Refuse a value where a table must be, and an option of the item; none is nothing."""
        if name in OPTIONS_OF_ITEMS and value is not None:
            self.problems[name] = (
                f"{name} is an option of the item, not a parameter: give "
                f"{OPTIONS_OF_ITEMS[name]}=... beside the parameters."
            )
        elif name in TABLES or (name in WRAPPERS and value is not None):
            self.problems[name] = not_a_table(name, value)

    def _along_one_axis(self, group: str, key: str, value: Any) -> tuple[str, Any]:
        """Whole size for a number along one axis; what is said of the others, or was, stays."""
        whole, place = ALONG_ONE_AXIS[key]
        default = GROUPS[group].model_fields[whole].default
        before = self.below.get(group, {}).get(whole, default)
        size = self.groups.get(group, {}).get(whole, before)
        size = parse_value(size) if isinstance(size, str) else size
        is_size = isinstance(size, list | tuple) and len(size) > 1
        axes = list(size) if is_size else [size, size]
        axes[place] = value
        return whole, axes

    def _take(self, group: str, key: str, value: Any) -> None:
        if key in ALONG_ONE_AXIS and group in homes_of(ALONG_ONE_AXIS[key][0]):
            whole, axis = ALONG_ONE_AXIS[key]
            self._note(group, whole, value, axis)
            key, value = self._along_one_axis(group, key, value)
        elif key not in SET_BY_ENGINE.get(group, {}):
            self._note(group, key, value)
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
