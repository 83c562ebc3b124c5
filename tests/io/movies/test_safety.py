"""Nothing in a file is run, and a file that is opened never makes others be read."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest
import zarr

from napari_cnmf.errors import MovieError
from napari_cnmf.io import frame_source, open_movie

FRAMES = np.arange(4 * 5 * 6, dtype=np.uint16).reshape(4, 5, 6)


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def with_codec(store: Path, where: str, codec: dict[str, object]) -> None:
    """A zarr array that asks for a codec, in one of the places where it may."""
    array = store / "a" if "group" in where else store
    array.mkdir(parents=True)
    notes = {
        "zarr_format": 2, "shape": [4, 5, 6], "chunks": [4, 5, 6], "dtype": "<u2", "order": "C",
        "fill_value": 0, "compressor": codec, "filters": None,
    }  # fmt: skip
    if where == "filter":
        notes |= {"compressor": None, "filters": [codec]}
    if where == "version 3":
        notes = {
            "zarr_format": 3, "node_type": "array", "shape": [4, 5, 6], "data_type": "uint16",
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4, 5, 6]}},
            "chunk_key_encoding": {"name": "default"}, "fill_value": 0,
            "codecs": [{"name": "bytes"}, {"name": f"numcodecs.{codec['id']}"}],
        }  # fmt: skip
        (array / "zarr.json").write_text(json.dumps(notes))
        return
    (array / ".zarray").write_text(json.dumps(notes))
    if "group" in where:
        (store / ".zgroup").write_text('{"zarr_format": 2}')
    if where == "consolidated group":
        (array / ".zarray").write_text(json.dumps(notes | {"compressor": None}))
        metadata = {"a/.zarray": notes, ".zgroup": {"zarr_format": 2}}
        text = {"zarr_consolidated_format": 1, "metadata": metadata}
        (store / ".zmetadata").write_text(json.dumps(text))


@pytest.mark.parametrize(
    "where", ["compressor", "filter", "group", "consolidated group", "version 3"]
)
@pytest.mark.parametrize("codec", ["pickle", "msgpack2", "something-else"])
def test_codecs_that_are_not_known_to_be_safe(tmp_path: Path, where: str, codec: str) -> None:
    store = tmp_path / "a.zarr"
    with_codec(store, where, {"id": codec})
    bomb = pickle.dumps(Bomb(tmp_path / "exploded"))
    for name in ("0.0.0", "a/0.0.0", "c/0/0/0"):
        path = store / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bomb)
    with pytest.raises(MovieError, match=f"codec '(numcodecs.)?{codec}'"):
        frame_source(open_movie(store)).read(0, 4)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("version", [2, 3])
def test_usual_codecs_are_read(tmp_path: Path, version: int) -> None:
    if version == 2:
        import numcodecs

        options = [{"compressors": c} for c in (numcodecs.Blosc(), numcodecs.Zstd(), None)]
    else:
        options = [
            {"compressors": zarr.codecs.BloscCodec()},
            {"compressors": zarr.codecs.GzipCodec(), "shards": (4, 5, 6)},
        ]
    for k, option in enumerate(options):
        path = tmp_path / f"{k}.zarr"
        array = zarr.create_array(
            str(path), shape=FRAMES.shape, dtype=FRAMES.dtype, chunks=(2, 5, 6),
            zarr_format=version, **option,
        )  # fmt: skip
        array[...] = FRAMES
        array.attrs["codecs"] = "words of the user"
        np.testing.assert_array_equal(frame_source(open_movie(path)).read(0, 4), FRAMES)


class TestHdf5:
    def test_external_storage(self, tmp_path: Path) -> None:
        (tmp_path / "secret.bin").write_bytes(FRAMES.tobytes())
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file.create_dataset(
                "mov", FRAMES.shape, "u2", external=[(str(tmp_path / "secret.bin"), 0, 240)]
            )
        with pytest.raises(MovieError, match=r"takes them from .*secret\.bin"):
            open_movie(tmp_path / "a.h5")

    def test_links_to_other_files(self, tmp_path: Path) -> None:
        with h5py.File(tmp_path / "other.h5", "w") as file:
            file["deep/mov"] = FRAMES
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["mov"] = h5py.ExternalLink("other.h5", "/deep/mov")
            file["group"] = h5py.ExternalLink("other.h5", "/deep")
        with pytest.raises(MovieError, match=r"link to 'other\.h5'. Open that file"):
            open_movie(tmp_path / "a.h5")
        with pytest.raises(MovieError, match="link to"):
            open_movie(tmp_path / "a.h5", dataset="group/mov")

    def test_virtual_datasets(self, tmp_path: Path) -> None:
        with h5py.File(tmp_path / "other.h5", "w") as file:
            file["mov"] = FRAMES
        layout = h5py.VirtualLayout(FRAMES.shape, "u2")
        layout[...] = h5py.VirtualSource(str(tmp_path / "other.h5"), "mov", FRAMES.shape)
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file.create_virtual_dataset("mov", layout)
        with pytest.raises(MovieError, match=r"takes them from .*other\.h5"):
            open_movie(tmp_path / "a.h5")

    def test_links_within_the_file_are_followed(self, tmp_path: Path) -> None:
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["deep/frames"] = FRAMES
            file["mov"] = h5py.SoftLink("/deep/frames")
        movie = open_movie(tmp_path / "a.h5")
        np.testing.assert_array_equal(frame_source(movie).read(0, 4), FRAMES)


def test_xml_that_names_files_elsewhere(tmp_path: Path) -> None:
    """The names in OME-XML are names beside the file, whatever path they pretend."""
    import tifffile

    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    tifffile.imwrite(outside / "b.ome.tif", FRAMES, metadata=None, photometric="minisblack")
    blocks = "".join(
        f'<TiffData FirstT="{4 * k}" IFD="0" PlaneCount="4"><UUID FileName="{name}">u</UUID>'
        "</TiffData>"
        for k, name in enumerate(("a.ome.tif", str(outside / "b.ome.tif")))
    )
    xml = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
        '<Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16" SizeX="6" SizeY="5" SizeZ="1" '
        f'SizeC="1" SizeT="8">{blocks}</Pixels></Image></OME>'
    )
    path = inside / "a.ome.tif"
    tifffile.imwrite(path, FRAMES, metadata=None, description=xml, photometric="minisblack")
    with pytest.raises(MovieError, match=r"got no .*inside.*b\.ome\.tif"):
        open_movie(path)
