"""Results as layer data, without a viewer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import dask.array as da
import numpy as np
import pytest

from napari_cnmf.model.components import Components
from napari_cnmf.model.movie import Movie
from napari_cnmf.model.verdict_colors import VERDICT_COLORS
from napari_cnmf.ui.layers import (
    KIND,
    Drawing,
    Verdict,
    components_to_layers,
    verdict_rgba,
    verdicts,
)
from napari_cnmf.ui.layers._colors import label_colormap

HISTORY = [{"step": "cnmf", "engine": "builtin", "version": "1", "params": {}, "input": "x.tif"}]


def by_kind(layers: list[Any]) -> dict[str, Any]:
    return {keywords["metadata"][KIND]: (data, keywords, kind) for data, keywords, kind in layers}


def test_every_layer_of_a_result_with_its_movie(components: Components, movie: Movie) -> None:
    layers = by_kind(components_to_layers(components, name="cells", movie=movie, history=HISTORY))
    stacks = ["raw", "denoised", "background", "residual"]
    assert list(layers) == [*stacks, "mean", "correlation", "components", "selection"]
    for name in stacks:
        data, keywords, kind = layers[name]
        assert kind == "image"
        assert isinstance(data, da.Array)
        assert data.shape == (50, 40, 52)
        assert set(data.chunks[0]) == {1}
        assert keywords["cache"] is False
        assert keywords["multiscale"] is False
        low, high = keywords["contrast_limits"]
        assert low < high
    assert layers["components"][2] == "labels"
    assert layers["components"][0].dtype == np.uint16
    assert layers["selection"][2] == "shapes"
    for _, keywords, _ in layers.values():
        assert keywords["metadata"]["history_trace"] == HISTORY
        assert keywords["name"].endswith("· cells")


def test_stacks_add_up_to_the_movie(components: Components, movie: Movie) -> None:
    layers = by_kind(components_to_layers(components, movie=movie))
    frame = {name: np.asarray(layers[name][0][17]) for name in ("raw", "denoised", "background")}
    expected = frame["raw"] - frame["denoised"] - frame["background"]
    np.testing.assert_allclose(np.asarray(layers["residual"][0][17]), expected, atol=1e-4)


def test_one_image_alone_is_visible(components: Components, movie: Movie) -> None:
    for given, first in ((movie, "raw"), (None, "denoised")):
        layers = by_kind(components_to_layers(components, movie=given))
        images = [
            k
            for k, (_, keywords, kind) in layers.items()
            if kind == "image" and keywords["visible"]
        ]
        assert images == [first]


def test_without_movie_there_is_no_raw_and_no_residual(components: Components) -> None:
    layers = by_kind(components_to_layers(components))
    assert "raw" not in layers
    assert "residual" not in layers


def test_a_volume(
    components_3d: Components, explained_movie: Callable[[Components], Movie]
) -> None:
    movie = replace(explained_movie(components_3d), pixel_size_um=(5.0, 2.0, 1.5))
    layers = by_kind(components_to_layers(components_3d, movie=movie))
    assert layers["raw"][0].shape == (50, 5, 28, 40)
    assert layers["raw"][1]["scale"] == (1.0, 5.0, 2.0, 1.5)
    labels, keywords, _ = layers["components"]
    fine = np.array(labels.shape) * keywords["scale"]
    np.testing.assert_allclose(fine, np.array([5, 28, 40]) * (5.0, 2.0, 1.5))
    assert layers["selection"][1]["ndim"] == 3


@pytest.mark.parametrize("kept", [[], [0]])
def test_few_components(components: Components, movie: Movie, kept: list[int]) -> None:
    layers = by_kind(components_to_layers(components.take(kept), movie=movie))
    assert int(layers["components"][0].max()) == len(kept)
    assert np.asarray(layers["denoised"][0][3]).shape == (40, 52)


def test_scores_that_are_not_finite_do_no_harm(components: Components, movie: Movie) -> None:
    trace = components.C.copy()
    trace[0] = np.nan
    odd = components.replace(C=trace, snr=np.array([np.inf, np.nan, 1, 2, 3]))
    layers = by_kind(components_to_layers(odd, movie=movie))
    low, high = layers["denoised"][1]["contrast_limits"]
    assert low == 0
    assert np.isfinite(high)


def test_labels_lie_over_their_field_pixels(components: Components) -> None:
    """World coordinates of a label pixel are those of the field pixel below it."""
    drawing = Drawing(components)
    _, keywords, _ = by_kind(components_to_layers(components, drawing=drawing))["components"]
    where = np.argwhere(drawing.filled == 1)
    world = where * keywords["scale"] + keywords["translate"]
    np.testing.assert_allclose(world.mean(axis=0), (8, 10), atol=0.1)


def test_colormap_gives_each_label_its_colour() -> None:
    rgba = np.random.default_rng(0).random((700, 4)).astype(np.float32)
    colormap = label_colormap(rgba, hidden=np.arange(700) == 9)
    got = colormap.map(np.arange(701, dtype=np.uint16))
    np.testing.assert_allclose(got[0], 0)
    np.testing.assert_allclose(got[10], 0)
    np.testing.assert_allclose(
        np.delete(got, [0, 10], axis=0), np.delete(rgba, 9, axis=0), atol=1e-6
    )


def test_verdicts_have_colours_of_their_own(components: Components) -> None:
    assert list(verdicts(components)) == [
        "accepted",
        "rejected",
        "accepted",
        "rejected",
        "accepted",
    ]
    assert set(verdicts(components.replace(accepted=None))) == {"unjudged"}
    colors = verdict_rgba(np.array([v.value for v in Verdict]))
    assert len({tuple(c) for c in colors}) == len(VERDICT_COLORS) == len(Verdict)


def test_what_lies_under_a_pixel(components: Components) -> None:
    drawing = Drawing(components)
    assert drawing.components_at((8, 10)) == [0]
    assert drawing.components_at((0, 0)) == []
    assert drawing.components_at((-1, 10)) == []
    assert drawing.components_at((8, 52)) == []
    assert drawing.components_at((20, 14)) == [2, 3]
    assert drawing.components_at((20, 15)) == [3, 2]
