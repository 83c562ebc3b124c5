"""The instrument: how far the verdict can be trusted, on recordings that it was not trained on.

    python benchmarks/evidence.py --cache CACHE --report benchmarks/results/evidence.md [--movie REGISTERED.npy]

Wide recordings of held-back seeds (made where the cache has none), calibration on them, and, where a
real registered movie is named, cells added to it beside the ideal observer's curve, the two halves of
it judged apart, and the hand count where that is of this movie.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evidence_examples import Example, cached
from hybrids import hybrid_lines, retest_lines
from napari_cnmf.core.verdict.cell_model import read_model, shipped_model
from napari_cnmf.params import CNMFParams, QualityParams
from train_cell_model import accepted_by, calibration, f1, figures_of

HELD = {
    "two-photon": ("two-photon", range(6100, 6140)),
    "tissue": ("two-photon", range(7100, 7140)),
    "other": ("other", range(8100, 8125)),
    "one-photon": ("one-photon", range(5100, 5125)),
    "volume": ("volume", range(5100, 5110)),
}
"""Recordings that nothing was trained or tuned on: what they are told to be, and their seeds. Those
called *other* are of simulators that no training uses."""
STRONG = 2.0
"""Peak over a pixel's noise that nine cells of ten reach where everything should be found."""


def rules() -> dict[str, QualityParams]:
    bare = CNMFParams().quality.for_scores(are_probabilities=True)
    return {"presets": CNMFParams.preset("two-photon somata").quality, "bare defaults": bare}


def judge(
    examples: list[Example],
    p: list[NDArray[np.float64]],
    earlier: list[NDArray[np.float64]] | None = None,
) -> list[str]:
    """A table: accepted F1, precision and recall, all recordings and those of strong cells."""
    lines = [
        "| recordings | accepted by | median F1 | least | a tenth below | precision | recall |",
        "|---|---|---|---|---|---|---|",
    ]
    for what in HELD:
        of_kind = [
            i for i, e in enumerate(examples) if e.about["what"] == what and len(e.cell_snr) >= 4
        ]
        strong = [i for i in of_kind if np.quantile(examples[i].cell_snr, 0.1) >= STRONG]
        for name, chosen in ((what, of_kind), (f"{what}, strong cells", strong)):
            if not chosen:
                continue
            rows = {
                "all that is found": [f1(examples[i], examples[i].label == "soma") for i in chosen]
            }
            if earlier is not None:
                quality = rules()["presets"]
                rows["presets, model before"] = [
                    f1(examples[i], accepted_by(examples[i], earlier[i], quality)) for i in chosen
                ]
            for rule, quality in rules().items():
                rows[rule] = [
                    f1(examples[i], accepted_by(examples[i], p[i], quality)) for i in chosen
                ]
            for rule, values in rows.items():
                v = np.array(values)
                lines.append(
                    f"| {name} ({len(chosen)}) | {rule} | {np.median(v[:, 0]):.3f} | {v[:, 0].min():.3f} | "
                    f"{np.quantile(v[:, 0], 0.1):.3f} | {v[:, 1].mean():.3f} | {v[:, 2].mean():.3f} |"
                )
    return lines


def without_cells(examples: list[Example], p: list[NDArray[np.float64]]) -> list[str]:
    """Recordings without a cell, and outlines of cells laid where there is none."""
    lines = []
    for name, chosen in (
        (
            "recordings without cells",
            [
                i
                for i, e in enumerate(examples)
                if e.about["what"] != "decoys" and not len(e.cell_snr)
            ],
        ),
        (
            "outlines of cells where there is none",
            [i for i, e in enumerate(examples) if e.about["what"] == "decoys"],
        ),
    ):
        judged = [examples[i].label != "" for i in chosen]
        for rule, quality in rules().items():
            n = sum(
                int((accepted_by(examples[i], p[i], quality) & j).sum())
                for i, j in zip(chosen, judged, strict=True)
            )
            lines.append(
                f"{len(chosen)} {name}, {sum(int(j.sum()) for j in judged)} components: {n} accepted by the {rule}."
            )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--report", type=Path, required=True)
    parser.add_argument(
        "--movie", type=Path, help="a real registered two-photon movie, .npy or TIFF"
    )
    parser.add_argument("--earlier", type=Path, help="a model to compare with, .npz")
    given = parser.parse_args()
    given.cache.mkdir(parents=True, exist_ok=True)
    examples = [e for what, seeds in HELD.values() for e in cached(what, seeds, given.cache)]
    figures = [figures_of(e) for e in examples]
    p = [shipped_model().probabilities(x)[:, 0] for x in figures]
    earlier = None
    if given.earlier is not None:
        model = read_model(given.earlier)
        earlier = [model.probabilities(x)[:, 0] for x in figures]
    soma = np.concatenate([e.label == "soma" for e in examples])
    weight = np.concatenate([e.weight * (e.label != "") for e in examples])
    lines = ["<!-- made by benchmarks/evidence.py -->", "", *judge(examples, p, earlier), ""]
    lines += [*without_cells(examples, p), "", "Calibration on all of them:", ""]
    lines += calibration(np.concatenate(p), soma, weight)
    foreign = np.concatenate([np.full(len(e.label), e.about["what"] == "other") for e in examples])
    lines += ["", "Calibration on simulators that no training uses (*other*):", ""]
    lines += calibration(np.concatenate(p), soma, weight * foreign)
    if given.movie is not None:
        lines += ["", *hybrid_lines(given.movie), "", *retest_lines(given.movie)]
    given.report.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
