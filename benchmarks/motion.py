"""Motion correction against simulated truth: error, time and memory, one child process a case.

    python benchmarks/motion.py                     every case, as a Markdown table
    python benchmarks/motion.py smooth bending      some of them
    python benchmarks/motion.py --caiman PYTHON --suite2p PYTHON
                                                    on the same files, in their interpreters
    python benchmarks/motion.py --keep rows.json    rows that are there are not measured again

Reading the TIFF and writing the corrected one are inside the wall time; starting Python, importing
and loading compiled kernels are not. Errors are root mean square over frames and axes after the
mean offset is removed; those of non-rigid runs also over the field (every 4th px).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import tifffile
from numpy.typing import NDArray
from scipy import ndimage

from napari_cnmf.core.motion.correct import correct_motion
from napari_cnmf.core.movie.source import ArraySource
from napari_cnmf.engines.caiman.outputs import field_of_patches
from napari_cnmf.params import CNMFParams
from napari_cnmf.testing import simulate, simulate_one_photon, simulate_volume
from napari_cnmf.testing.one_photon import OnePhotonSimulation
from napari_cnmf.testing.volume import VolumeSimulation
from regimes import base_regime

BASE = {"n_frames": 1000, "size": 256, "n_cells": 180}
FAULTS = {"n_black_frames": 15, "n_flash_frames": 5, "n_noise_frames": 15, "n_saturated_frames": 2}
SMOOTH = {"rigid_motion_rms_px": 2.0}
JITTER = {"jitter_rms_px": 0.5, "n_jumps": 12}
BENDING = {"nonrigid_motion_rms_px": 1.2}
# name: (size of the recording, motion of it, parameters of the correction)
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "smooth": ({}, SMOOTH, {}),
    "three times the noise": ({"noise": 3.0}, SMOOTH, {}),
    "lost frames and flashes": ({}, {**SMOOTH, **FAULTS}, {}),
    "jitter and jumps": ({}, {**SMOOTH, **JITTER}, {}),
    "still": ({}, {}, {}),
    "still, non-rigid mode": ({}, {}, {"pw_rigid": True}),
    "smooth, non-rigid mode": ({}, SMOOTH, {"pw_rigid": True}),
    "bending, rigid mode": ({}, BENDING, {}),
    "bending": ({}, BENDING, {"pw_rigid": True, "max_deviation_rigid": 6}),
    "bending, three times the noise": (
        {"noise": 3.0},
        BENDING,
        {"pw_rigid": True, "max_deviation_rigid": 6},
    ),
    "bending on top of 2 px": (
        {},
        {**BENDING, **SMOOTH},
        {"pw_rigid": True, "max_deviation_rigid": 6},
    ),
    "512 x 512": ({"size": 512, "n_cells": 600, "n_frames": 500}, SMOOTH, {}),
    "smooth, lines 1.5 px beside": (
        {"n_frames": 500},
        {**SMOOTH, "bidirectional_offset_px": 1.5},
        {},
    ),
    "empty channel": ({"n_frames": 500}, {}, {}),
    "20,000 frames of 64 x 64": ({"size": 64, "n_cells": 12, "n_frames": 20000}, SMOOTH, {}),
}
# as a user of CaImAn would set them: its defaults, piecewise with the usual 48 + 24 px
CAIMAN = {"strides": (48, 48), "overlaps": (24, 24), "border_nan": "copy"}
MINISCOPE = {"oscillation_rms_px": 1.5, "oscillation_hz": 7.0}
"""One-photon, 1500 x 160 x 160 at 20 fps: the brain moves with the breath and the steps."""
CAIMAN_FILTERS = (3, 5, 7)
"""``gSig_filt`` of CaImAn for the miniscope: the best of the three is shown."""
SUITE2P_BLOCKS = (128, 64)
"""Its default, and one as large as what bends: the better is shown."""
VOLUME = {"n_frames": 300, "rigid_motion_rms_px": 1.5, "axial_motion_rms_planes": 0.4}


class PeakMemory:
    """Highest private memory of this process above what it had at the start."""

    def __enter__(self) -> PeakMemory:
        self._process = psutil.Process()
        self._first = self.peak = self._now()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _now(self) -> int:
        memory = self._process.memory_info()
        return int(memory.rss - getattr(memory, "shared", 0))

    def _watch(self) -> None:
        while not self._done.wait(0.02):
            self.peak = max(self.peak, self._now())

    def __exit__(self, *exc: object) -> None:
        self._done.set()
        self._thread.join()

    @property
    def gained_gb(self) -> float:
        return (self.peak - self._first) / 1e9


def run_case(name: str, seed: int, caiman: str | None, suite2p: str | None) -> list[dict[str, Any]]:
    """Simulate, correct, score; further rows are CaImAn's and suite2p's."""
    if name == "volume":
        recording = simulate_volume(VolumeSimulation(seed=seed, **VOLUME))
        motion: dict[str, Any] = {"max_shifts": (2, 12, 12)}
    elif name == "miniscope":
        recording = simulate_one_photon(OnePhotonSimulation.build(seed=seed, **MINISCOPE))
        motion = {"max_shifts": (12, 12), "gSig_filt": (5, 5)}
    else:
        size, moves, motion = CASES[name]
        recording = simulate(base_regime(**{**BASE, **size}, seed=seed), **moves)
        motion = {"max_shifts": (12, 12), **motion}
    with tempfile.TemporaryDirectory() as folder:
        source_path, target_path = Path(folder) / "movie.tif", Path(folder) / "corrected.tif"
        movie = recording.array()
        if name == "empty channel":
            movie[:] = 100
        tifffile.imwrite(source_path, movie, photometric="minisblack")
        shape, dtype = movie.shape, movie.dtype
        del movie
        params = CNMFParams().replace(motion=motion)
        warm_up(params, len(shape))
        with PeakMemory() as memory:
            cpu, wall = time.process_time(), time.perf_counter()
            target = tifffile.memmap(target_path, shape=shape, dtype=dtype)

            def write(start: int, frames: NDArray[Any]) -> None:
                target[start : start + len(frames)] = frames

            result = correct_motion(
                ArraySource(tifffile.memmap(source_path, mode="r")), params, write=write
            )
            target.flush()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        about = {"case": name, "movie": " x ".join(str(n) for n in shape)}
        rows = [
            about
            | {
                "error_px": error_px(result, recording.truth),
                "stated_px": result.figures["residual_px"],
                "lost": lost_frames(result, bad_frames(recording.truth, name)),
                "wall_s": wall,
                "cpu_s": cpu,
                "memory_gb": memory.gained_gb,
            }
        ]
        if caiman:
            filters = CAIMAN_FILTERS if "gSig_filt" in motion else (None,)
            tries = [
                run_caiman(
                    caiman, source_path, motion | ({} if f is None else {"gSig_filt": (f, f)}),
                    recording,
                )
                for f in filters
            ]  # fmt: skip
            rows.append(about | {"case": f"{name}: CaImAn"} | _best(tries))
        if suite2p and len(shape) == 3:
            pw_rigid = bool(motion.get("pw_rigid"))
            blocks = SUITE2P_BLOCKS if pw_rigid else (None,)
            tries = [
                run_suite2p(
                    suite2p, source_path, motion | ({} if n is None else {"block_size": (n, n)}),
                    recording,
                )
                for n in blocks
            ]  # fmt: skip
            rows.append(about | {"case": f"{name}: suite2p"} | _best(tries))
    return rows


def _best(tries: list[dict[str, Any]]) -> dict[str, Any]:
    """Of several settings the one with the smallest error."""
    return min(tries, key=lambda row: row["error_px"])


def run_suite2p(python: str, path: Path, motion: dict[str, Any], recording: Any) -> dict[str, Any]:
    """suite2p's error and seconds on the same file."""
    arrays = _run_elsewhere(python, "motion_suite2p.py", path, motion)
    found = SimpleNamespace(
        shifts=arrays["shifts"], lost=bad_frames(recording.truth), field=None, nodes=None
    )
    if "field" in arrays:
        found.field, found.nodes = arrays["field"], (arrays["y"], arrays["x"])
    return _row_of(found, arrays, recording)


def _run_elsewhere(
    python: str, script: str, path: Path, options: dict[str, Any]
) -> dict[str, NDArray[Any]]:
    """What another program found, run in its own interpreter."""
    answer = path.with_name("answer.npz")
    # what PYTHONPATH says holds for this interpreter, not for theirs
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    worker = Path(__file__).with_name(script)
    done = subprocess.run(
        [python, str(worker), str(path), str(answer), json.dumps(options)],
        check=False, capture_output=True, text=True, env=clean,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{script} failed:\n{done.stderr[-2000:]}")
    with np.load(answer) as stored:
        return {name: stored[name] for name in stored.files}


def _row_of(found: Any, arrays: dict[str, NDArray[Any]], recording: Any) -> dict[str, Any]:
    """A row of the table for another program."""
    return {
        "error_px": error_px(found, recording.truth),
        "stated_px": None,
        "lost": "",
        "wall_s": float(arrays["wall_s"]),
        "cpu_s": float(arrays["cpu_s"]),
        "memory_gb": None,
    }


def run_caiman(python: str, path: Path, motion: dict[str, Any], recording: Any) -> dict[str, Any]:
    """CaImAn's error and seconds on the same file."""
    options = CAIMAN | motion | {"dims": list(recording.truth.dims)}
    arrays = _run_elsewhere(python, "motion_caiman.py", path, options)
    truth = recording.truth
    n = len(arrays["shifts"])
    found = SimpleNamespace(
        shifts=-arrays["shifts"], lost=np.zeros(n, np.bool_), field=None, nodes=None
    )
    if "nodes" in arrays:
        found.field, found.nodes = field_of_patches(arrays)
    # frames that show nothing count for neither of the two
    found.lost = bad_frames(truth)
    return _row_of(found, arrays, recording)


def warm_up(params: CNMFParams, n_axes: int) -> None:
    """Load the compiled kernels."""
    shape = (40, 64, 64) if n_axes == 3 else (40, 8, 64, 64)
    blobs = np.random.default_rng(0).standard_normal(shape[1:])
    frame = np.maximum(1000 * ndimage.gaussian_filter(blobs, 2) + 500, 1)
    movie = np.random.default_rng(1).poisson(np.repeat(frame[None], 40, axis=0)).astype(np.uint16)
    correct_motion(ArraySource(movie), params, write=lambda start, frames: None)


def error_px(result: Any, truth: Any) -> float:
    """Root mean square error of the displacements."""
    sound = ~result.lost if not result.lost.all() else np.ones(len(result.lost), np.bool_)
    if not truth.warp.size:
        moved = result.shifts if result.field is None else result.field.mean(axis=(1, 2))
        return rms(moved[sound] - truth.shifts[sound])
    at = [np.arange(2.0, n, 4) for n in truth.dims]
    wanted = seen_from_template(truth.displacements(*at))
    found = np.broadcast_to(result.shifts[:, None, None], wanted.shape)
    if result.field is not None and result.nodes is not None:
        found = interpolate(result.field, result.nodes, at)
    error = (found - wanted)[sound]
    return rms(error - error.mean(axis=0))


def seen_from_template(field: NDArray[Any]) -> NDArray[Any]:
    """Displacements ``v(z) = u(z + v(z))`` of a field ``u`` known at places of the frame."""
    found = field.copy()
    rows, columns = np.mgrid[: field.shape[1], : field.shape[2]]
    for t, u in enumerate(field):
        for _ in range(3):
            place = [rows + found[t, ..., 0] / 4, columns + found[t, ..., 1] / 4]
            found[t] = np.stack(
                [
                    ndimage.map_coordinates(u[..., a], place, order=1, mode="nearest")
                    for a in range(2)
                ],
                axis=-1,
            )
    return found


def interpolate(
    field: NDArray[Any], nodes: tuple[NDArray[Any], ...], at: list[NDArray[Any]]
) -> NDArray[Any]:
    """The field between its nodes, bilinear."""
    place = np.meshgrid(
        *[np.interp(a, n, np.arange(n.size)) for a, n in zip(at, nodes, strict=True)],
        indexing="ij",
    )
    return np.stack(
        [
            np.stack([ndimage.map_coordinates(f[..., a], place, order=1) for a in range(2)], -1)
            for f in field
        ]
    )


def rms(error: NDArray[Any]) -> float:
    """Root mean square after the mean offset is removed."""
    offset = error.mean(axis=tuple(range(error.ndim - 1)))
    return float(np.sqrt(np.mean((error - offset) ** 2)))


def bad_frames(truth: Any, name: str = "") -> NDArray[np.bool_]:
    """Frames that show nothing."""
    if name == "empty channel":
        return np.ones(len(truth.frame_fault), np.bool_)
    return np.isin(truth.frame_fault, ["black", "noise", "saturated"])


def lost_frames(result: Any, bad: NDArray[np.bool_]) -> str:
    """How many of the frames that show nothing are flagged, and how many others."""
    if not bad.any() and not result.lost.any():
        return ""
    return f"{(result.lost & bad).sum()}/{bad.sum()}, {(result.lost & ~bad).sum()} wrong"


def main() -> None:
    """Run the cases asked for and print a table."""
    names = [*CASES, "miniscope", "volume"]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", help="; ".join(names))
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--caiman", help="CaImAn's python, to run it on the same files")
    parser.add_argument("--suite2p", help="suite2p's python, to run it on the same files")
    parser.add_argument("--keep", type=Path, help="JSON of rows measured before; extended")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        print(json.dumps(run_case(given.cases[0], given.seed, given.caiman, given.suite2p)))
        return
    columns = ("recording", "frames", "error, px", "stated, px", "lost", "wall, s", "CPU, s", "GB")
    print(f"| {' | '.join(columns)} |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    kept = json.loads(given.keep.read_text()) if given.keep and given.keep.exists() else {}
    peers = [f"--{p}={python}" for p in ("caiman", "suite2p") if (python := getattr(given, p))]
    for name in given.cases or names:
        key = f"{name}, seed {given.seed}, " + " ".join(p.split("=")[0] for p in peers)
        if key not in kept:
            command = [sys.executable, __file__, "--child", "--seed", str(given.seed), *peers, name]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            kept[key] = json.loads(done.stdout.splitlines()[-1])
            if given.keep:
                given.keep.write_text(json.dumps(kept, indent=1))
        for row in kept[key]:
            print(
                f"| {row['case']} | {row['movie']} | {row['error_px']:.3f} "
                f"| {_or_nothing(row['stated_px'], 3)} | {row['lost']} | {row['wall_s']:.2f} "
                f"| {row['cpu_s']:.2f} | {_or_nothing(row['memory_gb'], 2)} |",
                flush=True,
            )


def _or_nothing(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


if __name__ == "__main__":
    main()
