"""Lines of bidirectional scans."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from napari_cnmf.core.movie.source import ArraySource


def scanned_movie(offset_px: float, later_px: float | None = None) -> NDArray[np.uint16]:
    """Textured frames that wander, odd lines displaced along x, otherwise in the second half."""
    offsets = np.where(np.arange(60) < 30, offset_px, offset_px if later_px is None else later_px)
    rng = np.random.default_rng(7)
    scene = ndimage.gaussian_filter(rng.standard_normal((120, 140)), 1.5)
    scene = 30 + 15 * scene / scene.std()
    y, x = np.mgrid[:64, :80] + 20.0
    movie = np.empty((60, 64, 80), np.uint16)
    for t, (dy, dx) in enumerate(rng.normal(0, 2, (60, 2))):
        columns = x - dx
        columns[1::2] -= offsets[t]
        frame = ndimage.map_coordinates(scene, [y - dy, columns], order=3)
        movie[t] = rng.poisson(np.maximum(frame, 0.1))
    return movie


@pytest.mark.parametrize("offset_px", [1.4, -2.0])
def test_offset_is_found_and_taken_out(offset_px: float) -> None:
    from napari_cnmf.core.motion.scanner import AlignedLines, find_line_offset

    movie = scanned_movie(offset_px)
    source = ArraySource(movie)
    found = find_line_offset(source)
    assert found.typical_px == pytest.approx(offset_px, abs=0.1)
    assert not found.changes
    aligned = AlignedLines(source, found.px)
    assert not find_line_offset(aligned).is_there
    frames = aligned.read(3, 9)
    np.testing.assert_array_equal(frames[:, ::2], movie[3:9, ::2])
    still = scanned_movie(0.0)[3:9, 1::2, 8:-8].astype(float)
    assert np.corrcoef(frames[:, 1::2, 8:-8].ravel(), still.ravel())[0, 1] > 0.75
    buffer = np.empty_like(frames)
    np.testing.assert_array_equal(aligned.read(3, 9, buffer), frames)


def test_no_offset_is_not_invented() -> None:
    from napari_cnmf.core.motion.scanner import find_line_offset

    assert not find_line_offset(ArraySource(scanned_movie(0.0))).is_there
    noise = np.random.default_rng(0).poisson(50, (60, 64, 64)).astype(np.uint16)
    assert not find_line_offset(ArraySource(noise)).is_there
    assert not find_line_offset(ArraySource(noise * 0)).is_there


@pytest.mark.parametrize(("first_px", "later_px"), [(-0.4, 1.6), (0.0, 1.0)])
def test_an_offset_that_changes_is_followed(first_px: float, later_px: float) -> None:
    from napari_cnmf.core.motion.scanner import AlignedLines, find_line_offset

    source = ArraySource(scanned_movie(first_px, later_px))
    found = find_line_offset(source)
    assert found.changes
    assert found.px[5] == pytest.approx(first_px, abs=0.15)
    assert found.px[-5] == pytest.approx(later_px, abs=0.15)
    frames = AlignedLines(source, found.px).read(50, 60)
    still = scanned_movie(0.0)[50:60, 1::2, 8:-8].astype(float)
    assert np.corrcoef(frames[:, 1::2, 8:-8].ravel(), still.ravel())[0, 1] > 0.75
