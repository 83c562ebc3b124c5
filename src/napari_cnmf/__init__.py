"""Calcium imaging in napari: CNMF with a batch manager, two engines, and curation.

Everything a script needs, imported when it is first asked for (PEP 562): importing the package
loads neither napari nor Qt nor any file format.
"""

from importlib.metadata import version

import lazy_loader

__version__ = version("napari-cnmf")
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
