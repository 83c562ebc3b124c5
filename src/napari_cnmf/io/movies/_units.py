"""Units as file formats spell them."""

from __future__ import annotations

_MICROMETRES = {
    "um": 1.0,
    "µm": 1.0,  # micro sign
    "μm": 1.0,  # Greek mu
    "\\u00b5m": 1.0,  # as ImageJ escapes it
    "micron": 1.0,
    "microns": 1.0,
    "micrometer": 1.0,
    "micrometers": 1.0,
    "micrometre": 1.0,
    "micrometres": 1.0,
    "nm": 1e-3,
    "nanometer": 1e-3,
    "nanometers": 1e-3,
    "mm": 1e3,
    "millimeter": 1e3,
    "millimeters": 1e3,
    "cm": 1e4,
    "centimeter": 1e4,
    "m": 1e6,
    "meter": 1e6,
    "meters": 1e6,
    "inch": 25400.0,
    "in": 25400.0,
}
_SECONDS = {
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "seconds": 1.0,
    "ms": 1e-3,
    "msec": 1e-3,
    "millisecond": 1e-3,
    "milliseconds": 1e-3,
    "us": 1e-6,
    "µs": 1e-6,
    "microsecond": 1e-6,
    "min": 60.0,
    "minute": 60.0,
    "minutes": 60.0,
    "h": 3600.0,
    "hour": 3600.0,
}


def micrometres(unit: str) -> float | None:
    """Micrometres in one ``unit`` of length; ``None`` for pixels and unknown words."""
    return _MICROMETRES.get(unit.strip().strip('"').lower())


def seconds(unit: str) -> float | None:
    """Seconds in one ``unit`` of time; ``None`` for unknown words."""
    return _SECONDS.get(unit.strip().strip('"').lower())
