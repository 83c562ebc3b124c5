"""Named starting points: what CaImAn's defaults mislead about, for each kind of recording."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from napari_cnmf.errors import ParameterError
from napari_cnmf.params._problems import unknown_name


@dataclass(frozen=True)
class PresetValue:
    """One value of a preset, and why the default would mislead.

    Attributes
    ----------
    name
        ``group.key``.
    why
        One sentence for the user.
    """

    name: str
    value: Any
    why: str


@dataclass(frozen=True)
class Preset:
    """A kind of recording and the values that suit it."""

    name: str
    description: str
    values: tuple[PresetValue, ...]

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """The values nested by group."""
        nested: dict[str, dict[str, Any]] = {}
        for item in self.values:
            group, _, key = item.name.partition(".")
            nested.setdefault(group, {})[key] = item.value
        return nested


_ONE_RISE = "Rise times are shorter than a frame at usual rates; order 2 then fits noise."

TWO_PHOTON = Preset(
    "two-photon somata",
    "Cell bodies in one plane, two-photon, GCaMP6 or later.",
    (
        PresetValue("data.decay_time", 0.7, "0.4 s is shorter than most indicators decay."),
        PresetValue("preprocess.p", 1, _ONE_RISE),
        PresetValue("temporal.p", 1, _ONE_RISE),
        PresetValue("patch.rf", 40, "Without patches CaImAn holds the whole field in memory."),
        PresetValue("patch.stride", 20, "A tenth of the patch is less than a cell."),
        PresetValue("init.ssub", 1, "Halving the resolution loses small cells."),
        PresetValue("patch.p_ssub", 1, "Halving the resolution loses small cells."),
        PresetValue("spatial.method_exp", "dilate", "Cells are compact."),
        PresetValue("motion.max_shifts", (10, 10), "Awake animals move by more than 6 px."),
    ),
)

_PRESETS = (TWO_PHOTON,)

PRESETS: dict[str, Preset] = {preset.name: preset for preset in _PRESETS}
"""The presets by name, in the order in which they are offered."""


def find_preset(name: str) -> Preset:
    """The preset called ``name``.

    Raises
    ------
    ParameterError
        With the closest name where there is none.
    """
    try:
        return PRESETS[name]
    except KeyError:
        raise ParameterError(
            f"{unknown_name(name, PRESETS, 'preset')} Presets: {', '.join(PRESETS)}."
        ) from None
