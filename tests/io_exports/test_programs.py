"""ImageJ, Labels, suite2p, parameters, methods and MP4, each read by somebody else's code."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from zipfile import ZipFile

import av
import numpy as np
import pytest
import roifile
import tifffile
from skimage.draw import polygon2mask

import napari_cnmf as nc
from napari_cnmf.errors import ExportError
from napari_cnmf.io.exports import Context, methods_text
from napari_cnmf.params import read_params

DATA = Path(__file__).parents[1] / "data"
KINDS = ("2d", "1p", "3d")


def load_objects(path: Path) -> np.ndarray:
    """As suite2p does; the file was written by this very test."""
    return np.load(path, allow_pickle=True)


@pytest.mark.parametrize("kind", KINDS)
def test_rois_cover_the_pixels_of_the_cells(curated, tmp_path: Path, kind: str) -> None:
    cur = curated(kind)
    rois = roifile.roiread(nc.write_imagej(cur, tmp_path / "r.zip"))
    assert {int(roi.name.split("-")[0]) for roi in rois} == set(np.flatnonzero(cur.accepted))
    assert len({roi.name for roi in rois}) == len(rois)
    for id_ in np.flatnonzero(cur.accepted):
        footprint = cur.components.A[:, [id_]].toarray().reshape(cur.components.dims)
        inside = np.zeros(footprint.shape, bool)
        for roi in (roi for roi in rois if int(roi.name.split("-")[0]) == id_):
            # ImageJ: a pixel belongs to a ROI that holds its centre, at x + .5, y + .5
            corners = roi.coordinates()[:, ::-1] - 0.5
            plane = roi.position - 1 if kind == "3d" else slice(None)
            inside[plane] |= polygon2mask(footprint.shape[-2:], corners)
        expected = footprint >= 0.3 * footprint.max()
        assert (inside & expected).sum() / (inside | expected).sum() > 0.9
    everyone = roifile.roiread(nc.write_imagej(cur, tmp_path / "all.zip", include_rejected=True))
    assert {int(roi.name.split("-")[0]) for roi in everyone} == set(range(cur.accepted.size))


@pytest.mark.parametrize("kind", KINDS)
def test_labels_hold_the_id_of_the_strongest_cell(curated, tmp_path: Path, kind: str) -> None:
    cur = curated(kind)
    labels = tifffile.imread(nc.write_labels(cur, tmp_path / "r.tif"))
    assert labels.shape == cur.components.dims
    relative = cur.components.A.toarray()
    relative /= relative.max(axis=0)
    relative[:, ~cur.accepted] = 0
    expected = np.where(relative.max(axis=1) >= 0.3, relative.argmax(axis=1) + 1, 0)
    np.testing.assert_array_equal(labels.ravel(), expected)


def test_labels_know_their_pixel_size(curated, tmp_path: Path) -> None:
    components = curated("3d").components
    components = components.replace(params=components.params | {"data": {"dxy": (5, 2, 0.5)}})
    with tifffile.TiffFile(nc.write_labels(components, tmp_path / "r.tif")) as file:
        assert file.series[0].axes == "ZYX"
        assert file.imagej_metadata["spacing"] == 5
        x, y = (Fraction(*file.pages[0].tags[n].value) for n in ("XResolution", "YResolution"))
        assert (float(x), float(y)) == pytest.approx((2, 0.5))


@pytest.mark.parametrize("kind", KINDS)
def test_suite2p_folder(curated, tmp_path: Path, kind: str) -> None:
    cur = curated(kind)
    components = cur.components
    folder = nc.write_suite2p(cur, tmp_path / "s2p", include_rejected=True) / "plane0"
    n, n_frames = components.C.shape
    stat = load_objects(folder / "stat.npy")
    ops = load_objects(folder / "ops.npy").item()
    F, Fneu, spks, iscell = (
        np.load(folder / f"{name}.npy", allow_pickle=False)
        for name in ("F", "Fneu", "spks", "iscell")
    )
    assert F.shape == Fneu.shape == spks.shape == (n, n_frames)
    assert F.dtype == np.float32
    assert iscell[:, 0].astype(bool).tolist() == cur.accepted.tolist()
    assert (ops["nframes"], ops["fs"]) == (n_frames, 10.0)
    canvas_shape = (ops["Ly"], ops["Lx"])
    assert canvas_shape == ((48, 64) if kind != "3d" else (2 * 32, 3 * 40))
    for row in range(n):
        canvas = np.zeros(canvas_shape)
        canvas[stat[row]["ypix"], stat[row]["xpix"]] = stat[row]["lam"]
        image = components.A[:, [row]].toarray().reshape(components.dims)
        if kind == "3d":  # six planes in two rows of three
            image = image.reshape(2, 3, 32, 40).transpose(0, 2, 1, 3).reshape(64, 120)
        np.testing.assert_allclose(canvas, image / image.sum(), atol=1e-6)
        # F is the model's movie under the footprint, averaged with its weights
        a = components.A[:, [row]].toarray().ravel()
        own = np.outer(a, components.C[row] + components.YrA[row])
        if components.b is not None:
            own = own + components.b @ components.f
        np.testing.assert_allclose(F[row], a @ own / a.sum(), rtol=1e-3)
    mean = components.images["mean"]
    if kind == "3d":
        mean = mean.reshape(2, 3, 32, 40).transpose(0, 2, 1, 3).reshape(64, 120)
    np.testing.assert_array_equal(ops["meanImg"], mean)


@pytest.mark.parametrize("kind", KINDS)
def test_parameters_run_again(curated, tmp_path: Path, kind: str) -> None:
    cur = curated(kind)
    cur.set_thresholds(min_SNR=3.5)
    params = read_params(nc.write_params(cur, tmp_path / "p.toml"))
    assert params.data.fr == 10
    assert params.quality.min_SNR == 3.5
    assert list(params.init.gSig) == list(cur.components.params["init"]["gSig"])
    assert read_params(nc.write_params(cur, tmp_path / "p.json")) == params


@pytest.mark.parametrize("kind", KINDS)
def test_methods_say_engine_numbers_and_whom_to_cite(curated, tmp_path: Path, kind: str) -> None:
    cur = curated(kind)
    motion = {"step": "mcorr", "engine": "caiman", "version": "1.12.1",
              "params": {"motion": {"max_shifts": [9, 9]}}}  # fmt: skip
    context = Context(history=[motion] if kind == "2d" else [])
    text = nc.write_methods(cur, tmp_path / "m.txt", context=context).read_text(encoding="utf-8")
    assert "CaImAn (version 1.12.1)" in text
    assert "10 Hz" in text
    assert f"Of {cur.accepted.size} components {cur.accepted.sum()} were accepted; 1 were" in text
    assert ("Zhou P. et al." in text) == (kind == "1p")
    assert ("detrended" in text) == (kind == "1p")
    assert ("NoRMCorre" in text and "max_shifts = (9, 9)" in text) == (kind == "2d")
    assert text.startswith(methods_text(cur, context))


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_mp4_plays_the_recording_beside_the_model(curated, tmp_path: Path, kind: str) -> None:
    cur = curated(kind)
    path = DATA / ("movie-3d.tif" if kind == "3d" else "movie-2d.tif")
    movie = nc.open_movie(path, frame_rate_hz=10)
    written = nc.write_mp4(cur, tmp_path / "r.mp4", context=Context(movie=movie))
    with av.open(str(written)) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == 10
        assert (stream.codec_context.width % 2, stream.codec_context.height % 2) == (0, 0)
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    assert len(frames) == cur.components.n_frames
    middle = len(frames) // 2
    grey = frames[middle].astype(float).mean(axis=2)
    height, width = movie.dims[-2:]
    scale = grey.shape[0] // height
    raw = np.asarray(movie.data[middle]).astype(float)
    raw = raw if raw.ndim == 2 else raw.max(axis=0)
    left = grey[: height * scale, : width * scale]
    shown = left.reshape(height, scale, width, scale).mean(axis=(1, 3))
    assert np.corrcoef(shown.ravel(), raw.ravel())[0, 1] > 0.7
    green = frames[0][..., 1].astype(int) - frames[0][..., 0]
    assert (green > 60).any()


def test_mp4_refuses_another_movie(curated, tmp_path: Path) -> None:
    movie = nc.open_movie(np.zeros((300, 64, 48), np.uint8), frame_rate_hz=10)
    with pytest.raises(ExportError, match=r"\(300, 48, 64\), got \(300, 64, 48\)"):
        nc.write_mp4(curated("2d"), tmp_path / "r.mp4", context=Context(movie=movie))


def test_zero_components(curated, tmp_path: Path) -> None:
    none = curated("2d").components.take([])
    with ZipFile(nc.write_imagej(none, tmp_path / "r.zip")) as archive:
        assert archive.namelist() == []
    assert not tifffile.imread(nc.write_labels(none, tmp_path / "r.tif")).any()
    folder = nc.write_suite2p(none, tmp_path / "s2p") / "plane0"
    assert np.load(folder / "F.npy").shape == (0, 300)
    assert load_objects(folder / "stat.npy").shape == (0,)
    assert "Of 0 components 0 were accepted" in methods_text(none)
