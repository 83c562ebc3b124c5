"""Parameters of an item, all in one frozen value."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from html import escape
from typing import Any, Self

from pydantic import Field, model_validator

from napari_cnmf._checks import check_kind, check_texts
from napari_cnmf._names import PresetName
from napari_cnmf.errors import ParameterError
from napari_cnmf.params._assignments import parse_assignment
from napari_cnmf.params._extra import problems_of_extra, separate_extra, without_defaults
from napari_cnmf.params._foreign import ForeignParameters, Given, sort_into_groups
from napari_cnmf.params._group import ParameterModel, parameter
from napari_cnmf.params._plain import canonical_json, to_plain
from napari_cnmf.params._problems import InvalidParametersError, not_a_table, shown, unknown_name
from napari_cnmf.params._to_caiman import to_caiman
from napari_cnmf.params.caiman_keys import CAIMAN_GROUPS
from napari_cnmf.params.data import DataParams
from napari_cnmf.params.groups import GROUPS, SIZES_PER_AXIS
from napari_cnmf.params.init import InitParams
from napari_cnmf.params.kwargs import parse_kwargs
from napari_cnmf.params.merging import MergingParams
from napari_cnmf.params.motion import MotionParams
from napari_cnmf.params.patch import PatchParams
from napari_cnmf.params.preprocess import PreprocessParams
from napari_cnmf.params.presets import find_preset
from napari_cnmf.params.quality import QualityParams
from napari_cnmf.params.spatial import SpatialParams
from napari_cnmf.params.temporal import TemporalParams


class CNMFParams(ParameterModel):
    """Everything that decides a result: CaImAn's groups, under CaImAn's names.

    Frozen: :meth:`replace`, :meth:`set` and :meth:`with_settings` return another value, checked
    again. The repr shows what differs from the defaults.

    Examples
    --------
    >>> params = CNMFParams.preset("two-photon somata").replace(init={"gSig": (4, 4)})
    >>> params.with_settings(["K=none", "quality.min_SNR=3"]).init.gSig
    (4, 4)
    """

    data: DataParams = Field(default_factory=DataParams)
    motion: MotionParams = Field(default_factory=MotionParams)
    init: InitParams = Field(default_factory=InitParams)
    patch: PatchParams = Field(default_factory=PatchParams)
    preprocess: PreprocessParams = Field(default_factory=PreprocessParams)
    spatial: SpatialParams = Field(default_factory=SpatialParams)
    temporal: TemporalParams = Field(default_factory=TemporalParams)
    merging: MergingParams = Field(default_factory=MergingParams)
    quality: QualityParams = Field(default_factory=QualityParams)
    extra: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        title="Other parameters of CaImAn",
        description="``{group: {key: value}}`` of what CaImAn knows and is not modelled here; goes "
        "to the CaImAn engine where its version has the key.",
    )
    random_seed: int = parameter(
        0,
        title="Random seed",
        ge=0,
        le=2**32 - 1,
        advanced=True,
        description="Start of every random number of a run: the same seed, movie and parameters "
        "give the same result.",
        builtin_ignores="Without it, too, the same input gives the same result.",
    )

    @model_validator(mode="before")
    @classmethod
    def _check_all_groups(cls, data: Any) -> Any:
        """Check group by group, so that one message tells everything that is wrong."""
        if not isinstance(data, Mapping):
            return data
        values, extra = separate_extra(data)
        problems: dict[str, str] = {}
        for name, model in GROUPS.items():
            try:
                values[name] = model.model_validate(values.get(name, {}))
            except InvalidParametersError as error:
                problems |= error.problems
        problems |= problems_of_extra(extra)
        for name in values.keys() - cls.model_fields.keys():
            problems[name] = unknown_name(name, [*cls.model_fields, *CAIMAN_GROUPS])
        if problems:
            others = {name: values[name] for name in ("random_seed",) if name in values}
            raise InvalidParametersError(problems | cls._problems_of(others))
        return values | {"extra": without_defaults(extra)}

    @classmethod
    def _problems_of(cls, values: dict[str, Any]) -> dict[str, str]:
        try:
            cls.model_validate(values)
        except InvalidParametersError as error:
            return error.problems
        return {}

    @model_validator(mode="after")
    def _check_axes(self) -> Self:
        """Check that 2D and 3D sizes are not mixed; a default of (y, x) counts as not set.

        No item takes both the sizes of ``motion`` and the others.
        """
        said = {
            f"{group}.{key}": value
            for (group, key), value in self._changed().items()
            if key in SIZES_PER_AXIS and isinstance(value, tuple)
        }
        for is_motion in (True, False):
            sizes = {n: v for n, v in said.items() if n.startswith("motion.") == is_motion}
            if len({len(value) for value in sizes.values()}) > 1:
                listed = ", ".join(f"{name} = {value}" for name, value in sizes.items())
                sentence = (
                    f"Sizes must all be (y, x) or all be (z, y, x), got {listed}. "
                    "Give each of them two numbers for a plane, three for a volume."
                )
                raise InvalidParametersError(dict.fromkeys(sizes, sentence))
        return self

    def _changed(self) -> dict[tuple[str, str], Any]:
        """Values that differ from the defaults, by group and key."""
        changed: dict[tuple[str, str], Any] = {}
        for group, model in GROUPS.items():
            values = getattr(self, group)
            for key, field in model.model_fields.items():
                if getattr(values, key) != field.get_default():
                    changed[group, key] = getattr(values, key)
        return changed

    @property
    def n_axes(self) -> int | None:
        """Number of axes, 2 or 3, that the sizes tell; ``None`` where all sizes are defaults."""
        for (_, key), value in self._changed().items():
            if key in SIZES_PER_AXIS and isinstance(value, tuple):
                return len(value)
        return None

    @property
    def is_one_photon(self) -> bool:
        """Whether the parameters ask for CNMF-E's initialisation."""
        return self.init.method_init == "corr_pnr"

    def replace(self, table: Mapping[str, Any] | str | None = None, /, **values: Any) -> Self:
        """Parameters with some keys changed; keys that are not named stay.

        Parameters
        ----------
        table
            What to change as one table, or as text, such as ``{"init.gSig": (5, 5)}``.
        **values
            ``init={"gSig": (5, 5)}``, ``gSig=(5, 5)``, ``random_seed=1``,
            ``extra={"init": {"SC_nnn": 10}}``, and whatever else `from_any` understands. A key
            that CaImAn has and that is not modelled may stand in its group.

        Warns
        -----
        DroppedParametersWarning
            Of what has no meaning here, such as ``fnames``.

        Raises
        ------
        ParameterError
            For unknown names and for values out of bounds.
        """
        if table is None:
            return self._with(values)
        if not values:
            return self._with(table)
        given = parse_kwargs(table) if isinstance(table, str) else table
        if not isinstance(given, Mapping):
            raise ParameterError(not_a_table("The parameters", given))
        return self._with((*given.items(), *values.items()))

    def _with(self, values: Given) -> Self:
        params, foreign = self._read(values, self.to_dict())
        foreign.warn(stacklevel=3)
        return params

    @classmethod
    def _read(cls, values: Given, below: Mapping[str, Any]) -> tuple[Self, ForeignParameters]:
        """Parameters from what others write, on top of nested plain values.

        Returns
        -------
        The parameters, and what else was said: ``refit``, and what has no meaning here.
        """
        foreign, problems = sort_into_groups(values, below)
        try:
            read = cls.from_dict(_merge(below, foreign.groups))
        except InvalidParametersError as error:
            raise InvalidParametersError(problems | error.problems) from error
        if problems:
            raise InvalidParametersError(problems)
        return read, foreign

    def set(self, name: str, value: Any) -> Self:
        """Parameters with ``group.key``, a key alone or ``random_seed`` set to ``value``."""
        check_kind("The name of a parameter", name, str, ParameterError, needed="text")
        return self._with({name: value})

    def with_settings(self, settings: Iterable[str]) -> Self:
        """Parameters with each ``name=value`` applied, as ``--set`` takes them.

        Parameters
        ----------
        settings
            ``init.gSig=5,5``, ``gSig=5,5``, ``K=none``. A name without a group sets every group
            that has it (``p=1``: preprocess and temporal), as in CaImAn.
        """
        listed = check_texts("Settings", settings, ParameterError, advice="Write ['gSig=5,5'].")
        return self._with(tuple(parse_assignment(text) for text in listed))

    @classmethod
    def preset(cls, name: PresetName) -> Self:
        """The values that suit a kind of recording; see ``PRESETS`` for each value and why."""
        return cls.model_validate(find_preset(name).as_dict())

    def hash(self) -> str:
        """SHA-256 of the values, equal for equal parameters on every system."""
        return hashlib.sha256(canonical_json(self.to_dict()).encode("ascii")).hexdigest()

    def diff(self, other: CNMFParams | Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
        """``{"group.key": (mine, theirs)}`` of what differs; a table is read as by `from_any`."""
        others = other if isinstance(other, CNMFParams) else CNMFParams.from_any(other)
        mine, theirs = _flat(self), _flat(others)
        names = list(dict.fromkeys((*mine, *theirs)))
        return {
            name: (mine.get(name), theirs.get(name))
            for name in names
            if mine.get(name, _ABSENT) != theirs.get(name, _ABSENT)
        }

    def _repr_html_(self) -> str:
        """Parameters that differ from the defaults, as notebooks show them."""
        changed = self.diff(CNMFParams())
        if not changed:
            return "<p>CNMFParams: the defaults</p>"
        rows = "".join(
            f"<tr><td><code>{escape(name)}</code></td><td>{escape(shown(mine))}</td>"
            f"<td>{escape(shown(default))}</td></tr>"
            for name, (mine, default) in changed.items()
        )
        heading = "<tr><th>CNMFParams</th><th>value</th><th>default</th></tr>"
        return f"<table>{heading}{rows}</table>"

    def to_dict(self) -> dict[str, Any]:
        """Parameters as nested plain values; lists for tuples, None for what is left to the engine.

        See Also
        --------
        from_dict : the inverse.
        """
        plain: dict[str, Any] = to_plain(self)
        return plain

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Make parameters from :meth:`to_dict`'s values; what is not named keeps its default."""
        if not isinstance(values, Mapping):
            raise ParameterError(not_a_table("The parameters", values))
        return cls.model_validate(values)

    @classmethod
    def from_any(cls, values: Mapping[str, Any] | str) -> Self:
        """Read parameters as CaImAn, Mesmerize, mesmerize-core or this package write them.

        Parameters
        ----------
        values
            Nested by group, flat, ``{"main": ...}``, Mesmerize's ``cnmf_kwargs`` and
            ``eval_kwargs`` (tables, or the text of its boxes), or such a text itself.

        Warns
        -----
        DroppedParametersWarning
            Of what has no meaning here, such as ``fnames`` or ``n_processes``.

        See Also
        --------
        napari_cnmf.params.read_item_params : says ``refit`` as well.
        """
        params, foreign = cls._read(values, {})
        foreign.warn(stacklevel=2)
        return params

    def to_caiman(
        self, *, frame_rate_hz: float | None = None, dims: tuple[int, ...] | None = None
    ) -> dict[str, dict[str, Any]]:
        """Parameters as the nested dict for CaImAn's ``change_params``.

        Parameters
        ----------
        frame_rate_hz
            The rate that was resolved for the movie (:func:`resolve_frame_rate`). Without it and
            without ``data.fr`` the key is absent, and CaImAn would assume 30.
        dims
            The field ``([Z], Y, X)`` in pixels: an empty ``init.K`` becomes the proposed one.

        Notes
        -----
        ``gSiz`` is always written out. ``K`` stays None with ``corr_pnr``, where CaImAn finds as
        many as exceed the thresholds. ``use_cnn`` is absent when the engine is to decide.
        """
        return to_caiman(self, frame_rate_hz, dims)


def read_item_params(
    values: Given, base: CNMFParams | None = None
) -> tuple[CNMFParams, bool | None]:
    """Read what describes an item: its parameters, and whether to refit where that is said.

    Parameters
    ----------
    values
        As for `CNMFParams.from_any`; ``refit`` may stand beside the parameters or among them.
    base
        What holds for all that is not named; the defaults without.
    """
    params, foreign = CNMFParams._read(values, {} if base is None else base.to_dict())
    replace(foreign, refit=None).warn(stacklevel=4)
    return params, foreign.refit


_ABSENT = object()


def _flat(params: CNMFParams) -> dict[str, Any]:
    """Flat parameters ``{"group.key": value}``, extra keys included."""
    flat: dict[str, Any] = {}
    for group, model in GROUPS.items():
        flat |= {
            f"{group}.{key}": getattr(getattr(params, group), key) for key in model.model_fields
        }
    for group, values in params.extra.items():
        flat |= {f"{group}.{key}": value for key, value in values.items()}
    return flat | {"random_seed": params.random_seed}


def _merge(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Merge nested tables; where both have a value, ``new`` wins."""
    merged = dict(old)
    for key, value in new.items():
        before = merged.get(key)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            merged[key] = _merge(before, value)
        else:
            merged[key] = value
    return merged
