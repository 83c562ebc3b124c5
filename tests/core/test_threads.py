"""Workers: the same result and the same errors on one thread and on several."""

from __future__ import annotations

import threading

import pytest

from napari_cnmf.core._threads import Workers
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
    done: list[int] = []

    def work(i: int) -> None:
        if i == 5:
            raise IndexError("piece 5")
        done.append(i)

    with Workers(n_threads) as workers:
        with pytest.raises(IndexError, match="piece 5"):
            workers.map(work, range(10_000))
        assert len(done) < 10_000
        assert workers.map(abs, range(3)) == [0, 1, 2]


@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_stop_waits_for_the_pieces_at_work_and_drops_the_rest(n_threads: int) -> None:
    stop, running = threading.Event(), set()

    def check() -> None:
        if stop.is_set():
            raise CancelledByUser("stop")

    def work(i: int) -> None:
        running.add(i)
        if i == 3:
            stop.set()
        threading.Event().wait(0.02)
        running.discard(i)

    with Workers(n_threads, check) as workers, pytest.raises(CancelledByUser):
        workers.map(work, range(1000))
    assert not running
