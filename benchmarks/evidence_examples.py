"""Recordings analysed once, for training and judging the verdict: components, events, labels, in a cache.

    python benchmarks/evidence_examples.py two-photon 1000 1080 --cache CACHE
    python benchmarks/evidence_examples.py one-photon 1000 1020 --cache CACHE
    python benchmarks/evidence_examples.py volume 1000 1010 --cache CACHE

Seeds below 5000 are for development, those from 5000 on are looked at once, at the end.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.core.base.parts import RunHere
from napari_cnmf.core.base.threads import Workers
from napari_cnmf.core.movie.source import ArraySource
from napari_cnmf.core.run import run_cnmf
from napari_cnmf.core.verdict.events import EventImages, Windows
from napari_cnmf.core.verdict.rvalues import sum_frames
from napari_cnmf.model.components import Components
from napari_cnmf.params import CNMFParams
from napari_cnmf.testing import (
    OnePhotonSimulation,
    VolumeSimulation,
    simulate,
    simulate_one_photon,
    simulate_volume,
)
from napari_cnmf.testing.scoring import footprint_cosines, match
from second_simulator import simulate_other
from wide_simulator import Draw, draw, simulate_wide

SAME = 0.6
"""Cosine from which on a component is a cell, one to one."""
VISIBLE = 0.3
"""Share of a cell's energy that must take part in the analysis for the cell to count."""
UNCOUNTED = 0.2
"""Weight of a component that is a cell which need not be found: most of it takes no part."""
CLASSES = ("soma", "process", "punctum", "fragment", "out of focus", "noise")


@dataclass(frozen=True, eq=False)
class Example:
    """One recording's components with what is true of them.

    Attributes
    ----------
    components
        As the engine returns them.
    events, events_error
        Of :class:`napari_cnmf.core.verdict.events.EventImages`.
    label
        Of each component, one of ``CLASSES`` ``(n,)``.
    weight
        How sure the label is: components that are neither quite a cell nor clearly none count less.
    cell_of
        The cell that a soma is ``(n,)``, else -1.
    cell_snr, cell_detectability
        Of every cell that counts.
    about
        What was drawn.
    """

    components: Components
    events: NDArray[np.float32]
    events_error: NDArray[np.float64]
    label: NDArray[np.str_]
    weight: NDArray[np.float64]
    cell_of: NDArray[np.intp]
    cell_snr: NDArray[np.float64]
    cell_detectability: NDArray[np.float64]
    about: dict[str, Any]


def look(
    movie: NDArray[np.generic], params: CNMFParams, frame_rate_hz: float, **options: Any
) -> tuple[Components, NDArray[np.float32], NDArray[np.float64]]:
    """Run the engine, and take images of the components' events."""
    source = ArraySource(movie)
    c = run_cnmf(
        source,
        params,
        frame_rate_hz=frame_rate_hz,
        on_warning=lambda sentence: None,
        n_threads=1,
        **options,
    ).components
    events, error = events_of(source, c, params, frame_rate_hz)
    return c, events, error


def events_of(
    source: ArraySource, c: Components, params: CNMFParams, frame_rate_hz: float
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    A = c.A.tocsc()
    A.sort_indices()
    with Workers(1, lambda: None) as workers:
        windows = Windows.around(A, c.dims, tuple(params.init.gSig))
        taken = EventImages(
            A, c.C, windows, frame_rate_hz, params.data.decay_time * frame_rate_hz, workers
        )
        sum_frames(source, taken.wanted, RunHere(1))
    return taken.images(c.sn)


def usable_of(
    dims: tuple[int, ...], border: int, mask: NDArray[np.bool_] | None, movie: NDArray[np.generic]
) -> NDArray[np.bool_]:
    usable = np.isfinite(movie[0]) if movie.dtype.kind == "f" else np.ones(dims, bool)
    if border:
        inner = np.zeros(dims, bool)
        inner[..., border:-border, border:-border] = True
        usable &= inner
    return usable if mask is None else usable & mask


def label_components(
    A: sp.csc_matrix, truth: sp.csc_matrix, kind: NDArray[np.str_], counts: NDArray[np.bool_]
) -> tuple[NDArray[np.str_], NDArray[np.float64], NDArray[np.intp]]:
    """What each component is, how sure that is, and which cell it is."""
    n = A.shape[1]
    label, weight = np.full(n, "noise", "<U12"), np.ones(n)
    cell_of = np.full(n, -1)
    cosine = footprint_cosines(A, truth)
    cells = np.flatnonzero(kind == "soma")
    inside = _containment(A, truth)
    if cosine.shape[1]:
        nearest = cosine.argmax(1)
        best = cosine[np.arange(n), nearest]
        for k in range(n):
            if best[k] > 0.35:
                label[k] = kind[nearest[k]]
            elif cells.size and inside[k, cells].max() > 0.6:
                label[k] = "fragment"
    label[label == "vessel"] = "noise"
    label[label == "soma"] = "fragment"
    near = cosine[:, cells].max(1, initial=0) if cells.size else np.zeros(n)
    weight[(near > 0.45) & (near < 0.75)] = 0.35
    for k, j in match(cosine[:, cells], SAME):
        label[k], cell_of[k] = "soma", cells[j]
        weight[k] = 0.5 if cosine[k, cells[j]] < 0.7 else 1.0
        if not counts[cells[j]]:
            weight[k] = UNCOUNTED
    return label, weight, cell_of


def _containment(A: sp.csc_matrix, truth: sp.csc_matrix) -> NDArray[np.float64]:
    energy = A.multiply(A)
    support = (truth > 0.2).astype(float)
    total = np.maximum(np.asarray(energy.sum(0)).ravel(), 1e-12)
    return np.asarray((energy.T @ support).todense()) / total[:, None]


def two_photon(seed: int, **fixed: Any) -> Iterator[Example]:
    """A wide recording, and now and then footprints of cells laid where there is none."""
    if seed % 10 == 3:
        fixed = {"n_cells": 0} | fixed
    if 2000 <= seed < 3000:
        fixed = _small_field(seed) | fixed
    if 3000 <= seed < 4000:
        fixed = _crowded_field(seed) | fixed
    is_tissue = 4000 <= seed < 5000 or seed >= 7000
    if is_tissue:
        fixed = _tissue(seed) | fixed
    d = draw(seed, **fixed)
    wide = simulate_wide(d)
    base = CNMFParams.preset("two-photon somata") if seed % 2 else CNMFParams()
    params = base.replace(init={"gSig": d.g_sig}, data={"decay_time": d.decay_s * d.decay_told})
    options: dict[str, Any] = {"border_px": d.border_px, "mask": wide.mask}
    c, events, error = look(wide.movie, params, d.frame_rate_hz, **options)
    usable = usable_of(d.size, d.border_px, wide.mask, wide.movie)
    yield _example(
        c,
        events,
        error,
        wide.A,
        wide.kind,
        wide.snr,
        wide.detectability,
        usable,
        asdict(d) | {"what": "tissue" if is_tissue else "two-photon"},
    )
    if seed % 4 == 0 and c.n_components:
        yield from _decoys(seed, c, wide.movie, wide.A, usable, params, d, options)


def _small_field(seed: int) -> dict[str, Any]:
    """Few cells among thick puncta, short processes and tangles, with slow light told too fast."""
    rng = np.random.default_rng([seed, 31])
    return {
        "size": (64, 68),
        "n_frames": int(rng.integers(600, 900)),
        "radius": float(rng.uniform(3, 5.5)),
        "n_cells": int(rng.integers(3, 12)),
        "puncta": int(rng.integers(4, 16)),
        "processes": int(rng.integers(3, 12)),
        "tangles": int(rng.integers(2, 9)),
        "thickest": 0.5,
        "frame_rate_hz": 30.0,
        "decay_s": float(np.exp(rng.uniform(np.log(0.3), np.log(3.0)))),
        "decay_told": float(rng.uniform(0.25, 1.2)),
        "mask": False,
        "nan_edge": False,
        "peak": float(np.exp(rng.uniform(np.log(1), np.log(5)))),
        "events": float(np.exp(rng.uniform(np.log(3), np.log(15)))),
    }


def _crowded_field(seed: int) -> dict[str, Any]:
    """Small, bright cells side by side."""
    rng = np.random.default_rng([seed, 32])
    radius = float(rng.uniform(2.3, 4.5))
    return {
        "size": (44, 52),
        "n_frames": int(rng.integers(600, 1000)),
        "radius": radius,
        "n_cells": int(rng.uniform(0.3, 0.6) * 44 * 52 / (np.pi * radius**2)),
        "peak": float(np.exp(rng.uniform(np.log(3), np.log(15)))),
        "peak_spread": 0.5,
        "puncta": int(rng.integers(0, 4)),
        "processes": int(rng.integers(0, 5)),
        "tangles": 0,
        "out_of_focus": int(rng.integers(0, 4)),
        "frame_rate_hz": float(rng.uniform(8, 30)),
        "mask": False,
        "nan_edge": False,
        "border_px": 0,
        "events": float(rng.uniform(4, 30)),
    }


def _tissue(seed: int) -> dict[str, Any]:
    """What real tissue has and a field of round cells has not: cells as small as 3 px across, oblong
    and with dendrites, blurred noise, specks that flicker with motion, thick puncta, tangles."""
    rng = np.random.default_rng([seed, 33])
    size = (int(rng.integers(40, 92)), int(rng.integers(40, 92)))
    radius = float(np.exp(rng.uniform(np.log(1.6), np.log(6))))
    maybe = lambda high: int(rng.integers(0, high) * (rng.random() < 0.6))  # noqa: E731
    area = size[0] * size[1] / 4000
    share = rng.uniform(0.03, 0.5)
    return {
        "size": size,
        "n_frames": int(rng.integers(500, 1000)),
        "radius": radius,
        "n_cells": int(np.clip(share * size[0] * size[1] / (np.pi * radius**2), 4, 70)),
        "peak": float(np.exp(rng.uniform(np.log(0.8), np.log(12)))),
        "events": float(np.exp(rng.uniform(np.log(2), np.log(40)))),
        "decay_told": float(np.exp(rng.uniform(np.log(0.25), np.log(1.8)))),
        "size_told": float(np.exp(0.25 * rng.standard_normal())),
        "thickest": float(rng.uniform(0.25, 0.55)),
        "puncta": int(maybe(24) * area),
        "processes": int(maybe(16) * area),
        "tangles": int(maybe(8) * area),
        "out_of_focus": int(maybe(10) * area),
        "aspect": float(np.exp(rng.normal(0, 0.15))),
        "oblong": float(rng.uniform(0, 0.7)),
        "stubs": float(rng.uniform(0, 2.5)),
        "noise_px": float(rng.uniform(0.3, 0.7) * (rng.random() < 0.6)),
        "spots": int(maybe(12) * area),
        "jitter_px": float(rng.uniform(0, 0.6) * (rng.random() < 0.6)),
        "neuropil_px": float(np.exp(rng.uniform(np.log(2), np.log(30)))),
    }


def _decoys(
    seed: int,
    c: Components,
    movie: NDArray[np.generic],
    truth: sp.csc_matrix,
    usable: NDArray[np.bool_],
    params: CNMFParams,
    d: Draw,
    options: dict[str, Any],
) -> Iterator[Example]:
    """Components whose footprint is a cell's and whose place has none: the outline proves nothing."""
    rng = np.random.default_rng([seed, 99])
    pool = c.A if c.n_components else truth
    columns = []
    for _ in range(60):
        image = pool[:, int(rng.integers(pool.shape[1]))].toarray().reshape(d.size)
        rolled = np.roll(image, rng.integers(0, min(d.size), 2), (0, 1)) * usable
        column = sp.csc_matrix(rolled.reshape(-1, 1))
        if (rolled**2).sum() > 0.7 * (image**2).sum() and footprint_cosines(column, truth).max(
            initial=0
        ) < 0.25:
            columns.append(column)
        if len(columns) == 12:
            break
    if not columns:
        return
    given = sp.hstack([c.A, *columns]).tocsc()
    again, events, error = look(movie, params, d.frame_rate_hz, ain=given, **options)
    if again.n_components != given.shape[1]:
        return
    new = np.arange(c.n_components, again.n_components)
    n = len(new)
    yield Example(
        again,
        events,
        error,
        np.array([""] * c.n_components + ["noise"] * n, dtype="<U12"),
        np.append(np.zeros(c.n_components), np.ones(n)),
        np.full(again.n_components, -1),
        np.zeros(0),
        np.zeros(0),
        asdict(d) | {"what": "decoys"},
    )


def _example(
    c: Components,
    events: NDArray[np.float32],
    error: NDArray[np.float64],
    truth: sp.csc_matrix,
    kind: NDArray[np.str_],
    snr: NDArray[np.float64],
    detectability: NDArray[np.float64],
    usable: NDArray[np.bool_],
    about: dict[str, Any],
) -> Example:
    whole = np.asarray(truth.multiply(truth).sum(0)).ravel()
    seen = sp.csc_matrix(sp.diags(usable.ravel().astype(np.float32)) @ truth)
    there = np.asarray(seen.multiply(seen).sum(0)).ravel()
    typical = np.median(whole[kind == "soma"]) if (kind == "soma").any() else 1.0
    counts = (there > VISIBLE * np.minimum(whole, typical)) & (there > 0.25 * typical)
    label, weight, cell_of = label_components(c.A, seen, kind, counts)
    cells = np.flatnonzero((kind == "soma") & counts)
    return Example(
        c, events, error, label, weight, cell_of, snr[cells], detectability[cells], about
    )


def one_photon(seed: int) -> Iterator[Example]:
    rng = np.random.default_rng([seed, 21])
    log = lambda low, high: float(np.exp(rng.uniform(np.log(low), np.log(high))))  # noqa: E731
    config = OnePhotonSimulation.build(
        seed=seed,
        n_frames=int(rng.integers(800, 1500)),
        size=(112, 120),
        frame_rate_hz=log(8, 35),
        n_cells=int(rng.integers(10, 50)),
        radius_px=log(3, 7),
        scatter_px=log(0.8, 2.5),
        halo_share=rng.uniform(0, 0.25),
        amplitude_units=log(1.2, 5),
        event_rate_hz=log(0.05, 0.4),
        decay_time_s=log(0.25, 1.6),
        background_units=log(12, 60),
        wave_fraction=rng.uniform(0, 0.07),
        wave_length_px=log(8, 40),
        global_fraction=rng.uniform(0, 0.08),
        out_of_focus_per_kpx=rng.uniform(0, 3),
        out_of_focus_units=rng.uniform(0.3, 2),
        n_vessels=int(rng.integers(0, 8)),
        vessel_depth=rng.uniform(0.1, 0.6),
        jitter_rms_px=float(rng.uniform(0, 0.4) * (rng.random() < 0.5)),
    )
    made = simulate_one_photon(config)
    params = CNMFParams.preset("one-photon").replace(
        init={"gSig": made.gSig, "gSiz": None},
        data={"decay_time": made.decay_time_s * log(0.6, 1.6)},
    )
    c, events, error = look(made.array(), params, made.frame_rate_hz, one_photon=True)
    yield _from_truth(made, c, events, error, config.model_dump() | {"what": "one-photon"})


def volume(seed: int) -> Iterator[Example]:
    rng = np.random.default_rng([seed, 22])
    log = lambda low, high: float(np.exp(rng.uniform(np.log(low), np.log(high))))  # noqa: E731
    config = VolumeSimulation.build(
        seed=seed,
        n_frames=int(rng.integers(450, 700)),
        size=(8, 56, 60),
        frame_rate_hz=log(3, 12),
        n_cells=int(rng.integers(12, 45)),
        radius_px=log(3, 5.5),
        plane_distance_px=log(1.2, 4),
        axial_blur_px=log(0.7, 2.5),
        decay_time_s=log(0.4, 1.8),
        noise=log(0.6, 2.5),
        resting_cell_units=rng.uniform(0, 2),
    )
    made = simulate_volume(config)
    params = CNMFParams.preset("volumetric").replace(
        init={"gSig": made.gSig}, data={"decay_time": made.decay_time_s * log(0.6, 1.6)}
    )
    c, events, error = look(made.array(), params, made.frame_rate_hz)
    yield _from_truth(made, c, events, error, config.model_dump() | {"what": "volume"})


def other(seed: int) -> Iterator[Example]:
    """Of the two-photon simulators that come with the package: never for training."""
    rng = np.random.default_rng([seed, 23])
    log = lambda low, high: float(np.exp(rng.uniform(np.log(low), np.log(high))))  # noqa: E731
    radius = log(3, 7)
    knobs: dict[str, Any] = {
        "seed": seed,
        "n_frames": int(rng.integers(700, 1200)),
        "size": (92, 96),
        "frame_rate_hz": log(7, 30),
        "radius_px": radius,
        "n_cells": int(rng.uniform(0.05, 0.3) * 92 * 96 / (np.pi * radius**2)),
        "min_distance_px": 1.5 * radius,
        "decay_time_s": log(0.3, 1.5),
        "resting_cell_units": rng.uniform(0, 1.5),
        "fine_processes_per_kpx": rng.uniform(0, 15),
        "n_puncta": int(rng.integers(0, 30)),
        "n_dendrites": int(rng.integers(0, 6)),
        "noise": log(0.7, 3),
        "jitter_rms_px": float(rng.uniform(0, 0.3)),
        "border_margin_px": -0.3 * radius,
    }
    make = simulate if seed % 2 else simulate_other
    made = make(**knobs)
    params = CNMFParams.preset("two-photon somata").replace(
        init={"gSig": made.gSig}, data={"decay_time": made.decay_time_s * log(0.6, 1.6)}
    )
    c, events, error = look(made.array(), params, made.frame_rate_hz)
    yield _from_truth(made, c, events, error, knobs | {"what": "other"})


def _from_truth(
    made: Any, c: Components, events: Any, error: Any, about: dict[str, Any]
) -> Example:
    truth = made.truth
    active = truth.A[:, truth.detectable]
    others = truth.processes
    blur = "out of focus" if about["what"] == "one-photon" else "process"
    kind = np.array(["soma"] * active.shape[1] + [blur] * others.shape[1], dtype="<U12")
    snr = np.append(truth.snr[truth.detectable], np.zeros(others.shape[1]))
    everything = sp.hstack([active, others]).tocsc()
    return _example(c, events, error, everything, kind, snr, snr, np.ones(truth.dims, bool), about)


WHAT = {"two-photon": two_photon, "one-photon": one_photon, "volume": volume, "other": other}


def store(path: Path, e: Example) -> None:
    """Plain arrays; parameters and what was drawn as JSON."""
    c = e.components
    values: dict[str, Any] = {f"image.{k}": v for k, v in c.images.items()}
    for f in fields(Components):
        v = getattr(c, f.name)
        if isinstance(v, np.ndarray) and f.name not in ("b", "f", "b0"):
            values[f"c.{f.name}"] = v
    A = c.A.tocsc()
    values |= {
        "A.data": A.data,
        "A.indices": A.indices,
        "A.indptr": A.indptr,
        "dims": np.array(c.dims),
    }
    for name in (
        "events",
        "events_error",
        "label",
        "weight",
        "cell_of",
        "cell_snr",
        "cell_detectability",
    ):
        values[name] = getattr(e, name)
    attributes = {k: v for k, v in c.attributes.items() if k != "candidates"}
    values["json"] = json.dumps([c.params, attributes, e.about, c.frame_rate_hz], default=str)
    np.savez(path, **values)


def load(path: Path) -> Example:
    """What :func:`store` wrote."""
    with np.load(path, allow_pickle=False) as f:
        params, attributes, about, rate = json.loads(str(f["json"]))
        dims = tuple(int(n) for n in f["dims"])
        n = len(f["A.indptr"]) - 1
        A = sp.csc_matrix(
            (f["A.data"], f["A.indices"], f["A.indptr"]), shape=(int(np.prod(dims)), n)
        )
        rest = {k[2:]: f[k] for k in f.files if k.startswith("c.")}
        images = {k[6:]: f[k] for k in f.files if k.startswith("image.")}
        c = Components(
            A=A,
            dims=dims,
            params=params,
            attributes=attributes,
            images=images,
            frame_rate_hz=rate,
            **rest,
        )
        names = (
            "events",
            "events_error",
            "label",
            "weight",
            "cell_of",
            "cell_snr",
            "cell_detectability",
        )
        return Example(c, *(f[name] for name in names), about)


def cached(what: str, seeds: range, cache: Path, **fixed: Any) -> Iterator[Example]:
    """Examples of all seeds, made where they are not there yet."""
    for seed in seeds:
        mark = cache / f"{what}-{seed}.done"
        if not mark.exists():
            began = time.process_time()
            n = 0
            for n, e in enumerate(WHAT[what](seed, **fixed), 1):
                store(cache / f"{what}-{seed}-{n}.npz", e)
            mark.write_text(f"{time.process_time() - began:.1f}\n")
        for path in sorted(cache.glob(f"{what}-{seed}-*.npz")):
            yield load(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=sorted(WHAT))
    parser.add_argument("first", type=int)
    parser.add_argument("end", type=int)
    parser.add_argument("--cache", type=Path, required=True)
    given = parser.parse_args()
    for e in cached(given.what, range(given.first, given.end), given.cache):
        kinds, n = np.unique(e.label, return_counts=True)
        print(
            e.about.get("seed"),
            e.about["what"],
            dict(zip(kinds.tolist(), n.tolist(), strict=True)),
            len(e.cell_snr),
            flush=True,
        )


if __name__ == "__main__":
    main()
