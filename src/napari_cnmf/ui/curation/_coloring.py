"""Colours of components by what is known of them, with their legend."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.model.clusters import cluster_traces
from napari_cnmf.ui.curation._actions import Tag, color_of
from napari_cnmf.ui.curation._columns import Figures
from napari_cnmf.ui.layers._colors import figure_range, figure_rgba, group_rgba

if TYPE_CHECKING:
    from napari_cnmf.model.components import Components
    from napari_cnmf.model.curation import Curation


class ColorBy(StrEnum):
    """Choices of what components are coloured by, as the box in the dock offers them."""

    DECISION = "decision"
    SNR = "SNR"
    R = "r"
    P_CELL = "p(cell)"
    AREA = "area"
    EVENTS = "events"
    ELONGATION = "elongation"
    NOISE = "noise"
    CLASS = "class"
    TAG = "tag"
    CLUSTER = "cluster"


_N_CLUSTERS = 8


def colors_by(
    what: ColorBy,
    components: Components,
    ids: NDArray[np.intp],
    cur: Curation,
    tags: Sequence[Tag] = (),
) -> tuple[NDArray[np.float32] | None, str]:
    """Colours ``(n_components, 4)`` and a legend as HTML; ``None`` for those of the decisions.

    A component with several tags has the colour of the first, as in the table. Clusters and events
    take a moment: not on the GUI thread.

    Parameters
    ----------
    tags
        What the keys give, with the colours that were chosen.
    """
    if what is ColorBy.DECISION:
        return None, ""
    if what in (ColorBy.CLASS, ColorBy.TAG, ColorBy.CLUSTER):
        groups = _groups(what, components, ids, cur)
        chosen = {name: color_of(name, tags) for name in cur.all_tags}
        rgba, legend = group_rgba(groups, chosen if what is ColorBy.TAG else None)
        named = " ".join(f"<span style='color:{c}'>■</span> {n}" for n, c in legend.items())
        return rgba, named or f"no component has a {what}"
    values = Figures.of(components, ids).metrics.get(what, np.full(len(ids), np.nan))
    low, high = figure_range(values)
    if not np.isfinite(values).any():
        return figure_rgba(values), f"the result has no {what}"
    return figure_rgba(values), f"dark {low:.3g} … bright {high:.3g}"


def _groups(
    what: ColorBy, components: Components, ids: NDArray[np.intp], cur: Curation
) -> list[str]:
    if what is ColorBy.TAG:
        return [min(cur.tags(i), default="") for i in ids.tolist()]
    if what is ColorBy.CLASS:
        n = components.n_components
        return [str(c) for c in components.classes] if components.classes is not None else [""] * n
    clusters = cluster_traces(components.C, _N_CLUSTERS)
    return [str(c + 1) if c >= 0 else "" for c in clusters.tolist()]
