"""Run by CaImAn's interpreter: puts weights of its classifier into a data folder.

They are random ones of the right form, as CaImAn's own are not to be had. Prints whether the
libraries that run them are there.
"""

import pickle
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np

_LAYERS = ((3, 3, 1, 32), (3, 3, 32, 32), (3, 3, 32, 64), (3, 3, 64, 64), (6400, 512), (512, 2))


def put_pickle(folder: Path) -> None:
    """Weights as CaImAn has them since 1.13, for Keras on PyTorch."""
    random = np.random.default_rng(0)
    weights = []
    for shape in _LAYERS:
        weights += [random.normal(0, 0.05, shape).astype("f4"), np.zeros(shape[-1], "f4")]
    (folder / "cnn_model.pkl").write_bytes(pickle.dumps({"weights": weights}))


def put_model_of_tensorflow(folder: Path) -> None:
    """A model as CaImAn has it until 1.12."""
    from tensorflow.keras import Sequential, layers

    model = Sequential(
        [layers.InputLayer((50, 50, 1)), layers.AveragePooling2D(10), layers.Flatten(),
         layers.Dense(2, activation="softmax")]
    )  # fmt: skip
    (folder / "cnn_model.json").write_text(model.to_json())
    model.save_weights(folder / "cnn_model.h5")


def main(data_folder: str) -> None:
    folder = Path(data_folder) / "model"
    folder.mkdir(parents=True)
    if find_spec("torch") and find_spec("keras"):
        put_pickle(folder)
        print("yes")
    elif find_spec("tensorflow"):
        put_model_of_tensorflow(folder)
        print("yes")
    else:
        print("no")


if __name__ == "__main__":
    main(sys.argv[1])
