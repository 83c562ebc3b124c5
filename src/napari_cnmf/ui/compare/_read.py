"""Reads the results that are laid side by side, off the GUI thread."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.errors import CnmfError, ResultError
from napari_cnmf.model.agreement import shared_components
from napari_cnmf.model.curation import Curation
from napari_cnmf.params import CNMFParams
from napari_cnmf.ui.batch._read_details import as_picture

if TYPE_CHECKING:
    from napari_cnmf.batch import Batch, Item

Path2D = NDArray[np.float32]
"""Vertices ``(n, 2)`` as (x, y), polygons apart by a row of NaN."""


@dataclass(frozen=True, eq=False)
class ComparedResult:
    """One of the compared results.

    Attributes
    ----------
    n_found, n_accepted
        Components; accepted with the decisions of the curation.
    n_shared
        Of the accepted ones, how many the first result has accepted too; ``None`` for the first.
    scores
        ``{"SNR": (n_found,), ...}``, those that the result has.
    accepted_path, rejected_path
        Contours.
    pictures
        Summary images ``(Y, X)`` by name.
    """

    uuid: str
    name: str
    n_found: int
    n_accepted: int
    n_shared: int | None
    dims: tuple[int, ...]
    scores: dict[str, NDArray[np.float64]]
    accepted_path: Path2D
    rejected_path: Path2D
    pictures: dict[str, NDArray[np.uint8]] = field(default_factory=dict)
    params: CNMFParams = field(default_factory=CNMFParams)


def read_compared(
    batch: Batch, uuids: Sequence[str]
) -> Generator[str, None, tuple[ComparedResult, ...]]:
    """Read results of one field, with the decisions made about them.

    Raises
    ------
    CnmfError
        When one has no result, or the fields differ.
    """
    read: list[ComparedResult] = []
    first: tuple[tuple[int, ...], Any] | None = None
    for uuid in uuids:
        item = batch[uuid]
        yield f"reading {item.name}"
        curation = item.result()
        components = curation.components
        accepted = components.A[:, np.flatnonzero(curation.accepted)]
        if first is not None and components.dims != first[0]:
            raise ResultError(
                f"Results must be of one movie to be compared: {item.name!r} has a field of "
                f"{components.dims} pixels, {read[0].name!r} of {first[0]}. Select others."
            )
        shared = None if first is None else len(shared_components(first[1], accepted))
        first = first or (components.dims, accepted)
        yield f"drawing {item.name}"
        read.append(_describe(item, curation, shared))
    return tuple(read)


def _describe(item: Item, curation: Curation, n_shared: int | None) -> ComparedResult:
    components, accepted = curation.components, curation.accepted
    contours = curation.contours()
    lines = [contours[int(i)] for i in curation.ids]
    scores = {"SNR": components.snr, "r": components.r_values, "p(cell)": components.cnn_preds}
    n = components.n_components
    return ComparedResult(
        uuid=item.uuid,
        name=item.name,
        n_found=n,
        n_accepted=int(accepted.sum()),
        n_shared=n_shared,
        dims=components.dims,
        scores={
            name: np.asarray(values, float)
            for name, values in scores.items()
            if values is not None and 0 < np.size(values) == n
        },
        accepted_path=as_path([line for row in np.flatnonzero(accepted) for line in lines[row]]),
        rejected_path=as_path([line for row in np.flatnonzero(~accepted) for line in lines[row]]),
        pictures=_pictures(item),
        params=item.params,
    )


def _pictures(item: Item) -> dict[str, NDArray[np.uint8]]:
    try:
        return {name: as_picture(image) for name, image in item.images().items()}
    except CnmfError:
        # Removed by hand, or never made: contours are shown on an empty field.
        return {}


def as_path(contours: Sequence[NDArray[np.float64]]) -> Path2D:
    """Painter path of many contours; of a volume all planes lie over each other."""
    if not contours:
        return np.empty((0, 2), np.float32)
    gap = np.full((1, 2), np.nan)
    # Pixel centres stand at integers in a contour, and at halves in an image item.
    pieces = [part for line in contours for part in (line[:, [-1, -2]] + 0.5, gap)]
    return np.concatenate(pieces[:-1]).astype(np.float32)
