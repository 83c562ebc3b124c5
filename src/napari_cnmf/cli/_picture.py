"""One picture of a result: mean image, correlation image with contours, some traces."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_cnmf._atomic import replacing
from napari_cnmf.model.curation import Curation

if TYPE_CHECKING:
    from napari_cnmf.batch import Item

_N_TRACES = 8


def draw_result(item: Item, path: Path) -> None:
    """Draw the result of a completed item to a PNG; a volume by its maximum along z."""
    from matplotlib.figure import Figure

    from napari_cnmf.io.caiman import read_caiman

    images = item.images()
    components = read_caiman(item.result_path).replace(images=images)
    cur = Curation(components)
    figure = Figure(figsize=(13, 9), layout="constrained")
    panels = figure.subplot_mosaic(
        [["mean", "contours"], ["traces", "traces"]], height_ratios=[3, 2]
    )
    cur.plot_contours([], ax=panels["mean"], image="mean").set_title("Mean image")
    last = "correlation" if "correlation" in images else "mean"
    contours = cur.plot_contours(ax=panels["contours"], image=last)
    contours.set_title("Local correlation and cells" if last == "correlation" else "Cells")
    best = cur.ids[cur.accepted]
    if components.snr is not None:
        best = best[np.argsort(-np.nan_to_num(components.snr[cur.accepted]))]
    cur.plot_traces(best[:_N_TRACES], ax=panels["traces"])
    figure.suptitle(f"{item.name}: {components.n_components} found, {cur.accepted.sum()} accepted")
    with replacing(path) as beside:
        figure.savefig(beside, format="png", dpi=110)
