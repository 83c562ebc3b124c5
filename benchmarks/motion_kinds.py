"""Motion correction on recordings that leave its model: what stands still, flickers, shears, jumps.

    python benchmarks/motion_kinds.py                       every kind, seeds 0 to 2
    python benchmarks/motion_kinds.py hum shear --seeds 5 6
    python benchmarks/motion_kinds.py --list

Drawn here and not by `napari_cnmf.testing`, so that what was tuned on its recordings is measured on
others: a larger scene is moved by cubic splines, its cells fire, the sensor in front of it stays.
The table has, for each kind and mode, the error of the shifts (root mean square over frames and
axes, mean offset removed), the error that the result states, the motion that was corrected, and
the warnings. Of a field that bends, errors are means over the field.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from napari_cnmf.core.motion.correct import correct_motion
from napari_cnmf.core.motion.result import MotionResult
from napari_cnmf.core.motion.stillness import residual_shifts, stillness_warning
from napari_cnmf.core.movie.source import ArraySource
from napari_cnmf.params import CNMFParams

F64 = NDArray[np.float64]
N_FRAMES, SIZE, PAD = 400, 128, 20


@dataclass(frozen=True)
class Scene:
    """What a kind of recording is drawn from; motion in px, light in photons a pixel and frame."""

    cells: int = 120
    radius_px: float = 3.0
    resting: float = 1.0
    """Brightness of a cell that does not fire, over the background."""
    firing: float = 4.0
    texture: float = 0.3
    """Standard deviation of the neuropil's fine structure, share of the background."""
    photons: float = 8.0
    """Photons of the background in a pixel of a frame."""
    rms_px: float = 0.0
    jitter_px: float = 0.0
    bending_px: float = 0.0
    one_photon: bool = False
    dust: float = 0.0
    fixed_pattern: float = 0.0
    blocks: float = 0.0
    """Step of the quantisation of 8 x 8 cosine blocks, in standard deviations of the noise."""
    hum: float = 0.0
    flicker: float = 0.0
    interleaved: bool = False
    shear_px: float = 0.0
    line_offset_px: tuple[float, ...] = ()
    """Of consecutive parts of the movie."""
    motion: dict[str, Any] = field(default_factory=dict)


FILTER = {"gSig_filt": (4, 4)}
PW = {"pw_rigid": True}
KINDS: dict[str, Scene] = {
    # nothing moves
    "still": Scene(),
    "still, flat, six sparse cells": Scene(cells=6, resting=0.05, texture=0.0),
    "still, flat, no cell": Scene(cells=0, texture=0.0),
    "still, 0.3 photons": Scene(photons=0.3),
    "still, fixed pattern": Scene(cells=20, resting=0.05, texture=0.0, fixed_pattern=0.03),
    "still, hum": Scene(hum=0.2),
    "still, sparse, hum": Scene(cells=10, resting=0.2, texture=0.02, hum=0.2),
    "still, interleaved": Scene(interleaved=True),
    "still, flicker": Scene(flicker=0.3),
    "still, one-photon": Scene(one_photon=True, photons=900),
    # moves rigidly
    "rigid": Scene(rms_px=1.5),
    "rigid, jitter": Scene(rms_px=1.5, jitter_px=0.5),
    "rigid, 0.3 photons": Scene(rms_px=1.5, photons=0.3),
    "rigid, sparse": Scene(rms_px=1.5, cells=12, resting=0.4, texture=0.05),
    "rigid, hum": Scene(rms_px=1.5, hum=0.2),
    "rigid, flicker": Scene(rms_px=1.5, flicker=0.3),
    "rigid, interleaved": Scene(rms_px=1.5, interleaved=True),
    "rigid, fixed pattern": Scene(rms_px=1.5, fixed_pattern=0.02),
    "rigid, blocks": Scene(rms_px=1.5, blocks=2.0),
    "rigid, coarse blocks": Scene(rms_px=1.5, blocks=6.0),
    "one-photon": Scene(one_photon=True, photons=900, rms_px=2.0, motion=FILTER),
    "one-photon, no filter": Scene(one_photon=True, photons=900, rms_px=2.0),
    "one-photon, dust 12 %": Scene(
        one_photon=True, photons=900, rms_px=2.0, dust=0.12, motion=FILTER
    ),
    "one-photon, dust 40 %": Scene(
        one_photon=True, photons=900, rms_px=2.0, dust=0.4, motion=FILTER
    ),
    "one-photon, fixed pattern 1 %": Scene(
        one_photon=True, photons=900, rms_px=2.0, fixed_pattern=0.01, motion=FILTER
    ),
    "one-photon, dust and pattern": Scene(
        one_photon=True, photons=900, rms_px=2.0, dust=0.4, fixed_pattern=0.01, motion=FILTER
    ),
    "one-photon, dust and pattern, no filter": Scene(
        one_photon=True, photons=900, rms_px=2.0, dust=0.4, fixed_pattern=0.01
    ),
    "one-photon, blocks": Scene(
        one_photon=True, photons=900, rms_px=2.0, blocks=3.0, motion=FILTER
    ),
    # bends
    "bending": Scene(bending_px=1.0),
    "bending and rigid": Scene(bending_px=1.0, rms_px=1.5),
    # lines
    "lines 1.5 px": Scene(rms_px=1.0, line_offset_px=(1.5,)),
    "lines -0.4, then 1.6 px": Scene(rms_px=1.0, line_offset_px=(-0.4, 1.6)),
    "lines drift 0 to 1.5 px": Scene(rms_px=1.0, line_offset_px=tuple(np.linspace(0, 1.5, 20))),
    "shear within frames 1 px": Scene(rms_px=0.5, shear_px=1.0),
    "shear within frames 3 px": Scene(rms_px=0.5, shear_px=3.0),
}


@dataclass(frozen=True, eq=False)
class Drawn:
    """A movie ``(T, Y, X)``, its shifts ``(T, 2)`` px, and its bending ``(T, Y, X, 2)`` or none."""

    movie: NDArray[np.uint16]
    shifts: F64
    bending: NDArray[np.float32] | None


def smooth_path(rng: np.random.Generator, rms_px: float, n: int = N_FRAMES) -> F64:
    """A smooth path ``(n, 2)``, some ten frames to a swing."""
    path = ndimage.gaussian_filter1d(rng.standard_normal((n, 2)), 8, axis=0)
    return np.asarray((path - path.mean(axis=0)) * rms_px / path.std(axis=0))


def draw(scene: Scene, seed: int) -> Drawn:
    """Draw one recording."""
    rng = np.random.default_rng([seed, 20])
    big = SIZE + 2 * PAD
    base, cells = _content(scene, rng, big)
    traces = _traces(rng, len(cells), scene.firing)
    shifts = smooth_path(rng, scene.rms_px) + scene.jitter_px * rng.standard_normal((N_FRAMES, 2))
    bending = _bending(rng, scene.bending_px) if scene.bending_px else None
    if scene.shear_px:
        # the mean of a frame stays where it is: its first lines lag, its last lead
        lag = ((np.arange(SIZE) / SIZE - 0.5) * np.sqrt(12))[:, None, None]
        sway = smooth_path(rng, scene.shear_px)[:, None, None] * lag
        bending = np.broadcast_to(sway, (N_FRAMES, SIZE, SIZE, 2)).astype(np.float32)
    sensor = _sensor(scene, rng)
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float64)
    steps = np.array(scene.line_offset_px or (0.0,))
    offsets = steps[np.minimum(np.arange(N_FRAMES) * len(steps) // N_FRAMES, len(steps) - 1)]
    course = _flicker(scene, rng)
    other, _ = _content(scene, rng, big)
    movie = np.empty((N_FRAMES, SIZE, SIZE), np.uint16)
    for t in range(N_FRAMES):
        light = base + np.tensordot(traces[:, t], cells, 1) if len(cells) else base
        if scene.interleaved and t % 2:
            light = other * 0.6
        at = np.stack([y + PAD - shifts[t, 0], x + PAD - shifts[t, 1]])
        if bending is not None:
            at -= np.moveaxis(bending[t], -1, 0)
        at[1, 1::2] -= offsets[t]
        frame = ndimage.map_coordinates(light, at, order=3, prefilter=False)
        frame = np.maximum(frame, 0) * sensor * course[t]
        if scene.hum:
            phase = rng.uniform(0, 2 * np.pi)
            frame = frame * (1 + scene.hum * np.sin(2 * np.pi * y / 37.3 + phase))
        noisy = rng.poisson(frame * scene.photons).astype(np.float64)
        if scene.blocks:
            noisy = _compressed(noisy, scene.blocks * np.sqrt(scene.photons))
        movie[t] = np.clip(np.rint(noisy), 0, 65000) + 20
    if bending is not None:
        mean = bending.mean(axis=(1, 2))
        shifts, bending = shifts + mean, bending - mean[:, None, None]
    return Drawn(movie, shifts, bending)


def _content(scene: Scene, rng: np.random.Generator, big: int) -> tuple[F64, F64]:
    """Spline coefficients of the resting scene, and of each cell's light."""
    y, x = np.mgrid[:big, :big]
    base = np.ones((big, big))
    if scene.one_photon:
        base += 0.25 * _texture(rng, big, 14)
        vessel = np.abs(_texture(rng, big, 10)) < 0.12
        base *= 1 - 0.25 * ndimage.gaussian_filter(vessel.astype(float), 2.0)
    elif scene.texture:
        base += scene.texture * _texture(rng, big, 1.5)
    cells = []
    for _ in range(scene.cells):
        cy, cx = rng.uniform(4, big - 4, 2)
        radius = scene.radius_px * rng.uniform(0.8, 1.25) * (1.4 if scene.one_photon else 1)
        away = np.hypot(y - cy, x - cx)
        spot = np.exp(-0.5 * (away / radius) ** (2 if scene.one_photon else 4))
        size = 0.05 if scene.one_photon else 1.0
        base += size * scene.resting * rng.uniform(0.3, 1.2) * spot
        cells.append(size * spot)
    spline = lambda image: ndimage.spline_filter(image, order=3)  # noqa: E731
    return spline(base), np.array([spline(c) for c in cells]) if cells else np.zeros((0, big, big))


def _texture(rng: np.random.Generator, big: int, sigma: float) -> F64:
    image = ndimage.gaussian_filter(rng.standard_normal((big, big)), sigma)
    return np.asarray(image / image.std())


def _traces(rng: np.random.Generator, n: int, firing: float) -> F64:
    events = (rng.random((n, N_FRAMES)) < 0.01) * rng.exponential(firing, (n, N_FRAMES))
    return np.asarray(decaying(events, 0.9))


def decaying(events: F64, keep: float) -> F64:
    """Transients that keep a share of their height from frame to frame."""
    out = events.copy()
    for t in range(1, out.shape[1]):
        out[:, t] += keep * out[:, t - 1]
    return out


def _bending(rng: np.random.Generator, rms_px: float) -> NDArray[np.float32]:
    nodes = ndimage.gaussian_filter(rng.standard_normal((N_FRAMES, 6, 6, 2)), (6, 0, 0, 0))
    nodes *= rms_px / nodes.std()
    return np.asarray(
        np.stack([[ndimage.zoom(f[..., a], SIZE / 6, order=3, grid_mode=True, mode="nearest")
                   for a in range(2)] for f in nodes]).transpose(0, 2, 3, 1), np.float32
    )  # fmt: skip


def _sensor(scene: Scene, rng: np.random.Generator) -> F64:
    y, x = np.mgrid[:SIZE, :SIZE]
    sensor = np.ones((SIZE, SIZE))
    if scene.one_photon:
        away = (y - SIZE / 2) ** 2 + (x - SIZE / 2) ** 2
        sensor *= np.exp(-away / (2 * (0.6 * SIZE) ** 2))
    if scene.dust:
        for _ in range(30):
            cy, cx = rng.uniform(0, SIZE, 2)
            spot = ((y - cy) ** 2 + (x - cx) ** 2) / (2 * rng.uniform(0.7, 2.5) ** 2)
            sensor *= 1 - scene.dust * rng.uniform(0.4, 1) * np.exp(-spot)
    return np.asarray(sensor * (1 + scene.fixed_pattern * rng.standard_normal(sensor.shape)))


def _flicker(scene: Scene, rng: np.random.Generator) -> F64:
    return np.asarray(np.clip(1 + scene.flicker * rng.standard_normal(N_FRAMES), 0.2, None))


def _compressed(frame: F64, step: float) -> F64:
    """Cosine coefficients of 8 x 8 blocks in whole steps, finer where the blocks are smooth."""
    tiles = frame.reshape(SIZE // 8, 8, SIZE // 8, 8).transpose(0, 2, 1, 3)
    waves = fft.dctn(tiles, axes=(2, 3), norm="ortho")
    coarse = step * (0.5 + np.add.outer(np.arange(8), np.arange(8)) / 7)
    tiles = fft.idctn(np.rint(waves / coarse) * coarse, axes=(2, 3), norm="ortho")
    return np.asarray(tiles.transpose(0, 2, 1, 3).reshape(SIZE, SIZE))


def correct(drawn: Drawn, motion: dict[str, Any]) -> tuple[MotionResult, list[str], list[str]]:
    """Correct a movie; warnings and log."""
    said: list[str] = []
    logged: list[str] = []
    result = correct_motion(
        ArraySource(drawn.movie),
        CNMFParams().replace(motion={"max_shifts": (10, 10), **motion}),
        write=lambda start, frames: None,
        n_threads=1,
        on_warning=said.append,
        on_log=logged.append,
    )
    return result, said, logged


def rms(error: NDArray[Any]) -> float:
    """Root mean square after the mean over frames is removed."""
    return float(np.sqrt(np.mean((error - error.mean(axis=0)) ** 2)))


def field_error(result: MotionResult, drawn: Drawn) -> float:
    """Error of the displacements over the field (rigid ones are the same everywhere)."""
    kept = ~result.lost if not result.lost.all() else np.ones(N_FRAMES, np.bool_)
    if drawn.bending is None and result.field is None:
        return rms((result.shifts - drawn.shifts)[kept])
    at = np.arange(4, SIZE - 4, 6)
    wanted = np.broadcast_to(drawn.shifts[:, None, None], (N_FRAMES, at.size, at.size, 2)).copy()
    if drawn.bending is not None:
        wanted += drawn.bending[:, at][:, :, at]
        wanted = _seen_from_template(drawn, at)
    found = np.broadcast_to(result.shifts[:, None, None], wanted.shape)
    if result.field is not None and result.nodes is not None:
        place = np.meshgrid(
            *[np.interp(at, n, np.arange(n.size)) for n in result.nodes], indexing="ij"
        )
        found = np.stack([
            np.stack([ndimage.map_coordinates(f[..., a], place, order=1) for a in range(2)], -1)
            for f in result.field
        ])  # fmt: skip
    return rms((found - wanted)[kept])


def _seen_from_template(drawn: Drawn, at: NDArray[np.int64]) -> F64:
    """Displacements ``v(z) = u(z + v(z))`` of the field u that was drawn in the frame's places."""
    out = np.empty((N_FRAMES, at.size, at.size, 2))
    rows, columns = np.meshgrid(at, at, indexing="ij")
    for t in range(N_FRAMES):
        u = drawn.bending[t] + drawn.shifts[t]
        v = np.zeros((at.size, at.size, 2))
        for _ in range(4):
            place = [rows + v[..., 0], columns + v[..., 1]]
            v = np.stack([
                ndimage.map_coordinates(u[..., a], place, order=1, mode="nearest") for a in range(2)
            ], -1)  # fmt: skip
        out[t] = v
    return out


def still_warning(movie: NDArray[np.uint16], per_bin: int = 5) -> str:
    """The warning that a run of CNMF gives about motion."""
    frames = movie[: len(movie) // per_bin * per_bin].astype(np.float32)
    means = frames.reshape(-1, per_bin, *frames.shape[1:]).mean(axis=1)
    noise = np.median(np.abs(np.diff(frames, axis=0)), axis=0) / 0.6745 / np.sqrt(2 * per_bin)
    X = np.ascontiguousarray(np.moveaxis(means, 0, -1))[None]
    return stillness_warning(residual_shifts(X, np.maximum(noise, 1e-3)[None])) or ""


def measure(name: str, seed: int) -> list[dict[str, Any]]:
    """Rows of one kind and seed: rigid, and piecewise."""
    scene = KINDS[name]
    drawn = draw(scene, seed)
    warned = still_warning(drawn.movie)
    rows = []
    for mode, extra in (("rigid", {}), ("pw", PW)):
        cpu = time.process_time()
        result, said, logged = correct(drawn, {**scene.motion, **extra})
        kept = ~result.lost
        moved = result.shifts if result.field is None else result.field.mean(axis=(1, 2))
        rows.append({
            "kind": name, "seed": seed, "mode": mode,
            "error": field_error(result, drawn),
            "stated": result.figures["residual_px"],
            "corrected": rms(moved[kept]) if kept.any() else 0.0,
            "bent": result.figures.get("nonrigid_rms_px", 0.0),
            "lost": int(result.lost.sum()),
            "line": result.figures["line_offset_px"],
            "said": said, "logged": logged, "still": warned, "cpu": time.process_time() - cpu,
        })  # fmt: skip
    return rows


def main() -> None:
    """Print a row for each kind, seed and mode."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", default=list(KINDS))
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--list", action="store_true", help="names of the kinds")
    parser.add_argument("--quiet", action="store_true", help="no sentences")
    given = parser.parse_args()
    if given.list:
        print("\n".join(KINDS))
        return
    print("| recording | seed | mode | error, px | stated, px | corrected, px | bent, px | lost |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for name in given.kinds:
        for seed in given.seeds:
            for row in measure(name, seed):
                print(
                    f"| {name} | {seed} | {row['mode']} | {row['error']:.3f} | {row['stated']:.3f} "
                    f"| {row['corrected']:.3f} | {row['bent']:.3f} | {row['lost']} |",
                    flush=True,
                )
                if not given.quiet:
                    for sentence in [*row["said"], row["still"]]:
                        if sentence:
                            print(f"    {sentence}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
