"""One picture of a result: mean image, correlation image with contours, some traces."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf._atomic import replacing
from napari_cnmf.model.pictures import draw_contours

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from napari_cnmf.batch import Item
    from napari_cnmf.model.components import Components

_N_TRACES = 8
_LEVEL = 0.2
"""Share of a footprint's peak that its outline runs at: the whole cell, not its core."""


def draw_result(item: Item, path: Path) -> None:
    """Draw the result of a completed item to a PNG; a volume by its maximum along z."""
    # The object interface: no window system, no global state.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from napari_cnmf.io.caiman import read_caiman

    components = read_caiman(item.result_path)
    images = item.images()
    figure = Figure(figsize=(13, 9), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    panels = figure.subplot_mosaic(
        [["mean", "contours"], ["traces", "traces"]], height_ratios=[3, 2]
    )
    show_image(panels["mean"], _find(images, "mean"), "Mean image")
    show_image(panels["contours"], _find(images, "corr"), "Local correlation and cells")
    draw_contours(
        panels["contours"],
        components,
        np.arange(components.n_components),
        _accepted(components),
        level=_LEVEL,
    )
    draw_traces(panels["traces"], components)
    figure.suptitle(
        f"{item.name}: {components.n_components} found, {_accepted(components).sum()} accepted"
    )
    with replacing(path) as beside:
        canvas.print_figure(beside, format="png", dpi=110)


def show_image(axes: Axes, image: NDArray[Any], title: str) -> None:
    """Show an image with limits that a few bright pixels do not decide."""
    low, high = np.nanpercentile(image, (1, 99.7))
    axes.imshow(image, cmap="gray", vmin=low, vmax=max(high, low + 1e-9), interpolation="nearest")
    axes.set_title(title)
    axes.set_axis_off()


def draw_traces(axes: Axes, components: Components) -> None:
    """Draw raw and denoised traces of the accepted cells with the best scores."""
    rate = components.frame_rate_hz or 1.0
    time = np.arange(components.n_frames) / rate
    order = np.flatnonzero(_accepted(components))
    if components.snr is not None:
        order = order[np.argsort(-np.nan_to_num(components.snr[order]))]
    for row, index in enumerate(order[:_N_TRACES]):
        denoised = components.C[index]
        raw = denoised if components.YrA is None else denoised + components.YrA[index]
        scale = max(float(np.ptp(raw)), 1e-9)
        axes.plot(time, (raw - raw.min()) / scale - row, color="0.7", linewidth=0.6)
        axes.plot(time, (denoised - raw.min()) / scale - row, linewidth=1.0)
    axes.set_xlabel("Time (s)" if components.frame_rate_hz else "Frame")
    axes.set_yticks([])
    axes.set_title("Traces: raw (grey) and denoised")
    axes.margins(x=0)


def _accepted(components: Components) -> NDArray[np.bool_]:
    if components.accepted is None:
        return np.ones(components.n_components, dtype=bool)
    return components.accepted


def _find(images: dict[str, NDArray[np.float32]], part: str) -> NDArray[Any]:
    """Image whose name holds ``part``, as a plane; the first image when there is none."""
    name = next((name for name in images if part in name), next(iter(images)))
    image = images[name]
    return image if image.ndim == 2 else image.max(axis=0)
