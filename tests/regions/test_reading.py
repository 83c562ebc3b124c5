"""Cells and regions that other programs drew: each file against pixels that are known."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import tifffile
from roifile import ROI_TYPE, ImagejRoi, roiwrite
from skimage.draw import polygon2mask
from skimage.io import imsave

from napari_cnmf.batch.given import to_footprints, to_mask
from napari_cnmf.errors import CnmfError, ParameterError, ResultError
from napari_cnmf.io.exports import write_imagej
from napari_cnmf.io.regions import read_footprints, read_mask
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation import Curation

DIMS = (24, 37)  # not square: a transposed field would be seen


def labels() -> np.ndarray:
    image = np.zeros(DIMS, np.uint16)
    image[2:7, 3:9] = 4
    image[10:14, 20:30] = 9
    image[18:22, 5:8] = 2
    return image


def sets(A: sp.csc_matrix) -> set[frozenset[int]]:
    """Pixels of each footprint, in any order."""
    return {frozenset(A[:, k].nonzero()[0].tolist()) for k in range(A.shape[1])}


def truth() -> set[frozenset[int]]:
    flat = labels().ravel()
    return {frozenset(np.flatnonzero(flat == value).tolist()) for value in (2, 4, 9)}


def write_npy(path: Path) -> Path:
    np.save(path / "masks.npy", labels())
    return path / "masks.npy"


def write_seg(path: Path) -> Path:
    seg = {"masks": labels(), "outlines": labels() * 0, "filename": "x.tif", "diameter": 12.0}
    np.save(path / "x_seg.npy", seg, allow_pickle=True)  # type: ignore[arg-type]
    return path / "x_seg.npy"


def write_tif(path: Path) -> Path:
    tifffile.imwrite(path / "masks.tif", labels(), compression="zlib")
    return path / "masks.tif"


def write_png(path: Path) -> Path:
    imsave(path / "x_cp_masks.png", labels(), check_contrast=False)
    return path / "x_cp_masks.png"


def write_binary(path: Path) -> Path:
    tifffile.imwrite(path / "threshold.tif", np.where(labels() > 0, 255, 0).astype(np.uint8))
    return path / "threshold.tif"


def write_stat(path: Path) -> Path:
    stat = []
    for value in (2, 4, 9):
        y, x = np.nonzero(labels() == value)
        stat.append({"ypix": y, "xpix": x, "lam": np.linspace(1, 2, len(y), dtype=np.float32)})
    np.save(path / "stat.npy", np.array(stat, dtype=object), allow_pickle=True)
    return path / "stat.npy"


def write_sparse(path: Path) -> Path:
    A = np.stack([labels().ravel() == value for value in (9, 2, 4)], axis=1)
    sp.save_npz(path / "ain.npz", sp.csc_matrix(A.astype(np.float32)))
    return path / "ain.npz"


def write_rois(path: Path) -> Path:
    rois = []
    for value in (2, 4, 9):
        y, x = np.nonzero(labels() == value)
        left, right, top, bottom = x.min(), x.max() + 1, y.min(), y.max() + 1
        corners = [[left, top], [right, top], [right, bottom], [left, bottom]]
        rois.append(ImagejRoi.frompoints(np.array(corners, np.float32), name=f"cell {value}"))
    roiwrite(path / "rois.zip", rois)
    return path / "rois.zip"


WRITERS = [write_npy, write_seg, write_tif, write_png, write_binary, write_stat, write_sparse,
           write_rois]  # fmt: skip


@pytest.mark.parametrize("write", WRITERS)
def test_every_kind_of_file_gives_the_pixels_that_were_drawn(
    write: Callable[[Path], Path], tmp_path: Path
) -> None:
    A = read_footprints(write(tmp_path), DIMS)
    assert A.shape == (DIMS[0] * DIMS[1], 3)
    assert A.dtype == np.float32
    assert sets(A) == truth()


@pytest.mark.parametrize("write", WRITERS)
def test_another_field_is_refused_with_both_shapes(
    write: Callable[[Path], Path], tmp_path: Path
) -> None:
    path = write(tmp_path)
    with pytest.raises(ParameterError, match=r"12|outside"):
        read_footprints(path, (12, 15))


def test_an_oval_and_a_rectangle_of_imagej(tmp_path: Path) -> None:
    kinds = {"oval": ROI_TYPE.OVAL, "box": ROI_TYPE.RECT}
    rois = []
    for name, kind in kinds.items():
        roi = ImagejRoi(roitype=kind, left=4, top=6, right=14, bottom=12, name=name)
        rois.append(roi)
    roiwrite(tmp_path / "two.zip", rois)
    A = read_footprints(tmp_path / "two.zip", DIMS)
    y, x = np.mgrid[: DIMS[0], : DIMS[1]]
    oval = ((x - 8.5) / 5) ** 2 + ((y - 8.5) / 3) ** 2 <= 1
    box = (x >= 4) & (x < 14) & (y >= 6) & (y < 12)
    drawn = A.toarray().reshape(*DIMS, 2) > 0
    assert (drawn[..., 0] ^ oval).sum() <= 4
    np.testing.assert_array_equal(drawn[..., 1], box)


def test_what_we_export_to_imagej_comes_back(components: Components, tmp_path: Path) -> None:
    path = write_imagej(components, tmp_path / "rois.zip", include_rejected=True)
    A = read_footprints(path, components.dims)
    assert A.shape[1] == components.n_components
    before = (components.A.toarray() > 0.3 * components.A.toarray().max(0)).astype(float)
    cosine = (before * A.toarray()).sum(0) / np.sqrt(before.sum(0) * A.toarray().sum(0))
    assert cosine.min() > 0.9


def test_only_cells_of_suite2p_that_iscell_accepts(tmp_path: Path) -> None:
    path = write_stat(tmp_path)
    np.save(tmp_path / "iscell.npy", np.array([[1, 0.9], [0, 0.1], [1, 0.8]]))
    assert read_footprints(path, DIMS).shape[1] == 2


def test_a_curated_result_gives_what_it_accepts(components: Components) -> None:
    cur = Curation(components)
    cur.reject([0])
    A = to_footprints(cur, components.dims)
    assert A is not None
    np.testing.assert_array_equal(
        A.toarray(), components.A.toarray()[:, np.flatnonzero(cur.accepted)]
    )
    with pytest.raises(ParameterError, match="result of"):
        to_footprints(cur, (10, 10))


class Trap:
    def __reduce__(self) -> Any:
        return (open, (str(Trap.path), "w"))

    path: Path


def test_a_pickle_in_a_seg_file_is_not_run(tmp_path: Path) -> None:
    Trap.path = tmp_path / "executed"
    seg = {"masks": labels(), "evil": Trap()}
    array = np.empty((), object)
    array[()] = seg
    with (tmp_path / "x_seg.npy").open("wb") as file:
        header = {"descr": "|O", "fortran_order": False, "shape": ()}
        np.lib.format.write_array_header_1_0(file, header)
        pickle.dump(array, file)
    assert sets(read_footprints(tmp_path / "x_seg.npy", DIMS)) == truth()
    assert not Trap.path.exists()


def line_of(tmp_path: Path) -> Path:
    roi = ImagejRoi(roitype=ROI_TYPE.LINE, name="l")
    roi.tofile(tmp_path / "line.roi")
    return tmp_path / "line.roi"


def text_of(tmp_path: Path, name: str) -> Path:
    (tmp_path / name).write_text("not what the name says")
    return tmp_path / name


def empty_of(tmp_path: Path) -> Path:
    np.save(tmp_path / "empty.npy", np.zeros(DIMS, np.int32))
    return tmp_path / "empty.npy"


def colour_of(tmp_path: Path) -> Path:
    imsave(tmp_path / "c.png", np.zeros((*DIMS, 3), np.uint8), check_contrast=False)
    return tmp_path / "c.png"


@pytest.mark.parametrize(
    ("make", "kind", "words"),
    [
        (lambda p: p / "missing.tif", ResultError, "does not exist"),
        (lambda p: text_of(p, "x.zip"), ResultError, "ROI manager"),
        (lambda p: text_of(p, "x.tif"), ResultError, "picture"),
        (lambda p: text_of(p, "x.npy"), ResultError, "x.npy"),
        (lambda p: text_of(p, "stat.npy"), ResultError, "suite2p"),
        (lambda p: text_of(p, "x.npz"), ResultError, "save_npz"),
        (lambda p: text_of(p, "x.jpg"), ParameterError, "labels"),
        (line_of, ParameterError, "must be an area, got a line"),
        (empty_of, ParameterError, "0 everywhere"),
        (colour_of, ParameterError, "colour"),
    ],
)
def test_bad_files_are_refused_in_words(
    make: Callable[[Path], Path], kind: type[CnmfError], words: str, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=words):
        read_footprints(make(tmp_path), DIMS)


def test_outlines_become_footprints_and_masks() -> None:
    square = np.array([[3, 4], [3, 10], [9, 10], [9, 4]], float)
    A = to_footprints([square], DIMS)
    mask = to_mask([square], None, DIMS)
    assert A is not None
    assert mask is not None
    np.testing.assert_array_equal(A.toarray().ravel() > 0, mask.ravel())
    np.testing.assert_array_equal(mask, polygon2mask(DIMS, square))
    outside = to_mask(None, [square], DIMS)
    np.testing.assert_array_equal(outside, ~mask)


def test_a_region_drawn_in_the_plane_counts_for_every_plane_of_a_volume() -> None:
    square = np.array([[2, 3, 4], [2, 3, 10], [2, 9, 10], [2, 9, 4]], float)
    mask = to_mask([square], None, (5, *DIMS))
    assert mask is not None
    assert mask.shape == (5, *DIMS)
    assert (mask == mask[0]).all()


CROSSED = np.array([[2, 2], [12, 20], [2, 20], [12, 2]], float)


@pytest.mark.parametrize(
    ("ain", "words"),
    [
        ([CROSSED], "Outline 1 of 1: The outline crosses itself"),
        ([], "at least one cell"),
        ([np.array([[100, 100], [100, 110], [110, 110.0]])], "outside of the image"),
        (np.zeros(DIMS, bool), "0 everywhere"),
        (np.full(DIMS, 0.5), "whole numbers"),
        (np.zeros((12, *DIMS), int), "shape"),
        (sp.csc_matrix((24 * 37, 2)), "2 cells, 2 of them without a pixel"),
        (sp.csc_matrix((24 * 36, 2)), "a row for each of the 888 pixels"),
        (np.full((24 * 37, 1), np.nan), "finite"),
    ],
)
def test_bad_cells_are_refused_in_words(ain: Any, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        to_footprints(ain, DIMS)


def test_bad_regions_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="0 pixels"):
        to_mask(np.zeros(DIMS), None, DIMS)
    with pytest.raises(ParameterError, match=r"\(24, 37\) of the field"):
        to_mask(np.ones((3, 4)), None, DIMS)
    with pytest.raises(ParameterError, match="covers it all"):
        to_mask(None, np.ones(DIMS), DIMS)
    with pytest.raises(ParameterError, match="crosses itself"):
        to_mask([CROSSED], None, DIMS)
    with pytest.raises(ParameterError, match="picture that is 0 outside"):
        read_mask(write_sparse(tmp_path), DIMS)


def composite(path: Path, *rectangles: tuple[int, int, int, int]) -> Path:
    """An ImageJ composite of rectangles ``(x0, y0, x1, y1)``."""
    from roifile import ROI_TYPE, ImagejRoi

    steps: list[float] = []
    for x0, y0, x1, y1 in rectangles:
        corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
        steps += [0.0, *map(float, corners[0])]
        for corner in corners[1:]:
            steps += [1.0, *map(float, corner)]
        steps.append(4.0)
    values = np.array(steps, np.float32)
    left, top = (min(r[i] for r in rectangles) for i in (0, 1))
    right, bottom = (max(r[i] for r in rectangles) for i in (2, 3))
    roi = ImagejRoi(
        roitype=ROI_TYPE.RECT, left=left, top=top, right=right, bottom=bottom, name="composite",
        version=227, shape_roi_size=len(values), multi_coordinates=values,
    )  # fmt: skip
    path.write_bytes(roi.tobytes())
    return path


@pytest.mark.parametrize(
    ("rectangles", "n_pixels"),
    [
        (((30, 10, 42, 22), (34, 14, 38, 18)), 144 - 16),  # a hole
        (((2, 2, 6, 6), (20, 20, 25, 25)), 16 + 25),  # two parts
        (((2, 2, 22, 22), (6, 6, 18, 18), (10, 10, 14, 14)), 400 - 144 + 16),  # an island in it
    ],
)
def test_parts_and_holes_of_a_composite(
    tmp_path: Path, rectangles: tuple[tuple[int, int, int, int], ...], n_pixels: int
) -> None:
    path = composite(tmp_path / "a.roi", *rectangles)
    assert read_footprints(path, (40, 60)).sum() == n_pixels
    assert read_mask(path, (40, 60)).sum() == n_pixels
    assert read_mask(path, (3, 40, 60)).sum() == 3 * n_pixels


def test_a_curve_of_a_composite(tmp_path: Path) -> None:
    """A circle of four cubic curves, as drawing programs make them."""
    from roifile import ROI_TYPE, ImagejRoi

    c, r, k = 20.0, 12.0, 0.5522847498 * 12.0
    steps = [0, c + r, c, 3, c + r, c + k, c + k, c + r, c, c + r, 3, c - k, c + r, c - r, c + k,
             c - r, c, 3, c - r, c - k, c - k, c - r, c, c - r, 3, c + k, c - r, c + r, c - k,
             c + r, c, 4]  # fmt: skip
    roi = ImagejRoi(
        roitype=ROI_TYPE.RECT, left=8, top=8, right=32, bottom=32, name="circle", version=227,
        shape_roi_size=len(steps), multi_coordinates=np.array(steps, np.float32),
    )  # fmt: skip
    path = tmp_path / "circle.roi"
    path.write_bytes(roi.tobytes())
    y, x = np.mgrid[:40, :60] + 0.5
    want = (y - c) ** 2 + (x - c) ** 2 < r**2
    assert np.count_nonzero(read_mask(path, (40, 60)) != want) <= 4


def test_the_overlay_of_a_tiff_wins_over_its_pixels(tmp_path: Path) -> None:
    hole = composite(tmp_path / "a.roi", (30, 10, 42, 22), (34, 14, 38, 18)).read_bytes()
    square = ImagejRoi.frompoints(np.array([(2, 3), (6, 3), (6, 8), (2, 8)], float)).tobytes()
    for pixels in (np.ones((5, 40, 60), np.uint8), np.full((40, 60), 3, np.uint16)):
        tifffile.imwrite(
            tmp_path / "a.tif", pixels, imagej=True, metadata={"Overlays": [hole, square]}
        )
        A = read_footprints(tmp_path / "a.tif", (40, 60))
        assert sorted(A.sum(axis=0).A1.tolist()) == [20, 128]
        assert read_mask(tmp_path / "a.tif", (40, 60)).sum() == 148


def test_notes_in_an_overlay_are_no_cells(tmp_path: Path) -> None:
    from roifile import ROI_SUBTYPE, ROI_TYPE

    for subtype, said in ((ROI_SUBTYPE.TEXT, "got a text"), (ROI_SUBTYPE.IMAGE, "got an image")):
        note = ImagejRoi(
            roitype=ROI_TYPE.RECT, left=5, top=5, right=15, bottom=13, subtype=subtype, name="n"
        )
        (tmp_path / "a.roi").write_bytes(note.tobytes())
        with pytest.raises(ParameterError, match=said):
            read_footprints(tmp_path / "a.roi", (40, 60))


def test_an_overlay_on_another_field_is_refused(tmp_path: Path) -> None:
    square = ImagejRoi.frompoints(np.array([(2, 3), (6, 3), (6, 8), (2, 8)], float)).tobytes()
    tifffile.imwrite(
        tmp_path / "a.tif", np.zeros((80, 90), np.uint16), imagej=True,
        metadata={"Overlays": [square]},
    )  # fmt: skip
    for read in (read_footprints, read_mask):
        with pytest.raises(ParameterError, match=r"the field \(40, 60\), got an image of \(80, 90"):
            read(tmp_path / "a.tif", (40, 60))
    assert read_footprints(tmp_path / "a.tif", (3, 80, 90)).sum() == 20
