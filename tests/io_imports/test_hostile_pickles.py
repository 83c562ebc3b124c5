"""Pickles of other programs: nothing runs, no type is built, and little cannot become much."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_cnmf.errors import BatchError, ResultError
from napari_cnmf.io.pickled import read_object_array, read_plain_array
from napari_cnmf.io.table_pickle import read_table_pickle


def npy(path: Path, content: bytes, shape: str = "()") -> Path:
    header = f"{{'descr': '|O', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    path.write_bytes(
        b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + content
    )
    return path


def laughs(depth: int) -> bytes:
    """A pickle of some hundred bytes that means ten to the power of ``depth`` values."""
    value: list[Any] = ["ha"]
    for _ in range(depth):
        value = [value] * 10
    return pickle.dumps(value)


def test_arrays_of_every_protocol_come_back(tmp_path: Path) -> None:
    stored = {
        "f": np.arange(6.0, dtype=">f4").reshape(2, 3), "F": np.asfortranarray(np.eye(3)),
        "b": np.array([True, False]), "s": np.array(["a", "bc"]), "n": np.float32(2.5),
        "o": np.array([{"x": 1}, None], dtype=object), "p": Path("a/b"), "t": (1, "zwei", None),
    }  # fmt: skip
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        path = npy(tmp_path / "a.npy", pickle.dumps(np.array(stored, dtype=object), protocol))
        found = read_object_array(path)
        for name in ("f", "F", "b", "s"):
            np.testing.assert_array_equal(found[name], stored[name])
        assert (found["n"], found["t"], found["o"][0]) == (2.5, (1, "zwei", None), {"x": 1})


@pytest.mark.parametrize(
    "code",
    ["V16", "O8,O8", "i4,f4", "(1000000000,)f8", "S99999999", "object", {"names": ["a"]}, 7, None],
)
def test_types_of_a_pickle_s_own_are_not_built(tmp_path: Path, code: Any) -> None:
    class Crafted:
        def __reduce__(self) -> tuple[Any, ...]:
            return np.dtype, (code, False, True)

    class Array:
        def __reduce__(self) -> tuple[Any, ...]:
            made = np.zeros(1).__reduce__()
            return made[0], made[1], (1, (1,), Crafted(), False, b"\0" * 16)

    path = npy(tmp_path / "a.npy", pickle.dumps(Array(), 2))
    with pytest.raises(ResultError, match=r"no number and no text|an array"):
        read_object_array(path)


def test_a_billion_laughs(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="more values than a file of its size"):
        read_object_array(npy(tmp_path / "a.npy", laughs(9)))
    table = tmp_path / "table.pickle"
    table.write_bytes(laughs(9))
    with pytest.raises(BatchError, match="more values than a file of its size"):
        read_table_pickle(table)


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04Nr\xff\xff\xff\x7f.",  # a place for two thousand million values
        b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"x.",  # bytes that are not there
        b"\x80\x02" + b"(" * 100_000 + b".",
    ],
)
def test_lengths_are_not_believed(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ResultError, match="must be an array as suite2p writes it"):
        read_object_array(npy(tmp_path / "a.npy", content))


def test_a_plain_array_that_claims_more_than_there_is(tmp_path: Path) -> None:
    path = tmp_path / "F.npy"
    np.save(path, np.zeros((3, 4)))
    content = path.read_bytes().replace(b"(3, 4)", b"(3000000, 400000)")
    path.write_bytes(content[:128] + content[-96:])
    with pytest.raises(ResultError, match="must hold an array of numbers"):
        read_plain_array(path)
