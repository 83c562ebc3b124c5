"""Same cells over sessions, against simulated sessions whose cells are known.

    python benchmarks/sessions.py > benchmarks/results/sessions.md
    python benchmarks/sessions.py --only warp       # rows whose name has this word

Each row is three days of one field of 128 x 160 pixels with 60 cells in it: *truth* matches the
true footprints, *engine* what the built-in engine accepts in 800 frames a day, where a day's errors
are part of the task. A pair is right when both components are the same true cell; *could be* counts
the pairs that both days hold at all (for *engine*: that the engine found on both days).

*said* is the mean probability of the links, those of a probability down to 0.05 included, and *are*
the share of them that are right; *ECE* is the expected calibration error over five bins.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.core.matching import match_fields
from napari_cnmf.core.movie.source import ArraySource
from napari_cnmf.core.run import run_cnmf
from napari_cnmf.params import CNMFParams
from session_simulator import Sessions, simulate_sessions

CASES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("shift 4 px, 1.5 deg, 80 % there", {}),
    ("shift 12 px, 4 deg", {"session_shift_px": 12.0, "session_rotation_deg": 4.0}),
    ("half of the cells there", {"present_fraction": 0.5}),
    ("crowded: 110 cells", {"n_cells": 110}),
    ("twice the noise", {"noise": 2.0}),
    ("warp of 3 px", {"session_warp_px": 3.0}),
    ("warp of 6 px", {"session_warp_px": 6.0}),
    ("warp of 6 px, 110 cells", {"session_warp_px": 6.0, "n_cells": 110}),
    ("12 days, warp of 3 px", {"session_warp_px": 3.0, "n_sessions": 12}),
)
MIN_COSINE = 0.6
_BINS = (0.5, 0.7, 0.9, 0.97)
_LEAST_PROBABILITY = 0.05
"""Links below the usual 0.5 say whether low probabilities mean what they say."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", metavar="WORD", help="rows whose name has this word")
    only = parser.parse_args().only
    print("| sessions | footprints | right | wrong | could be | recall | precision ", end="")
    print("| said | are | ECE | s |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for name, knobs in CASES:
        for kind in ("truth", "engine") if only in name else ():
            totals, seconds = np.zeros(3, int), 0.0
            probabilities, right_links = [], []
            for seed in (1, 2):
                days = simulate_sessions(
                    **{"n_frames": 800, "size": (128, 160), "n_cells": 60, "seed": seed, **knobs}
                )
                found, identities = (_true if kind == "truth" else _by_engine)(days)
                dims = days.recordings[0].truth.dims
                began = time.perf_counter()
                table = match_fields(found, dims).table
                seconds += time.perf_counter() - began
                totals += count(table, identities)
                loose = match_fields(found, dims, min_probability=_LEAST_PROBABILITY)
                said, are = links(loose.table, loose.probabilities, identities)
                probabilities.append(said)
                right_links.append(are)
            right, wrong, there = totals.tolist()
            said, are = np.concatenate(probabilities), np.concatenate(right_links)
            row = f"| {name} | {kind} | {right} | {wrong} | {there} "
            row += f"| {right / there:.3f} | {right / max(right + wrong, 1):.3f} "
            row += f"| {said.mean():.3f} | {are.mean():.3f} | {calibration_error(said, are):.3f} "
            print(row + f"| {seconds / 2:.2f} |", flush=True)
            print(name, kind, totals, file=sys.stderr, flush=True)
    return 0


def links(
    table: NDArray[Any], probabilities: NDArray[Any], identities: Sequence[NDArray[np.intp]]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Probability of each link of a day to the cells known before it, and whether it is right.

    A link is right when its component is the true cell that the first component of its cell is.
    """
    first = np.full(len(table), -1)
    for row, days in enumerate(table):
        day = int(np.flatnonzero(days >= 0)[0])
        first[row] = identities[day][days[day]]
    rows, columns = np.nonzero(np.isfinite(probabilities))
    cells = np.array([identities[d][table[r, d]] for r, d in zip(rows, columns, strict=True)])
    return probabilities[rows, columns], (cells == first[rows]) & (cells >= 0)


def calibration_error(said: NDArray[np.float64], are: NDArray[np.bool_]) -> float:
    """Expected calibration error: difference of said and are in bins, weighted with their links."""
    number = np.digitize(said, _BINS)
    return float(
        sum(
            abs(said[number == k].mean() - are[number == k].mean()) * (number == k).mean()
            for k in np.unique(number)
        )
    )


def count(table: NDArray[Any], identities: Sequence[NDArray[np.intp]]) -> NDArray[np.intp]:
    """Right and wrong pairs, and how many there could be, over all pairs of days.

    Parameters
    ----------
    identities
        For each day the true cell of each component; ``-1`` for one that is none.
    """
    right = wrong = there = 0
    for i, j in combinations(range(len(identities)), 2):
        both = (table[:, i] >= 0) & (table[:, j] >= 0)
        a, b = identities[i][table[both, i]], identities[j][table[both, j]]
        right += int(((a == b) & (a >= 0)).sum())
        wrong += int(((a != b) | (a < 0)).sum())
        there += np.intersect1d(identities[i][identities[i] >= 0], identities[j]).size
    return np.array([right, wrong, there])


def _true(days: Sessions) -> tuple[list[sp.csc_matrix], list[NDArray[np.intp]]]:
    """True footprints; a cell that left the field on a day is not there."""
    footprints = [recording.truth.A for recording in days.recordings]
    identities = [
        np.where(np.asarray(A.sum(axis=0)).ravel() > 0, ids, -1)
        for A, ids in zip(footprints, days.identities, strict=True)
    ]
    return footprints, identities


def _by_engine(days: Sessions) -> tuple[list[sp.csc_matrix], list[NDArray[np.intp]]]:
    """Accepted components of each day, each named by the true cell it looks like most."""
    footprints, identities = [], []
    for recording, ids in zip(days.recordings, days.identities, strict=True):
        params = CNMFParams.preset("two-photon somata").replace(
            init={"gSig": recording.gSig},
            data={"decay_time": recording.decay_time_s},
        )
        found = run_cnmf(
            ArraySource(recording.array()),
            params,
            frame_rate_hz=recording.frame_rate_hz,
            on_warning=lambda sentence: None,
        )
        A = found.components.A[:, np.flatnonzero(found.components.accepted)]
        cosine = (_unit(recording.truth.A).T @ _unit(A)).toarray()
        best = cosine.argmax(axis=0)
        looks = cosine.max(axis=0) >= MIN_COSINE
        footprints.append(sp.csc_matrix(A))
        identities.append(np.where(looks, ids[best], -1))
    return footprints, identities


def _unit(A: sp.csc_matrix) -> sp.csc_matrix:
    norm = np.sqrt(np.asarray(A.multiply(A).sum(axis=0)).ravel())
    return sp.csc_matrix(A @ sp.diags_array(1 / np.maximum(norm, 1e-12)))


if __name__ == "__main__":
    raise SystemExit(main())
