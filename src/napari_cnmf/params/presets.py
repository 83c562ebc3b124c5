"""Presets: for each kind of recording, values where CaImAn's defaults mislead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from napari_cnmf._names import not_one_of
from napari_cnmf.errors import ParameterError
from napari_cnmf.params._problems import shown
from napari_cnmf.params.init import InitParams


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

    def __str__(self) -> str:
        """Text of the preset for the command line: one line for each value, with its reason."""
        width = max(len(f"{item.name} = {shown(item.value)}") for item in self.values)
        lines = [
            f"  {f'{item.name} = {shown(item.value)}':<{width}}  {item.why}" for item in self.values
        ]
        return "\n".join([f"{self.name}: {self.description}", *lines])

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """Values of the preset, nested by group."""
        nested: dict[str, dict[str, Any]] = {}
        for item in self.values:
            group, _, key = item.name.partition(".")
            nested.setdefault(group, {})[key] = item.value
        return nested


_P = "Order 2 models a rise that few recordings resolve, and fits noise instead."
_RF = "Without patches CaImAn holds the whole field in memory, several times over."
_STRIDE = "CaImAn's tenth of a patch is narrower than a cell, which is then cut at the seam."
_SSUB = "Halving the resolution loses small cells."
_WEAK = "Weak cells pass; the probability of being a cell tells them from what is none."
_NEVER = (
    "Nothing is accepted on its score alone, without any of the activity that the others ask for."
)
_LIKELY = "As likely a cell as not: fewest errors where the score is a probability."

_ASKED_OF_CELLS = (
    PresetValue("quality.min_SNR", 1.0, _WEAK),
    PresetValue("quality.rval_thr", 0.4, _WEAK),
    PresetValue("quality.min_cnn_thr", 1.0, _NEVER),
    PresetValue("quality.cnn_lowest", 0.5, _LIKELY),
)
"""Of every preset whose score is the built-in engine's probability."""

_TWO_PHOTON = Preset(
    "two-photon somata",
    "Cell bodies in one plane, GCaMP6 or later.",
    (
        PresetValue("data.decay_time", 0.7, "0.4 s is too short for most indicators in use."),
        PresetValue("init.nb", 2, "One background component seldom holds neuropil and vessels."),
        PresetValue("init.ssub", 1, _SSUB),
        PresetValue("patch.p_ssub", 1, _SSUB),
        PresetValue("patch.rf", 40, _RF),
        PresetValue("patch.stride", 20, _STRIDE),
        PresetValue("motion.max_shifts", (10, 10), "Awake animals move by more than 6 px."),
        *_ASKED_OF_CELLS,
    ),
)

_ONE_PHOTON = Preset(
    "one-photon",
    "Miniscope or wide field, with CNMF-E's ring background in CaImAn.",
    (
        PresetValue("data.decay_time", 0.7, "0.4 s is too short for most indicators in use."),
        PresetValue("preprocess.p", 1, _P),
        PresetValue("temporal.p", 1, _P),
        PresetValue("init.method_init", "corr_pnr", "greedy_roi follows the bright background."),
        PresetValue("init.center_psf", True, "Without it the background hides the cells."),
        PresetValue("init.normalize_init", False, "CaImAn turns it off for the ring anyway."),
        PresetValue("init.min_corr", 0.8, "A start; choose it on the correlation image."),
        PresetValue(
            "init.min_pnr", 10, "20 leaves only the brightest; choose it on the PNR image."
        ),
        PresetValue("init.ssub", 1, _SSUB),
        PresetValue("patch.p_ssub", 1, _SSUB),
        PresetValue("patch.nb_patch", 0, "The ring background replaces a low rank."),
        PresetValue("patch.low_rank_background", None, "The ring background has no low rank."),
        PresetValue("patch.del_duplicates", True, "Blurred cells are found by two patches."),
        PresetValue("patch.rf", 40, _RF),
        PresetValue("patch.stride", 20, _STRIDE),
        PresetValue("merging.merge_thr", 0.7, "Background left over lowers correlations."),
        *_ASKED_OF_CELLS,
        PresetValue(
            "motion.gSig_filt", (4, 4), "Smooth background holds unfiltered shifts at zero."
        ),
    ),
)

_PROCESSES = Preset(
    "dendrites/axons",
    "Thin processes in one plane, two-photon.",
    (
        PresetValue("init.method_init", "graph_nmf", "greedy_roi finds discs, not processes."),
        PresetValue("init.gSig", (3, 3), "Processes are thin."),
        PresetValue("init.nb", 2, "One background component seldom holds neuropil and vessels."),
        PresetValue("init.ssub", 1, "Halving the resolution loses thin processes."),
        PresetValue("init.tsub", 1, "Neighbouring processes differ in their fast events."),
        PresetValue("preprocess.p", 0, "Weak traces: deconvolve once the footprints are right."),
        PresetValue("temporal.p", 0, "Weak traces: deconvolve once the footprints are right."),
        PresetValue("patch.only_init", False, "Without patches CaImAn would stop half-way."),
        PresetValue("spatial.extract_cc", False, "A process may leave the plane and come back."),
        PresetValue("merging.merge_thr", 0.75, "Pieces of one process agree less than of a cell."),
        *_ASKED_OF_CELLS,
    ),
)

_VOLUMETRIC = Preset(
    "volumetric",
    "Cell bodies in a stack (T, Z, Y, X), planes a few µm apart.",
    (
        PresetValue("data.decay_time", 0.7, "0.4 s is too short for most indicators in use."),
        PresetValue("init.gSig", (2, 5, 5), "Volumes need (z, y, x); planes are further apart."),
        PresetValue("init.nb", 2, "One background component seldom holds neuropil and vessels."),
        PresetValue("init.ssub", 1, "Halving the resolution loses planes."),
        PresetValue("patch.p_ssub", 1, "Halving the resolution loses planes."),
        PresetValue("preprocess.p", 1, "Volume rates are too slow for a rise."),
        PresetValue("temporal.p", 1, "Volume rates are too slow for a rise."),
        PresetValue("patch.only_init", False, "Without patches CaImAn would stop half-way."),
        *_ASKED_OF_CELLS,
        PresetValue("motion.is3D", True, "CaImAn would correct each plane as a movie."),
        PresetValue("motion.max_shifts", (2, 6, 6), "Volumes need (z, y, x)."),
        PresetValue("motion.strides", (6, 64, 64), "Volumes need (z, y, x)."),
        PresetValue("motion.overlaps", (2, 24, 24), "Volumes need (z, y, x)."),
    ),
)

_PRESETS = (_TWO_PHOTON, _ONE_PHOTON, _PROCESSES, _VOLUMETRIC)

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
    except (KeyError, TypeError):  # TypeError: a list is no key
        raise ParameterError(not_one_of("A preset", PRESETS, name)) from None


def are_chosen_seed_thresholds(min_corr: float, min_pnr: float) -> bool:
    """Whether a user chose these thresholds of the seeds.

    CaImAn's defaults and the one-photon preset's starting values are nobody's choice: the built-in
    engine then looks for components everywhere.
    """
    fields = InitParams.model_fields
    start = find_preset("one-photon").as_dict()["init"]
    unchosen = (
        (fields["min_corr"].default, fields["min_pnr"].default),
        (start["min_corr"], start["min_pnr"]),
    )
    return (min_corr, min_pnr) not in unchosen
