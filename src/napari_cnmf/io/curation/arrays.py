"""``curation.h5``: the arrays that edits made, so that replay never needs the movie."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from napari_cnmf._atomic import replacing
from napari_cnmf.errors import CurationError
from napari_cnmf.model.curation import EditedComponent

_FULL_BYTES = 4 * 2**20
"""A part of this size is never written to again: replacing it stays a matter of milliseconds."""


class FileArrayStore:
    """One group an edit, one group a component in it. Groups are added, never changed.

    A process that is killed while it writes into an HDF5 file may take all that is in it along.
    So a write replaces the file by a longer copy, and once that is large the next edits go into
    a part of their own: ``curation.h5``, ``curation.part2.h5``, …

    Parameters
    ----------
    path
        Of the first part.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, number: int) -> list[EditedComponent]:
        """The components of an edit, in the order written.

        Raises
        ------
        CurationError
            When the file or the edit's group is not there.
        """
        try:
            # the last one that was written counts: an earlier one belongs to no line
            for part in reversed(list(self._parts())):
                with h5py.File(part, "r") as file:
                    if str(number) in file:
                        group = file[str(number)]
                        return [_read_component(group[str(i)]) for i in range(len(group))]
        except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise self._missing(number, str(error)) from error
        raise self._missing(number, f"there is no {self.path.name} with this edit")

    def write(self, number: int, components: Sequence[EditedComponent]) -> None:
        """Keep the components of an edit; what a crash left under its number is replaced."""
        parts = list(self._parts())
        part = parts[-1] if parts else self.path
        try:
            if parts and part.stat().st_size >= _FULL_BYTES:
                part = self._part(len(parts) + 1)
            with replacing(part) as beside:
                if part.exists():
                    shutil.copyfile(part, beside)
                with h5py.File(beside, "a") as file:
                    # left by a crash between this and the journal's line, which was never written
                    if str(number) in file:
                        del file[str(number)]
                    group = file.create_group(str(number))
                    for i, component in enumerate(components):
                        _write_component(group.create_group(str(i)), component)
        except (OSError, RuntimeError) as error:
            raise CurationError(
                f"{part} must be writable: {error}. The edit was not made."
            ) from error

    def _part(self, number: int) -> Path:
        """Path of the file of the ``number``-th part, counted from 1."""
        if number == 1:
            return self.path
        return self.path.with_name(f"{self.path.stem}.part{number}{self.path.suffix}")

    def _parts(self) -> Iterator[Path]:
        for number in count(1):
            part = self._part(number)
            if not part.exists():
                return
            yield part

    def _missing(self, number: int, why: str) -> CurationError:
        return CurationError(
            f"The arrays of edit {number} must be in {self.path}, and are not: {why}. "
            "Copy the file from where the curation was made; it belongs to the journal."
        )


def _write_component(group: h5py.Group, component: EditedComponent) -> None:
    for name, values in component.array_fields().items():
        group.create_dataset(name, data=values)
    for name, value in component.scalar_fields().items():
        group.attrs[name] = value


def _read_component(group: h5py.Group) -> EditedComponent:
    arrays: dict[str, Any] = {name: np.asarray(dataset[()]) for name, dataset in group.items()}
    return EditedComponent(**arrays, **dict(group.attrs))
