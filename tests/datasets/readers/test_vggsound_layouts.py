"""The layouts of VGGSound's clips on disks."""

from __future__ import annotations

from pathlib import Path

import pytest

from diccae.datasets.readers.vggsound import read
from diccae.errors import UserError
from tests.datasets.readers.conftest import Write
from tests.datasets.readers.vggsound_rows import IDS, LONG, NAMES


@pytest.mark.parametrize(
    ("names", "layout"),
    [
        ([f"{name}.mp4" for name in IDS], "<id>_<start 6 digits>"),
        ([f"video/{name}.MP4" for name in IDS], "video/<id>_<start 6 digits>"),
        (
            [
                f"{split}/{name}.mp4"
                for split, name in zip(("test", "train", "train", "test"), IDS, strict=True)
            ],
            "{test,train}/<id>_<start 6 digits>",
        ),
        (
            [
                f"scratch/{label}/{name}.mkv"
                for label, name in zip(
                    ("people_marching", "bird chirping, tweeting", NAMES[2], NAMES[3]),
                    IDS,
                    strict=True,
                )
            ],
            "scratch/<class>/<id>_<start 6 digits>",
        ),
        (
            [f"{name}_{int(name[-6:]) + 10:06d}.mp4" for name in IDS],
            "<id>_<start 6 digits>_<end>",
        ),
        (
            [f"{name[:11]}_{int(name[-6:])}_{int(name[-6:]) + 10}.mp4" for name in IDS],
            "<id>_<start s>_<end>",
        ),
        ([f"{name[:11]}_{int(name[-6:])}.webm" for name in IDS], "<id>_<start s>"),
        (
            [
                f"{name[:11]}_{int(name[-6:])}000_{int(name[-6:]) + 10}000.mp4".replace(
                    "_0000_", "_0_"
                )
                for name in IDS
            ],
            "<id>_<start ms>_<end>",
        ),
        (
            [f"{name[:2]}/{k}/{name}.mp4" for k, name in enumerate(IDS)],
            "<folder>/<folder>/<id>_<start 6 digits>",
        ),
    ],
)
def test_layouts_of_cut_clips(write: Write, hold: Write, names: list[str], layout: str) -> None:
    media = hold(*names, "other.mp4", "notes.txt", f"{IDS[0]}.wav", f"{IDS[1]}.mp4.part")
    table = read([write("vggsound.csv", *LONG)], media)
    assert table["path"].tolist() == [str(media / name) for name in names]
    assert table.attrs["layouts"] == {layout: 4}
    assert table.attrs["found"] == 4
    # a cut clip starts at its beginning
    assert table["start"].tolist() == [0.0] * 4
    assert table["end"].tolist() == [10.0] * 4


def test_layouts_may_be_mixed_and_clips_missing(write: Write, hold: Write) -> None:
    media = hold(f"a/{IDS[0]}.mp4", "-0jeONf82dE_21.mp4", "a_b_c_d_e_f_000111.mp4")
    table = read([write("vggsound.csv", *LONG)], media)
    assert table.attrs["layouts"] == {"a/<id>_<start 6 digits>": 1, "<id>_<start s>": 1}
    assert table["path"].tolist() == [
        str(media / f"a/{IDS[0]}.mp4"),
        str(media / "-0jeONf82dE_21.mp4"),
        "",
        "",
    ]
    # what was not found keeps its span in the recording
    assert table["start"].tolist() == [0, 0, 110, 0]


def test_one_of_several_files_is_taken_always_the_same(write: Write, hold: Write) -> None:
    media = hold(
        f"z/{IDS[0]}.mp4",
        f"a/{IDS[0]}.mp4",
        f"{IDS[0]}.webm",
        f"long/{IDS[1]}.mp4",
        f"b/{IDS[1]}.mp4",
    )
    table = read([write("vggsound.csv", *LONG)], media)
    assert table["path"].tolist()[:2] == [
        str(media / f"a/{IDS[0]}.mp4"),
        str(media / f"b/{IDS[1]}.mp4"),
    ]
    assert table.attrs["several_files"] == 2


def test_links_are_followed_and_circles_end(write: Write, hold: Write, tmp_path: Path) -> None:
    media = hold("in/x.txt")
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / f"{IDS[0]}.mp4").touch()
    (media / "in" / "disk").symlink_to(tmp_path / "disk")
    (tmp_path / "disk" / "circle").symlink_to(media)
    (media / f"{IDS[1]}.mp4").symlink_to(tmp_path / "gone.mp4")
    (media / "itself.mp4").symlink_to(media / "itself.mp4")
    table = read([write("vggsound.csv", *LONG)], media)
    assert table["path"].tolist() == [str(media / f"in/disk/{IDS[0]}.mp4"), "", "", ""]


def test_files_named_by_id_alone_are_classified_by_their_length(write: Write, film: Write) -> None:
    lines = ["AAAAAAAAAAA,30,hail,train", "BBBBBBBBBBB,20,hail,train", "CCCCCCCCCCC,0,hail,train"]
    path = write("vggsound.csv", *lines)
    for name in "ABC":
        media = film(f"{name * 11}.mp4", 11)
    cut = read([path], media)
    assert cut.attrs["layouts"] == {"<id> (cut clips, by the length of 2 of 2 probed)": 3}
    assert cut["start"].tolist() == [0, 0, 0]
    for name in "ABC":
        film(f"{name * 11}.mp4", 45)
    whole = read([path], media)
    assert whole.attrs["layouts"] == {"<id> (whole recordings, by the length of 2 of 2 probed)": 3}
    assert whole["start"].tolist() == [30, 20, 0]
    assert whole["end"].tolist() == [40, 30, 10]
    film("BBBBBBBBBBB.mp4", 10)
    with pytest.raises(
        UserError, match="BBBBBBBBBBB.mp4 is a cut clip and AAAAAAAAAAA.mp4 a whole recording"
    ):
        read([path], media)


def test_files_named_by_id_alone_whose_length_shows_nothing(write: Write, hold: Write) -> None:
    table = read([write("vggsound.csv", *LONG)], hold(f"{IDS[0][:11]}.mp4"))
    assert table.attrs["layouts"] == {
        "<id> (assumed to be cut clips: the length of no probed file shows it)": 1
    }


def test_a_cut_clip_that_may_be_any_of_two_is_not_taken(write: Write, film: Write) -> None:
    lines = ["AAAAAAAAAAA,30,hail,train", "AAAAAAAAAAA,60,hail,train", "BBBBBBBBBBB,20,hail,train"]
    path = write("vggsound.csv", *lines)
    film("AAAAAAAAAAA.mp4", 10)
    media = film("BBBBBBBBBBB.mp4", 10)
    table = read([path], media)
    assert table["path"].tolist() == ["", "", str(media / "BBBBBBBBBBB.mp4")]
    assert table["start"].tolist() == [30, 60, 0]
    assert table.attrs["ambiguous"] == 2
    assert table.attrs["found"] == 1
    film("AAAAAAAAAAA.mp4", 80)
    film("BBBBBBBBBBB.mp4", 80)
    table = read([path], media)
    assert table["path"].tolist() == [str(media / f"{name * 11}.mp4") for name in "AAB"]
    assert table["start"].tolist() == [30, 60, 20]
    assert table.attrs["ambiguous"] == 0


def test_a_file_name_that_is_not_utf8(write: Write, hold: Write) -> None:
    media = hold(f"{IDS[0]}.mp4")
    (media / "caf\udce9.mp4").touch()
    with pytest.raises(UserError, match="media: a file name is not UTF-8 .*; rename it"):
        read([write("vggsound.csv", *LONG)], media)


def test_a_missing_media_folder(write: Write, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere: no such folder; set --media"):
        read([write("vggsound.csv", *LONG)], tmp_path / "nowhere")
