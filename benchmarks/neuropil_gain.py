"""How much of the true neuropil is left in the traces, where somata displace it and where not.

    python benchmarks/neuropil_gain.py --seeds 0 3 --out benchmarks/results/neuropil-gain.md

The coefficient of the neuropil that would be there if nothing were displaced, in the raw trace of
each cell that is found, beside its true calcium: 0 is right, -1 is taken out once too often.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.movie.source import ArraySource
from napari_cnmf.core.run import run_cnmf
from napari_cnmf.params import CNMFParams
from napari_cnmf.testing.scoring import footprint_cosines, match
from wide_simulator import draw, simulate_wide

DISPLACED = (0.0, 0.4, 0.8)


def coefficients(seed: int, displaced: float) -> NDArray[np.float64]:
    """Coefficient of the neuropil of each cell found in a recording."""
    drawn = draw(
        seed,
        displaced=displaced, size=(96, 96), n_frames=2000, frame_rate_hz=15.0, decay_s=0.6,
        rise_s=0.06, radius=5.0, n_cells=24, rest=0.6, photons=20.0, neuropil=0.12,
        neuropil_px=14.0, peak=2.0, z_motion=0.0, vessels=0, jitter_px=0.0, drift_px=0.0,
        row_jitter_px=0.0, mask=False, nan_edge=False, border_px=0, puncta=0, processes=0,
    )  # fmt: skip
    wide = simulate_wide(drawn)
    params = CNMFParams().replace(init={"gSig": (5, 5)}, data={"decay_time": 0.6})
    c = run_cnmf(
        ArraySource(wide.movie), params, frame_rate_hz=15.0, n_threads=1, on_warning=lambda s: None
    ).components
    somata = np.flatnonzero(wide.kind == "soma")
    pairs = match(footprint_cosines(c.A, wide.A[:, somata]), 0.6)
    found = []
    for i, j in pairs:
        trace = np.asarray(c.C[i] + c.YrA[i], np.float64)
        true = somata[j]
        design = np.stack([wide.C[true], wide.neuropil[true], np.ones(len(trace))], axis=1)
        fit, *_ = np.linalg.lstsq(design.astype(np.float64), trace, rcond=None)
        found.append(fit[1] / fit[0])
    return np.array(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, 3))
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    lines = [
        "| displaced | cells | coefficient: 10 %, median, 90 % | within +-.2 |",
        "|---|---|---|---|",
    ]
    for displaced in DISPLACED:
        all_of = [coefficients(seed, displaced) for seed in range(*arguments.seeds)]
        found = np.concatenate(all_of)
        low, middle, high = np.quantile(found, (0.1, 0.5, 0.9))
        near = float((np.abs(found) <= 0.2).mean())
        lines.append(
            f"| {displaced:.0%} | {len(found)} | {low:+.2f}, {middle:+.2f}, {high:+.2f} | {near:.0%} |"
        )
        print(lines[-1], flush=True)
    if arguments.out:
        arguments.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
