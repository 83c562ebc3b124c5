"""Folders of files of one image each: channels, planes and gaps that their names tell."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_cnmf.errors import MovieError
from napari_cnmf.io import frame_source, open_movie
from napari_cnmf.io.movies import ChannelUnknownError, ChoiceNeededError
from napari_cnmf.io.movies._names import channel_groups, order_of_names

RNG = np.random.default_rng(0)


def read_all(movie) -> np.ndarray:
    return frame_source(movie).read(0, movie.n_frames)


def write(folder: Path, name: str, image: np.ndarray) -> None:
    folder.mkdir(exist_ok=True)
    tifffile.imwrite(folder / name, image, metadata=None, photometric="minisblack")


NAMES = {
    "channel after time": "img_t{t:03d}_c{c}.tif",
    "channel before time": "img_ch{c:02d}_{t:04d}.tif",
    "word": "{word}_{t:04d}.tif",
    "word at the end": "rec_{t}_{word}.tif",
    "Olympus": "s_C{c1:03d}T{t:03d}.tif",
    "MetaMorph": "exp_w{c1}{word}_t{t1}.TIF",
    "Micro-Manager 2": "img_channel{c:03d}_position000_time{t:09d}_z000.tif",
    "Micro-Manager 1.4": "img_{t:09d}_{word}_000.tif",
    "ThorImage": "Chan{letter}_0001_0001_0001_{t1:04d}.tif",
    "Leica": "Series001_t{t:03d}_ch{c:02d}.tif",
}


@pytest.mark.parametrize("pattern", NAMES.values(), ids=NAMES)
def test_two_channels_never_come_end_to_end(tmp_path: Path, pattern: str) -> None:
    movie = RNG.integers(0, 999, (12, 2, 5, 7)).astype(np.uint16)
    for t, c in product(range(12), range(2)):
        word = ("green", "red")[c]
        name = pattern.format(t=t, t1=t + 1, c=c, c1=c + 1, word=word, letter="AB"[c])
        write(tmp_path / "set", name, movie[t, c])
    with pytest.raises(ChannelUnknownError) as caught:
        open_movie(tmp_path / "set")
    assert caught.value.n_channels == 2
    for channel in range(2):
        found = open_movie(tmp_path / "set", channel=channel)
        np.testing.assert_array_equal(read_all(found), movie[:, channel])
        again = open_movie(list(found.paths), **found.opened_with)
        np.testing.assert_array_equal(read_all(again), movie[:, channel])


@pytest.mark.parametrize("pattern", ["a_t{t}_z{z}.tif", "a_z{z:02d}_t{t:02d}.tif"])
def test_planes_by_name(tmp_path: Path, pattern: str) -> None:
    movie = RNG.integers(0, 999, (11, 3, 5, 7)).astype(np.uint16)
    for t, z in product(range(11), range(3)):
        write(tmp_path / "set", pattern.format(t=t, z=z), movie[t, z])
    np.testing.assert_array_equal(read_all(open_movie(tmp_path / "set")), movie)


def test_words_that_may_be_channels_are_asked_about(tmp_path: Path) -> None:
    movie = RNG.integers(0, 999, (2, 9, 5, 7)).astype(np.uint16)
    for k, t in product(range(2), range(9)):
        write(tmp_path / "set", f"{('before', 'after')[k]}_{t:03d}.tif", movie[k, t])
    with pytest.raises(ChoiceNeededError, match="after, before") as caught:
        open_movie(tmp_path / "set")
    assert caught.value.option == "n_channels"
    ordered = movie[::-1]  # "after" comes before "before" by name
    in_turn = open_movie(tmp_path / "set", n_channels=1)
    np.testing.assert_array_equal(read_all(in_turn), ordered.reshape(18, 5, 7))
    channel = open_movie(tmp_path / "set", n_channels=2, channel=1)
    np.testing.assert_array_equal(read_all(channel), ordered[1])


def test_gaps_in_the_numbering_are_told_and_kept_in_time(tmp_path: Path) -> None:
    numbers = [k for k in range(60) if not 50 <= k <= 52 and k != 7]
    for k in numbers:
        write(tmp_path / "set", f"f_{k:04d}.tif", np.full((4, 5), k, np.uint16))
    movie = open_movie(tmp_path / "set")
    assert movie.n_frames == len(numbers)
    assert "Frames 7, 50-52 of the numbering" in movie.description.remarks[0]
    known = open_movie(tmp_path / "set", frame_rate_hz=10)
    assert known.frame_rate_hz == 10
    np.testing.assert_array_equal(read_all(known)[:, 0, 0], numbers)


@pytest.mark.parametrize("missing_from", ["end", "middle"])
def test_channels_of_different_length(tmp_path: Path, missing_from: str) -> None:
    lost = 11 if missing_from == "end" else 5
    for t, c in product(range(12), range(2)):
        if (t, c) != (lost, 1):
            write(tmp_path / "set", f"a_ch{c}_{t:03d}.tif", np.full((4, 5), t + 100 * c, np.uint16))
    if missing_from == "end":
        movie = open_movie(tmp_path / "set", channel=1)
        assert movie.n_frames == 11
        assert "last time point has 1 of its 2 images" in " ".join(movie.description.remarks)
        return
    assert open_movie(tmp_path / "set", channel=0).n_frames == 12
    with pytest.raises(MovieError, match=r"missing are 5\. .*allow_missing=True"):
        open_movie(tmp_path / "set", channel=1)
    movie = open_movie(tmp_path / "set", channel=1, allow_missing=True)
    np.testing.assert_array_equal(read_all(movie)[:, 0, 0], [100 + t for t in range(12) if t != 5])


def test_an_empty_file_is_named_and_can_be_left_out(tmp_path: Path) -> None:
    for k in range(8):
        write(tmp_path / "set", f"f_{k:04d}.tif", np.full((4, 5), k, np.uint16))
    (tmp_path / "set" / "f_0003.tif").write_bytes(b"")
    with pytest.raises(MovieError, match=r"got an empty one: .*f_0003\.tif"):
        open_movie(tmp_path / "set")
    movie = open_movie(tmp_path / "set", allow_missing=True)
    np.testing.assert_array_equal(read_all(movie)[:, 0, 0], [0, 1, 2, 4, 5, 6, 7])
    assert any("numbering" in remark for remark in movie.description.remarks)


def test_colour_images_of_one_file_each(tmp_path: Path) -> None:
    movie = RNG.integers(0, 255, (6, 5, 7, 3)).astype(np.uint8)
    for t, image in enumerate(movie):
        tifffile.imwrite(tmp_path / f"f{t}.tif", image, photometric="rgb")
    with pytest.raises(ChannelUnknownError):
        open_movie(tmp_path)
    np.testing.assert_array_equal(read_all(open_movie(tmp_path, channel=1)), movie[..., 1])


def test_stacks_of_one_channel_each(tmp_path: Path) -> None:
    movie = RNG.integers(0, 999, (2, 9, 5, 7)).astype(np.uint16)
    for c, word in enumerate(("green", "red")):
        tifffile.imwrite(tmp_path / f"rec_{word}.tif", movie[c], photometric="minisblack")
    with pytest.raises(ChannelUnknownError, match="0: green, 1: red"):
        open_movie(tmp_path)
    np.testing.assert_array_equal(read_all(open_movie(tmp_path, channel=1)), movie[1])


def test_the_order_of_a_list_is_the_users(tmp_path: Path) -> None:
    files = []
    for k in (3, 1, 2):
        write(tmp_path, f"f_{k}.tif", np.full((4, 5), k, np.uint16))
        files.append(tmp_path / f"f_{k}.tif")
    assert read_all(open_movie(files))[:, 0, 0].tolist() == [3, 1, 2]
    with pytest.raises(MovieError, match="given once"):
        open_movie([files[0], files[0]])


class TestNames:
    def test_what_is_not_built_alike_keeps_its_order(self) -> None:
        order = order_of_names(["a.tif", "a_1.tif", "b_2_c.tif"])
        assert order.table[:, 0, 0].tolist() == [0, 1, 2]

    def test_cycles_that_may_be_volumes_are_told(self) -> None:
        names = [f"x_Cycle{c:05d}_{i:06d}.ome.tif" for c in range(1, 5) for i in range(1, 4)]
        order = order_of_names(names)
        assert order.table.shape == (12, 1, 1)
        assert "say n_planes=3" in order.remarks[0]

    @pytest.mark.parametrize("name", ["trial{}_{:04d}.tif", "run_{}_f{:03d}.tif", "{}_t{:03d}.tif"])
    def test_frames_of_trials_are_not_asked_about(self, name: str) -> None:
        order = order_of_names([name.format(k, i) for k in range(3) for i in range(20)])
        assert order.table[:, 0, 0].tolist() == list(range(60))
        assert order.unsure == ""

    def test_recordings_of_many_frames_are_not_asked_about(self) -> None:
        order = order_of_names([f"{k}_{i:04d}.tif" for k in range(2) for i in range(65)])
        assert order.unsure == ""

    def test_no_channels_in_trials(self) -> None:
        assert channel_groups(["m1_trial_1.tif", "m1_trial_2.tif"]) is None
        assert channel_groups(["a_c1_x.tif", "a_c2_x.tif"]) == {"channel 1": [0], "channel 2": [1]}


@pytest.mark.parametrize("picture", ["AVG_movie.tif", "preview.tif", "z_mean.tif"])
@pytest.mark.parametrize("per_file", [1, 5])
def test_pictures_beside_a_recording_are_left_out(
    tmp_path: Path, picture: str, per_file: int
) -> None:
    frames = np.random.default_rng(0).integers(0, 99, (60, 6, 8)).astype(np.uint16)
    for k, block in enumerate(frames.reshape(-1, per_file, 6, 8)):
        tifffile.imwrite(tmp_path / f"movie_{k:03d}.tif", block.squeeze(), metadata=None)
    tifffile.imwrite(tmp_path / picture, frames[0], metadata=None)
    movie = open_movie(tmp_path)
    np.testing.assert_array_equal(movie.data.compute(), frames)
    assert any(picture in remark for remark in movie.description.remarks)


def test_a_last_file_of_one_image_is_no_picture(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 99, (11, 6, 8)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "movie.tif", frames[:5])
    tifffile.imwrite(tmp_path / "movie_1.tif", frames[5:10])
    tifffile.imwrite(tmp_path / "movie_2.tif", frames[10])
    np.testing.assert_array_equal(open_movie(tmp_path).data.compute(), frames)


def test_channels_of_different_length_are_told(tmp_path: Path) -> None:
    for name, n in (("a_ch1", 9), ("a_ch2", 7)):
        tifffile.imwrite(tmp_path / f"{name}.tif", np.zeros((n, 6, 8), np.uint16))
    movie = open_movie(tmp_path, channel=1)
    assert movie.n_frames == 7
    assert any("channel 1 9, channel 2 7" in remark for remark in movie.description.remarks)


def test_what_stands_for_a_movie_is_told(tmp_path: Path) -> None:
    (tmp_path / "Ch1").mkdir()
    with pytest.raises(MovieError, match=r"open one of them \(Ch1\)"):
        open_movie(tmp_path)
    (tmp_path / "a.tif").write_text("version https://git-lfs.github.com/spec/v1\nsize 9\n")
    with pytest.raises(MovieError, match="git lfs pull"):
        open_movie(tmp_path / "a.tif")


@pytest.mark.parametrize(
    "pattern",
    [
        "img_channel000_position{p:03d}_time{t:09d}_z000.tif",
        "rec_t{t:03d}xy{p}c1.tif",
        "Pos{p}_frame{t}.tif",
    ],
)
def test_positions_of_the_stage_are_movies_of_their_own(tmp_path: Path, pattern: str) -> None:
    movie = RNG.integers(0, 999, (3, 12, 5, 7)).astype(np.uint16)
    for p, t in product(range(3), range(12)):
        write(tmp_path / "rec", pattern.format(p=p + 1, t=t), movie[p, t])
    with pytest.raises(ChoiceNeededError, match="positions of the stage") as caught:
        open_movie(tmp_path / "rec")
    assert [label for _, label in caught.value.choices] == [f"position {p}" for p in (1, 2, 3)]
    for p in range(3):
        found = open_movie(tmp_path / "rec", field=p)
        np.testing.assert_array_equal(read_all(found), movie[p])
        again = open_movie(list(found.paths), **found.opened_with)
        np.testing.assert_array_equal(read_all(again), movie[p])


def test_a_folder_of_a_stack_for_each_position(tmp_path: Path) -> None:
    movie = RNG.integers(0, 999, (3, 12, 5, 7)).astype(np.uint16)
    for p in range(3):
        write(tmp_path / "rec", f"rec_xy{p}.tif", movie[p])
    with pytest.raises(ChoiceNeededError, match="positions of the stage"):
        open_movie(tmp_path / "rec")
    found = open_movie(tmp_path / "rec", field=2)
    np.testing.assert_array_equal(read_all(found), movie[2])
    assert "position 2 is analysed" in found.description.facts["scan_fields"].text
    listed = open_movie(sorted((tmp_path / "rec").iterdir()))  # a list is joined as it is given
    np.testing.assert_array_equal(read_all(listed), movie.reshape(-1, 5, 7))


def test_images_that_only_a_position_counts_are_frames(tmp_path: Path) -> None:
    movie = RNG.integers(0, 999, (12, 5, 7)).astype(np.uint16)
    for t in range(12):
        write(tmp_path / "rec", f"pos{t}.tif", movie[t])
    np.testing.assert_array_equal(read_all(open_movie(tmp_path / "rec")), movie)


def test_a_channel_of_stacks_is_opened_again_by_its_own_files(tmp_path: Path) -> None:
    movie = RNG.integers(0, 999, (2, 3, 12, 5, 7)).astype(np.uint16)
    for c, k in product(range(2), range(3)):
        write(tmp_path / "rec", f"trial{k}_ch{c}.tif", movie[c, k])
    for c in range(2):
        found = open_movie(tmp_path / "rec", channel=c)
        np.testing.assert_array_equal(read_all(found), movie[c].reshape(-1, 5, 7))
        again = open_movie(list(found.paths), **found.opened_with)
        np.testing.assert_array_equal(read_all(again), read_all(found))
