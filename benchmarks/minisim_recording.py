"""One recording of the `minisim` simulator as an npz; run by an interpreter that has minisim.

minisim is GPL-3: it is called here, in its own process, and nothing of it is part of the package.

python benchmarks/minisim_recording.py NAME SEED OUT.npz
"""

from __future__ import annotations

import sys

import numpy as np
from minisim import CellActivity, Sensor, simulate
from minisim.presets import build_spec, ca1, cortex_l23, miniscope_v4
from minisim.spec import NeuronPopulation, Neuropil

SIDE, SECONDS, FPS = 160, 75.0, 20.0

NAMES = (
    "hippocampus",
    "dense",
    "strong neuropil, low light",
    "rough moving background",
    "cortex, blurred",
)


def spec_of(name: str, seed: int):
    """A Miniscope V4 over CA1 or cortex, 160 x 160 of its pixels (265 um)."""
    scope = miniscope_v4()
    sensor = scope.image_sensor.model_copy(
        update={"n_px_height": SIDE, "n_px_width": SIDE, "bit_depth": 12}
    )
    scope = scope.model_copy(update={"image_sensor": sensor})
    region, photons = ca1(), scope.photons_per_unit
    density, neuropil = region.population.density_per_mm3, region.neuropil
    match name:
        case "dense":
            density *= 2
        case "strong neuropil, low light":
            neuropil, photons = Neuropil(amplitude=1.2), 0.25 * photons
        case "rough moving background":
            neuropil = Neuropil(
                amplitude=1.0, spatial_sigma_um=14.0, temporal_tau_s=0.8,
                n_components=24, population_coupling=0.2,
            )  # fmt: skip
        case "cortex, blurred":
            region = cortex_l23()
            density, neuropil = 11_250.0, region.neuropil
    population = NeuronPopulation(**{**region.population.model_dump(), "density_per_mm3": density})
    region = region.model_copy(update={"population": population, "neuropil": neuropil})
    return build_spec(
        scope, region, duration_s=SECONDS, fps=FPS, seed=seed,
        activity=CellActivity(), sensor=Sensor(photons_per_unit=photons),
    )  # fmt: skip


def main(name: str, seed: int, out: str) -> None:
    spec = spec_of(name, seed)
    recording = simulate(spec)
    truth = recording.ground_truth
    movie = np.asarray(recording.observed)
    activity = next(s for s in spec.steps if isinstance(s, CellActivity))
    np.savez(
        out,
        movie=np.clip(np.rint(movie), 0, 65535).astype(np.uint16),
        A=np.asarray(truth.A_observed, np.float32).reshape(len(truth.C), -1).T,
        C=np.asarray(truth.C, np.float32),
        S=np.asarray(truth.S, np.float32),
        detectable=np.asarray(truth.detectable),
        frame_rate_hz=FPS,
        decay_time_s=activity.tau_decay_s,
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
