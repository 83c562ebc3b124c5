"""Run by CaImAn's interpreter: opens each file that it is given, prints what it sees as JSON."""

import json
import sys

import numpy as np
from caiman.source_extraction.cnmf.cnmf import load_CNMF
from caiman.source_extraction.cnmf.utilities import detrend_df_f


def seen(path: str, window: int) -> dict:
    estimates = load_CNMF(path).estimates
    A = estimates.A.toarray()
    dims = tuple(int(n) for n in estimates.dims)
    peaks = [[int(i) for i in np.unravel_index(column.argmax(), dims, order="F")] for column in A.T]
    dff = detrend_df_f(
        estimates.A, estimates.b, estimates.C, estimates.f, YrA=estimates.YrA,
        quantileMin=8, frames_window=window, flag_auto=False,
    )  # fmt: skip
    return {
        "dims": dims,
        "accepted": [int(i) for i in estimates.idx_components],
        "peaks": peaks,
        "dff": np.asarray(dff).tolist(),
    }


if __name__ == "__main__":
    window = int(sys.argv[1])
    print(json.dumps({path: seen(path, window) for path in sys.argv[2:]}))
