"""Engines by name, imported when they are asked for.

Engines of others register under the entry point group ``napari_cnmf.engines``, a name for a class
that satisfies `napari_cnmf.engines.base.Engine`. The name in an item chooses among those installed
and can make nothing else run.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import NamedTuple

from napari_cnmf._checks import check_choice
from napari_cnmf.engines.base import Algorithm, Engine
from napari_cnmf.errors import EngineError

__all__ = [
    "AUTO",
    "Resolution",
    "engine_names",
    "engines",
    "get_engine",
    "look_again",
    "require_known",
    "resolve",
]

AUTO = "auto"
ENTRY_POINTS = "napari_cnmf.engines"

_PREFERRED, _ALWAYS = "caiman", "builtin"

_OURS = {
    "builtin": "napari_cnmf.engines.builtin:BuiltinEngine",
    "caiman": "napari_cnmf.engines.caiman:CaimanEngine",
}


class Resolution(NamedTuple):
    """An engine, and why it was taken."""

    engine: Engine
    reason: str


def engine_names() -> tuple[str, ...]:
    """Names of every engine that is known, here or not."""
    return (*_OURS, *sorted(_others().keys() - _OURS.keys()))


@cache
def _others() -> dict[str, EntryPoint]:
    """Engines of other packages, read once: that opens the metadata of every package."""
    return {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}


def look_again() -> None:
    """Forget which engines there are, after packages were installed or removed."""
    _others.cache_clear()
    get_engine.cache_clear()


@cache
def get_engine(name: str) -> Engine:
    """The engine of that name.

    Raises
    ------
    EngineError
        When no engine has that name, or its package cannot be imported.
    """
    if name in _OURS:
        module, _, attribute = _OURS[name].partition(":")
        engine: Engine = getattr(import_module(module), attribute)()
        return engine
    require_known(name)
    entry = _others()[name]
    try:
        loaded: Engine = entry.load()()
    except (ImportError, AttributeError, TypeError) as error:
        raise EngineError(
            f"Engine {name!r} of {entry.value} must load, and does not: {error}. "
            "Update or remove the package it comes from."
        ) from error
    return loaded


def require_known(name: object) -> None:
    """Raise ``EngineError`` unless ``name`` is ``auto`` or that of a known engine."""
    if not isinstance(name, str) or name not in (AUTO, *_OURS):
        check_choice("The engine", name, (AUTO, *engine_names()), EngineError)


def engines() -> dict[str, Engine]:
    """Every known engine by name; ask each for its `unavailable_reason`."""
    return {name: get_engine(name) for name in engine_names()}


def resolve(name: str, algorithm: Algorithm) -> Resolution:
    """The engine that is to run ``algorithm``, and why it is that one.

    ``auto`` takes what the setting ``auto_engine`` says; where it says nothing, CaImAn where it is
    found and can do it, else the built-in engine.

    Raises
    ------
    EngineError
        When the engine asked for is not there or cannot do it. An engine that the setting names
        is asked for: another one would give other results without a word.
    """
    if name != AUTO:
        engine = get_engine(name)
        if (reason := _cannot(engine, algorithm)) is not None:
            raise EngineError(f"{engine.title} cannot run this item: {reason}")
        return Resolution(engine, "it was asked for.")
    from napari_cnmf.settings import read_settings

    if (chosen := read_settings().auto_engine) is not None:
        engine = get_engine(chosen)
        if (reason := _cannot(engine, algorithm)) is not None:
            raise EngineError(
                f"Engine auto means {engine.title} in the settings, and it cannot run this item: "
                f"{reason} 'napari-cnmf doctor --auto found' takes the choice back."
            )
        return Resolution(engine, f"engine is auto, which means {engine.title} in the settings.")
    preferred = get_engine(_PREFERRED)
    reason = _cannot(preferred, algorithm)
    if reason is None:
        return Resolution(preferred, f"engine is auto, and {preferred.title} was found.")
    always = get_engine(_ALWAYS)
    return Resolution(always, f"engine is auto, which means {always.title} here: {reason}")


def _cannot(engine: Engine, algorithm: Algorithm) -> str | None:
    """Reason why ``engine`` cannot do ``algorithm`` here; ``None`` if it can."""
    if algorithm not in engine.algorithms():
        able = ", ".join(sorted(engine.algorithms()))
        return f"{engine.title} does {able}, not {algorithm}."
    return engine.unavailable_reason()
