"""Files that libraries of the extra ``formats`` read."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import psutil
import pytest
import tifffile

from napari_cnmf.errors import MovieError
from napari_cnmf.io import frame_source, open_movie
from napari_cnmf.io.movies import ChannelUnknownError, ChoiceNeededError
from napari_cnmf.io.movies.vendors.zeiss import start_of_metadata as zeiss_start

RNG = np.random.default_rng(0)


def read_all(movie) -> np.ndarray:
    return frame_source(movie).read(0, movie.n_frames)


def write_lif(path: Path, series: dict[str, np.ndarray], *, began_s: float | None = None) -> None:
    """A Leica file: XML in UTF-16, then the pixels of each series ``(T, C, Y, X)``.

    ``began_s``: seconds since 1601, which Leica counts in steps of 100 ns.
    """
    stamps = ""
    if began_s is not None:
        high, low = divmod(round(began_s * 1e7), 2**32)
        stamps = f'<TimeStamp HighInteger="{high}" LowInteger="{low}"/>'
    elements, blocks = [], []
    for k, (name, movie) in enumerate(series.items()):
        n_t, n_c, height, width = movie.shape
        plane = height * width * 2
        channels = "".join(
            '<ChannelDescription DataType="0" ChannelTag="0" Resolution="16" '
            'NameOfMeasuredQuantity="" '
            f'Min="0" Max="1" Unit="" LUTName="Green" IsLUTInverted="0" BytesInc="{c * plane}" '
            'BitInc="0" />'
            for c in range(n_c)
        )
        sizes = [
            (1, width, 2, 1e-5),
            (2, height, width * 2, 2e-5),
            (4, n_t, plane * n_c, 0.1 * (n_t - 1)),
        ]
        dimensions = "".join(
            f'<DimensionDescription DimID="{d}" NumberOfElements="{n}" Origin="0" '
            f'Length="{length}" Unit="{"s" if d == 4 else "m"}" BitInc="0" BytesInc="{step}" />'
            for d, n, step, length in sizes
        )
        elements.append(
            f'<Element Name="{name}" Visibility="1"><Data><Image TextDescription="">'
            "<ImageDescription>"
            f"<Channels>{channels}</Channels><Dimensions>{dimensions}</Dimensions>"
            f"</ImageDescription><TimeStampList>{stamps}</TimeStampList>"
            f'</Image></Data><Memory Size="{movie.nbytes}" '
            f'MemoryBlockID="MemBlock_{k}" /></Element>'
        )
        blocks.append((f"MemBlock_{k}", movie.astype("<u2").tobytes()))
    xml = (
        '<LMSDataContainerHeader Version="2"><Element Name="a.lif" Visibility="1"><Data />'
        f'<Memory Size="0" MemoryBlockID="MemBlock_x" /><Children>{"".join(elements)}</Children>'
        "</Element></LMSDataContainerHeader>"
    )

    def part(text: str, head: bytes) -> bytes:
        raw = text.encode("utf-16-le")
        body = head + b"\x2a" + len(text).to_bytes(4, "little") + raw
        return (0x70).to_bytes(4, "little") + len(body).to_bytes(4, "little") + body

    content = part(xml, b"")
    for name, data in blocks:
        raw = name.encode("utf-16-le")
        body = b"\x2a" + len(data).to_bytes(8, "little") + b"\x2a" + len(name).to_bytes(4, "little")
        body += raw
        content += (0x70).to_bytes(4, "little") + len(body).to_bytes(4, "little") + body + data
    path.write_bytes(content)


class TestLeica:
    @pytest.mark.parametrize("n_channels", [1, 2])
    def test_frames(self, tmp_path: Path, n_channels: int) -> None:
        pytest.importorskip("liffile")
        movie = RNG.integers(0, 999, (12, n_channels, 6, 9)).astype(np.uint16)
        write_lif(tmp_path / "a.lif", {"one": movie})
        if n_channels > 1:
            with pytest.raises(ChannelUnknownError):
                open_movie(tmp_path / "a.lif")
        found = open_movie(tmp_path / "a.lif", channel=n_channels - 1)
        np.testing.assert_array_equal(read_all(found), movie[:, -1])
        np.testing.assert_array_equal(found.data[7, 2:4].compute(), movie[7, -1, 2:4])
        assert found.frame_rate_hz == pytest.approx(10, rel=1e-3)

    def test_several_series(self, tmp_path: Path) -> None:
        pytest.importorskip("liffile")
        movie = RNG.integers(0, 999, (12, 1, 6, 9)).astype(np.uint16)
        write_lif(tmp_path / "a.lif", {"one": movie, "two": movie + 1})
        with pytest.raises(ChoiceNeededError, match="has 2"):
            open_movie(tmp_path / "a.lif")
        name = next(c for c, _ in caught_choices(tmp_path / "a.lif") if "two" in c)
        found = open_movie(tmp_path / "a.lif", dataset=name)
        np.testing.assert_array_equal(read_all(found), movie[:, 0] + 1)


def test_the_pause_between_two_files_of_leica(tmp_path: Path) -> None:
    pytest.importorskip("liffile")
    movie = RNG.integers(0, 999, (11, 1, 6, 9)).astype(np.uint16)
    for name, began_s in (("a.lif", 13.4e9), ("b.lif", 13.4e9 + 21.25)):
        write_lif(tmp_path / name, {"s": movie}, began_s=began_s)
    found = open_movie([tmp_path / "a.lif", tmp_path / "b.lif"])
    np.testing.assert_allclose(found.time_s[[0, 10, 11, 21]], [0, 1.0, 21.25, 22.25], atol=1e-3)


def test_when_a_file_of_zeiss_began() -> None:
    text = (
        "<ImageDocument><Metadata><Information><Image>{}<AcquisitionDateAndTime>"
        "2000-01-01T00:00:02.1234567Z</AcquisitionDateAndTime></Image></Information></Metadata>"
        "</ImageDocument>"
    )
    times = "<Dimensions><T><StartTime>2000-01-01T00:00:05.5Z</StartTime></T></Dimensions>"
    for more, zero_s in (("", 2.1234567), (times, 5.5)):
        start = zeiss_start(ElementTree.fromstring(text.format(more)))
        assert start is not None
        assert start.zero_s == pytest.approx(zero_s, abs=1e-9)


def caught_choices(path: Path):
    try:
        open_movie(path)
    except ChoiceNeededError as error:
        return error.choices
    raise AssertionError("nothing was asked")


@pytest.mark.parametrize("n_channels", [1, 2])
def test_olympus_oif(tmp_path: Path, n_channels: int) -> None:
    """A main file of settings, and a folder with one TIFF for each channel and time."""
    pytest.importorskip("oiffile")
    movie = RNG.integers(0, 999, (11, n_channels, 6, 9)).astype(np.uint16)
    folder = tmp_path / "a.oif.files"
    folder.mkdir()
    for t in range(11):
        for c in range(n_channels):
            name = f"s_C{c + 1:03d}T{t + 1:03d}.tif" if n_channels > 1 else f"s_T{t + 1:03d}.tif"
            tifffile.imwrite(folder / name, movie[t, c], metadata=None)
    axes = {
        "X": (9, 0, 18, "um"),
        "Y": (6, 0, 6, "um"),
        "C": (n_channels, 0, 0, ""),
        "Z": (1, 0, 0, "nm"),
    }
    axes |= {"T": (11, 0, 500, "ms"), "A": (1, 0, 0, ""), "L": (1, 0, 0, ""), "P": (1, 0, 0, "")}
    lines = [
        "[ProfileSaveInfo]",
        'Name="a.oif"',
        'Version="1"',
        "[Version Info]",
        'SystemVersion="3.0"',
    ]
    lines += ["[Axis Parameter Common]", 'AxisOrder="XYCT"']
    for k, (axis, (size, start, stop, unit)) in enumerate(axes.items()):
        lines += [f"[Axis {k} Parameters Common]", f'AxisCode="{axis}"', f"MaxSize={size}"]
        lines += [f"StartPosition={start}", f"EndPosition={stop}", f'UnitName="{unit}"']
    (tmp_path / "a.oif").write_text("\n".join(lines), encoding="utf-16")
    found = open_movie(tmp_path / "a.oif", channel=n_channels - 1)
    np.testing.assert_array_equal(read_all(found), movie[:, -1])
    assert found.frame_rate_hz == pytest.approx(20)
    assert found.pixel_size_um == pytest.approx((1.0, 2.0))


@pytest.mark.parametrize(("n_planes", "n_channels", "n_scenes"), [(1, 1, 1), (3, 2, 1), (1, 2, 2)])
def test_zeiss(tmp_path: Path, n_planes: int, n_channels: int, n_scenes: int) -> None:
    """A file that Zeiss' own library writes."""
    czi = pytest.importorskip("pylibCZIrw.czi")
    shape = (n_scenes, 6, n_planes, n_channels, 9, 14)
    movie = RNG.integers(1, 999, shape).astype(np.uint16)
    path = tmp_path / "a.czi"
    with czi.create_czi(str(path)) as out:
        for s, t, z, c in np.ndindex(*shape[:4]):
            out.write(
                movie[s, t, z, c][..., None],
                plane={"T": t, "Z": z, "C": c},
                location=(s * 40, 0),
                scene=s,
            )
        out.write_metadata("a", scale_x=1.5e-6, scale_y=2e-6, scale_z=5e-6)
    options = {"channel": n_channels - 1} | ({"field": 1} if n_scenes > 1 else {})
    if n_scenes > 1:
        with pytest.raises(ChoiceNeededError, match="scene 1"):
            open_movie(path)
    found = open_movie(path, **options)
    want = movie[-1, :, :, -1]
    np.testing.assert_array_equal(read_all(found), want if n_planes > 1 else want[:, 0])
    assert found.pixel_size_um == pytest.approx((5.0, 2.0, 1.5)[-(found.data.ndim - 1) :])
    assert str(path) not in {file.path for file in psutil.Process().open_files()}


def test_inscopix(tmp_path: Path) -> None:
    """A movie that Inscopix' own library writes."""
    isx = pytest.importorskip("isx")
    movie = RNG.integers(0, 999, (12, 16, 20)).astype(np.uint16)
    path = tmp_path / "a.isxd"
    timing = isx.Timing(num_samples=12, period=isx.Duration.from_msecs(50))
    spacing = isx.Spacing(num_pixels=(16, 20))
    out = isx.Movie.write(str(path), timing, spacing, np.uint16)
    for k, frame in enumerate(movie):
        out.set_frame_data(k, frame)
    out.flush()
    del out
    found = open_movie(path)
    np.testing.assert_array_equal(read_all(found), movie)
    assert found.frame_rate_hz == pytest.approx(20)
    assert str(path) not in {file.path for file in psutil.Process().open_files()}


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("a.nd2", "nd2"),
        ("a.lif", "liffile"),
        ("a.oib", "oiffile"),
        ("a.isxd", "isx"),
        ("a.czi", "pylibCZIrw.czi"),
    ],
)
def test_damaged_files(tmp_path: Path, name: str, package: str) -> None:
    pytest.importorskip(package)
    for content in (b"", bytes(3000), RNG.bytes(3000)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(MovieError, match=r"save it as TIFF|readable|empty file of 0 bytes"):
            open_movie(tmp_path / name)


def test_axes_without_rows_are_asked_for(tmp_path: Path) -> None:
    pytest.importorskip("liffile")
    write_lif(tmp_path / "a.lif", {"xz": RNG.integers(0, 9, (6, 1, 5, 7)).astype(np.uint16)})
    text = (tmp_path / "a.lif").read_bytes()
    before, after = ('DimID="2" '.encode("utf-16-le"), 'DimID="3" '.encode("utf-16-le"))
    (tmp_path / "a.lif").write_bytes(text.replace(before, after))
    with pytest.raises(MovieError, match=r"frames of Y and X, got axes 'TZX'.*axes='TYX'"):
        open_movie(tmp_path / "a.lif")
    assert open_movie(tmp_path / "a.lif", axes="TYX").shape == (6, 5, 7)
