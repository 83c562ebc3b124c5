"""Base of every group of knobs: frozen, nothing unknown accepted."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from napari_cnmf.errors import ParameterError
from napari_cnmf.params._problems import unknown_name


class Knobs(BaseModel):
    """A frozen set of knobs; a misspelt or impossible one is an error that names it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    def replace(self, **changes: Any) -> Self:
        """A copy with some knobs changed, all of them checked again.

        Raises
        ------
        ParameterError
            A knob that does not exist or a value out of its bounds.
        """
        return type(self).build(**{**dict(self), **changes})

    @classmethod
    def build(cls, **knobs: Any) -> Self:
        """Make the knobs from keyword arguments.

        Raises
        ------
        ParameterError
            A knob that does not exist or a value out of its bounds.
        """
        try:
            return cls(**knobs)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"]) or cls.__name__
            if first["type"] == "extra_forbidden":
                raise ParameterError(unknown_name(name, cls.model_fields, "knob")) from error
            raise ParameterError(
                f"{name}: {first['msg']}, got {first['input']!r:.80}. "
                f"The knobs of {cls.__name__} are listed in its documentation."
            ) from error
