"""Separates scan fields of ScanImage: several regions that are stacked in one image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_cnmf.io.movies._recording import positive_or_none


@dataclass(frozen=True)
class ScanField:
    """One region of a recording with several.

    Attributes
    ----------
    name
        Its name and size, for messages.
    first, stop
        Rows of the image that show it.
    planes
        Numbers of the planes in which it lies.
    size_deg, n_pixels
        ``(x, y)`` size in degrees of the scanner, and in pixels.
    """

    name: str
    first: int
    stop: int
    planes: tuple[int, ...]
    size_deg: tuple[float, float]
    n_pixels: tuple[int, int]


def fields_of(
    regions: Mapping[str, Any], settings: Mapping[str, Any], n_planes: int, n_rows: int
) -> list[ScanField]:
    """Find the regions of an image, in the order of their rows; one or none for one field.

    Between two regions the scanner flies to the next one: these rows belong to neither, and are
    the same in number between all.

    Parameters
    ----------
    regions
        ScanImage's groups of regions.
    settings
        Its settings.
    n_planes
        Number of planes of a volume.
    n_rows
        Rows of an image.
    """
    rois = _rois(regions)
    if len(rois) < 2:
        return []
    depths = _depths(settings, n_planes)
    at: dict[int, list[tuple[int, int, int]]] = {}  # region: (plane, first row, stop row)
    for plane in range(n_planes):
        depth = depths[plane] if plane < len(depths) else None
        shown = [(k, one) for k, roi in enumerate(rois) if (one := _at_depth(roi, depth))]
        heights = [int(one["pixelResolutionXY"][1]) for _, one in shown]
        between = _rows_between(heights, n_rows)
        if between is None:
            return []
        row = 0
        for (k, _), height in zip(shown, heights, strict=True):
            at.setdefault(k, []).append((plane, row, row + height))
            row += height + between
    fields = []
    for k, places in sorted(at.items()):
        one = _scanfields(rois[k])[0]
        for rows in sorted({(first, stop) for _, first, stop in places}):
            planes = tuple(plane for plane, *mine in places if tuple(mine) == rows)
            x, y = (int(n) for n in one["pixelResolutionXY"])
            label = str(rois[k].get("name") or f"region {k + 1}")
            fields.append(
                ScanField(
                    f"{label} ({y} x {x} pixels, rows {rows[0]}-{rows[1] - 1})",
                    *rows,
                    planes,
                    (float(one["sizeXY"][0]), float(one["sizeXY"][1])),
                    (x, y),
                )
            )
    return fields


def spacing_of(
    regions: Mapping[str, Any], settings: Mapping[str, Any], chosen: ScanField | None
) -> dict[str, float]:
    """Pixel size in micrometres: size in degrees, times micrometres a degree, by the pixels."""
    spacing: dict[str, float] = {}
    step = positive_or_none(abs(float(settings.get("hStackManager.stackZStepSize") or 0)))
    if step is not None:
        spacing["Z"] = step
    per_degree = positive_or_none(settings.get("objectiveResolution"))
    try:
        if chosen is None:
            one = _scanfields(_rois(regions)[0])[0]
            sizes = [s / n for s, n in zip(one["sizeXY"], one["pixelResolutionXY"], strict=True)]
        else:
            sizes = [s / n for s, n in zip(chosen.size_deg, chosen.n_pixels, strict=True)]
    except (KeyError, TypeError, IndexError, ValueError, ZeroDivisionError):
        return spacing
    if per_degree is not None and all(np.isfinite(size) and size > 0 for size in sizes):
        spacing |= {"X": sizes[0] * per_degree, "Y": sizes[1] * per_degree}
    return spacing


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _rois(regions: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    group = regions.get("imagingRoiGroup") or {}
    group = group[0] if isinstance(group, list) and group else group
    if not isinstance(group, Mapping):
        return []
    found = [roi for roi in _listed(group.get("rois")) if isinstance(roi, Mapping)]
    return [roi for roi in found if _scanfields(roi)]


def _scanfields(roi: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = [one for one in _listed(roi.get("scanfields")) if isinstance(one, Mapping)]
    return [one for one in found if len(_listed(one.get("pixelResolutionXY"))) == 2]


def _depths(settings: Mapping[str, Any], n_planes: int) -> list[float]:
    for name in ("hStackManager.zs", "hFastZ.userZs"):
        values = np.ravel(settings.get(name, ()))
        if values.size == n_planes and values.dtype.kind in "if":
            return [float(v) for v in values]
    return []


def _at_depth(roi: Mapping[str, Any], depth: float | None) -> Mapping[str, Any] | None:
    """The scan field of a region at a depth; ``None`` where the region is not scanned there."""
    fields = _scanfields(roi)
    values = np.ravel(_listed(roi.get("zs")))
    zs = [float(v) for v in values] if values.dtype.kind in "if" else []
    is_discrete = bool(roi.get("discretePlaneMode"))
    if depth is None or not zs or (len(zs) == 1 and not is_discrete):
        return fields[0]
    near = int(np.argmin(np.abs(np.array(zs) - depth)))
    if is_discrete and abs(zs[near] - depth) > 1e-6:
        return None
    if not is_discrete and not min(zs) <= depth <= max(zs):
        return None
    return fields[min(near, len(fields) - 1)]


def _rows_between(heights: Sequence[int], n_rows: int) -> int | None:
    """Rows between two regions; ``None`` where the heights do not fit into the image."""
    rest = n_rows - sum(heights)
    gaps = len(heights) - 1
    if gaps == 0:
        return 0 if rest >= 0 else None
    if rest < 0:
        return None
    return rest // gaps
