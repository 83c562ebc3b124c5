"""Train the soma score and measure it where it was not trained; writes weights and a report.

    python benchmarks/train_soma_score.py --weights src/napari_cnmf/core/verdict/soma_score.npz \
        --report benchmarks/results/soma-score.md [--movie REGISTERED.tif]

Trained on the first simulator and on drawn footprints, judged on the second simulator and, where
the registered recording of the hand count is given, on that count. Plain numpy, one thread.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hand_count import FRAME_RATE_HZ, count_params, stand
from napari_cnmf.core.movie.source import ArraySource
from napari_cnmf.core.run import run_cnmf
from napari_cnmf.core.verdict.soma_score import (
    POINTS,
    Network,
    footprint_patches,
    own_size,
    trained_network,
)
from napari_cnmf.model.components import Components
from napari_cnmf.model.evaluation import passes_thresholds
from napari_cnmf.params import CNMFParams
from soma_examples import (
    SCALES,
    Found,
    draw_examples,
    first_simulator,
    patches_of,
    second_simulator,
)

LAYERS = (POINTS * POINTS, 48, 16, 1)
EPOCHS = 40
BATCH = 128

Rule = Callable[[Components, NDArray[np.float64]], NDArray[np.bool_]]


def train(x: NDArray[np.float32], y: NDArray[np.int64], seed: int = 0) -> Network:
    """Adam on the logistic loss, classes weighted alike, views mirrored and turned at random."""
    rng = np.random.default_rng(seed)
    sizes = list(itertools.pairwise(LAYERS))
    values = [rng.standard_normal(s).astype(np.float32) * np.sqrt(2 / s[0]) for s in sizes]
    values += [np.zeros(s[1], np.float32) for s in sizes]
    first, second = ([np.zeros_like(v) for v in values] for _ in range(2))
    balance = np.where(y == 1, 0.5 / y.mean(), 0.5 / (1 - y.mean())).astype(np.float32)
    step = 0
    for epoch in range(EPOCHS):
        rate = 2e-3 * 0.5 * (1 + np.cos(np.pi * epoch / EPOCHS))
        order = rng.permutation(len(y))
        for ids in np.array_split(order, max(1, len(y) // BATCH)):
            step += 1
            slopes = _slopes(values, _turned(rng, x[ids]), y[ids], balance[ids])
            for v, g, m, s in zip(values, slopes, first, second, strict=True):
                m[...] = 0.9 * m + 0.1 * g
                s[...] = 0.999 * s + 0.001 * g * g
                m_hat, s_hat = m / (1 - 0.9**step), s / (1 - 0.999**step)
                v[...] -= rate * (m_hat / (np.sqrt(s_hat) + 1e-8) + 1e-3 * v)
    return _network(values)


def _network(values: list[NDArray[np.float32]]) -> Network:
    n = len(LAYERS) - 1
    return Network(tuple(values[:n]), tuple(values[n:]))


def _turned(rng: np.random.Generator, x: NDArray[np.float32]) -> NDArray[np.float32]:
    x = np.rot90(x, rng.integers(4), (1, 2))
    x = x[:, ::-1] if rng.random() < 0.5 else x
    noise = 0.05 * rng.standard_normal(x.shape) * (x > 0)
    return np.asarray(x * rng.uniform(0.9, 1.1) + noise, np.float32)


def _slopes(
    values: list[NDArray[np.float32]],
    x: NDArray[np.float32],
    y: NDArray[np.int64],
    weight: NDArray[np.float32],
) -> list[NDArray[np.float32]]:
    """Gradient of the weighted loss by every weight and bias."""
    n = len(LAYERS) - 1
    layers = [x.reshape(len(x), -1)]
    for i in range(n):
        z = layers[-1] @ values[i] + values[n + i]
        layers.append(np.maximum(z, 0) if i < n - 1 else z)
    probability = 1 / (1 + np.exp(-np.clip(layers[-1][:, 0], -50, 50)))
    # Labels smoothed by .02: nothing is worth certainty, and probabilities stay calibrated.
    target = 0.98 * y + 0.01
    slope = ((probability - target) * weight / len(y)).astype(np.float32)[:, None]
    weights, biases = [], []
    for i in reversed(range(n)):
        weights.append(layers[i].T @ slope)
        biases.append(slope.sum(0))
        slope = (slope @ values[i].T) * (layers[i] > 0)
    return [*weights[::-1], *biases[::-1]]


def rules() -> dict[str, Rule]:
    """Ways to accept that are compared."""
    quality = CNMFParams.preset("two-photon somata").quality

    def plain(c: Components) -> Components:
        return c.replace(classes=None, cnn_preds=np.zeros(0))

    def by_caiman(c: Components, p: NDArray[np.float64]) -> NDArray[np.bool_]:
        return passes_thresholds(plain(c).replace(cnn_preds=p), quality)

    def with_classes(c: Components, p: NDArray[np.float64]) -> NDArray[np.bool_]:
        return passes_thresholds(c.replace(cnn_preds=p), quality)

    return {
        "SNR and r": lambda c, p: passes_thresholds(plain(c), quality),
        "SNR, r, shape rule": lambda c, p: passes_thresholds(
            c.replace(cnn_preds=np.zeros(0)), quality
        ),
        "score >= 0.5": lambda c, p: p >= 0.5,
        "SNR, r, score (CaImAn's rule)": by_caiman,
        "SNR, r, shape rule, score": with_classes,
    }


def judge(network: Network, movies: list[Found]) -> list[str]:
    """A table: precision, recall and F1 of each way on the recordings together."""
    lines = ["| accepted by | precision | recall | F1 |", "|---|---|---|---|"]
    scores = [_scores(network, m.components, m.g_sig) for m in movies]
    for name, rule in rules().items():
        right = wrong = 0
        for movie, p in zip(movies, scores, strict=True):
            yes = rule(movie.components, p)
            right += int((yes & (movie.label == 1)).sum())
            wrong += int((yes & (movie.label != 1)).sum())
        lines.append(_row(name, right, wrong, sum(m.n_cells for m in movies)))
    return lines


def _scores(network: Network, c: Components, g_sig: tuple[int, ...]) -> NDArray[np.float64]:
    return network.probabilities(footprint_patches(c.A, c.dims, own_size(g_sig, c.attributes)))


def _row(name: str, right: int, wrong: int, there: int) -> str:
    precision, recall = right / max(right + wrong, 1), right / max(there, 1)
    f1 = 2 * right / max(right + wrong + there, 1)
    return f"| {name} | {precision:.3f} | {recall:.3f} | {f1:.3f} |"


def calibration(network: Network, movies: list[Found]) -> list[str]:
    """A table: of the footprints with such scores, how many are somata."""
    p = np.concatenate([_scores(network, m.components, m.g_sig) for m in movies])
    y = np.concatenate([m.label for m in movies])
    lines = ["| score | footprints | mean score | share of somata |", "|---|---|---|---|"]
    edges = (0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.001)
    for low, high in itertools.pairwise(edges):
        here = (p >= low) & (p < high) & (y >= 0)
        if here.any():
            lines.append(
                f"| {low:.1f}-{min(high, 1):.1f} | {here.sum()} | {p[here].mean():.2f} | "
                f"{(y[here] == 1).mean():.2f} |"
            )
    return lines


def judge_count(network: Network, movie: NDArray[np.generic]) -> list[str]:
    """The hand count: sure and active somata must be accepted, nothing that is counted nowhere."""
    c = run_cnmf(
        ArraySource(movie), count_params(), frame_rate_hz=FRAME_RATE_HZ,
        on_warning=lambda sentence: None,
    ).components  # fmt: skip
    p = _scores(network, c, (4, 4))
    lines = ["| accepted by | accepted | of 9 sure and active | counted | counted nowhere | F1 |"]
    lines.append("|---|---|---|---|---|---|")
    for name, rule in rules().items():
        s = stand(c, rule(c, p))
        lines.append(
            f"| {name} | {s.accepted} | {s.sure} | {s.counted} | {s.nowhere} | {s.f1:.3f} |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--report", type=Path, required=True)
    parser.add_argument("--movie", type=Path, help="the registered recording of the hand count")
    parser.add_argument("--seeds", type=int, default=1, help="of the recordings trained on")
    parser.add_argument("--test-seeds", type=int, default=3, help="of those it is judged on")
    parser.add_argument("--as-it-is", action="store_true", help="judge the weights that are there")
    arguments = parser.parse_args()
    if arguments.as_it_is:
        network, said = trained_network(), "As it comes with the package."
    else:
        network, said = train_and_store(arguments.weights, arguments.seeds)
    tests = list(second_simulator(range(200, 200 + arguments.test_seeds)))
    lines = ["<!-- made by benchmarks/train_soma_score.py -->", "", said]
    lines += [f"On {len(tests)} recordings of the second simulator:", "", *judge(network, tests)]
    lines += ["", "Calibration there:", "", *calibration(network, tests)]
    if arguments.movie is not None:
        import tifffile

        lines += ["", "Against the hand count of the real recording:", ""]
        lines += judge_count(network, tifffile.imread(arguments.movie))
    arguments.report.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def train_and_store(path: Path, n_seeds: int) -> tuple[Network, str]:
    """Train on the first simulator and drawn footprints; and what it was trained on."""
    examples = [patches_of(f, SCALES) for f in first_simulator(range(100, 100 + n_seeds))]
    examples.append(draw_examples(np.random.default_rng(0), 6000))
    x = np.concatenate([patches for patches, _ in examples])
    y = np.concatenate([labels for _, labels in examples])
    network = train(x, y)
    stored = {f"weights_{i}": w.astype(np.float16) for i, w in enumerate(network.weights)}
    stored |= {f"biases_{i}": b.astype(np.float16) for i, b in enumerate(network.biases)}
    np.savez_compressed(path, **stored)
    said = (
        f"Trained on {len(y)} footprints ({y.mean():.0%} somata) of the first simulator and drawn."
    )
    return network, said


if __name__ == "__main__":
    main()
