"""Where each key of CaImAn goes: a parameter here, through ``extra``, or set by the engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from napari_cnmf.params._group import ParameterGroup
from napari_cnmf.params._problems import closest, unknown_name
from napari_cnmf.params.field import propose_K

if TYPE_CHECKING:
    from napari_cnmf.params.cnmf import CNMFParams

Groups = Mapping[str, type[ParameterGroup]]

SIZES_PER_AXIS = frozenset(
    {"dxy", "gSig", "gSiz", "medw", "rf", "stride", "max_shifts", "strides", "overlaps"}
)
"""Keys whose values hold one number for each axis of the field."""

UNMODELLED: dict[str, dict[str, Any]] = {
    "init": {
        "SC_kernel": "heat",
        "SC_nnn": 20,
        "SC_normalize": True,
        "SC_sigma": 1,
        "SC_thr": 0,
        "SC_use_NN": False,
        "greedyroi_nmf_init_method": "nndsvdar",
        "greedyroi_nmf_max_iter": 200,
        "kernel": None,
        "max_iter_snmf": 500,
        "options_local_NMF": None,
        "seed_method": "auto",
    },
    "motion": {"num_splits_to_process_els": None, "num_splits_to_process_rig": None},
    "preprocess": {"pixels": None, "sn": None},
    "spatial": {
        "expandCore": [
            [0, 0, 1, 0, 0],
            [0, 1, 1, 1, 0],
            [1, 1, 1, 1, 1],
            [0, 1, 1, 1, 0],
            [0, 0, 1, 0, 0],
        ],
        "se": None,
        "ss": None,
    },
    "temporal": {"solvers": ["ECOS", "SCS"], "verbosity": False},
    "online": {
        "W_update_factor": 1,
        "batch_update_suff_stat": False,
        "dist_shape_update": False,
        "ds_factor": 1,
        "epochs": 1,
        "expected_comps": 500,
        "full_XXt": False,
        "init_batch": 200,
        "init_method": "bare",
        "iters_shape": 5,
        "max_comp_update_shape": float("inf"),
        "max_num_added": 5,
        "max_shifts_online": 10,
        "min_SNR": 2.5,
        "min_num_trial": 5,
        "minibatch_shape": 100,
        "minibatch_suff_stat": 5,
        "motion_correct": True,
        "n_refit": 0,
        "normalize": False,
        "num_times_comp_updated": float("inf"),
        "opencv_codec": "H264",
        "ring_CNN": False,
        "rval_thr": 0.8,
        "save_online_movie": False,
        "show_movie": False,
        "simultaneously": False,
        "sniper_mode": False,
        "stop_detection": False,
        "test_both": False,
        "thresh_CNN_noisy": 0.5,
        "thresh_fitness_delta": -50,
        "thresh_overlap": 0.5,
        "update_freq": 200,
        "update_num_comps": True,
        "use_corr_img": False,
        "use_dense": True,
        "use_peak_max": True,
    },
    "ring_CNN": {
        "loss_fn": "pct",
        "lr": 0.001,
        "lr_scheduler": None,
        "max_epochs": 100,
        "n_channels": 2,
        "patience": 3,
        "pct": 0.01,
        "remove_activity": False,
        "reuse_model": False,
        "use_add": False,
        "use_bias": False,
        "width": 5,
    },
}
"""Keys that go through ``extra``, with CaImAn 1.12.1's defaults."""

SET_BY_ENGINE: dict[str, dict[str, str]] = {
    "data": {
        "caiman_version": "it is the version that runs",
        "dims": "it is the movie's field",
        "fnames": "it is the item's movie",
        "last_commit": "it is the version that runs",
        "var_name_hdf5": "movies are opened before CaImAn sees them",
    },
    "motion": {"indices": "the region is the item's mask"},
    "online": {
        "N_samples_exceptionality": "it follows from data.fr and data.decay_time",
        "movie_name_online": "outputs stay in the item's folder",
        "path_to_model": "it is a path of the machine that runs",
        "thresh_fitness_raw": "it follows from min_SNR",
    },
    "patch": {
        "in_memory": "the item's memory option decides",
        "n_processes": "it is an option of the item's run",
    },
    "preprocess": {"n_pixels_per_process": "it follows from the processes of the item's run"},
    "ring_CNN": {"path_to_model": "it is a path of the machine that runs"},
    "spatial": {
        "n_pixels_per_process": "it follows from the processes of the item's run",
        "nb": "it follows from init.nb",
    },
    "temporal": {"nb": "it follows from init.nb"},
}
"""Keys that are no choice of the user's, and why."""

UNMODELLED_GROUPS = frozenset(UNMODELLED) | frozenset(SET_BY_ENGINE)


def separate_extra(
    data: Mapping[str, Any], groups: Groups
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split nested values into modelled ones and ``extra``.

    Keys that CaImAn has and that are not modelled may stand in their group; what the engine sets
    by itself is left in place, to be refused with its reason.
    """
    values: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    given = data.get("extra") or {}
    if not isinstance(given, Mapping):
        given = {"extra": given}
    for group, keys in given.items():
        extra[group] = dict(keys) if isinstance(keys, Mapping) else keys
    for group, keys in data.items():
        if group == "extra":
            continue
        passed_on = _passed_on(group, groups)
        if not isinstance(keys, Mapping) or not (group in groups or passed_on):
            values[group] = keys
            continue
        through_extra = {key: value for key, value in keys.items() if key in passed_on}
        if through_extra:
            extra.setdefault(group, {}).update(through_extra)
        if group in groups:
            values[group] = {key: value for key, value in keys.items() if key not in passed_on}
        elif unknown := [key for key in keys if key not in passed_on]:
            extra.setdefault(group, {}).update({key: keys[key] for key in unknown})
    return values, extra


def _passed_on(group: str, groups: Groups) -> set[str]:
    """Keys of ``group`` that do not belong to its model."""
    return {*UNMODELLED.get(group, {}), *SET_BY_ENGINE.get(group, {})}


def problems_of_extra(extra: Mapping[str, Any], groups: Groups) -> dict[str, str]:
    """Why parts of ``extra`` cannot go to CaImAn, by name."""
    problems: dict[str, str] = {}
    known_groups = {*groups, *UNMODELLED_GROUPS}
    for group, keys in extra.items():
        if group not in known_groups:
            problems[f"extra.{group}"] = unknown_name(group, known_groups, "group of CaImAn")
        elif not isinstance(keys, Mapping):
            problems[f"extra.{group}"] = (
                f"extra.{group} must be a table of keys and values, got {keys!r:.80}. "
                f"Write for example extra = {{'{group}': {{'key': 1}}}}."
            )
        else:
            for key in keys:
                if sentence := _why_not_extra(group, key, groups):
                    problems[f"{group}.{key}"] = sentence
    return problems


def _why_not_extra(group: str, key: str, groups: Groups) -> str | None:
    if group in groups and key in groups[group].model_fields:
        return f"{group}.{key} is a parameter of its own: set it in {group}, not in extra."
    if why := SET_BY_ENGINE.get(group, {}).get(key):
        return f"{group}.{key} cannot be set: {why}. Leave it out."
    return None


def without_defaults(extra: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """``extra`` without what CaImAn does anyway, so that a full dump reads as its few changes."""
    kept = {
        group: {
            key: value for key, value in sorted(keys.items()) if not _is_default(group, key, value)
        }
        for group, keys in sorted(extra.items())
    }
    return {group: keys for group, keys in kept.items() if keys}


def _is_default(group: str, key: str, value: Any) -> bool:
    defaults = UNMODELLED.get(group, {})
    if key not in defaults:
        return False
    default = defaults[key]
    return isinstance(value, bool) == isinstance(default, bool) and bool(value == default)


def to_caiman(
    params: CNMFParams,
    groups: Groups,
    frame_rate_hz: float | None,
    dims: tuple[int, ...] | None,
) -> dict[str, dict[str, Any]]:
    """The nested dict for ``change_params``; see :meth:`CNMFParams.to_caiman`."""
    nested = {
        group: {key: getattr(getattr(params, group), key) for key in model.model_fields}
        for group, model in groups.items()
    }
    if frame_rate_hz is not None:
        nested["data"]["fr"] = float(frame_rate_hz)
    if params.init.gSiz is None:
        nested["init"]["gSiz"] = tuple(2 * radius + 1 for radius in params.init.gSig)
    if params.init.K is None and dims is not None and not params.is_one_photon:
        nested["init"]["K"] = propose_K(dims, params.init.gSig, params.patch.rf)
    left_to_the_engine = [("data", "fr"), ("quality", "use_cnn")]
    if not params.is_one_photon:
        left_to_the_engine.append(("init", "K"))
    for group, key in left_to_the_engine:
        if nested[group][key] is None:
            del nested[group][key]
    for group, keys in params.extra.items():
        nested.setdefault(group, {}).update(keys)
    return nested


def closest_key(key: str, groups: Groups) -> str | None:
    """The known key, of any group, that ``key`` was probably meant to be."""
    known = [name for model in groups.values() for name in model.model_fields]
    known += [name for keys in UNMODELLED.values() for name in keys]
    return closest(key, known)
