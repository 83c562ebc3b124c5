"""Columns that a project asks for of each sample."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from napari_cnmf._checks import check_kind, shown
from napari_cnmf._names import did_you_mean, not_one_of
from napari_cnmf.errors import ParameterError, ProjectError
from napari_cnmf.params._group import NamedValue
from napari_cnmf.params.numbers import read_number

ANIMAL, TRIAL, DATE, GENOTYPE = "AnimalID", "TrialID", "date", "genotype"
_OURS = frozenset(
    {"SampleID", "file", "n_components", "n_accepted", "duration_s", "frame_rate_hz", "tags",
     "source", "added", "added_by", "changed", "id", "accepted"}
)  # fmt: skip
"""Columns that the table has beside the project's own."""


class ColumnKind(StrEnum):
    """Kind of value that may stand in a column."""

    TEXT = "text"
    NUMBER = "number"
    DATE = "date"


class Column(NamedValue):
    """One thing that is asked for of each sample."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, title="Name")
    kind: ColumnKind = Field(ColumnKind.TEXT, title="Kind", description="text, number or date.")
    required: bool = Field(False, title="Required")
    choices: tuple[str, ...] = Field(
        (), title="Choices", description="The only values allowed; empty allows any."
    )

    def __init__(self, **values: Any) -> None:
        """Make a column, and say in words what is wrong with it.

        Raises
        ------
        ProjectError
            The name is empty, the kind is unknown, or a value is of another type.
        """
        try:
            super().__init__(**values)
        except ValidationError as error:
            wrong = error.errors()[0]
            field = ".".join(map(str, wrong["loc"])) or "value"
            raise ProjectError(
                f"The {field} of a column does not fit: {wrong['msg']}, got "
                f"{shown(wrong['input'])}."
            ) from error

    def read(self, value: Any) -> str | float | None:
        """Read a value as it is kept: text, number, or ``YYYY-MM-DD``.

        Raises
        ------
        ProjectError
            It is missing or of another kind.
        """
        text = "" if value is None else str(value).strip()
        if not text:
            if self.required:
                raise ProjectError(f"{self.name} must be given. Fill it in.")
            return None
        if self.choices and text not in self.choices:
            raise ProjectError(not_one_of(self.name, self.choices, text))
        try:
            if self.kind is ColumnKind.NUMBER:
                return _number(text, self.name)
            if self.kind is ColumnKind.DATE:
                return date.fromisoformat(text[:10]).isoformat()
        except ValueError as error:
            example = "2026-03-31" if self.kind is ColumnKind.DATE else "1.5"
            raise ProjectError(
                f"{self.name} must be a {self.kind}, got {text!r}. Write it as {example}."
            ) from error
        return text


def _number(text: str, name: str) -> float:
    try:
        return float(read_number(text, name))
    except ParameterError as error:
        raise ProjectError(str(error)) from error


_IDS = (Column(name=ANIMAL, required=True), Column(name=TRIAL, required=True))
_USUAL = (*_IDS, Column(name=DATE, kind=ColumnKind.DATE), Column(name=GENOTYPE))


class ProjectConfig(BaseModel):
    """The columns of a project, in the order in which they are asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: tuple[Column, ...] = _USUAL

    @model_validator(mode="after")
    def _check(self) -> ProjectConfig:
        names = [column.name for column in self.columns]
        twice = {name for name in names if names.count(name) > 1}
        if twice or _OURS & set(names):
            wrong = sorted(twice | (_OURS & set(names)))
            raise ValueError(f"names must be different, and none of the table's own: {wrong}")
        for id_ in _IDS:
            if id_.name not in names:
                raise ValueError(f"a project must ask for {id_.name}")
        return self

    @classmethod
    def of(cls, value: ProjectConfig | Mapping[str, Any] | None) -> ProjectConfig:
        """Make the columns from a dict, and say in words what is wrong with it.

        Raises
        ------
        ProjectError
            A column is named twice, or AnimalID or TrialID is missing.
        """
        if isinstance(value, ProjectConfig):
            return value
        try:
            return cls() if value is None else cls.model_validate(value)
        except ValidationError as error:
            said = "; ".join(detail["msg"] for detail in error.errors())
            raise ProjectError(f"The columns of a project do not fit: {said}.") from error

    def with_column(self, column: Column) -> ProjectConfig:
        """The configuration with one more column, or with another one of that name.

        Raises
        ------
        ProjectError
            A column differs from it in the case of its letters alone.
        """
        twin = self._twin(column.name)
        if twin is not None:
            raise ProjectError(
                f"Names of columns must differ in more than their case, and the table has {twin!r} "
                f"already, got {column.name!r}. Use that one, or choose another name."
            )
        kept = [c for c in self.columns if c.name != column.name]
        position = next((i for i, c in enumerate(self.columns) if c.name == column.name), len(kept))
        kept.insert(position, column)
        return ProjectConfig.of({"columns": kept})

    def _twin(self, name: str) -> str | None:
        """A column of the table that differs from ``name`` in case alone."""
        wanted = name.strip().casefold()
        known = [*(column.name for column in self.columns), *sorted(_OURS)]
        return next((one for one in known if one != name and one.casefold() == wanted), None)

    def check_names(self) -> None:
        """Refuse names for a new project that differ in case alone; old projects may have them.

        Raises
        ------
        ProjectError
            Two of them do.
        """
        for column in self.columns:
            if (twin := self._twin(column.name)) is not None:
                raise ProjectError(
                    f"Names of columns must differ in more than their case, got {column.name!r} "
                    f"and {twin!r}. Rename one of them."
                )

    def read(self, values: Mapping[str, Any]) -> dict[str, str | float | None]:
        """Every column's value, checked.

        Raises
        ------
        ProjectError
            An unknown column, a missing value, or one of another kind.
        """
        check_kind(
            "The values of a sample", values, Mapping, ProjectError,
            needed="a dict with a value for each column",
        )  # fmt: skip
        names = [column.name for column in self.columns]
        unknown = sorted(set(values) - set(names))
        if unknown:
            raise ProjectError(
                f"The project has no column {unknown[0]!r}, only {', '.join(names)}."
                f"{did_you_mean(unknown[0], names)} Add a new one first with "
                f"project.add_column({unknown[0]!r}), or napari-cnmf project DIR column NAME."
            )
        ids = {ANIMAL, TRIAL}
        return {
            column.name: (
                column.model_copy(update={"required": True}) if column.name in ids else column
            ).read(values.get(column.name))
            for column in self.columns
        }
