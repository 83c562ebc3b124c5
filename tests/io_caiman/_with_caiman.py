"""Run by CaImAn's interpreter: opens our file, works with it, saves it; prints what it saw."""

import json
import sys
from pathlib import Path

import numpy as np
from caiman.source_extraction.cnmf.cnmf import load_CNMF


def main(source: str, folder: str) -> None:
    facts = {}
    model = load_CNMF(source)
    estimates = model.estimates
    n_frames = estimates.C.shape[1]
    images = np.zeros((n_frames, *model.dims), dtype=np.float32)
    facts["dims"] = [int(n) for n in estimates.dims]
    facts["fr"] = model.params.data["fr"]
    facts["accepted"] = [int(i) for i in estimates.idx_components]
    footprint = estimates.A[:, 1].toarray().reshape(model.dims, order="F")
    facts["peak"] = [int(i) for i in np.unravel_index(footprint.argmax(), model.dims)]

    estimates.filter_components(images, model.params, new_dict={"min_SNR": 9.0, "rval_thr": 0.99})
    facts["filtered"] = [int(i) for i in estimates.idx_components]
    model.save(str(Path(folder) / "filtered.hdf5"))

    movie = np.random.default_rng(0).random((estimates.A.shape[0], n_frames)).astype("f4")
    if estimates.W is not None or estimates.b is not None:
        if estimates.W is not None:
            # it takes the empty f of a ring background, in files of its own too, for a low-rank one
            estimates.f = None
        background = estimates.compute_background(movie)
        np.save(str(Path(folder) / "background.npy"), background)
        np.save(str(Path(folder) / "movie.npy"), movie)

    estimates.manual_merge([[0, 1]], model.params)
    model.save(str(Path(folder) / "merged.hdf5"))

    model = load_CNMF(source)
    model.estimates.select_components(use_object=True)
    model.save(str(Path(folder) / "selected.hdf5"))
    model.estimates.restore_discarded_components()
    facts["restored"] = int(model.estimates.C.shape[0])
    sys.stderr.write("\n" + json.dumps(facts) + "\n")


main(*sys.argv[1:])
