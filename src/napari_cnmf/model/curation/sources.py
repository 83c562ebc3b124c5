"""Whatever has a result, as a curation: functions that take one take all of them."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from napari_cnmf.errors import ResultError
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation.curation import Curation


@runtime_checkable
class ItemLike(Protocol):
    """An item of a batch, as far as a function needs to know it that looks at a result."""

    def result(self) -> Curation:
        """The result, with the decisions about it."""
        ...


@runtime_checkable
class SampleLike(Protocol):
    """A sample of a project, likewise."""

    def curation(self) -> Curation:
        """The result, with the decisions about it."""
        ...


Curatable = Curation | Components | ItemLike | SampleLike
"""What `as_curation` takes."""


def as_curation(source: Curatable) -> Curation:
    """Return the curation of an item, a sample, a curation itself, or bare components.

    Raises
    ------
    ResultError
        When it is none of these, or its result cannot be read.
    """
    if isinstance(source, Curation):
        return source
    if isinstance(source, Components):
        return Curation(source)
    if isinstance(source, ItemLike):
        return source.result()
    if isinstance(source, SampleLike):
        return source.curation()
    raise ResultError(
        f"A result must be an item, a sample, a curation or components, got {source!r:.80}. "
        "Open a file with nc.open_result(PATH)."
    )
