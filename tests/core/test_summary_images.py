"""Summary images of a corrected movie, whose bins are made of parts where a field is large."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cnmf.core.movie import summary
from napari_cnmf.core.movie.source import ArraySource
from napari_cnmf.core.movie.summary import summary_images


@pytest.mark.parametrize("lost", [(), (40, 60), (41, 43)], ids=["whole", "a bin lost", "some lost"])
def test_images_do_not_depend_on_how_much_of_a_bin_is_held(
    monkeypatch: pytest.MonkeyPatch, lost: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(1)
    movie = rng.poisson(20 + 5 * rng.random((16, 24)), (407, 16, 24)).astype(np.uint16)
    movie[:, 5:9, 5:9] += rng.poisson(8 * (rng.random((407, 1, 1)) < 0.2), (407, 4, 4)).astype(
        np.uint16
    )
    if lost:
        movie[slice(*lost)] = 0
    at_once = summary_images(ArraySource(movie), frames_per_bin=20, n_threads=1)
    monkeypatch.setattr(summary, "_BYTES_A_PART", 5 * movie[0].nbytes)
    in_parts = summary_images(ArraySource(movie), frames_per_bin=20, n_threads=1)
    assert in_parts.keys() == at_once.keys()
    # A bin that lost some of its frames weighs its parts alike.
    tolerance = 0.02 if lost == (41, 43) else 1e-5
    for name, image in at_once.items():
        assert np.abs(in_parts[name] / image - 1).mean() < tolerance or (
            np.abs(in_parts[name] - image).mean() < tolerance
        )
