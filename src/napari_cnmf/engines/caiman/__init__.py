"""CaImAn, the reference implementation, run in its own interpreter."""

from napari_cnmf.engines.caiman.discovery import CaimanSearch, find_caiman
from napari_cnmf.engines.caiman.engine import CaimanEngine
from napari_cnmf.engines.caiman.interpreter import CaimanFound

__all__ = ["CaimanEngine", "CaimanFound", "CaimanSearch", "find_caiman"]
