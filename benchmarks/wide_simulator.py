"""A simulator that leaves nothing at a comfortable value: each recording draws every property.

Resting light, displaced neuropil, kinetics, frame rate, firing, synchrony, plateaus, boutons, processes,
vessels that pulsate, motion along z, cells out of focus, faults of detector and scanner, motion that
registration has left, cells cut by the border, size and density: a rule that leans on one of them
fails here. It shares no code with the simulators that come with the package.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.signal import lfilter

FloatArray = NDArray[np.float64]
KINDS = ("soma", "process", "punctum", "out of focus", "vessel")
_REACH = 3.0
_BLOCK = 64


@dataclass(frozen=True)
class Draw:
    """The properties of one recording, drawn; lengths in pixels, times in seconds.

    Attributes
    ----------
    rest
        Resting light of a cell over the light of the neuropil that it displaces.
    displaced
        Share of the neuropil that is missing where a cell is.
    peak
        Median height of a cell's largest event over the noise of a pixel.
    photons
        Of the neuropil at rest, in a pixel and a frame.
    thickest
        Largest half-width of puncta and processes, in radii of a cell.
    tangles
        Places where several short processes cross and light up together.
    aspect
        Length over width of a pixel's image: scanners seldom sample both axes alike.
    oblong
        Spread of the cells' own length over width, as a logarithm.
    stubs
        Mean number of dendrites that begin at a cell.
    noise_px
        Blur of the noise, as interpolation and binning leave it.
    spots
        Bright specks that never change: what motion leaves of them flickers.
    """

    seed: int
    size: tuple[int, int]
    n_frames: int
    frame_rate_hz: float
    decay_s: float
    rise_s: float
    radius: float
    radius_spread: float
    n_cells: int
    rest: float
    displaced: float
    nucleus: float
    peak: float
    peak_spread: float
    photons: float
    excess: float
    events: float
    tonic: float
    synchrony: float
    plateaus: float
    hill: float
    neuropil: float
    neuropil_px: float
    texture: float
    puncta: int
    processes: int
    out_of_focus: int
    vessels: int
    pulsation: float
    z_motion: float
    faults: int
    hum: float
    row_noise: float
    jitter_px: float
    row_jitter_px: float
    drift_px: float
    border_px: int
    mask: bool
    nan_edge: bool
    size_told: float
    decay_told: float
    thickest: float = 0.3
    tangles: int = 0
    aspect: float = 1.0
    oblong: float = 0.0
    stubs: float = 0.7
    noise_px: float = 0.0
    spots: int = 0

    @property
    def g_sig(self) -> tuple[int, int]:
        """What the user says of the cells' half-width."""
        told = max(2, round(self.radius * self.size_told))
        return told, told


@dataclass(frozen=True, eq=False)
class Wide:
    """A recording and its truth.

    Attributes
    ----------
    movie
        ``(T, Y, X)``, uint16 or, with an edge of NaN, float32.
    A, kind
        Footprints of everything that is active ``(n_pixels, n)``, peak 1, and what it is ``(n,)``.
    C
        Its light above rest ``(n, T)`` in photons.
    snr
        Height of the largest event over a pixel's noise at rest ``(n,)``.
    detectability
        Matched filter with known footprint and time course, standard deviations ``(n,)``.
    mask
        Pixels to analyse, or ``None``.
    neuropil
        Active neuropil that a footprint would show if nothing were displaced ``(n, T)``, photons.
    """

    draw: Draw
    movie: NDArray[np.generic]
    A: sp.csc_matrix
    kind: NDArray[np.str_]
    C: NDArray[np.float32]
    snr: FloatArray
    detectability: FloatArray
    mask: NDArray[np.bool_] | None = field(default=None)
    neuropil: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    @property
    def cells(self) -> NDArray[np.intp]:
        """Those that are somata and seen by enough: a third of their light lies in the field."""
        return np.flatnonzero(self.kind == "soma")


def draw(seed: int, **fixed: object) -> Draw:
    """The properties of recording ``seed``; ``fixed`` are set after drawing."""
    rng = np.random.default_rng([seed, 7])

    def log(low: float, high: float) -> float:
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    def maybe(low: float, high: float, chance: float = 0.5) -> float:
        value = rng.uniform(low, high)
        return float(value) if rng.random() < chance else 0.0

    size = (int(rng.integers(76, 109)), int(rng.integers(76, 109)))
    radius = log(2.6, 7.5)
    frame_rate = log(5, 60)
    decay = float(np.clip(log(0.1, 2.0), 1.2 / frame_rate, 60 / frame_rate))
    share = rng.uniform(0.04, 0.32)
    values = {
        "seed": seed,
        "size": size,
        "n_frames": int(rng.integers(650, 1300)),
        "frame_rate_hz": frame_rate,
        "decay_s": decay,
        "rise_s": decay * log(0.03, 0.3),
        "radius": radius,
        "radius_spread": rng.uniform(0.05, 0.25),
        "n_cells": int(np.clip(share * size[0] * size[1] / (np.pi * radius**2), 4, 90)),
        "rest": rng.uniform(0, 2.5),
        "displaced": rng.uniform(0, 1),
        "nucleus": maybe(0.2, 0.95, 0.6),
        "peak": log(0.8, 5.0),
        "peak_spread": rng.uniform(0.2, 0.7),
        "photons": log(2, 60),
        "excess": rng.uniform(1, 1.6),
        "events": log(3, 60),
        "tonic": maybe(0.05, 0.4, 0.3),
        "synchrony": maybe(0.1, 0.7),
        "plateaus": maybe(0.05, 0.3, 0.3),
        "hill": rng.uniform(1, 2.5),
        "neuropil": maybe(0.02, 0.25, 0.75),
        "neuropil_px": log(3, 30),
        "texture": rng.uniform(0, 0.25),
        "puncta": int(maybe(3, 50)),
        "processes": int(maybe(3, 40)),
        "out_of_focus": int(maybe(2, 14)),
        "vessels": int(maybe(1, 4, 0.4)),
        "pulsation": rng.uniform(0.01, 0.1),
        "z_motion": maybe(0.02, 0.15, 0.3),
        "faults": int(maybe(1, 12, 0.3)),
        "hum": maybe(0.1, 0.6, 0.3),
        "row_noise": maybe(0.05, 0.3, 0.3),
        "jitter_px": maybe(0.05, 0.4),
        "row_jitter_px": maybe(0.05, 0.3, 0.3),
        "drift_px": maybe(0.2, 1.2, 0.25),
        "border_px": int(maybe(1, 9, 0.3)),
        "mask": bool(rng.random() < 0.2),
        "nan_edge": bool(rng.random() < 0.1),
        "size_told": float(np.exp(0.15 * rng.standard_normal())),
        "decay_told": log(0.55, 1.8),
    }
    return Draw(**(values | fixed))  # type: ignore[arg-type]


def _grid(dims: tuple[int, int], at: FloatArray) -> tuple[FloatArray, FloatArray]:
    yy, xx = np.mgrid[: dims[0], : dims[1]].astype(float)
    return yy - at[0], xx - at[1]


def _soma(rng: np.random.Generator, d: Draw, dims: tuple[int, int], at: FloatArray) -> FloatArray:
    """An irregular body, perhaps with a nucleus and stubs of dendrites."""
    radius = d.radius * float(np.exp(d.radius_spread * rng.standard_normal()))
    y, x = _grid(dims, at)
    y, x = y * np.sqrt(d.aspect), x / np.sqrt(d.aspect)
    if d.oblong:
        turn, long = rng.uniform(0, np.pi), np.exp(0.5 * abs(d.oblong * rng.standard_normal()))
        y, x = (
            (y * np.sin(turn) + x * np.cos(turn)) / long,
            (x * np.sin(turn) - y * np.cos(turn)) * long,
        )
    angle, r = np.arctan2(y, x), np.hypot(y, x)
    outline = np.ones_like(r)
    for order in range(2, 6):
        wave = rng.normal(0, 0.16 / order)
        outline += wave * np.cos(order * angle + rng.uniform(0, 2 * np.pi))
    body = 1 / (1 + np.exp(np.clip((r - radius * outline) / 0.5, -40, 40)))
    if d.nucleus and rng.random() < 0.8:
        off = rng.normal(0, 0.12 * radius, 2)
        inner = rng.uniform(0.35, 0.65) * radius
        hole = 1 / (1 + np.exp(np.clip((np.hypot(y - off[0], x - off[1]) - inner) / 0.5, -40, 40)))
        body *= 1 - d.nucleus * rng.uniform(0.6, 1) * hole
    for _ in range(rng.poisson(d.stubs)):
        direction, length = rng.uniform(0, 2 * np.pi), radius * rng.uniform(1.3, 2.8)
        along = y * np.sin(direction) + x * np.cos(direction)
        across = np.abs(-y * np.cos(direction) + x * np.sin(direction))
        stub = np.exp(-((across / max(0.8, 0.22 * radius)) ** 2)) * (along > 0)
        body = np.maximum(body, 0.5 * stub * np.clip(1 - along / length, 0, 1))
    grain = gaussian_filter(rng.standard_normal(dims), 1.0)
    body *= np.exp(rng.uniform(0, 0.25) * grain / max(grain.std(), 1e-9))
    return np.asarray(gaussian_filter(body, rng.uniform(0.4, 0.8)))


def _tube(
    rng: np.random.Generator, dims: tuple[int, int], width: float, length: float
) -> FloatArray:
    """A process that wanders."""
    n = max(3, int(length))
    heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.12, n))
    path = rng.uniform(0, 1, 2) * np.array(dims) + np.cumsum(
        np.stack([np.sin(heading), np.cos(heading)], 1), axis=0
    )
    image = np.zeros(dims)
    inside = ((path >= 0) & (path < np.array(dims))).all(1)
    at = path[inside].astype(int)
    image[at[:, 0], at[:, 1]] = 1
    return np.asarray(gaussian_filter(image, max(0.6, width)))


def _blob(dims: tuple[int, int], at: FloatArray, width: float) -> FloatArray:
    y, x = _grid(dims, at)
    return np.exp(-0.5 * (y**2 + x**2) / width**2)


def _places(rng: np.random.Generator, d: Draw, dims: tuple[int, int]) -> list[FloatArray]:
    """Centres of cells: as far apart as cells of a plane are; some lie on the edge."""
    places: list[FloatArray] = []
    for _ in range(60 * d.n_cells):
        at = rng.uniform(-0.3 * d.radius, np.array(dims) + 0.3 * d.radius)
        if all(np.hypot(*(at - other)) > rng.uniform(1.3, 2.1) * d.radius for other in places):
            places.append(at)
        if len(places) == d.n_cells:
            break
    return places


def _events(rng: np.random.Generator, d: Draw, shared: FloatArray, n: float) -> FloatArray:
    """Spikes in each frame of one cell."""
    duration, T = d.n_frames / d.frame_rate_hz, d.n_frames
    times = [rng.uniform(0, duration, max(1, rng.poisson(n * (1 - 0.7 * d.synchrony))))]
    times.append(shared[rng.random(len(shared)) < d.synchrony])
    train = []
    for start in np.concatenate(times):
        train.append(start + d.decay_s * 0.3 * rng.exponential(size=1 + rng.poisson(1.2)))
        if rng.random() < d.plateaus:
            length = d.decay_s * rng.uniform(2, 10)
            train.append(start + rng.uniform(0, length, 2 + int(4 * length / d.decay_s)))
    if rng.random() < d.tonic:
        train.append(
            rng.uniform(0, duration, rng.poisson(duration / d.decay_s * rng.uniform(0.5, 4)))
        )
    frames = (np.concatenate(train) * d.frame_rate_hz).astype(int)
    return np.bincount(frames[(frames >= 0) & (frames < T)], minlength=T).astype(float)


def _trace(rng: np.random.Generator, d: Draw, shared: FloatArray, n: float) -> FloatArray:
    """Light of a saturating indicator, peak 1; kinetics differ from cell to cell."""
    spikes = _events(rng, d, shared, n)
    decay = d.decay_s * np.exp(0.15 * rng.standard_normal()) * d.frame_rate_hz
    rise = d.rise_s * np.exp(0.15 * rng.standard_normal()) * d.frame_rate_hz
    calcium = lfilter([1], [1, -np.exp(-1 / max(decay, 0.2))], spikes)
    calcium = lfilter(
        [1 - np.exp(-1 / max(rise, 0.05))], [1, -np.exp(-1 / max(rise, 0.05))], calcium
    )
    half = rng.uniform(1.5, 8)
    bound = np.maximum(calcium, 0) ** d.hill
    light = bound / (bound + half**d.hill)
    return np.asarray(light / max(light.max(), 1e-9))


def _sources(
    rng: np.random.Generator, d: Draw, dims: tuple[int, int]
) -> tuple[list[FloatArray], list[str], list[float]]:
    """Images, kinds, and heights in units of the cells' median peak."""
    images = [_soma(rng, d, dims, at) for at in _places(rng, d, dims)]
    kinds, heights = (
        ["soma"] * len(images),
        list(np.exp(d.peak_spread * rng.standard_normal(len(images)))),
    )

    def add(image: FloatArray, kind: str, height: float) -> None:
        images.append(image)
        kinds.append(kind)
        heights.append(height)

    for _ in range(d.processes):
        width = max(0.7, d.radius * rng.uniform(0.12, d.thickest))
        add(
            _tube(rng, dims, width, d.radius * rng.uniform(3 if d.thickest <= 0.3 else 1.2, 14)),
            "process",
            rng.uniform(0.2, 1.3),
        )
    for _ in range(d.puncta):
        at = rng.uniform(0, 1, 2) * np.array(dims)
        add(
            _blob(dims, at, max(0.7, d.radius * rng.uniform(0.12, d.thickest))),
            "punctum",
            rng.uniform(0.3, 1.8),
        )
    for _ in range(d.out_of_focus):
        at = rng.uniform(-0.1, 1.1, 2) * np.array(dims)
        add(
            _blob(dims, at, d.radius * rng.uniform(1.1, 2.6)), "out of focus", rng.uniform(0.1, 0.5)
        )
    for _ in range(d.tangles):
        at = rng.uniform(0.1, 0.9, 2) * np.array(dims)
        near = np.hypot(*_grid(dims, at)) < 2.5 * d.radius
        parts = [
            _through(rng, dims, at + rng.normal(0, 0.6 * d.radius, 2), d)
            for _ in range(rng.integers(2, 5))
        ]
        add(np.max(parts, axis=0) * near, "process", rng.uniform(0.2, 1.2))
    return images, kinds, heights


def _through(
    rng: np.random.Generator, dims: tuple[int, int], at: FloatArray, d: Draw
) -> FloatArray:
    """A short straight process through a place."""
    y, x = _grid(dims, at)
    angle, length = rng.uniform(0, np.pi), d.radius * rng.uniform(0.8, 2.5)
    along, across = y * np.sin(angle) + x * np.cos(angle), x * np.sin(angle) - y * np.cos(angle)
    width = max(0.7, d.radius * rng.uniform(0.12, 0.3))
    return np.exp(-0.5 * (across / width) ** 2) * np.exp(-((along / length) ** 6))


def simulate_wide(d: Draw) -> Wide:
    """Render a drawn recording."""
    rng = np.random.default_rng([d.seed, 11])
    dims, T = d.size, d.n_frames
    images, kinds, heights = _sources(rng, d, dims)
    shared = rng.uniform(0, T / d.frame_rate_hz, rng.poisson(d.events * 0.7))
    traces = []
    for kind in kinds:
        few = d.events * np.exp(0.6 * rng.standard_normal()) * (0.6 if kind == "soma" else 0.8)
        traces.append(_trace(rng, d, shared, few))
    stack = np.array([i / max(i.max(), 1e-9) if i.max() > 1e-6 else i for i in images]).reshape(
        -1, *dims
    )
    stack[stack < 0.03] = 0
    is_cell = np.array(kinds) == "soma"
    body = np.minimum(stack[is_cell].sum(0), 1) if is_cell.any() else np.zeros(dims)
    scale = [gaussian_filter(rng.standard_normal(dims), s) for s in (1.5, 4, 12)]
    texture = sum(t / max(t.std(), 1e-9) for t in scale) / np.sqrt(3)
    neuropil_rest = d.photons * np.exp(d.texture * texture)
    own = np.exp(0.3 * rng.standard_normal(len(kinds))) * np.where(is_cell, d.rest, 0.3)
    rest = neuropil_rest * (1 - d.displaced * body)
    rest = rest + np.einsum("n,nyx->yx", own * d.photons, np.minimum(stack, 1)) * 0.7
    vessels = np.zeros(dims)
    for _ in range(d.vessels):
        vessels = np.maximum(vessels, _tube(rng, dims, rng.uniform(1.5, 4), 3 * max(dims)))
    if vessels.max() > 0:
        vessels /= vessels.max()
        rest = rest * (1 - 0.7 * vessels)
    level = float(np.median(rest))
    for _ in range(d.spots):
        speck = _blob(dims, rng.uniform(0, 1, 2) * np.array(dims), rng.uniform(0.6, 2.5))
        rest = rest + rng.uniform(0.5, 5) * level * speck
    noise = np.sqrt(d.excess * np.maximum(rest, 0.05 * level) + 0.25)
    at_peak = np.array(
        [
            float((n * s).sum() / max(s.sum(), 1e-9))
            for n, s in zip([noise] * len(stack), stack, strict=True)
        ]
    )
    C = np.array(traces, np.float32).reshape(-1, T) * (d.peak * np.array(heights) * at_peak)[
        :, None
    ].astype(np.float32)
    A = sp.csc_matrix(stack.reshape(len(stack), dims[0] * dims[1]).T.astype(np.float32))
    movie, patterns, courses = _render(rng, d, rest, body, A, C, vessels)
    still = np.maximum(rest * (1 - d.displaced * body), 1e-9).ravel()
    undisplaced = patterns * (neuropil_rest.ravel() / still)
    neuropil = (A.T @ undisplaced.T / np.maximum(A.multiply(A).sum(0).T, 1e-9)) @ courses
    variance = noise.ravel() ** 2
    power = np.asarray(A.multiply(A).T @ (1 / variance)).ravel()
    detectability = np.sqrt(power * ((C - C.mean(1, keepdims=True)) ** 2).sum(1))
    mask = _mask(rng, d) if d.mask else None
    if d.nan_edge:
        movie = movie.astype(np.float32)
        movie[:, : rng.integers(2, 8)] = np.nan
    snr = C.max(1, initial=0) / np.maximum(at_peak, 1e-9)
    return Wide(
        d, movie, A, np.array(kinds, dtype=np.str_), C, snr, detectability, mask,
        np.asarray(neuropil, np.float32),
    )  # fmt: skip


def _mask(rng: np.random.Generator, d: Draw) -> NDArray[np.bool_]:
    """A half plane that leaves most of the field."""
    y, x = _grid(d.size, np.array(d.size) / 2)
    angle = rng.uniform(0, 2 * np.pi)
    return np.asarray(y * np.sin(angle) + x * np.cos(angle) < 0.25 * min(d.size))


def _smooth_noise(rng: np.random.Generator, n: int, frames: float) -> FloatArray:
    x = lfilter([1], [1, -np.exp(-1 / max(frames, 0.1))], rng.standard_normal(n + 500))[500:]
    return np.asarray(x / max(x.std(), 1e-9))


def _share_kept(blur_px: float) -> float:
    """Standard deviation of white noise of 1 after blurring."""
    point = np.zeros((21, 21))
    point[10, 10] = 1
    return float(np.sqrt((gaussian_filter(point, blur_px) ** 2).sum()))


def _render(
    rng: np.random.Generator,
    d: Draw,
    rest: FloatArray,
    body: FloatArray,
    A: sp.csc_matrix,
    C: NDArray[np.float32],
    vessels: FloatArray,
) -> tuple[NDArray[np.uint16], FloatArray, FloatArray]:
    """The movie, and patterns ``(n, n_pixels)`` and courses ``(n, T)`` of its neuropil."""
    dims, T, fr = d.size, d.n_frames, d.frame_rate_hz
    n_modes = 8
    patterns = np.array(
        [gaussian_filter(rng.standard_normal(dims), d.neuropil_px) for _ in range(n_modes)]
    )
    patterns /= np.maximum(patterns.std((1, 2), keepdims=True), 1e-9)
    courses = np.array(
        [
            _trace(rng, d, np.zeros(0), 0.5 * d.events + 3)
            + 0.2 * _smooth_noise(rng, T, d.decay_s * fr)
            for _ in range(n_modes)
        ]
    )
    patterns = (patterns * rest * (1 - d.displaced * body) * d.neuropil).reshape(n_modes, -1)
    z = _smooth_noise(rng, T, 2 * fr) * d.z_motion
    z_pattern = (rest * body * gaussian_filter(rng.standard_normal(dims), d.radius)).ravel()
    z_pattern = z_pattern / max(np.abs(z_pattern).max(), 1e-9) * rest.max()
    pulse = np.sin(2 * np.pi * np.cumsum(rng.normal(7, 0.4, T)) / fr + rng.uniform(0, 6))
    beat = (np.hypot(*np.gradient(vessels)) + 0.3 * vessels).ravel()
    beat = beat / max(beat.max(), 1e-9) * np.median(rest) * d.pulsation
    jitter = rng.normal(0, d.jitter_px, (T, 2)) if d.jitter_px else np.zeros((T, 2))
    if d.drift_px:
        slow = np.stack([_smooth_noise(rng, T, T / 6) for _ in range(2)], 1)
        jitter = jitter + slow * d.drift_px / 2
    rows = rng.normal(0, 1, (T, dims[0])) * d.row_jitter_px
    offset, gain = 120.0, min(8.0, 20000 / max(rest.max() * 8, 1))
    out = np.empty((T, *dims), np.uint16)
    sd = float(np.sqrt(np.median(rest) * d.excess))
    bad = set(rng.integers(0, T, d.faults).tolist())
    lines = np.arange(dims[0])
    for start in range(0, T, _BLOCK):
        stop = min(T, start + _BLOCK)
        clean = rest.ravel()[None] + (A @ C[:, start:stop]).T + courses[:, start:stop].T @ patterns
        clean += z[start:stop, None] * z_pattern + pulse[start:stop, None] * beat
        clean = clean.reshape(-1, *dims).astype(np.float32)
        if d.jitter_px or d.row_jitter_px or d.drift_px:
            gy, gx = np.gradient(clean, axis=(1, 2))
            clean -= jitter[start:stop, 0, None, None] * gy
            clean -= (jitter[start:stop, 1, None] + rows[start:stop])[..., None] * gx
        np.maximum(clean, 0.02, out=clean)
        noisy = (
            rng.poisson(clean).astype(np.float32)
            if d.photons < 6
            else clean + np.sqrt(clean) * rng.standard_normal(clean.shape, np.float32)
        )
        noisy += np.sqrt((d.excess - 1) * clean + 0.25) * rng.standard_normal(
            clean.shape, np.float32
        )
        if d.noise_px:
            # as strong as before in each pixel, but not alone in it
            blurred = gaussian_filter(noisy - clean, (0, d.noise_px, d.noise_px))
            noisy = clean + blurred / _share_kept(d.noise_px)
        if d.row_noise:
            noisy += (d.row_noise * sd) * rng.standard_normal(
                (stop - start, dims[0], 1), np.float32
            )
        if d.hum:
            t = np.arange(start, stop)[:, None] + lines / dims[0]
            noisy += (d.hum * sd * np.sin(2 * np.pi * 50 * t / fr))[..., None]
        for t in bad & set(range(start, stop)):
            first = int(rng.integers(dims[0]))
            noisy[t - start, first : first + int(rng.integers(1, 14))] += rng.uniform(3, 15) * sd
        out[start:stop] = np.clip(offset + gain * noisy, 0, 65535)
    return out, patterns, courses
