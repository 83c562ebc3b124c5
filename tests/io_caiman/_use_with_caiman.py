"""Run by CaImAn's interpreter: uses each file as its users do, and saves it in place and anew."""

import json
import sys
import traceback
from pathlib import Path

import numpy as np
from caiman.mmapping import load_memmap
from caiman.source_extraction.cnmf.cnmf import load_CNMF


def memory_map(folder: Path, dims: tuple, n_frames: int) -> np.ndarray:
    """A movie as CaImAn's users have it: frames of a memory map, ``(T, [Z], Y, X)``."""
    d1, d2, d3 = (*dims, 1)[:3]
    name = f"movie_d1_{d1}_d2_{d2}_d3_{d3}_order_C_frames_{n_frames}.mmap"
    values = np.random.default_rng(0).random((int(np.prod(dims)), n_frames)).astype("f4")
    values.tofile(folder / name)
    pixels, _, _ = load_memmap(str(folder / name))
    return np.reshape(pixels.T, [n_frames, *dims], order="F")


def pixels_of(movie: np.ndarray) -> np.ndarray:
    """The movie as ``(n_pixels, T)``."""
    return movie.reshape(len(movie), -1, order="F").T


def use(source: Path, has_network: bool) -> dict:
    facts = {}
    model = load_CNMF(str(source))
    estimates = model.estimates
    n, n_frames = estimates.C.shape
    movie = memory_map(source.parent, tuple(map(int, model.dims)), n_frames)
    model.save(str(source.with_name(source.stem + "-anew.hdf5")))

    scored = estimates.r_values is not None and estimates.SNR_comp is not None
    facts["scored"] = scored
    if scored and n:
        estimates.filter_components(movie, model.params)
        facts["filtered"] = [int(i) for i in estimates.idx_components]
    model.save(str(source))

    again = load_CNMF(str(source))
    if n:
        again.estimates.compute_residuals(pixels_of(movie))
        facts["residuals"] = list(again.estimates.R.shape)
        if len(model.dims) == 2:
            colours = again.estimates.make_color_movie(movie, display=False)
            facts["colours"] = list(colours.shape)
    if n and again.estimates.YrA is not None:
        again.params.quality["use_cnn"] = False
        again.estimates.evaluate_components(movie, again.params)
        facts["evaluated"] = len(again.estimates.SNR_comp)
    # the network is shown a piece of the field of this many pixels around each component
    side = 2 * (4 * max(again.params.get("init", "gSig")) + 1)
    if n and has_network and len(model.dims) == 2 and min(model.dims) >= side:
        again.estimates.evaluate_components_CNN(again.params)
        facts["seen by the network"] = len(again.estimates.cnn_preds)
    again.save(str(source.with_name(source.stem + "-evaluated.hdf5")))
    if n and again.estimates.sn is not None:
        # A movie that holds the components: CaImAn 1.12 fails where it drops one of them.
        held = again.estimates.A.dot(again.estimates.C)
        if again.estimates.b is not None and np.size(again.estimates.b):
            held = held + again.estimates.b.dot(again.estimates.f)
        noise = np.random.default_rng(0).normal(size=held.shape)
        again.update_spatial(held + np.ravel(again.estimates.sn)[:, None] * noise)
    return facts


def main(has_network: str, *sources: str) -> None:
    facts = {}
    for source in sources:
        try:
            facts[source] = use(Path(source), has_network == "network")
        except Exception:  # noqa: BLE001
            facts[source] = {"failed": traceback.format_exc()[-1500:]}
    sys.stderr.write("\n" + json.dumps(facts) + "\n")


main(*sys.argv[1:])
