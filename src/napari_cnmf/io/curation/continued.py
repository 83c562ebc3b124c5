"""A journal that goes on from one that lies inside a saved file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from napari_cnmf.model.curation import ArrayStore, EditedComponent, Journal, mend_lines


class ContinuedJournal:
    """A journal of saved lines, then those written since.

    Parameters
    ----------
    saved
        Lines inside a file, which never change.
    since
        The journal beside that file.
    n_base
        Number of the engine's components.
    """

    def __init__(self, saved: Sequence[dict[str, Any]], since: Journal, n_base: int) -> None:
        # Made sound once for all, so that these lines always come out as they go in.
        self._saved = mend_lines(saved, n_base).lines
        self._since = since

    @property
    def n_damaged(self) -> int:
        """Number of damaged places in the lines written since."""
        return self._since.n_damaged

    def lines(self) -> Sequence[dict[str, Any]]:
        """Every line: those that were saved, then those written since."""
        return [*self._saved, *self._since.lines()]

    def set_aside(self) -> str:
        """Copy the journal of the lines written since beside itself; says where."""
        return self._since.set_aside()

    def writing(self) -> AbstractContextManager[None]:
        """Keep other writers out."""
        return self._since.writing()

    def append(self, line: dict[str, Any]) -> None:
        """Write one line behind those written since."""
        self._since.append(line)

    def rewrite(self, lines: Sequence[dict[str, Any]]) -> None:
        """Put the lines that were not saved in place of those written since."""
        self._since.rewrite(lines[len(self._saved) :])


class ContinuedArrays:
    """A store of arrays of saved edits, then those of edits made since."""

    def __init__(self, saved: Mapping[int, list[EditedComponent]], since: ArrayStore) -> None:
        self._saved = dict(saved)
        self._since = since

    def read(self, number: int) -> list[EditedComponent]:
        """The components that edit ``number`` made, saved or written since."""
        return self._saved[number] if number in self._saved else self._since.read(number)

    def write(self, number: int, components: Sequence[EditedComponent]) -> None:
        """Keep the components that edit ``number`` made, beside the saved ones."""
        self._since.write(number, components)
