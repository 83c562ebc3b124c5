"""Evidence for and against a component being a cell: the figures that an expert looks at.

Footprint, mean image and correlation image around it, what lights up in its events, its trace, its
neighbours, and whether something cut it. All are in units of noise and of the movie's own cell
size; a figure that cannot be had is NaN, and the probability of a cell does without it.
"""

# ruff: noqa: PLR0917 (steps take arrays by position)

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.core.base.footprints import dilate, filled_cores, keep_connected, smooth_planes
from napari_cnmf.core.verdict.events import Windows
from napari_cnmf.core.verdict.rvalues import find_peaks
from napari_cnmf.core.verdict.shape import Shapes, measure_shapes, typical_width
from napari_cnmf.model.components import Components
from napari_cnmf.model.rows import row_blocks

FloatArray = NDArray[np.float64]
GROUPS: dict[str, tuple[str, ...]] = {
    "size": ("width", "area", "told_width", "event_width", "event_area"),
    "outline": ("eccentricity", "solidity", "roughness", "event_eccentricity", "event_solidity"),
    "cut": ("outside",),
    "rest": ("rest_contrast", "rest_over_noise", "rest_match"),
    "correlation image": ("correlation_inside", "correlation_contrast", "correlation_match"),
    "picture of its events": (
        "event_match", "event_around", "event_dark", "event_far", "event_edge", "event_strength",
    ),
    "strength": ("snr", "r", "trace_peak", "explained"),
    "events": ("n_events", "event_shape", "event_step", "largest_share", "below_rest", "left_over"),
    "neighbours": ("common", "inside_stronger", "same_place", "same_trace"),
    "recording": ("decay_frames", "n_decays", "cell_px", "one_photon", "volume"),
}  # fmt: skip
"""Figures by what they tell of, in words that a user is told."""
FIGURES = tuple(name for names in GROUPS.values() for name in names)
FROM_MOVIE = tuple(
    n for n in FIGURES if n.startswith("event_") and n not in ("event_shape", "event_step")
)
"""Those that need the movie."""
_AT_ONCE, _VALUES = 64, 1_000_000
"""Components that are measured together, and values of their traces: a dozen copies are made."""
_NEAR, _AROUND = 2.2, 2.6
"""Radii of the movie's own cell within which images are compared, and within which what is around
is looked at."""
_HALF = 0.5
"""Share of the brightest pixel above which what lights up is taken for the shape of an event."""
_DISC, _WHOLE = 1.3, 0.02
"""Radius, in the movie's own cells, of the disc that border and mask may cut; share of what is
around a footprint from which on it is cut, and tells nothing of the size of cells."""
_COUNTED, _ALIGNED, _TALL = 30, 10, 3.0
"""Highest peaks of a trace that are counted where they exceed so many times its noise, and those
whose shape is looked at."""


@dataclass(frozen=True, eq=False)
class Pictures:
    """Images around some components, each ``(n, width, width)``.

    Attributes
    ----------
    foot
        Footprints.
    seen
        Pixels that take part in the analysis.
    free
        Those of them that belong to no footprint.
    events
        Light in the events, in noise; NaN where there is none.
    mean, correlation
        Of the movie.
    noise
        Of each pixel.
    """

    foot: NDArray[np.float32]
    seen: NDArray[np.bool_]
    free: NDArray[np.bool_]
    events: NDArray[np.float32]
    mean: NDArray[np.float32]
    correlation: NDArray[np.float32]
    noise: NDArray[np.float32]


def footprint_pictures(
    A: sp.csc_matrix, dims: tuple[int, ...], windows: Windows
) -> NDArray[np.float32]:
    """Footprints in their windows ``(n, width, width)``; those of a volume summed over planes."""
    n, half = A.shape[1], windows.width // 2
    owner = np.repeat(np.arange(n), np.diff(A.indptr))
    y, x = np.unravel_index(A.indices, dims)[-2:]
    row = y - windows.centre[owner, 0] + half
    column = x - windows.centre[owner, 1] + half
    fits = (row >= 0) & (row < windows.width) & (column >= 0) & (column < windows.width)
    at = (owner * windows.width + row) * windows.width + column
    size = n * windows.width**2
    summed = np.bincount(at[fits], np.maximum(A.data[fits], 0), size)
    return summed.reshape(n, windows.width, windows.width).astype(np.float32)


def measure_evidence(
    components: Components,
    windows: Windows,
    events: NDArray[np.float32] | None,
    events_error: FloatArray | None,
    g_sig: tuple[float, ...],
    decay_frames: float,
) -> tuple[NDArray[np.float32], float | None]:
    """The figures of each component, and the movie's own cell size.

    Parameters
    ----------
    components
        With ``snr`` and ``r_values``, footprints with sorted indices.
    windows
        Around the footprints.
    events, events_error
        Images of events and the standard deviation of their pixels; without the movie ``None``.
    g_sig
        Half-width of a cell that was told, in pixels.
    decay_frames
        Decay time that was told, in frames.

    Returns
    -------
    figures
        ``(n, len(FIGURES))``, NaN where there is none.
    width
        Of the movie's own cells in gSig; ``None`` when there are too few to go by.
    """
    n = components.n_components
    out = {name: np.full(n, np.nan) for name in FIGURES}
    if n == 0:
        return np.zeros((0, len(FIGURES)), np.float32), None
    size = math.sqrt(g_sig[-1] * g_sig[-2])
    strength = _strengths(components)
    shapes, outside, cores = _shapes_of_all(components, windows, g_sig)
    width = typical_width(shapes, strength, outside < _WHOLE)
    own = 1.0 if width is None else float(np.clip(width, 0.4, 2.0))
    out["outside"] = _outside(components, windows, own * size)
    with np.errstate(divide="ignore", invalid="ignore"):
        out["width"] = np.log(np.maximum(shapes.width, 0.1) / own)
        out["told_width"] = np.log(np.maximum(shapes.width, 0.1))
        out["area"] = np.log(np.maximum(shapes.area, 0.05) / (math.pi * own**2))
    out["eccentricity"], out["solidity"] = shapes.eccentricity, shapes.solidity
    for start in range(0, n, _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        seen = _pictures(components, windows, events, cores, start)
        error = np.full(len(seen.foot), np.nan) if events_error is None else events_error[some]
        for name, values in _image_figures(seen, own * size, g_sig, own, error).items():
            out[name][some] = values
    out |= _trace_figures(components, decay_frames) | _neighbour_figures(components, strength)
    out["decay_frames"][:] = math.log(max(decay_frames, 0.1))
    out["n_decays"][:] = math.log(components.n_frames / max(decay_frames, 0.1))
    out["cell_px"][:] = math.log(own * size)
    out["one_photon"][:] = float(bool(components.attributes.get("one_photon")))
    out["volume"][:] = float(len(components.dims) == 3)
    table = np.stack([out[name] for name in FIGURES], axis=1)
    return np.where(np.isfinite(table), table, np.nan).astype(np.float32), width


def _strengths(c: Components) -> FloatArray:
    """Energy of each component's light in units of noise."""
    noise = _noise(c)
    weight = np.divide(1, noise**2, out=np.zeros_like(noise), where=noise > 0)
    energy = np.asarray(c.A.multiply(c.A).T @ weight).ravel()
    power = [np.einsum("nt,nt->n", C, C, dtype=np.float64) for _, C in row_blocks(c.C)]
    return np.asarray(energy * np.concatenate(power))


def _noise(c: Components) -> FloatArray:
    """Noise of each pixel; the same everywhere for a result that does not tell it."""
    if c.sn is None:
        return np.ones(c.A.shape[0])
    return np.nan_to_num(np.asarray(c.sn, np.float64))


def _shapes_of_all(
    c: Components, windows: Windows, g_sig: tuple[float, ...]
) -> tuple[Shapes, FloatArray, NDArray[np.int64]]:
    """Geometry, share of the surroundings that is cut off, and number of cores at each pixel."""
    plane = c.dims[-2] * c.dims[-1]
    parts, outside = [], []
    cover = np.zeros(plane, np.int64)
    for start in range(0, c.n_components, _AT_ONCE):
        near = windows.part(start, start + _AT_ONCE)
        foot = footprint_pictures(c.A[:, start : start + _AT_ONCE], c.dims, near)
        parts.append(measure_shapes(foot, g_sig[-2], g_sig[-1]))
        core = filled_cores(foot[:, None])[:, 0]
        inside = near.fill(np.ones(len(near.indices)))
        flat = np.repeat(np.arange(len(foot)), np.diff(near.indptr)), near.place
        cover += np.bincount(near.indices % plane, core.reshape(len(foot), -1)[flat], plane).astype(
            np.int64
        )
        edge = dilate(dilate(core)) & ~core
        lost = ~(near.fill(_noise(c)[near.indices]) > 0) | ~(inside > 0)
        outside.append((edge & lost).sum((1, 2)) / np.maximum(edge.sum((1, 2)), 1))
    merged = (np.concatenate(v) for v in zip(*(vars(p).values() for p in parts), strict=True))
    return Shapes(*merged), np.concatenate(outside), cover


def _distances(width: int) -> FloatArray:
    step = np.arange(width) - width // 2
    return np.hypot(step[:, None], step)


def _outside(c: Components, windows: Windows, radius_px: float) -> FloatArray:
    """Share of a cell's disc about the centre that does not take part: border, mask, NaN."""
    disc = _distances(windows.width) <= _DISC * radius_px
    noise = _noise(c)
    out = []
    for start in range(0, c.n_components, _AT_ONCE):
        near = windows.part(start, start + _AT_ONCE)
        seen = near.fill(noise[near.indices]) > 0
        out.append(1 - (seen & disc).sum((1, 2)) / disc.sum())
    return np.concatenate(out)


def _pictures(
    c: Components,
    windows: Windows,
    events: NDArray[np.float32] | None,
    cover: NDArray[np.int64],
    start: int,
) -> Pictures:
    near = windows.part(start, start + _AT_ONCE)
    foot = footprint_pictures(c.A[:, start : start + _AT_ONCE], c.dims, near)
    noise = near.fill(_noise(c)[near.indices])
    plane = c.dims[-2] * c.dims[-1]
    blank = np.full(foot.shape, np.nan, np.float32)

    def image(name: str) -> NDArray[np.float32]:
        found = c.images.get(name)
        if found is None or found.shape != c.dims:
            return blank
        return near.fill(np.nan_to_num(found.ravel()[near.indices]), np.nan)

    return Pictures(
        foot=foot,
        seen=noise > 0,
        free=near.fill(cover[near.indices % plane] == 0) > 0,
        events=blank if events is None else events[start : start + _AT_ONCE],
        mean=image("mean"),
        correlation=image("correlation"),
        noise=noise,
    )


def _correlations(
    a: NDArray[np.floating], b: NDArray[np.floating], used: NDArray[np.bool_]
) -> FloatArray:
    """Pearson's r of each pair of images over the pixels used ``(n,)``."""
    weight = used / np.maximum(used.sum((1, 2)), 1)[:, None, None]
    a, b = np.where(used, a, 0), np.where(used, b, 0)
    a = (a - (a * weight).sum((1, 2))[:, None, None]) * used
    b = (b - (b * weight).sum((1, 2))[:, None, None]) * used
    norm = np.sqrt((a**2).sum((1, 2)) * (b**2).sum((1, 2)))
    return np.where(norm > 0, (a * b).sum((1, 2)) / np.maximum(norm, 1e-30), np.nan)


def _mean_of(values: NDArray[np.floating], used: NDArray[np.bool_]) -> FloatArray:
    n = used.sum((1, 2))
    total = np.where(used, values, 0).sum((1, 2), dtype=np.float64)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def _median_of(values: NDArray[np.floating], used: NDArray[np.bool_]) -> FloatArray:
    n = used.sum((1, 2))
    ordered = np.sort(np.where(used, values, np.inf).reshape(len(values), -1), axis=1)
    row = np.arange(len(values))
    middle = (
        ordered[row, np.maximum(n - 1, 0) // 2]
        + ordered[row, np.minimum(n // 2, ordered.shape[1] - 1)]
    )
    return np.where(n > 0, 0.5 * middle, np.nan)


def _image_figures(
    p: Pictures, radius_px: float, g_sig: tuple[float, ...], own: float, error: FloatArray
) -> dict[str, FloatArray]:
    """Figures of what footprint, mean, correlation and event images show."""
    away = _distances(p.foot.shape[1])
    core = filled_cores(p.foot[:, None])[:, 0]
    halo = dilate(dilate(core))
    near = (away <= max(_NEAR * radius_px, 3.0)) & p.seen
    around = ~halo & (away <= max(_AROUND * radius_px, 5.0)) & p.seen
    alone = around & p.free
    around = np.where((alone.sum((1, 2)) >= 10)[:, None, None], alone, around)
    smooth = smooth_planes(p.foot[:, None])[:, 0]
    core &= p.seen
    found = {"roughness": 1 - _correlations(p.foot, smooth, p.foot > 0)}
    noise = _mean_of(p.noise, core)
    with np.errstate(divide="ignore", invalid="ignore"):
        level = _median_of(p.mean, around)
        spread = 1.48 * _median_of(np.abs(p.mean - level[:, None, None]), around)
        above = _mean_of(p.mean, core) - level
        found["rest_contrast"] = np.arcsinh(above / np.maximum(spread, 1e-3 * noise))
        found["rest_over_noise"] = np.arcsinh(above / noise)
        found["rest_match"] = _correlations(p.mean, smooth, near)
        inside = _mean_of(p.correlation, core)
        found["correlation_inside"] = inside
        found["correlation_contrast"] = inside - _median_of(p.correlation, around)
        found["correlation_match"] = _correlations(p.correlation, smooth, near)
        found |= _event_figures(p, core, near, around, radius_px, g_sig, own, error)
    return found


def _event_figures(
    p: Pictures,
    core: NDArray[np.bool_],
    near: NDArray[np.bool_],
    around: NDArray[np.bool_],
    radius_px: float,
    g_sig: tuple[float, ...],
    own: float,
    error: FloatArray,
) -> dict[str, FloatArray]:
    """Figures of the event images, beside what the footprint says."""
    told = np.isfinite(p.events).any((1, 2)) & np.isfinite(error)
    light = np.where(np.isfinite(p.events), p.events, 0).astype(np.float32)
    smooth = smooth_planes(smooth_planes(light[:, None]))[:, 0]
    near = near & np.isfinite(p.events)
    white = np.where(p.noise > 0, p.foot / np.maximum(p.noise, 1e-9), 0)
    filtered = (white * light).sum((1, 2)) / np.sqrt(np.maximum((white**2).sum((1, 2)), 1e-30))
    inside = _mean_of(light, core)
    top = np.where(near, smooth, -np.inf).max((1, 2))
    low = np.where(near, smooth, np.inf).min((1, 2))
    far = np.where(around, smooth, -np.inf).max((1, 2))
    shown = np.where(near, np.maximum(smooth, 0), 0).astype(np.float32)
    box = np.array([1, *shown.shape[1:]], np.int64)
    for k in np.flatnonzero(told):
        keep_connected(shown[k].ravel(), box, np.float32(_HALF * top[k] if top[k] > 0 else 0))
    shape = measure_shapes(shown, g_sig[-2], g_sig[-1], _HALF)
    found = {
        "event_width": np.log(np.maximum(shape.width, 0.1) / own),
        "event_area": np.log(np.maximum(shape.area, 0.05) / (math.pi * own**2)),
        "event_eccentricity": shape.eccentricity,
        "event_solidity": shape.solidity,
        "event_match": _correlations(smooth, p.foot, near),
        "event_around": np.clip(_mean_of(light, around) / np.maximum(inside, 1e-6), -2, 2),
        "event_dark": np.clip(-low / np.maximum(top, 1e-6), 0, 2),
        "event_far": np.clip(far / np.maximum(top, 1e-6), 0, 2),
        "event_edge": _share_of_motion(light, p.mean, near),
        "event_strength": np.arcsinh(filtered / error),
    }
    return {name: np.where(told, values, np.nan) for name, values in found.items()}


def _share_of_motion(
    light: NDArray[np.float32], mean: NDArray[np.float32], used: NDArray[np.bool_]
) -> FloatArray:
    """Share of the events' light that a shift of the mean image makes: that image's slopes."""
    smooth = smooth_planes(np.nan_to_num(mean)[:, None])[:, 0]
    fitted = np.zeros(len(light))
    slopes: list[FloatArray] = []
    for axis in (1, 2):
        slope = np.gradient(smooth, axis=axis) * used
        slope -= (slope.sum((1, 2)) / np.maximum(used.sum((1, 2)), 1))[:, None, None] * used
        for other in slopes:
            slope -= ((slope * other).sum((1, 2)) / np.maximum((other**2).sum((1, 2)), 1e-20))[
                :, None, None
            ] * other
        slopes.append(slope)
    centred = light * used
    centred = (
        centred - (centred.sum((1, 2)) / np.maximum(used.sum((1, 2)), 1))[:, None, None] * used
    )
    for slope in slopes:
        power = np.maximum((slope**2).sum((1, 2)), 1e-20)
        fitted += (centred * slope).sum((1, 2)) ** 2 / power
    return np.asarray(fitted / np.maximum((centred**2).sum((1, 2)), 1e-20), np.float64)


def _trace_figures(c: Components, decay_frames: float) -> dict[str, FloatArray]:
    """Figures of the traces; strengths as logarithms."""
    length = max(1, math.ceil(0.7 * decay_frames))
    found: dict[str, list[FloatArray]] = {}
    common = _common_course(c)
    at_once = max(1, min(_AT_ONCE, _VALUES // c.n_frames))
    for start in range(0, c.n_components, at_once):
        some = slice(start, start + at_once)
        C = np.asarray(c.C[some], np.float64)
        rest = np.zeros_like(C) if c.YrA is None else np.asarray(c.YrA[some], np.float64)
        for name, values in _some_traces(C, rest, common, length).items():
            found.setdefault(name, []).append(values)
    out = {name: np.concatenate(values) for name, values in found.items()}
    snr = np.zeros(c.n_components) if c.snr is None else np.nan_to_num(c.snr)
    out["snr"] = np.log(np.maximum(snr, 0.05))
    out["r"] = np.full(c.n_components, np.nan) if c.r_values is None else np.asarray(c.r_values)
    return out


def _common_course(c: Components) -> FloatArray:
    """Course that traces share: the median of up to 200 of them, each in units of its spread."""
    rows = np.linspace(0, c.n_components - 1, min(200, c.n_components)).astype(int)
    raw = np.asarray(c.C[rows], np.float64)
    if c.YrA is not None:
        raw += c.YrA[rows]
    raw -= raw.mean(1, keepdims=True)
    spread = np.maximum([[row.std()] for row in raw], 1e-12)
    step = max(1, _VALUES // len(rows))
    parts = range(0, c.n_frames, step)
    return np.concatenate([np.median(raw[:, t : t + step] / spread, axis=0) for t in parts])


def _some_traces(
    C: FloatArray, rest: FloatArray, common: FloatArray, length: int
) -> dict[str, FloatArray]:
    raw = C + rest
    length = min(length, raw.shape[1])
    noise = 1.4826 * np.median(np.abs(np.diff(raw, axis=1)), axis=1) / math.sqrt(2)
    noise = np.maximum(noise, 1e-12 + 1e-9 * np.abs(raw).max(1))
    boxed = np.cumsum(np.pad(raw, ((0, 0), (1, 0))), axis=1)
    boxed = (boxed[:, length:] - boxed[:, :-length]) / length
    low, middle, high = np.percentile(boxed, (0.3, 50, 99.7), axis=1)
    trace, frame = find_peaks(C, _COUNTED)
    tall = C[trace, frame] > _TALL * noise[trace]
    centred = raw - raw.mean(1, keepdims=True)
    spread = np.maximum(np.sqrt((centred**2).sum(1)), 1e-12)
    course = common - common.mean()
    left = rest - rest.mean(1, keepdims=True)
    power = np.maximum((left**2).sum(1), 1e-12)
    shape, step, largest = _event_shapes(C, raw, noise, trace, frame, length)
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "trace_peak": np.log(np.maximum(C.max(1) / noise, 0.05)),
            "explained": 1 - power / np.maximum(spread**2, 1e-12),
            "n_events": np.log1p(np.bincount(trace[tall], minlength=len(C))),
            "event_shape": shape,
            "event_step": step,
            "largest_share": largest,
            "below_rest": np.clip((middle - low) / np.maximum(high - middle, 1e-12), 0, 3),
            "left_over": (left[:, 1:] * left[:, :-1]).sum(1) / power,
            "common": centred @ course / (spread * max(float(np.linalg.norm(course)), 1e-12)),
        }


def _event_shapes(
    C: FloatArray, raw: FloatArray, noise: FloatArray, trace: NDArray[np.int64],
    frame: NDArray[np.int64], length: int,
) -> tuple[FloatArray, FloatArray, FloatArray]:  # fmt: skip
    """Whether raw events look like the model's, rise and stay, and how much the largest holds."""
    n = len(C)
    order = np.lexsort((-C[trace, frame], trace))
    trace, frame = trace[order], frame[order]
    rank = np.arange(len(trace)) - np.searchsorted(trace, np.arange(n))[trace]
    trace, frame = trace[rank < _ALIGNED], frame[rank < _ALIGNED]
    offsets = np.arange(-2 * length - 2, 4 * length + 1)
    inside = (frame + offsets[0] >= 0) & (frame + offsets[-1] < C.shape[1])
    trace, frame = trace[inside], frame[inside]
    count = np.bincount(trace, minlength=n)

    def aligned(values: FloatArray) -> FloatArray:
        taken = values[trace[:, None], frame[:, None] + offsets]
        total = np.zeros((n, len(offsets)))
        np.add.at(total, trace, taken)
        return total / np.maximum(count, 1)[:, None]

    seen, model = aligned(raw), aligned(C)
    seen_c, model_c = seen - seen.mean(1, keepdims=True), model - model.mean(1, keepdims=True)
    norm = np.sqrt((seen_c**2).sum(1) * (model_c**2).sum(1))
    peak = -offsets[0]
    after = seen[:, peak : peak + length].mean(1)
    before = seen[:, :length].mean(1)
    told = count > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        shape = np.where(told & (norm > 0), (seen_c * model_c).sum(1) / norm, np.nan)
        step = np.where(told, np.arcsinh((after - before) / noise), np.nan)
        total = np.maximum((C**2).sum(1), 1e-12)
    top = C.argmax(1)[:, None] + np.arange(-length, 3 * length + 1)
    valid = (top >= 0) & (top < C.shape[1])
    held = (np.take_along_axis(C, np.clip(top, 0, C.shape[1] - 1), 1) ** 2 * valid).sum(1)
    return shape, step, held / total


def _neighbour_figures(c: Components, strength: FloatArray) -> dict[str, FloatArray]:
    """Share of each footprint in a stronger one, and whether that one does the same."""
    n = c.n_components
    A = sp.csc_matrix(c.A, dtype=np.float64)
    norm = np.sqrt(np.asarray(A.multiply(A).sum(0)).ravel())
    unit = sp.csc_matrix(A @ sp.diags(1 / np.maximum(norm, 1e-30)))
    cosine = (unit.T @ unit).tocoo()
    support = unit.copy()
    peak = unit.max(axis=0).toarray().ravel()
    support.data = (support.data > 0.2 * np.repeat(peak, np.diff(support.indptr))).astype(float)
    shared = sp.csr_matrix(unit.multiply(unit).T @ support)
    weaker = (strength[cosine.row] < strength[cosine.col]) & (cosine.row != cosine.col)
    row, column, value = cosine.row[weaker], cosine.col[weaker], cosine.data[weaker]
    inside, place, together = np.zeros((3, n))
    if len(row):
        held = np.asarray(shared[row, column]).ravel()
        np.maximum.at(inside, row, held)
        np.maximum.at(place, row, value)
        spread, centre = np.concatenate([(C.std(1), C.mean(1)) for _, C in row_blocks(c.C)], axis=1)
        spread *= math.sqrt(c.n_frames)
        for i in np.flatnonzero(value > 0.1):
            a, b = row[i], column[i]
            product = float(c.C[a] @ c.C[b]) - c.n_frames * float(centre[a]) * float(centre[b])
            together[a] = max(together[a], product / max(float(spread[a] * spread[b]), 1e-12))
    return {"inside_stronger": inside, "same_place": place, "same_trace": together}


def stored_figures(attributes: Mapping[str, Any]) -> NDArray[np.float32] | None:
    """The evidence that a result carries ``(n, len(FIGURES))``; ``None`` where it has none."""
    evidence = attributes.get("evidence") or {}
    names, rows = evidence.get("figures"), evidence.get("values")
    if not isinstance(names, list) or not isinstance(rows, list):
        return None
    table = np.array([[np.nan if v is None else v for v in row] for row in rows], np.float32)
    table = table.reshape(len(rows), len(names))
    absent = np.full(len(rows), np.nan, np.float32)
    columns = [table[:, names.index(n)] if n in names else absent for n in FIGURES]
    return np.stack(columns, axis=1)
