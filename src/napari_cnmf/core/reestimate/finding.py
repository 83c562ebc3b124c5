"""New cells in what a result leaves unexplained, inside a drawn region."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.movie.source import ArraySource
from napari_cnmf.core.reestimate.box import box_of
from napari_cnmf.core.reestimate.local import Local
from napari_cnmf.core.reestimate.size import half_width
from napari_cnmf.core.run import run_cnmf
from napari_cnmf.errors import CurationError
from napari_cnmf.model.components import Components
from napari_cnmf.params import CNMFParams

_MOST_BYTES = 2 << 30
_WIDTHS_AROUND = 3
"""Half-widths of a cell around the region that are looked at too."""


def box_around(
    pixels: NDArray[np.int64], components: Components
) -> tuple[tuple[slice, ...], NDArray[np.int64]]:
    """Box of the region and some cells' width around it, and its pixels in C order.

    Raises
    ------
    CurationError
        When the region is too large to be looked through at once.
    """
    margin = _WIDTHS_AROUND * max(half_width(components))
    box, grid = box_of(pixels, components.dims, margin)
    if grid.size * components.n_frames * 4 > _MOST_BYTES:
        raise CurationError(
            f"A region of {grid.size} pixels over {components.n_frames} frames is too large to be "
            "looked through at once. Draw a smaller one, or refine all components."
        )
    return box, np.ascontiguousarray(grid.ravel(), np.int64)


def footprints_in(
    local: Local,
    box: tuple[slice, ...],
    region: NDArray[np.int64],
    *,
    components: Components,
    frame_rate_hz: float,
    decay_time: float,
) -> list[NDArray[np.float32]]:
    """Footprints ``(P,)`` of unit norm at the box's pixels: what the engine finds and accepts.

    Raises
    ------
    CurationError
        When there is nothing.
    """
    shape = tuple(part.stop - part.start for part in box)
    frames = np.ascontiguousarray(local.light.T).reshape(-1, *shape)
    inside = np.zeros(components.n_pixels, bool)
    inside[region] = True
    mask = inside[local.pixels].reshape(shape)
    params = CNMFParams().replace(
        init={"gSig": half_width(components)}, data={"decay_time": decay_time}
    )
    found = run_cnmf(
        ArraySource(frames), params, frame_rate_hz=frame_rate_hz, mask=mask, n_threads=1
    ).components
    accepted = np.ones(found.n_components, bool) if found.accepted is None else found.accepted
    columns = [
        found.A[:, [k]].toarray().ravel().astype(np.float32) for k in np.flatnonzero(accepted)
    ]
    if not columns:
        raise CurationError(
            "Nothing in the residual of that region looks like a cell. Draw the cell itself, or "
            "choose another region: the images of what was missed show where to look."
        )
    return [a / max(float(np.linalg.norm(a)), 1e-12) for a in columns]
