"""Keys of CaImAn 1.12.1 that are no parameters here: passed on, or set by the engine."""

from __future__ import annotations

import math
from typing import Any

PASSED_ON: dict[str, dict[str, Any]] = {
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
        "max_comp_update_shape": math.inf,
        "max_num_added": 5,
        "max_shifts_online": 10,
        "min_SNR": 2.5,
        "min_num_trial": 5,
        "minibatch_shape": 100,
        "minibatch_suff_stat": 5,
        "motion_correct": True,
        "n_refit": 0,
        "normalize": False,
        "num_times_comp_updated": math.inf,
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
"""Keys that go to CaImAn through ``extra``, with their defaults there."""

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

CAIMAN_GROUPS = frozenset(PASSED_ON) | frozenset(SET_BY_ENGINE) | {"merging", "quality"}
"""Every group that CaImAn has."""

OUR_OWN = frozenset({("init", "plane_by_plane"), ("quality", "learned")})
"""Modelled keys that CaImAn does not have: never sent there."""
