"""Each parameter as a value: what form, command-line help and documentation are derived from."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from napari_cnmf.params._problems import shown
from napari_cnmf.params.cnmf import CNMFParams
from napari_cnmf.params.groups import GROUPS

_BOUNDS = ("ge", "gt", "le", "lt")
ENGINE_TITLES = {"builtin": "the built-in engine", "caiman": "CaImAn"}


@dataclass(frozen=True)
class ParameterField:
    """One parameter, described.

    Attributes
    ----------
    group
        CaImAn's group; empty for ``random_seed``.
    key
        CaImAn's name.
    title
        Label, without the unit.
    unit
        ``px``, ``s``, ``Hz``, ...; ``None`` for a pure number, a word or a switch.
    description
        What it does, and where its default misleads.
    default
        The value when nothing is said; ``None`` where the engine decides.
    annotation
        The type, with ``None`` where the parameter is optional.
    bounds
        Lowest and highest value, of each number where there are several; ``None`` where open.
    excludes
        Whether the lowest and the highest value are themselves out of bounds.
    choices
        The values there are, where they can be counted; else empty.
    advanced
        Seldom needed.
    optional
        Whether ``None`` leaves it to the engine.
    ignored_by
        ``{"builtin" or "caiman": what that engine does instead}``.
    """

    group: str
    key: str
    title: str
    unit: str | None
    description: str
    default: Any
    annotation: Any
    bounds: tuple[float | None, float | None] = (None, None)
    excludes: tuple[bool, bool] = (False, False)
    choices: tuple[Any, ...] = ()
    advanced: bool = False
    optional: bool = False
    ignored_by: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name ``group.key``, as ``--set`` takes it."""
        return f"{self.group}.{self.key}" if self.group else self.key

    @property
    def label(self) -> str:
        """Title with the unit, such as ``Cell radius (px)``."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    def value_in(self, params: CNMFParams) -> Any:
        """Value of the parameter in ``params``."""
        return getattr(getattr(params, self.group) if self.group else params, self.key)

    @property
    def help(self) -> str:
        """Description of the parameter, and which engine does without it."""
        notes = [
            f"Ignored by {ENGINE_TITLES[engine]}: {why[0].lower()}{why[1:]}"
            for engine, why in self.ignored_by.items()
        ]
        return " ".join([self.description, *notes])

    @property
    def allowed(self) -> str:
        """Allowed values in words, such as ``>= 1``, ``0 to 1`` or ``dilate, ellipse``."""
        if self.choices:
            return ", ".join(
                choice if isinstance(choice, str) else shown(choice) for choice in self.choices
            )
        (low, high), (above, below) = self.bounds, self.excludes
        if low is not None and high is not None and not (above or below):
            return f"{low:.15g} to {high:.15g}"
        parts = []
        if low is not None:
            parts.append(f"{'>' if above else '>='} {low:.15g}")
        if high is not None:
            parts.append(f"{'<' if below else '<='} {high:.15g}")
        return ", ".join(parts)


def iter_fields() -> Iterator[ParameterField]:
    """Every parameter, group by group in the order in which a user meets them.

    Yields
    ------
    ParameterField
        ``random_seed``, which belongs to no group, comes last.
    """
    for group, model in GROUPS.items():
        defaults = model()
        for key, info in model.model_fields.items():
            yield _describe(group, key, info, getattr(defaults, key))
    yield _describe(
        "", "random_seed", CNMFParams.model_fields["random_seed"], CNMFParams().random_seed
    )


def _describe(group: str, key: str, info: FieldInfo, default: Any) -> ParameterField:
    extra: Any = info.json_schema_extra
    leaves = list(_leaves(info.annotation, tuple(info.metadata)))
    bounds, excludes = _bounds([item for _, metadata in leaves for item in metadata])
    kinds = [kind for kind, _ in leaves]
    return ParameterField(
        group=group,
        key=key,
        title=info.title or key,
        unit=extra["unit"],
        description=info.description or "",
        default=default,
        annotation=info.annotation,
        bounds=bounds,
        excludes=excludes,
        choices=_choices(kinds),
        advanced=extra["advanced"],
        optional=type(None) in kinds,
        ignored_by=types.MappingProxyType(extra["ignored_by"]),
    )


def _leaves(annotation: Any, metadata: tuple[Any, ...] = ()) -> Iterator[tuple[Any, list[Any]]]:
    """Scalar types of an annotation, each with the constraints on the way to it."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *more = get_args(annotation)
        yield from _leaves(inner, (*metadata, *more))
    elif origin in (Union, types.UnionType, tuple):
        for inner in get_args(annotation):
            if inner is not Ellipsis:
                yield from _leaves(inner, metadata)
    elif origin is Literal:
        for value in get_args(annotation):
            yield value, _flatten(metadata)
    else:
        yield annotation, _flatten(metadata)


def _flatten(metadata: tuple[Any, ...]) -> list[Any]:
    return [
        inner
        for item in metadata
        for inner in (item.metadata if isinstance(item, FieldInfo) else [item])
    ]


def _bounds(
    constraints: list[Any],
) -> tuple[tuple[float | None, float | None], tuple[bool, bool]]:
    named = {
        name: getattr(item, name) for item in constraints for name in _BOUNDS if hasattr(item, name)
    }
    low, high = named.get("ge", named.get("gt")), named.get("le", named.get("lt"))
    return (low, high), ("gt" in named, "lt" in named)


def _choices(kinds: list[Any]) -> tuple[Any, ...]:
    """Choices of a parameter: its words, and both values of a switch beside words."""
    words = [kind for kind in kinds if isinstance(kind, str)]
    if words and bool in kinds:
        return (True, False, *words)
    return tuple(words)


def unused_parameters(params: CNMFParams, engine: str) -> dict[str, str]:
    """Parameters that were set and that an engine does not use.

    Parameters
    ----------
    engine
        ``builtin`` or ``caiman``.

    Returns
    -------
    dict
        ``{"group.key": what the engine does instead}``, for values that differ from the default.
    """
    unused = {}
    for described in iter_fields():
        why = described.ignored_by.get(engine)
        if why is None:
            continue
        if described.value_in(params) != described.default:
            unused[described.name] = why
    if engine == "builtin":
        for group, keys in params.extra.items():
            unused |= {f"{group}.{key}": "Only CaImAn has this parameter." for key in keys}
    return unused
