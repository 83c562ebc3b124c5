"""A journal as a file of JSON lines, one writer at a time."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from napari_cnmf._atomic import write_bytes
from napari_cnmf.errors import CurationError, next_step
from napari_cnmf.io.curation.lines import decode_lines, encode_line

_MOST_BYTES = 256 * 2**20
"""Size of a journal above which it is no journal; ten thousand edits take about two megabytes."""
_OF = "of"
"""Entry of a line that tells which result it is about."""
_LOCK_WAIT_S = 10.0
_TAIL_BYTES = 512
"""Bytes at the end of the file that tell whether another program has written."""


class FileJournal:
    """``curation.jsonl``: made with the first edit, only ever appended to.

    Every line carries a checksum. A line is written whole and flushed to the disk, or the file is
    cut back to what it was: a full disk loses no edit that was accepted. What is damaged all the
    same is passed over when reading. The first edit after that puts the intact lines in the place
    of the damaged file, of which a copy lies beside it.

    Two windows on one result: what another process appended since this one read is noticed under
    a lock at the next edit, which is then refused instead of mixing two histories.

    Parameters
    ----------
    path
        The file.
    of
        Mark of the result that the journal is about, as `mark_of` gives it; every line that is
        written carries it.

    Attributes
    ----------
    n_damaged
        Number of places that could not be read when the lines were read last.
    """

    def __init__(self, path: Path, *, of: str = "") -> None:
        self.path = path
        self._of = of
        self.n_damaged = 0
        self._known: tuple[int, bytes] = (0, b"")
        self._lock = FileLock(path.with_name(f".{path.name}.lock"))

    def lines(self) -> Sequence[dict[str, Any]]:
        """Every whole line of the file.

        Raises
        ------
        CurationError
            When the file is there and cannot be read.
        """
        data = self._read()
        self._known = len(data), data[-_TAIL_BYTES:]
        lines, self.n_damaged = decode_lines(data)
        return [{key: value for key, value in line.items() if key != _OF} for line in lines]

    def made_for(self) -> str:
        """Mark of the result that the lines are about; empty where no line says it.

        It is the one that most lines carry: one damaged mark hides no curation.
        """
        marks = Counter(str(line[_OF]) for line in decode_lines(self._read())[0] if _OF in line)
        highest = max(marks.values(), default=0)
        often = [mark for mark, n in marks.items() if n == highest]
        return self._of if self._of in often else next(iter(often), "")

    def _encode(self, line: dict[str, Any]) -> bytes:
        return encode_line({**line, _OF: self._of} if self._of else line)

    def set_aside(self) -> str:
        """Copy the file as it is beside itself, once for each content; says where."""
        try:
            return f"The file as it was is kept as {self._keep_copy().name}."
        except OSError as error:
            return (
                f"No copy could be made beside it ({error.strerror or error}), so it stays as it "
                "is until an edit is made."
            )

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep other processes out, from here to the line that is written.

        Raises
        ------
        CurationError
            When another process has written since this one read, holds the lock, or when the
            folder cannot be written.
        """
        if not self.path.parent.is_dir():  # the lock would make the folder again
            raise self._not_writable(FileNotFoundError(errno.ENOENT, "its folder is gone"))
        try:
            self._lock.acquire(timeout=_LOCK_WAIT_S, poll_interval=0.01)
        except Timeout as error:
            raise CurationError(
                f"Another program has been writing to {self.path} for {_LOCK_WAIT_S:.0f} s. "
                "The edit was not made; try again."
            ) from error
        except OSError as error:
            raise self._not_writable(error) from error
        try:
            if self._tail() != self._known:
                raise CurationError(
                    f"{self.path} was changed by another window or program since it was read. "
                    "Open the result again to go on from there."
                )
            yield
        finally:
            self._lock.release()

    def append(self, line: dict[str, Any]) -> None:
        """Write one line to the file, whole and flushed to the disk, or not at all."""
        with self.writing():
            size, tail = self._known
            # A last line that was cut off, or saved by an editor, has no end of line.
            text = (b"\n" if tail and not tail.endswith(b"\n") else b"") + self._encode(line)
            try:
                with self.path.open("ab", buffering=0) as file:
                    try:
                        _write_all(file.fileno(), text)
                        os.fsync(file.fileno())
                    except BaseException:
                        with suppress(OSError):
                            os.ftruncate(file.fileno(), size)
                        self._known = self._tail()
                        raise
            except OSError as error:
                raise self._not_writable(error) from error
            if size == 0:
                _flush_folder(self.path.parent)
            self._known = size + len(text), (tail + text)[-_TAIL_BYTES:]

    def rewrite(self, lines: Sequence[dict[str, Any]]) -> None:
        """Replace a damaged file by these lines in one step, after a copy of it was made."""
        with self.writing():
            data = b"".join(self._encode(line) for line in lines)
            try:
                if self.path.exists():
                    self._keep_copy()
                write_bytes(self.path, data)
            except OSError as error:
                raise self._not_writable(error) from error
            self._known = len(data), data[-_TAIL_BYTES:]
            self.n_damaged = 0

    def _keep_copy(self) -> Path:
        """Copy the file beside it, named by its content."""
        data = self.path.read_bytes()
        name = hashlib.blake2b(data, digest_size=4).hexdigest()
        copy = self.path.with_name(f"{self.path.name}.damaged-{name}")
        if not copy.exists():
            write_bytes(copy, data)
        return copy

    def _read(self) -> bytes:
        try:
            found = self.path.stat()
            if not stat.S_ISREG(found.st_mode) or found.st_size > _MOST_BYTES:
                raise CurationError(
                    f"The journal {self.path} must be a text file of at most "
                    f"{_MOST_BYTES >> 20} MB, got {found.st_size} bytes that are none. "
                    "Move it elsewhere, or put the right file in its place."
                )
            return self.path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise CurationError(
                f"The journal {self.path} must be readable: {error.strerror or error}. "
                f"{next_step(error, 'Check the permissions of the file.')}"
            ) from error

    def _tail(self) -> tuple[int, bytes]:
        """Size of the file and its last bytes, which tell whether it is the one that was read."""
        try:
            with self.path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - _TAIL_BYTES))
                return size, file.read(_TAIL_BYTES)
        except FileNotFoundError:
            return 0, b""
        except OSError as error:
            raise self._not_writable(error) from error

    def _not_writable(self, error: OSError) -> CurationError:
        advice = next_step(error, "Free space or check the permissions, then try again.")
        return CurationError(
            f"The journal {self.path} must be writable: {error.strerror or error}. "
            f"The edit was not made. {advice}"
        )


def _write_all(descriptor: int, data: bytes) -> None:
    """Write every byte: a disk that fills up takes a part, and refuses only the rest."""
    left = memoryview(data)
    while left:
        n_written = os.write(descriptor, left)
        if n_written == 0:
            raise OSError("the disk takes no more bytes")
        left = left[n_written:]


def _flush_folder(folder: Path) -> None:
    """Flush a folder, so that the name of a new file lasts; Windows needs no such call."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
