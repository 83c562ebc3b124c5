"""``curation.h5``: the arrays that edits made, so that replay never needs the movie."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from napari_cnmf.errors import CurationError
from napari_cnmf.model.curation import EditedComponent


class FileArrayStore:
    """One group an edit, one group a component in it. Groups are added, never changed."""

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
            with h5py.File(self.path, "r") as file:
                group = file[str(number)]
                return [_read_component(group[str(i)]) for i in range(len(group))]
        except (OSError, KeyError) as error:
            raise CurationError(
                f"The arrays of edit {number} must be in {self.path}, and are not: {error}. "
                "Copy the file from where the curation was made; it belongs to the journal."
            ) from error

    def write(self, number: int, components: Sequence[EditedComponent]) -> None:
        try:
            with h5py.File(self.path, "a") as file:
                # left by a crash between this and the journal's line, which was never written
                if str(number) in file:
                    del file[str(number)]
                group = file.create_group(str(number))
                for i, component in enumerate(components):
                    _write_component(group.create_group(str(i)), component)
        except OSError as error:
            raise CurationError(
                f"{self.path} must be writable: {error}. The edit was not made."
            ) from error


def _write_component(group: h5py.Group, component: EditedComponent) -> None:
    for name, values in component.array_fields().items():
        group.create_dataset(name, data=values)
    for name, value in component.scalar_fields().items():
        group.attrs[name] = value


def _read_component(group: h5py.Group) -> EditedComponent:
    arrays: dict[str, Any] = {name: np.asarray(dataset[()]) for name, dataset in group.items()}
    return EditedComponent(**arrays, **dict(group.attrs))
