"""Converts a result to layer data: pure, no viewer."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import numpy as np

from napari_cnmf.model.components import Components
from napari_cnmf.model.movie import Movie
from napari_cnmf.ui.layers._colors import label_colormap, verdict_rgba, verdicts
from napari_cnmf.ui.layers._drawing import Drawing
from napari_cnmf.ui.layers._stacks import (
    contrast_limits,
    image_limits,
    lazy_stacks,
    sampled_limits,
)
from napari_cnmf.ui.layers._tiles import Tiles

LayerData = tuple[Any, dict[str, Any], str]
"""napari's layer data tuple: data, keyword arguments, layer type."""

KIND = "napari_cnmf_kind"
"""Key of a layer's metadata that says which part of a result it is."""

# Verdicts are told by colour, so what lies below them is gray.
_COLORMAPS = {"residual": "PiYG"}
IMAGE_KINDS = ("mean", "max", "std", "correlation", "pnr")
"""Summary images of a result, bottom first."""


def components_to_layers(
    components: Components,
    *,
    name: str = "result",
    movie: Movie | None = None,
    history: Sequence[dict[str, Any]] = (),
    drawing: Drawing | None = None,
) -> list[LayerData]:
    """Convert a result to everything that napari shows of it, bottom layer first.

    Parameters
    ----------
    components
        The result.
    name
        Goes behind the kind in the layers' names.
    movie
        The recording it was made from; without it raw and residual are missing.
    history
        The chain of items that led here, for every layer's ``metadata["history_trace"]``.
    drawing
        Of the same components, where it exists already.

    Returns
    -------
    list of tuple
        ``raw``, ``denoised``, ``background``, ``residual`` as lazy images ``(T, [Z], Y, X)``, the
        summary images ``([Z], Y, X)``, ``components`` as one Labels layer and ``selection`` as an
        empty Shapes layer.

    Notes
    -----
    Reads a few frames for the contrast limits: call it off the GUI thread.
    """
    drawing = drawing or Drawing(components)
    scale = pixel_scale(components, movie)
    common = _Common(name, scale, list(history))
    layers: list[LayerData] = []
    stacks = lazy_stacks(components, movie)
    for kind, stack in stacks.items():
        limits = contrast_limits(kind, stack, components)
        layers.append(common.image(kind, stack, limits, (1.0, *scale)))
    for kind in IMAGE_KINDS:
        if kind in components.images:
            image = components.images[kind]
            layers.append(common.image(kind, image, image_limits(image), scale))
    _show_first(layers)
    layers.append(_labels_layer(drawing, common))
    layers.append(_selection_layer(components, common))
    return layers


def shown_first(layer_data: Sequence[LayerData]) -> list[LayerData]:
    """Layers of a result that are seen when it is opened."""
    return [layer for layer in layer_data if layer[1].get("visible", True)]


def movie_to_layer(movie: Movie, *, name: str, metadata: dict[str, Any]) -> LayerData:
    """Convert a movie to a lazy image layer with fixed contrast; reads a few frames for that."""
    n_axes = len(movie.dims)
    size = movie.pixel_size_um if movie.pixel_size_um is not None else (1.0,) * n_axes
    keywords = {
        "name": name,
        "metadata": metadata,
        "contrast_limits": sampled_limits(movie.data),
        "multiscale": False,
        "cache": False,
        "scale": (1.0, *size),
        "axis_labels": axis_labels(n_axes, with_time=True),
    }
    return movie.data, keywords, "image"


def beside(movie: Movie, other: LayerData, *, name: str) -> LayerData:
    """Place a movie to the right of another one, with the same contrast, scale and axes."""
    data, keywords, _ = other
    gap = Tiles(tuple(data.shape[1:]), 2).offsets[1][1] * keywords["scale"][-1]
    mine = keywords | {
        "name": name,
        "metadata": {"paths": [str(path) for path in movie.paths]},
        "translate": (*(0.0 for _ in keywords["scale"][:-1]), gap),
    }
    return movie.data, mine, "image"


def axis_labels(n_axes: int, *, with_time: bool) -> tuple[str, ...]:
    """Names of a layer's axes, ``n_axes`` of them in the field: napari's slider says them."""
    field = ("z", "y", "x")[-n_axes:]
    return ("time", *field) if with_time else field


def pixel_scale(components: Components, movie: Movie | None) -> tuple[float, ...]:
    """Micrometres per field pixel, ``([Z], Y, X)``, where the movie knows them, else 1."""
    size = movie.pixel_size_um if movie is not None else None
    if size is None or len(size) != len(components.dims):
        return (1.0,) * len(components.dims)
    return tuple(float(s) for s in size)


def image_keywords(kind: str, limits: tuple[float, float]) -> dict[str, Any]:
    """Layer options of an image that was computed on request."""
    return {"contrast_limits": limits, "multiscale": False, "colormap": stack_colormap(kind)}


def stack_colormap(kind: str) -> str:
    """The colormap of a stack that is seen alone."""
    return _COLORMAPS.get(kind, "gray")


class _Common:
    """Options that all layers of one result share."""

    def __init__(self, name: str, scale: tuple[float, ...], history: list[Any]) -> None:
        self.name = name
        self.scale = scale
        self.history = history

    def keywords(self, kind: str) -> dict[str, Any]:
        """Name and metadata of a layer of that kind."""
        return {
            "name": f"{kind} · {self.name}",
            "metadata": {KIND: kind, "history_trace": self.history},
        }

    def image(
        self, kind: str, data: Any, limits: tuple[float, float], scale: tuple[float, ...]
    ) -> LayerData:
        """Layer options of an image of that kind."""
        # Without limits napari computes them from frame 0 alone, without multiscale=False it may
        # compute everything; its dask cache would show stale frames after an edit.
        keywords = self.keywords(kind) | {
            "contrast_limits": limits,
            "multiscale": False,
            "cache": False,
            "scale": scale,
            "axis_labels": axis_labels(len(self.scale), with_time=len(scale) > len(self.scale)),
            "colormap": stack_colormap(kind),
            "blending": "translucent_no_depth",
            "visible": False,
        }
        return data, keywords, "image"


def _show_first(layers: list[LayerData]) -> None:
    """Show the lowest of the images: the raw movie, or what stands in for it."""
    if layers:
        layers[0][1]["visible"] = True


def _labels_layer(drawing: Drawing, common: _Common) -> LayerData:
    components = drawing.components
    scale = np.asarray(common.scale)
    keywords = common.keywords("components") | {
        "colormap": label_colormap(verdict_rgba(verdicts(components))),
        "scale": tuple(scale * drawing.scale),
        "translate": tuple(scale * drawing.offset),
        "axis_labels": axis_labels(len(common.scale), with_time=False),
        "opacity": 0.9,
        "blending": "translucent_no_depth",
    }
    return drawing.outlined, keywords, "labels"


def _selection_layer(components: Components, common: _Common) -> LayerData:
    keywords = common.keywords("selection") | {
        "ndim": len(components.dims),
        "scale": common.scale,
        "axis_labels": axis_labels(len(common.scale), with_time=False),
        "face_color": "transparent",
        "edge_width": edge_width(components),
        "opacity": 1.0,
        "blending": "translucent_no_depth",
    }
    return [], keywords, "shapes"


def edge_width(components: Components) -> float:
    """Width of a selected contour in field pixels: about the same on screen for any field."""
    return max(components.dims[-2:]) / 320


class Arrangement(StrEnum):
    """Arrangement of the stacks that are switched on."""

    ABOVE = "one above the other"
    BESIDE = "side by side"
    BLENDED = "blended"
    VERDICTS = "accepted beside rejected"
    """The stack on top twice: accepted components on the left copy, rejected ones on the right."""


STACK_KINDS = ("raw", "denoised", "background", "residual")
"""Lazy stacks of a result, bottom first."""

BLEND_COLORMAPS = {"raw": "gray", "denoised": "green", "background": "blue", "residual": "magenta"}
"""Of the stacks when they are added up."""
