"""The hand count of a real recording's somata, and how accepted components stand beside it."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from napari_cnmf.model.components import Components
from napari_cnmf.params import CNMFParams

COUNT = Path(__file__).with_name("mouse2p_hand_count.csv")
NEAR_PX = 5.0
FRAME_RATE_HZ = 30.0


def count_params() -> CNMFParams:
    """What that recording is analysed with."""
    return CNMFParams.preset("two-photon somata").replace(
        init={"gSig": (4, 4)}, data={"decay_time": 0.4}
    )


@dataclass(frozen=True)
class Standing:
    """Accepted components beside the count.

    Attributes
    ----------
    accepted
        How many.
    sure
        Sure and active somata among them, of ``n_sure``.
    counted
        Those on any soma of the count, one each.
    """

    accepted: int
    sure: int
    n_sure: int
    counted: int

    @property
    def nowhere(self) -> int:
        """Accepted, and counted nowhere."""
        return self.accepted - self.counted

    @property
    def f1(self) -> float:
        """Doubtful, weak and silent somata may be accepted and need not."""
        return 2 * self.sure / (self.sure + self.nowhere + self.n_sure)


def stand(components: Components, accepted: NDArray[np.bool_]) -> Standing:
    """Match accepted components to the count, one to one, within ``NEAR_PX``."""
    rows = [line for line in COUNT.read_text().splitlines() if not line.startswith("#")]
    count = list(csv.DictReader(rows))
    at = np.array([[float(r["y"]), float(r["x"])] for r in count])
    must = np.array([r["sure"] == "1" and r["activity"] == "active" for r in count])
    pixels = np.indices(components.dims).reshape(2, -1)
    energy = np.asarray(components.A.multiply(components.A).todense())
    centre = (pixels @ energy / np.maximum(energy.sum(0), 1e-12)).T
    yes = np.flatnonzero(accepted)
    away = np.linalg.norm(centre[yes][:, None] - at[None], axis=2)
    cost = np.where(away <= NEAR_PX, away - 100 - 50 * must, 0)
    pairs = [(i, j) for i, j in zip(*linear_sum_assignment(cost), strict=True) if cost[i, j]]
    sure = sum(bool(must[j]) for _, j in pairs)
    return Standing(len(yes), sure, int(must.sum()), len(pairs))
