"""Run by suite2p's interpreter: finds cells in a movie; its folder is what an import reads."""

import sys

import numpy as np
import tifffile
from suite2p import default_settings, run_s2p

if __name__ == "__main__":
    movie, folder = sys.argv[1:3]
    settings = default_settings()
    settings["fs"] = 10.0
    settings["tau"] = 0.7
    settings["run"]["do_registration"] = 0
    settings["detection"]["threshold_scaling"] = 0.5
    frames = tifffile.imread(movie)
    tifffile.imwrite(folder + "/movie.tif", np.asarray(frames, np.int16))
    db = {
        "data_path": [folder], "save_path0": folder, "fast_disk": folder, "nplanes": 1,
        "nchannels": 1, "keep_movie_raw": False,
    }  # fmt: skip
    run_s2p(db=db, settings=settings)
