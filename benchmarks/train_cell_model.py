"""Train the model of the verdict on wide recordings; needs scikit-learn (`pip install scikit-learn`).

    python benchmarks/train_cell_model.py --cache CACHE --weights src/napari_cnmf/core/verdict/cell_model.npz

Boosted trees: one set for soma or not, monotone where more evidence cannot speak against a cell, and
one for what else it is. Judged by leaving out whole recordings.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evidence_examples import CLASSES, UNCOUNTED, Example, load
from napari_cnmf.core.verdict.cell_model import CellModel
from napari_cnmf.core.verdict.events import Windows
from napari_cnmf.core.verdict.evidence import FIGURES, FROM_MOVIE, measure_evidence
from napari_cnmf.model.evaluation import passes_thresholds
from napari_cnmf.params import QualityParams

UP = (
    "snr",
    "r",
    "trace_peak",
    "event_strength",
    "event_match",
    "event_shape",
    "event_step",
    "n_events",
)
DOWN = (
    "inside_stronger",
    "same_place",
    "same_trace",
    "event_dark",
    "event_edge",
    "roughness",
    "below_rest",
)
DEPTH = 5
JITTER = 0.1
"""Standard deviations of a figure that it is shifted by in the second copy of each recording: the log
loss on simulators that no training uses is .085 with it and .087 without."""
FOLDS = 5


@dataclass(frozen=True, eq=False)
class Table:
    """All components of some recordings.

    Attributes
    ----------
    X
        Figures ``(n, n_figures)``.
    y
        Index of the label in ``CLASSES``; -1: not labelled.
    recording
        Which example each belongs to.
    """

    X: NDArray[np.float32]
    y: NDArray[np.int64]
    weight: NDArray[np.float64]
    recording: NDArray[np.int64]
    examples: tuple[Example, ...]
    names: tuple[str, ...]


def figures_of(e: Example) -> NDArray[np.float32]:
    c = e.components
    A = c.A
    A.sort_indices()
    g_sig = tuple(float(g) for g in c.params["init"]["gSig"])
    windows = Windows.around(A, c.dims, g_sig)
    decay = c.params["data"]["decay_time"] * c.frame_rate_hz
    return measure_evidence(c, windows, e.events, e.events_error, g_sig, decay)[0]


def read_table(paths: Iterable[Path]) -> Table:
    X, y, weight, recording, examples, names = [], [], [], [], [], []
    number = {name: i for i, name in enumerate(CLASSES)}
    for path in paths:
        e = load(path)
        X.append(figures_of(e))
        y.append(np.array([number.get(str(v), -1) for v in e.label], np.int64))
        weight.append(e.weight)
        recording.append(np.full(len(e.label), len(examples)))
        examples.append(e)
        names.append(path.stem)
    return Table(
        np.concatenate(X),
        np.concatenate(y),
        np.concatenate(weight),
        np.concatenate(recording),
        tuple(examples),
        tuple(names),
    )


def train(table: Table, rows: NDArray[np.bool_], seed: int = 0) -> CellModel:
    """Grow the trees on these rows."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    use = rows & (table.y >= 0) & (table.weight > 0)
    told = _told_wrong(table, seed)[use]
    X, y, w = _with_absences(
        np.concatenate([table.X[use], told]),
        np.tile(table.y[use], 2),
        0.5 * np.tile(table.weight[use], 2),
        seed,
    )
    monotone = [1 if n in UP else -1 if n in DOWN else 0 for n in FIGURES]
    shared: dict[str, Any] = {
        "max_depth": DEPTH,
        "max_leaf_nodes": 2**DEPTH,
        "min_samples_leaf": 25,
        "l2_regularization": 10.0,
        "random_state": seed,
        "early_stopping": False,
        "max_features": 0.4,
        "max_bins": 63,
    }
    soma = HistGradientBoostingClassifier(
        learning_rate=0.05, max_iter=600, monotonic_cst=monotone, **shared
    )
    soma.fit(X, y == 0, sample_weight=w)
    other = HistGradientBoostingClassifier(learning_rate=0.1, max_iter=40, **shared)
    no = y > 0
    other.fit(X[no], y[no], sample_weight=w[no])
    typical = np.nanmedian(table.X[use & (table.y == 0)], axis=0)
    return _as_model(soma, other, np.nan_to_num(typical).astype(np.float32))


def _told_wrong(table: Table, seed: int) -> NDArray[np.float32]:
    """Every recording once more: a cell size that was told up to twice too small or large, and figures
    that are a little off, as those of another microscope may be."""
    rng = np.random.default_rng(seed)
    spread = JITTER * np.nanstd(table.X, axis=0)
    X = table.X + (spread * rng.standard_normal(table.X.shape)).astype(np.float32)
    shift = 0.35 * rng.standard_normal(len(table.examples))
    X[:, FIGURES.index("told_width")] += shift[table.recording].astype(np.float32)
    return X


def _with_absences(
    X: NDArray[np.float32], y: NDArray[np.int64], w: NDArray[np.float64], seed: int
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float64]]:
    """A fifth of the examples once more, without what the movie alone tells, or without images."""
    rng = np.random.default_rng(seed)
    again = np.flatnonzero(rng.random(len(X)) < 0.2)
    Z = X[again].copy()
    no_movie = rng.random(len(again)) < 0.5
    for name in FROM_MOVIE:
        Z[no_movie, FIGURES.index(name)] = np.nan
    for j, name in enumerate(FIGURES):
        if name.startswith(("rest_", "correlation_")):
            Z[~no_movie, j] = np.nan
    return (
        np.concatenate([X, Z]),
        np.concatenate([y, y[again]]),
        np.concatenate([w, 0.5 * w[again]]),
    )


def _as_model(soma: Any, other: Any, typical: NDArray[np.float32]) -> CellModel:
    heaps, kinds = [], []
    for trees in soma._predictors:
        heaps.append(_heap(trees[0].nodes))
        kinds.append(0)
    present = other.classes_
    for trees in other._predictors:
        for tree, label in zip(trees, present, strict=True):
            heaps.append(_heap(tree.nodes))
            kinds.append(int(label))
    start = np.full(len(CLASSES), -20.0)
    start[0] = float(np.ravel(soma._baseline_prediction)[0])
    start[present] = np.ravel(other._baseline_prediction)
    figure, threshold, missing, leaf = (np.array(v) for v in zip(*heaps, strict=True))
    return CellModel(
        figure,
        threshold.astype(np.float32),
        missing,
        leaf.astype(np.float32),
        np.array(kinds),
        start,
        CLASSES,
        1.0,
        typical,
    )


def _heap(
    nodes: NDArray[Any],
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]:
    """A tree of scikit-learn as a full tree; a leaf higher up fills all that is below it."""
    inner = 2**DEPTH - 1
    figure, threshold = np.zeros(inner, np.int64), np.full(inner, np.inf)
    missing, leaf = np.ones(inner, bool), np.zeros(2**DEPTH)

    def fill(node: int, at: int) -> None:
        n = nodes[node]
        if at >= inner:
            leaf[at - inner] = n["value"]
            return
        if n["is_leaf"]:
            fill(node, 2 * at + 1)
            fill(node, 2 * at + 2)
            return
        figure[at], threshold[at] = n["feature_idx"], n["num_threshold"]
        missing[at] = bool(n["missing_go_to_left"])
        fill(int(n["left"]), 2 * at + 1)
        fill(int(n["right"]), 2 * at + 2)

    fill(0, 0)
    return figure, threshold, missing, leaf


def cross_validate(table: Table) -> NDArray[np.float64]:
    """Probability of a soma of each component, by models that never saw its recording."""
    p = np.full(len(table.y), np.nan)
    # decoys are of the recording that they were laid into
    seeds = [n.rsplit("-", 1)[0] for n in table.names]
    fold_of = {name: i % FOLDS for i, name in enumerate(sorted(set(seeds)))}
    fold = np.array([fold_of[s] for s in seeds])[table.recording]
    for k in range(FOLDS):
        out = fold == k
        if out.any():
            model = train(table, ~out)
            p[out] = model.probabilities(table.X[out])[:, 0]
    return p


def sharpness(p: NDArray[np.float64], table: Table) -> float:
    """What logits are to be multiplied by so that the likelihood is greatest."""
    use = (table.y >= 0) & (table.weight > 0.3)
    logit = np.log(np.clip(p, 1e-6, 1 - 1e-6) / np.clip(1 - p, 1e-6, 1))
    soma = table.y == 0

    def loss(s: float) -> float:
        z = s * logit[use] * np.where(soma[use], 1, -1)
        return float(np.mean(np.logaddexp(0, -z)))

    return float(min(np.linspace(0.4, 1.6, 61), key=loss))


def accepted_by(e: Example, p: NDArray[np.float64], quality: QualityParams) -> NDArray[np.bool_]:
    c = e.components.replace(cnn_preds=p, classes=None)
    return passes_thresholds(c, quality)


def f1(e: Example, accepted: NDArray[np.bool_]) -> tuple[float, float, float]:
    """F1, precision, recall; cells that do not count need not be accepted and may be."""
    right = accepted & (e.label == "soma") & (e.weight > UNCOUNTED)
    n_wrong = int((accepted & (e.label != "soma") & (e.label != "")).sum())
    n = len(e.cell_snr)
    n_right = int(right.sum())
    recall = n_right / max(n, 1)
    precision = n_right / max(n_right + n_wrong, 1)
    return 2 * n_right / max(n_right + n_wrong + n, 1), precision, recall


def calibration(
    p: NDArray[np.float64], soma: NDArray[np.bool_], weight: NDArray[np.float64]
) -> list[str]:
    lines = ["| p(soma) | components | mean p | somata |", "|---|---|---|---|"]
    for low in np.arange(0, 1, 0.1):
        here = (p >= low) & (p < low + 0.1 + 1e-9 * (low > 0.85)) & (weight > 0)
        if here.any():
            w = weight[here]
            lines.append(
                f"| {low:.1f}-{low + 0.1:.1f} | {here.sum()} | {np.average(p[here], weights=w):.3f} | {np.average(soma[here], weights=w):.3f} |"
            )
    return lines


def store_model(model: CellModel, path: Path) -> None:
    """Plain arrays, small types."""
    np.savez_compressed(
        path,
        figure=model.figure.astype(np.uint8),
        threshold=model.threshold,
        missing_left=model.missing_left,
        leaf=model.leaf,
        kind=model.kind.astype(np.uint8),
        start=model.start,
        kinds=np.array(model.kinds),
        sharpness=model.sharpness,
        typical=model.typical,
        figures=np.array(FIGURES),
    )


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--weights", type=Path)
    parser.add_argument(
        "--sharpness", type=float, help="by default found by leaving recordings out"
    )
    given = parser.parse_args(argv)
    paths = [
        path
        for path in sorted(given.cache.glob("*-*-*.npz"))
        if int(path.stem.split("-")[-2]) < 5000 and not path.stem.startswith("other-")
    ]
    table = read_table(paths)
    sharp = given.sharpness
    if sharp is None:
        p = cross_validate(table)
        sharp = sharpness(p, table)
        print("\n".join(calibration(p, table.y == 0, table.weight * (table.y >= 0))))
    print(f"{len(paths)} recordings, {len(table.y)} components, sharpness {sharp:.2f}")
    if given.weights is not None:
        model = train(table, np.ones(len(table.y), bool))
        store_model(replace(model, sharpness=sharp), given.weights)


if __name__ == "__main__":
    main()
