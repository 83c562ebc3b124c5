"""Names that scripts give as text, defined once each.

Editors complete them, type checkers find a misspelt one, and the command line offers them.
"""

from typing import Literal

AlgorithmName = Literal["mcorr", "cnmf", "cnmfe", "evaluate"]
"""What an item does."""

EngineName = Literal["auto", "builtin", "caiman"]
"""Who computes, of the engines of this package; other packages may register more."""

FormatName = Literal[
    "caiman", "nwb", "csv", "parquet", "dandi", "npz", "mat", "suite2p", "imagej", "labels",
    "params", "methods", "mp4", "raster", "correlation",
]  # fmt: skip
"""What a result can be written as."""
