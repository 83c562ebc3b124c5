"""CaImAn's HDF5 results: read exactly, written so that CaImAn goes on with them."""

from napari_cnmf.io.caiman._file import ResultFile, checked_csc, open_result
from napari_cnmf.io.caiman._read import read_caiman
from napari_cnmf.io.caiman._state import read_state
from napari_cnmf.io.caiman._write import write_caiman

__all__ = [
    "ResultFile",
    "checked_csc",
    "open_result",
    "read_caiman",
    "read_state",
    "write_caiman",
]
