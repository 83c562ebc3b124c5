"""``curation.h5``: the arrays that edits made, so that replay never needs the movie."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import fields
from itertools import count
from pathlib import Path

import h5py
import numpy as np

from napari_cnmf._atomic import write_bytes
from napari_cnmf.errors import CurationError, ResultError, brief, next_step, reason
from napari_cnmf.io.caiman import ResultFile, open_result
from napari_cnmf.model.curation import EditedComponent

_FIELDS = frozenset(field.name for field in fields(EditedComponent))
_ARRAYS = frozenset({"pixels", "weights", "C", "S", "YrA", "g"})
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
        why = f"there is no {self.path.name} with this edit"
        # the last one that was written counts: an earlier one belongs to no line
        for part in reversed(list(self._parts())):
            try:
                with open_result(part, "a file of edited shapes", "Copy it again.") as file:
                    group = file.child(file.root, str(number))
                    if isinstance(group, h5py.Group):
                        return [_read_component(file, group, str(i)) for i in range(len(group))]
            except ResultError as error:
                why = brief(error)  # the other parts may be whole
        raise self._missing(number, why)

    def write(self, number: int, components: Sequence[EditedComponent]) -> None:
        """Keep the components of an edit; what a crash left under its number is replaced."""
        parts = list(self._parts())
        part = parts[-1] if parts else self.path
        content = None
        if parts and not self._is_full(part):
            # HDF5 tells of damage in each of these ways
            with suppress(OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError):
                content = _with_edit(part.read_bytes(), number, components)
        if content is None:
            part = self._part(len(parts) + 1)
            content = _with_edit(b"", number, components)
        try:
            # HDF5 itself, stopped by a full disk, leaves its file open and says pages about it.
            write_bytes(part, content)
        except OSError as error:
            advice = next_step(error, "Free space or check the permissions, then try again.")
            raise CurationError(
                f"{part} must be writable: {reason(error)}. The edit was not made. {advice}"
            ) from error

    @staticmethod
    def _is_full(part: Path) -> bool:
        with suppress(OSError):
            return part.stat().st_size >= _FULL_BYTES
        return False

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


def _with_edit(part: bytes, number: int, components: Sequence[EditedComponent]) -> bytes:
    """The content of a part with an edit added; an empty one makes a new part."""
    buffer = io.BytesIO(part)
    with h5py.File(buffer, "r+" if part else "w") as file:
        # left by a crash between this and the journal's line, which was never written
        if str(number) in file:
            del file[str(number)]
        group = file.create_group(str(number))
        for i, component in enumerate(components):
            _write_component(group.create_group(str(i)), component)
    return buffer.getvalue()


def _write_component(group: h5py.Group, component: EditedComponent) -> None:
    for name, values in component.array_fields().items():
        group.create_dataset(name, data=values)
    for name, value in component.scalar_fields().items():
        group.attrs[name] = value


def _read_component(file: ResultFile, group: h5py.Group, name: str) -> EditedComponent:
    """One component of an edit, without what only a newer version knows of it."""
    stored = file.read(group, name)
    values = {key: value for key, value in stored.items() if key in _FIELDS}
    made = EditedComponent(**values)
    arrays_are_sound = all(
        isinstance(value, np.ndarray) for key, value in values.items() if key in _ARRAYS
    )
    numbers_are_sound = all(
        isinstance(value, str if key == "component_class" else (int, float))
        for key, value in values.items()
        if key not in _ARRAYS
    )
    if not (arrays_are_sound and numbers_are_sound):
        raise ResultError("A component of an edit must hold arrays and numbers, and does not.")
    return made
