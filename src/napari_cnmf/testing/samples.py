"""Sample recordings: simulated once, kept in the user's cache; nothing is downloaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from platformdirs import user_cache_path

from napari_cnmf._checks import check_choice
from napari_cnmf._names import PresetName, SampleName
from napari_cnmf.errors import CnmfError
from napari_cnmf.testing.one_photon import OnePhotonSimulation, simulate_one_photon
from napari_cnmf.testing.recording import Recording
from napari_cnmf.testing.two_photon import Simulation, simulate
from napari_cnmf.testing.volume import VolumeSimulation, simulate_volume

if TYPE_CHECKING:
    from napari_cnmf.model.movie import Movie


@dataclass(frozen=True)
class Sample:
    """A recording that is simulated once and kept.

    Attributes
    ----------
    name
        Name of the layer.
    file
        Name of its file in the user's cache. The number in the name changes with the simulation,
        so that an old file is not taken for a new one.
    size
        Field ``([Z], Y, X)``.
    simulate
        Makes the recording; takes seconds.
    algorithm, preset
        What finds its cells.
    """

    name: str
    file: str
    size: tuple[int, ...]
    simulate: Callable[[], Recording]
    algorithm: Literal["cnmf", "cnmfe"] = "cnmf"
    preset: PresetName = "two-photon somata"

    def write(self, path: Path) -> Path:
        """Write the recording; nothing half-written is left under its name."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.simulate().write(path)
        return path


def demo_config(seed: int = 0) -> Simulation:
    """Knobs of a short two-photon recording for demonstrations: 1000 x 96 x 128, 35 cells."""
    return Simulation.build(
        n_frames=1000,
        size=(96, 128),
        n_cells=35,
        min_distance_px=7.0,
        event_rate_hz=0.15,
        event_rate_sigma=0.5,
        resting_texture=0.1,
        n_dendrites=1,
        noise=0.8,
        seed=seed,
    )


def demo_recording(seed: int = 0) -> Recording:
    """Simulate the recording of ``demo_config`` in memory."""
    return simulate(demo_config(seed))


def _one_photon() -> Recording:
    config = OnePhotonSimulation.build(
        n_frames=800, size=ONE_PHOTON.size, n_cells=35, min_distance_px=7.0
    )
    return simulate_one_photon(config)


def _volume() -> Recording:
    config = VolumeSimulation.build(n_frames=400, size=VOLUME.size, n_cells=22)
    return simulate_volume(config)


TWO_PHOTON = Sample("demo", "demo-recording-1.tif", (96, 128), demo_recording)
ONE_PHOTON = Sample(
    "one-photon demo",
    "one-photon-recording-1.tif",
    (112, 112),
    _one_photon,
    algorithm="cnmfe",
    preset="one-photon",
)
VOLUME = Sample("volume demo", "volume-recording-1.tif", (6, 56, 64), _volume, preset="volumetric")
SAMPLES = {"two-photon": TWO_PHOTON, "one-photon": ONE_PHOTON, "volume": VOLUME}


def sample_path(sample: Sample = TWO_PHOTON) -> Path:
    """Path of a sample in the user's cache, whether it is there yet or not."""
    return user_cache_path("napari-cnmf", appauthor=False) / sample.file


def sample(name: SampleName = "two-photon") -> Movie:
    """Sample recording of the given kind, as a lazy movie.

    The first call simulates the recording, which takes some seconds, and keeps it in your cache.
    It is the recording that napari offers under *File > Open Sample > CNMF*.

    Parameters
    ----------
    name
        ``two-photon`` (35 cells at 15 Hz), ``one-photon`` or ``volume`` (six planes).

    Raises
    ------
    CnmfError
        There is no sample of that name.

    Examples
    --------
    >>> movie = nc.sample("two-photon")
    """
    from napari_cnmf.io import open_movie

    check_choice("A sample", name, SAMPLES, CnmfError)
    path = sample_path(SAMPLES[name])
    return open_movie(path if path.exists() else SAMPLES[name].write(path))
