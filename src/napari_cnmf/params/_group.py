"""Base of every parameter group: frozen, closed, and clear about what is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)

from napari_cnmf.errors import ParameterError
from napari_cnmf.params._plain import to_plain
from napari_cnmf.params._problems import InvalidParametersError, explain, not_a_number
from napari_cnmf.params.numbers import has_underscore, kind_of, read_text


def parameter(
    default: Any,
    *,
    title: str,
    description: str,
    unit: str | None = None,
    advanced: bool = False,
    builtin_ignores: str | None = None,
    caiman_ignores: str | None = None,
    **constraints: Any,
) -> Any:
    """Define a parameter: the one place that holds its default, bounds, title, unit and help.

    Parameters
    ----------
    default
        The value when nothing is said; ``None`` where the engine decides.
    title
        The label in the form, without the unit.
    description
        What it does, and where its default misleads.
    unit
        ``px``, ``s``, ``Hz``, ...; ``None`` for a pure number, a word or a switch.
    advanced
        Hidden in the form until asked for.
    builtin_ignores, caiman_ignores
        What that engine does instead, as a sentence; ``None`` when it honours the parameter.
    **constraints
        ``ge``, ``gt``, ``le``, ``lt`` of pydantic.
    """
    extra: dict[str, Any] = {
        "unit": unit,
        "advanced": advanced,
        "ignored_by": {
            engine: why
            for engine, why in (("builtin", builtin_ignores), ("caiman", caiman_ignores))
            if why is not None
        },
    }
    return Field(
        default, title=title, description=description, json_schema_extra=extra, **constraints
    )


if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)


class _OwnNames(ModelMetaclass):
    """A class that lists its own names: completers ask the class as well as the value."""

    def __dir__(cls) -> list[str]:  # noqa: N805 - of a metaclass
        ours = {name for kind in cls.__mro__ for name in _names_of(kind)}
        return sorted({*getattr(cls, "model_fields", ()), *ours})


class NamedValue(BaseModel, metaclass=_OwnNames):
    """A model whose names are those that a user may want, without those of pydantic."""

    def __dir__(self) -> list[str]:
        return dir(type(self))


class ParameterModel(NamedValue):
    """Base of parameter models: frozen and closed; problems arrive as :class:`ParameterError`."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False
    )

    group: ClassVar[str] = ""
    """The name CaImAn gives the group; empty for the root."""

    @model_validator(mode="wrap")
    @classmethod
    def _explain_problems(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if isinstance(data, cls):
            return handler(data)
        values, problems = cls._read_texts(to_plain(data))
        try:
            read = handler(values)
        except ValidationError as error:
            raise InvalidParametersError(explain(error, cls, cls.group) | problems) from error
        except InvalidParametersError as error:
            raise InvalidParametersError(error.problems | problems) from error
        if problems:
            raise InvalidParametersError(problems)
        return read

    @classmethod
    def _read_texts(cls, values: Any) -> tuple[Any, dict[str, str]]:
        """Read values that are given as text, and return them with the problems by name.

        A switch that is given for a number is wrong, too: to Python, True is a 1.
        """
        problems: dict[str, str] = {}
        if not isinstance(values, Mapping):
            return values, problems
        read = dict(values)
        for key, value in values.items():
            field = cls.model_fields.get(key)
            if field is None:
                continue
            name = f"{cls.group}.{key}" if cls.group else key
            annotation: Any = field.annotation
            kind = kind_of(annotation)
            if kind.number and _has_switch(value):
                problems[name] = not_a_number(name, value, field)
                del read[key]
            try:
                if isinstance(value, str):
                    read[key] = read_text(value, kind, name)
            except ParameterError as error:
                problems[name] = str(error)
                del read[key]
            # What was not read as a number is none: pydantic would take 30_5 for 305.
            if kind.number and has_underscore(read.get(key)):
                problems[name] = not_a_number(name, value, field)
                del read[key]
        return read, problems

    def __setattr__(self, name: str, value: Any) -> None:
        raise ParameterError(
            f"Parameters are never changed in place. For another {name}, write "
            f"params = params.replace({name}=...)."
        )

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if value != field.get_default(call_default_factory=True):
                yield name, value


def _has_switch(value: Any) -> bool:
    return isinstance(value, bool) or (isinstance(value, list) and any(map(_has_switch, value)))


def _names_of(kind: type) -> list[str]:
    is_ours = issubclass(kind, NamedValue)
    return [
        n
        for n in vars(kind)
        if n.startswith("__") or (is_ours and not n.startswith(("_", "model_")))
    ]


class ParameterGroup(ParameterModel):
    """One of CaImAn's parameter groups."""
