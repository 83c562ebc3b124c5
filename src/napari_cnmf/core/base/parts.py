"""The parts of a pass over a movie, and who works on them: this process, or many computers.

Where a movie is cut depends on the movie alone, and what the parts give is joined in their order.
So a result is the same bit for bit, whoever worked on which part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

Shared = TypeVar("Shared")
Piece = TypeVar("Piece")
Result = TypeVar("Result")

PART_BYTES = 1 << 30
"""Bytes of the movie in one part: read within seconds, so that little is lost with a computer, and
large beside the sums over pixels that a part gives back."""


@dataclass(frozen=True)
class Place:
    """Place where one part is worked on.

    Attributes
    ----------
    n_threads
        Threads that the part may use; ``None`` for one per core.
    check
        Raises when the run was stopped.
    tell
        Told the share of the part that is done.
    """

    n_threads: int | None
    check: Callable[[], None]
    tell: Callable[[float], None]


class PartRunner(Protocol):
    """Something that works on parts.

    Attributes
    ----------
    n_threads
        Threads of this process, for what is no map over parts.
    shared_folder
        Folder that all who work on parts see under this path, for what they leave for each other;
        ``None`` where everything is done in one process.
    memory_gb
        Memory in decimal GB that each of them has for a part; ``None`` where nobody knows.
    """

    @property
    def n_threads(self) -> int | None:
        """Threads of this process; ``None`` for one per core."""
        ...

    @property
    def shared_folder(self) -> Path | None:
        """Folder that everybody sees under this path; ``None`` within one process."""
        ...

    @property
    def memory_gb(self) -> float | None:
        """Memory for a part in decimal GB; ``None`` where nobody knows."""
        ...

    def map(
        self,
        work: Callable[[Shared, Piece, Place], Result],
        shared: Shared,
        pieces: Sequence[Piece],
        *,
        check: Callable[[], None],
        on_share: Callable[[float], None],
    ) -> Iterator[Result]:
        """Yield ``work(shared, piece, place)`` for all pieces, in their order.

        Parameters
        ----------
        work
            A function of a module, so that another process can find it; it may be called again for
            a piece whose first worker died.
        shared, pieces
            What goes to other processes is pickled, ``shared`` once for each of them.
        check
            Called several times a second; raises to stop.
        on_share
            Told the share of all pieces that is done.
        """
        ...


class RunHere:
    """Works on one part after the other in this process."""

    shared_folder: Path | None = None
    memory_gb: float | None = None

    def __init__(self, n_threads: int | None = None) -> None:
        self.n_threads = n_threads

    def map(
        self,
        work: Callable[[Shared, Piece, Place], Result],
        shared: Shared,
        pieces: Sequence[Piece],
        *,
        check: Callable[[], None],
        on_share: Callable[[float], None],
    ) -> Iterator[Result]:
        """Yield ``work(shared, piece, place)`` for all pieces, in their order."""
        n = len(pieces)
        for i, piece in enumerate(pieces):

            def tell(share: float, i: int = i) -> None:
                on_share((i + share) / n)

            yield work(shared, piece, Place(self.n_threads, check, tell))
            on_share((i + 1) / n)


def part_edges(n_frames: int, frame_bytes: int, unit: int) -> list[int]:
    """First frames of consecutive parts of whole ``unit`` frames, and the end of the movie."""
    n = max(1, PART_BYTES // max(1, unit * frame_bytes)) * unit
    return [*range(0, n_frames, n), n_frames]
