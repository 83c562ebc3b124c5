"""Stands in for a library of neural networks: can be imported, and used for nothing.

CaImAn imports such a library at its top for a classifier that one may do without. This lies on the
path of its process, and of those of its pool, where the real one cannot be imported. Every name in
it and in every module below it is a class: CaImAn derives from some and makes defaults of others.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


class _Meta(type):
    def __getattr__(cls, name: str) -> Any:
        return _named(name)


class Absent(metaclass=_Meta):
    """Stand-in for whatever was asked of the library; raises when it is used."""

    def __init__(self, *_: Any, **__: Any) -> None:
        return

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise ImportError("This library cannot be imported in CaImAn's environment.")

    def __call__(self, *_: Any, **__: Any) -> Any:
        raise ImportError("This library cannot be imported in CaImAn's environment.")


def _named(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return Absent


class _Loader:
    """Finder of empty modules below one name, as many as are asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(self, name: str, *_: Any) -> ModuleSpec | None:
        """Find a module below the stand-in's name; ``None`` for other names."""
        if not name.startswith(f"{self._name}."):
            return None
        return ModuleSpec(name, self, is_package=True)  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave the making of the module to Python."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Give the module every name that it is asked for."""
        module.__getattr__ = _named  # type: ignore[method-assign]


def stand_in_for(module: ModuleType) -> None:
    """Give a module every name that it is asked for, and every module below it."""
    module.__getattr__ = _named  # type: ignore[method-assign]
    module.__dict__["__version__"] = "0"
    sys.meta_path.insert(0, _Loader(module.__name__))
