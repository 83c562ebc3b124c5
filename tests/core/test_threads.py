"""Workers: the same result and the same errors on one thread and on several."""

from __future__ import annotations

import threading

import pytest

from napari_cnmf.core.base.threads import Workers
from napari_cnmf.errors import CancelledByUser


@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_results_come_in_order_of_the_pieces(n_threads: int) -> None:
    with Workers(n_threads) as workers:
        assert workers.map(lambda i: i * i, range(100)) == [i * i for i in range(100)]
        assert workers.map(str, []) == []
        seen: list[tuple[int, int]] = []
        workers.ranges(lambda a, b: seen.append((a, b)), 10, 4)
    assert sorted(seen) == [(0, 4), (4, 8), (8, 10)]


def test_all_threads_take_pieces() -> None:
    together = threading.Barrier(3, timeout=30)
    with Workers(3) as workers:
        threads = workers.map(lambda _: (together.wait(), threading.get_ident())[1], range(3))
    assert len(set(threads)) == 3


@pytest.mark.parametrize("n_threads", [1, 3])
def test_an_error_ends_the_rest_and_comes_out_as_it_is(n_threads: int) -> None:
    started: list[int] = []
    failed = threading.Event()

    def work(i: int) -> None:
        started.append(i)
        if i == 5:
            failed.set()
            raise IndexError("piece 5")
        if i > 5:
            failed.wait(30)

    with Workers(n_threads) as workers:
        with pytest.raises(IndexError, match="piece 5"):
            workers.map(work, range(10_000))
        assert len(started) < 10_000
        assert workers.map(abs, range(3)) == [0, 1, 2]


def test_of_several_errors_the_first_piece_s_is_raised() -> None:
    together = threading.Barrier(3, timeout=30)

    def work(i: int) -> None:
        together.wait()
        raise ValueError(f"piece {i}")

    with Workers(3) as workers, pytest.raises(ValueError, match="piece 0"):
        workers.map(work, range(3))


@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_stop_waits_for_the_pieces_at_work_and_drops_the_rest(n_threads: int) -> None:
    started, ended = [], []
    stopped = threading.Event()

    def check() -> None:
        stopped.set()
        raise CancelledByUser("stop")

    def work(i: int) -> None:
        started.append(i)
        # One thread is asked between pieces, where there are several one waits and is asked.
        stopped.wait(30 if n_threads > 1 else 0.2)
        ended.append(i)

    with Workers(n_threads, check) as workers, pytest.raises(CancelledByUser):
        workers.map(work, range(1000))
    assert 0 < len(started) < 1000
    assert sorted(started) == sorted(ended)


def test_pieces_may_be_cut_again() -> None:
    asked: list[int] = []

    def check() -> None:
        asked.append(threading.get_ident())

    with Workers(2, check) as workers:
        workers.map(lambda _: workers.map(lambda _: threading.Event().wait(0.06), "abc"), "abcd")
        assert set(asked) == {threading.get_ident()}
        assert workers.map(lambda i: sum(workers.map(abs, range(-i, 0))), range(5)) == [
            0, 1, 3, 6, 10,
        ]  # fmt: skip
