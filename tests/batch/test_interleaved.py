"""Two channels that alternate in a file which does not say so: the worker reads those of one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_cnmf.batch import Batch, State
from napari_cnmf.cli import main
from napari_cnmf.testing import simulate


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Both channels in one file, and the second alone."""
    folder = tmp_path_factory.mktemp("channels")
    red, green = (
        simulate(n_frames=300, size=(48, 56), n_cells=7, seed=seed).array() for seed in (1, 2)
    )
    both = np.stack([red, green], axis=1).reshape(-1, *red.shape[1:])
    for name, frames in (("both", both), ("green", green)):
        tifffile.imwrite(folder / f"{name}.tif", frames, photometric="minisblack", metadata=None)
    return folder / "both.tif", folder / "green.tif"


PARAMS = {"data": {"fr": 15.0}, "init": {"gSig": (5, 5)}}


@pytest.mark.long
def test_the_worker_reads_the_frames_of_the_channel(batch: Batch, files: tuple[Path, Path]) -> None:
    both, green = files
    told = {"n_channels": 2, "channel": 1}
    options = {"params": PARAMS, "engine": "builtin"}
    motion = batch.add("mcorr", both, open_with=told, **options)
    mine = batch.add("cnmf", both, open_with=told, **options)
    alone = batch.add("cnmf", green, **options)
    other = batch.add("cnmf", both, open_with=told | {"channel": 0}, **options)
    assert other.duplicate_of is None
    batch.run()
    assert [item.state for item in batch] == [State.COMPLETED] * 4
    one, two = mine.result().components, alone.result().components
    assert one.n_components > 3
    np.testing.assert_array_equal(one.A.toarray(), two.A.toarray())
    np.testing.assert_array_equal(one.C, two.C)
    assert motion.movie().shape == alone.movie().shape
    reopened = Batch.open(batch.path)[mine.uuid]
    np.testing.assert_array_equal(reopened.movie().data[7].compute(), tifffile.imread(green)[7])


@pytest.mark.long
def test_one_movie_of_both_is_warned_about(
    batch: Batch, files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both, green = files
    silent = batch.add("cnmf", both, params=PARAMS)
    (warning,) = silent.warnings
    assert "2 channels or planes may be interleaved" in warning
    batch.run()
    (*_, again) = [w for w in silent.warnings if "interleaved" in w]
    assert again == warning  # said of what ran, too
    for movie, told in ((green, {}), (both, {"n_channels": 2, "channel": 0})):
        item = batch.add("cnmf", movie, params=PARAMS, open_with=told)
        assert item.warnings == []
    said = ["batch", str(tmp_path / "cli"), "add", str(both), "--set", "data.fr=15"]
    assert main([*said, "--n-channels", "2", "--channel", "1"]) == 0
    (item,) = Batch.open(tmp_path / "cli")
    assert item.spec.movie is not None
    assert item.spec.movie.open_with == {"channel": 1, "n_channels": 2}
    assert item.movie().n_frames == 300
    capsys.readouterr()
    assert main([*said, "--n-channels", "2"]) != 0
    assert "One of 2 interleaved channels must be chosen" in capsys.readouterr().err
