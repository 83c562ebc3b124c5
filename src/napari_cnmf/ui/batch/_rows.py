"""Rows of the batch table: frozen snapshots of items, read off the GUI thread."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath

from napari_cnmf.batch.item import Item
from napari_cnmf.batch.status import State
from napari_cnmf.errors import BatchError

ALGORITHM_TITLES = {
    "mcorr": "Motion correction",
    "cnmf": "CNMF",
    "cnmfe": "CNMF-E",
    "evaluate": "Evaluation",
}


@dataclass(frozen=True)
class ItemRow:
    """One item as it was when it was looked at.

    Attributes
    ----------
    uuid
        Of the item.
    fraction
        Of the running stage that is done, 0 to 1.
    stage
        What it is doing; empty unless it runs.
    done, total
        Steps of that stage, such as frames or components; 1 in all where they are not counted.
    started, seconds
        When it started, and how long it ran; ``None`` before it did.
    movie
        The movie's file, or the name of the item that makes it.
    error
        One sentence, or empty.
    warnings
        What the engine warned of.
    """

    uuid: str
    name: str
    state: State
    algorithm: str = ""
    engine: str = ""
    fraction: float = 0.0
    stage: str = ""
    done: float = 0.0
    total: float = 1.0
    started: datetime | None = None
    seconds: float | None = None
    movie: str = ""
    n_components: int | None = None
    n_accepted: int | None = None
    error: str = ""
    warnings: tuple[str, ...] = ()
    comment: str = ""

    def duration(self, now: datetime | None = None) -> float | None:
        """Seconds for which the item ran, or has been running until ``now``."""
        if self.state is State.RUNNING and self.started is not None:
            return ((now or datetime.now(UTC)) - self.started).total_seconds()
        return self.seconds


def read_row(item: Item) -> ItemRow:
    """Read the row of an item; one that is damaged says so in ``error``."""
    status = item.status
    progress = status.progress
    running = status.state is State.RUNNING
    try:
        spec = item.spec
        algorithm, asked, comment = spec.algorithm.value, spec.engine, spec.comment
        movie = _movie_title(item)
    except BatchError:
        algorithm, asked, comment, movie = "", "", "", ""
    return ItemRow(
        uuid=item.uuid,
        name=item.name,
        state=status.state,
        algorithm=ALGORITHM_TITLES.get(algorithm, algorithm),
        engine=status.engine or asked,
        fraction=progress.fraction if running and progress is not None else 0.0,
        stage=progress.stage if running and progress is not None else "",
        done=progress.done if running and progress is not None else 0.0,
        total=progress.total if running and progress is not None else 1.0,
        started=status.started,
        seconds=status.seconds,
        movie=movie,
        n_components=status.n_components,
        n_accepted=status.n_accepted,
        error=status.error.message if status.error is not None else "",
        warnings=status.warnings,
        comment=comment,
    )


def _movie_title(item: Item) -> str:
    movie = item.spec.movie
    if movie is None:
        parent = item.parent
        return f"← {parent.name}" if parent is not None else ""
    more = f" + {len(movie.paths) - 1}" if len(movie.paths) > 1 else ""
    return PurePosixPath(movie.paths[0]).name + more


def format_duration(seconds: float | None) -> str:
    """Text of a duration: ``8 s``, ``3:07``, ``1:02:33``; empty for ``None``.

    >>> [format_duration(s) for s in (None, 8.4, 187, 3753)]
    ['', '8 s', '3:07', '1:02:33']
    """
    if seconds is None:
        return ""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
