"""A small result on a field that is not square."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from napari_cnmf.model.components import Components


@pytest.fixture
def components() -> Components:
    """Four round cells, all accepted."""
    dims = (40, 52)
    y, x = np.mgrid[: dims[0], : dims[1]]
    columns = []
    for at in ((8, 10), (8, 30), (25, 12), (30, 40)):
        bump = np.exp(-((y - at[0]) ** 2 + (x - at[1]) ** 2) / 12)
        columns.append(np.where(bump > 0.05, bump, 0).ravel())
    A = sp.csc_matrix(np.stack(columns, axis=1).astype(np.float32))
    C = np.random.default_rng(0).random((4, 20))
    return Components(A=A, C=C, dims=dims, accepted=np.ones(4, bool))
