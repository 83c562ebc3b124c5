"""Lazy movies against dense linear algebra."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
import pytest
import scipy.sparse as sp

from napari_cnmf.errors import ResultError
from napari_cnmf.model.components import Components
from napari_cnmf.model.movie import Movie
from napari_cnmf.model.reconstruction import background, denoised, residual

T = 11


def make(dims: tuple[int, ...], *, ring_step: int = 0, nb: int = 2, n: int = 4) -> Components:
    rng = np.random.default_rng(5)
    n_pixels = int(np.prod(dims))
    extra: dict[str, Any] = {}
    if ring_step:
        n_nodes = int(np.prod([(size - 1) // ring_step + 1 for size in dims]))
        extra["W"] = sp.random(n_nodes, n_nodes, density=0.2, format="csr", random_state=rng)
        extra["b0"] = rng.random(n_pixels)
    elif nb:
        extra = {"b": rng.random((n_pixels, nb)), "f": rng.random((nb, T))}
    return Components(
        A=sp.random(n_pixels, n, density=0.3, format="csc", random_state=rng),
        C=rng.random((n, T)),
        dims=dims,
        accepted=np.arange(n) % 2 == 0,
        **extra,
    )


def movie_of(components: Components) -> np.ndarray:
    rng = np.random.default_rng(6)
    return rng.integers(0, 50, (components.n_frames, *components.dims)).astype(np.uint16)


def dense_signal(components: Components) -> np.ndarray:
    return (components.A.toarray() @ components.C).T.reshape(T, *components.dims)


def ring_reference(components: Components, movie: np.ndarray, step: int) -> np.ndarray:
    """Block means, weights, nearest neighbour, one pixel after the other."""
    ny, nx = components.dims
    gy, gx = (ny - 1) // step + 1, (nx - 1) // step + 1
    b0 = components.b0.reshape(ny, nx)
    rest = movie - dense_signal(components) - b0
    means = np.zeros((T, gy, gx))
    for y in range(gy):
        for x in range(gx):
            block = rest[:, y * step : (y + 1) * step, x * step : (x + 1) * step]
            means[:, y, x] = block.mean(axis=(1, 2))
    predicted = (components.W.toarray() @ means.reshape(T, -1).T).T.reshape(T, gy, gx)
    result = np.empty((T, ny, nx))
    for y in range(ny):
        for x in range(nx):
            result[:, y, x] = predicted[:, y // step, x // step] + b0[y, x]
    return result


@pytest.mark.parametrize("dims", [(7, 9), (3, 5, 4)])
def test_low_rank(dims: tuple[int, ...]) -> None:
    components = make(dims)
    movie = movie_of(components)
    signal = dense_signal(components)
    behind = (components.b @ components.f).T.reshape(T, *dims)
    for stack, expected in (
        (denoised(components), signal),
        (components.denoised, signal),
        (background(components), behind),
        (residual(components, movie), movie - signal - behind),
    ):
        assert stack.dtype == np.float32
        assert stack.chunks == ((1,) * T, *((n,) for n in dims))
        np.testing.assert_allclose(stack.compute(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("step", [1, 2, 3])
@pytest.mark.parametrize("dims", [(7, 10), (8, 9)])
def test_ring(dims: tuple[int, int], step: int) -> None:
    components = make(dims, ring_step=step)
    movie = movie_of(components)
    expected = ring_reference(components, movie, step)
    lazy = Movie(data=da.from_array(movie, chunks=(4, 5, 5)), frame_rate_hz=10.0)
    np.testing.assert_allclose(background(components, lazy).compute(), expected, rtol=1e-4)
    rest = movie - dense_signal(components) - expected
    np.testing.assert_allclose(residual(components, lazy).compute(), rest, atol=1e-3)
    one_column = residual(components, lazy)[:, :, 3].compute()
    np.testing.assert_allclose(one_column, rest[:, :, 3], atol=1e-3)


KEYS: list[Any] = [
    3,
    -1,
    (slice(4, 5),),
    (slice(None), 2, 3),
    (slice(None), slice(None), 1),
    (5, slice(None, None, -1)),
    (slice(2, 9, 3), slice(1, 4)),
    (slice(8, 2, -2), 2),
    (Ellipsis, 2),
    (2, Ellipsis, slice(0, 2)),
    (slice(0, 0), 1),
    (np.int64(2), np.int64(1)),
    ([1, 4, 2], 0),
    np.arange(T) % 2 == 0,
]


@pytest.mark.parametrize("dims", [(6, 8), (3, 5, 4)])
@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_indexing_is_numpy_s(dims: tuple[int, ...], key: Any) -> None:
    components = make(dims)
    movie = movie_of(components)
    for stack in (denoised(components), residual(components, movie)):
        got, expected = stack[key], stack.compute()[key]
        assert got.shape == expected.shape
        assert np.shape(np.asarray(got)) == expected.shape
        np.testing.assert_allclose(np.asarray(got), expected, rtol=1e-5, atol=1e-5)


def test_out_of_bounds() -> None:
    with pytest.raises(IndexError):
        denoised(make((4, 5)))[T]


def test_small_requests_are_one_task() -> None:
    """A frame, a plane, a column over time: never one task for each frame."""
    stack = denoised(make((3, 5, 4)))
    for key in (3, (3, 1), (slice(None), 1, 2), (slice(None), 1)):
        assert stack[key].npartitions == 1
    assert stack[2:6].npartitions == 4


def test_long_crops_stay_frame_by_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_cnmf.model._lazy._ONE_TASK_ELEMENTS", 20)
    crop = denoised(make((6, 8)))[:, 1:4]
    assert crop.npartitions == T


def test_subsets() -> None:
    components = make((6, 8))
    A, C = components.A.toarray(), components.C
    chosen = (A[:, [3, 0]] @ C[[3, 0]]).T.reshape(T, 6, 8)
    np.testing.assert_allclose(denoised(components, ids=[3, 0]).compute(), chosen, rtol=1e-5)
    accepted = (A[:, ::2] @ C[::2]).T.reshape(T, 6, 8)
    got = denoised(components, accepted_only=True).compute()
    np.testing.assert_allclose(got, accepted, rtol=1e-5)
    both = denoised(components, ids=[3, 0], accepted_only=True).compute()
    np.testing.assert_allclose(both, np.outer(C[0], A[:, 0]).reshape(T, 6, 8), rtol=1e-5)


def test_no_components() -> None:
    components = make((6, 8), n=0)
    assert not denoised(components).compute().any()
    assert not np.asarray(denoised(components)[:, 2]).any()


def test_without_a_background() -> None:
    components = make((6, 8), nb=0)
    movie = movie_of(components)
    with pytest.raises(ResultError, match="holds no background"):
        background(components)
    expected = movie - dense_signal(components)
    np.testing.assert_allclose(residual(components, movie).compute(), expected, atol=1e-4)


def test_ring_needs_its_movie() -> None:
    components = make((7, 9), ring_step=1)
    with pytest.raises(ResultError, match="computed from the movie"):
        background(components)
    with pytest.raises(ResultError, match="must have the result's shape"):
        background(components, np.zeros((T, 7, 8)))


def test_ring_weights_of_another_field() -> None:
    components = make((7, 9), ring_step=1).replace(W=sp.csr_matrix((50, 50)))
    with pytest.raises(ResultError, match="no downsampling"):
        background(components, movie_of(components))
