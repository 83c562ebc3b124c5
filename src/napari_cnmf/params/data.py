"""Parameters of the recording: frame rate, decay time, pixel size."""

from __future__ import annotations

from typing import ClassVar

from napari_cnmf.params._axes import Lengths
from napari_cnmf.params._group import ParameterGroup, parameter


class DataParams(ParameterGroup):
    """Frame rate, decay of the indicator, pixel size: what the other groups are measured in."""

    group: ClassVar[str] = "data"

    fr: float | None = parameter(
        None,
        title="Frame rate",
        unit="Hz",
        gt=0,
        description=(
            "Frames per second; for a volume, volumes per second. Empty takes it from the movie's "
            "metadata; where that says nothing it is asked for, because every time constant "
            "depends on it. CaImAn would silently assume 30."
        ),
    )
    decay_time: float = parameter(
        0.4,
        title="Decay time",
        unit="s",
        gt=0,
        description=(
            "Length of a typical transient. CaImAn's 0.4 s suits fast indicators alone: about 0.4 "
            "for GCaMP6f, 0.7 for jGCaMP7f and GCaMP6m, 1 or more for GCaMP6s. Too short a value "
            "splits events and lowers the SNR that cells are accepted by."
        ),
    )
    dxy: Lengths = parameter(
        (1.0, 1.0),
        title="Pixel size",
        unit="µm/px",
        description=(
            "Size of a pixel along (y, x) or (z, y, x). For exports and scale bars; no step of "
            "the analysis uses it. CaImAn's documentation calls it pixels per µm, its examples "
            "use it as µm per pixel, as here."
        ),
    )
