"""Calcium imaging in napari: CNMF with a batch manager, two engines, and curation.

Everything a script needs, imported when it is first asked for (PEP 562): importing the package
loads neither napari nor Qt nor any file format.
"""

from importlib.metadata import version
from typing import Any

import lazy_loader

__version__ = version("napari-cnmf")
_import_name, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    if name in __all__ or name.startswith("_"):  # Python itself asks for names with underscores
        return _import_name(name)
    from napari_cnmf._names import did_you_mean

    raise AttributeError(f"napari_cnmf has no {name!r}.{did_you_mean(name, __all__)}", name=name)
