"""Named recordings: the regimes that accuracy and speed are measured on."""

from __future__ import annotations

from napari_cnmf.testing.recording import Recording
from napari_cnmf.testing.two_photon import Simulation, simulate


def base_regime(
    n_frames: int = 2000,
    size: int | tuple[int, int] = 128,
    n_cells: int = 45,
    noise: float = 1.0,
    seed: int = 0,
) -> Simulation:
    """The base regime of the benchmarks, at some size.

    15 Hz; radius 5 px +- 25 %, elliptic, half of the cells nucleus-excluded, centres at least
    5.5 px apart; resting fluorescence 1.5 +- 50 %; events at log-normal rates around 0.1 Hz, of
    gamma distributed size, rise 0.08 s, decay 0.7 s; three smooth neuropil patterns; 3.2 photons
    per unit, pixel and frame. ``noise`` = n divides the photons by n squared.

    The rows: 2000 x 128 with 45 cells (also at noise 2 and 3) or 110 (also at 2.5), 3000 x 256 with
    180, 3000 x 512 with 600.
    """
    dims = (size, size) if isinstance(size, int) else size
    return Simulation.build(n_frames=n_frames, size=dims, n_cells=n_cells, noise=noise, seed=seed)


def demo_recording(seed: int = 0) -> Recording:
    """A short two-photon recording for demonstrations: 1000 x 96 x 128 at 15 Hz, 35 cells."""
    config = Simulation.build(n_frames=1000, size=(96, 128), n_cells=35, seed=seed)
    return simulate(config, resting_texture=0.12, silent_fraction=0.0, event_rate_hz=0.15)
