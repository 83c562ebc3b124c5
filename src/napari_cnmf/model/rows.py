"""Traces of large results: rows that are read, or put together, when somebody asks for them.

Ten thousand components of twenty thousand frames are 0.8 GB a kind of trace. Nobody looks at all
of them at once, so results of such a size hold :class:`TraceRows` in the place of arrays. They are
indexed like arrays and go wherever an array goes; what needs every value at once makes one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import DTypeLike, NDArray

LARGE_BYTES = 2**25
"""Traces of this size and more are not copied, and not read before they are asked for."""
_BLOCK_BYTES = 2**24
"""Size of the rows that are worked on together by what has to look at all of them."""


class TraceRows(NDArrayOperatorsMixin):
    """A matrix ``(n, n_frames)`` whose rows come when they are asked for.

    ``rows[i]``, ``rows[ids]``, ``rows[mask]`` and ``rows[a:b, start:stop]`` give arrays, as those
    of an array do. Arithmetic, methods of arrays (``rows.mean(axis=1)``) and functions of numpy
    make an array of the whole first: take the rows that you need.

    Parameters
    ----------
    shape
        ``(n, n_frames)``.
    dtype
        Type of the values.
    """

    ndim = 2

    def __init__(self, shape: tuple[int, int], dtype: DTypeLike) -> None:
        self.shape = int(shape[0]), int(shape[1])
        self.dtype: np.dtype[Any] = np.dtype(dtype)

    def read(self, rows: NDArray[np.intp], frames: slice) -> NDArray[Any]:
        """Some rows, each from 0 to ``n - 1``, ``(n_rows, n_frames of the slice)``, a new array.

        ``frames`` has a start, a stop, and a step of 1.
        """
        raise NotImplementedError

    @property
    def size(self) -> int:
        """Number of values."""
        return self.shape[0] * self.shape[1]

    @property
    def nbytes(self) -> int:
        """Memory that all values would take, in bytes."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[i] for i in range(len(self)))

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("These traces are read when asked for: an array of them is a copy.")
        return np.asarray(self[:], dtype)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        arrays = [np.asarray(i) if isinstance(i, TraceRows) else i for i in inputs]
        return getattr(ufunc, method)(*arrays, **kwargs)

    def __getattr__(self, name: str) -> Any:
        # Only what an array has: copying and pickling ask for names that must not be there.
        if name.startswith("_") or not hasattr(np.ndarray, name):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}.")
        return getattr(np.asarray(self), name)

    def __setitem__(self, key: Any, value: Any) -> None:
        raise ValueError("The traces of a result are read-only: change a copy, np.array(traces).")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.shape[0]} x {self.shape[1]} {self.dtype}>"

    def __getitem__(self, key: Any) -> Any:
        first, *rest = key if isinstance(key, tuple) else (key,)
        if not rest:
            rest = [slice(None)]
        if len(rest) > 1 or first is None or first is Ellipsis or rest[0] is None:
            return self[:][key]
        n, n_frames = self.shape
        frames, inside = slice(0, n_frames), rest[0]
        if isinstance(inside, slice) and inside.step in (None, 1):
            start, stop, _ = inside.indices(n_frames)
            frames, inside = slice(start, max(start, stop)), slice(None)
        if isinstance(first, slice):
            return self.read(np.arange(n)[first], frames)[:, inside]
        wanted = np.arange(n)[first]  # numpy's own rules and errors, negative numbers and masks
        if wanted.ndim == 0:
            return self.read(wanted.reshape(1), frames)[0][inside]
        if wanted.ndim == 1 and isinstance(inside, slice):
            return self.read(wanted, frames)[:, inside]
        once, at = np.unique(wanted, return_inverse=True)
        return self.read(once, frames)[at.reshape(wanted.shape), inside]


class ChosenRows(TraceRows):
    """Rows of another matrix in an order of their own, some of them put in the place of it.

    Parameters
    ----------
    base
        The matrix, which is shared and never copied.
    index
        Row of ``base`` for each row of this one, ``(n,)``; ``-1 - k`` is ``made[k]``.
    made
        Rows ``(n_frames,)`` that are not those of ``base``.
    """

    def __init__(
        self, base: Any, index: NDArray[np.intp], made: Sequence[NDArray[Any]] = ()
    ) -> None:
        super().__init__((index.size, base.shape[1]), base.dtype)
        self._base, self._index, self._made = base, index, list(made)

    def read(self, rows: NDArray[np.intp], frames: slice) -> NDArray[Any]:
        """Put some rows together, ``(n_rows, n_frames of the slice)``."""
        index = self._index[rows]
        kept = index >= 0
        if kept.all():
            return np.ascontiguousarray(self._base[index, frames])
        out = np.empty((rows.size, frames.stop - frames.start), self.dtype)
        out[kept] = self._base[index[kept], frames]
        for at in np.flatnonzero(~kept):
            out[at] = self._made[-1 - index[at]][frames]
        return out


def choose_rows(
    base: NDArray[Any],
    index: NDArray[np.intp],
    made: Sequence[NDArray[Any]] = (),
) -> NDArray[Any]:
    """Rows of ``base`` by their numbers, ``-1 - k`` being ``made[k]``; large results by reference.

    Parameters
    ----------
    base
        ``(n, n_frames)``.
    index, made
        See :class:`ChosenRows`.
    """
    chosen = ChosenRows(base, np.asarray(index, dtype=np.intp), made)
    if chosen.nbytes < LARGE_BYTES:
        return cast("NDArray[Any]", chosen[:])
    return cast("NDArray[Any]", chosen)


def row_blocks(traces: NDArray[Any]) -> Iterator[tuple[slice, NDArray[Any]]]:
    """All rows in order, some megabytes of them at a time: ``(rows, traces of these rows)``."""
    n, n_frames = traces.shape
    step = max(1, _BLOCK_BYTES // max(1, n_frames * traces.dtype.itemsize))
    for start in range(0, n, step):
        rows = slice(start, min(start + step, n))
        yield rows, traces[rows]
