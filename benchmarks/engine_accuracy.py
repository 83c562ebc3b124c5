"""Accuracy of the built-in engine on simulated recordings; writes a table in markdown.

    python benchmarks/engine_accuracy.py --out benchmarks/results/engine-accuracy.md

F1 is by footprint cosine >= 0.6, one to one, over all cells of the truth, silent ones too; tc is
the median correlation of matched traces. "all" counts every component, "accepted" those that the
rules accept at CaImAn's default thresholds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from napari_cnmf.core.movie.source import ArraySource
from napari_cnmf.core.run import run_cnmf
from napari_cnmf.params import CNMFParams
from napari_cnmf.testing import Recording, score, simulate, simulate_one_photon
from regimes import KNOBS, ONE_PHOTON, OTHER, base_regime
from second_simulator import simulate_other

BASE: dict[str, dict[str, Any]] = {
    "128 x 128, 45 cells": {},
    "at twice the noise": {"noise": 2.0},
    "at three times the noise": {"noise": 3.0},
    "110 cells": {"n_cells": 110},
    "110 cells, 2.5 times the noise": {"n_cells": 110, "noise": 2.5},
    "3000 x 256 x 256, 180 cells": {"n_frames": 3000, "size": 256, "n_cells": 180},
    "3000 x 512 x 512, 600 cells": {"n_frames": 3000, "size": 512, "n_cells": 600},
}


def recordings(groups: list[str]) -> Iterator[tuple[str, str, Recording]]:
    """Group, name and recording of each row."""
    for group in groups:
        if group == "base":
            for name, knobs in BASE.items():
                yield group, name, simulate(base_regime(**knobs))
        elif group == "knobs":
            for name, changes in KNOBS.items():
                yield group, name, simulate(**changes)
        elif group == "other":
            for name, changes in OTHER.items():
                yield group, name, simulate_other(**changes)
        elif group == "one-photon":
            for name, changes in ONE_PHOTON.items():
                yield group, name, simulate_one_photon(**changes)
        else:
            raise SystemExit(f"No group {group!r}: base, knobs, other, one-photon.")


def run_row(recording: Recording, one_photon: bool) -> str:
    """One line of the table."""
    params = CNMFParams().replace(
        init={"gSig": tuple(max(1, round(g)) for g in recording.gSig)},
        data={"decay_time": recording.decay_time_s},
    )
    start = time.process_time()
    result = run_cnmf(
        ArraySource(recording.array()),
        params,
        frame_rate_hz=recording.frame_rate_hz,
        one_photon=one_photon,
        on_warning=lambda sentence: None,
    )
    seconds = time.process_time() - start
    c = result.components
    every = score(c, recording.truth)
    good = score(c, recording.truth, subset=c.accepted)
    return (
        f"{every.n_cells} | {every.f1:.3f} | {every.precision:.3f} / {every.recall:.3f} | "
        f"{every.trace_correlation:.3f} | {good.f1:.3f} | {good.precision:.3f} / "
        f"{good.recall:.3f} | {seconds:.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("groups", nargs="*", default=["base", "knobs", "other", "one-photon"])
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    lines = [
        "<!-- made by benchmarks/engine_accuracy.py -->",
        "| group | recording | cells | F1 all | precision / recall | tc | F1 accepted | "
        "precision / recall | CPU s |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    for group, name, recording in recordings(arguments.groups):
        lines.append(f"| {group} | {name} | {run_row(recording, group == 'one-photon')} |")
        print(lines[-1], flush=True)
        arguments.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
