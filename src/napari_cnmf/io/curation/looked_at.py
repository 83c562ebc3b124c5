"""Ids of the components that a curator has looked at, in a file of their own."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from pathlib import Path

_logger = logging.getLogger(__name__)
_HIGHEST = 10**9


class FileSeenIds:
    """The file ``curation.seen``: one id a line, to which any number of windows add at once.

    Looking is no decision: where the file cannot be written it is forgotten with the process,
    which is said once in the log.

    Parameters
    ----------
    path
        The file; made with the first id.
    before
        Ids that were looked at before the result was saved, and that lie inside of it.
    """

    def __init__(self, path: Path, before: Collection[int] = ()) -> None:
        self.path = path
        self._before = frozenset(before)
        self._is_told = False

    def read(self) -> set[int]:
        """Every id in the file; what is no id is passed over."""
        return {*self._before, *self._read_file()}

    def _read_file(self) -> set[int]:
        try:
            if not self.path.is_file():
                return set()
            words = self.path.read_bytes().replace(b"\0", b"\n").split()
        except OSError as error:
            self._tell("read", error)
            return set()
        return {int(word) for word in words if word.isdigit() and len(word) < len(str(_HIGHEST))}

    def add(self, ids: Sequence[int]) -> None:
        """Append ids in one write, so that lines of several windows do not mix."""
        # The first end of line closes off what a crash of another process left behind.
        text = "\n" + "".join(f"{i}\n" for i in ids)
        try:
            with self.path.open("ab", buffering=0) as file:
                file.write(text.encode())
        except OSError as error:
            self._tell("written", error)

    def _tell(self, what: str, error: OSError) -> None:
        if not self._is_told:
            self._is_told = True
            _logger.warning(
                "%s cannot be %s (%s): which components were looked at is forgotten when the "
                "program ends. Decisions are not affected.",
                self.path,
                what,
                error.strerror or error,
            )
