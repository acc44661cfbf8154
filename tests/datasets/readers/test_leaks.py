"""One recording in two splits, found when a manifest is assembled."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from diccae.datasets.readers.assemble import assemble
from diccae.datasets.readers.leaks import check_leaks
from diccae.errors import UserError
from diccae.source_lists import Lists
from tests.datasets.readers.conftest import Write

HEAD = "path,label_name,split,start,end,video,id"
USUAL = ["a.mp4,golf,train,,,,", "b.mp4,golf,train,,,,"]


def kitchen(path: Path, media: Path, validation: int = 0) -> Lists:
    return Lists(
        sources=[{"reader": "plain_csv", "lists": [str(path)], "media": str(media)}],
        labelled="plain_csv",
        update_per_class=0,
        validation_per_class=validation,
    )


@pytest.fixture
def media(hold: Write) -> Path:
    """Files, a symbolic link and a hard link to one, and a second one."""
    folder = hold("a.mp4", "b.mp4", "x/one.mp4", "x/two.mp4")
    (folder / "x/soft.mp4").symlink_to(folder / "x/one.mp4")
    (folder / "elsewhere").symlink_to(folder / "x")
    os.link(folder / "x/one.mp4", folder / "x/hard.mp4")
    return folder


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x/one.mp4,golf,train,,,,", "x/soft.mp4,golf,test,,,,"),
        ("x/one.mp4,golf,test,,,,", "x/hard.mp4,golf,train,,,,"),
        ("x/one.mp4,golf,validation,,,,", "elsewhere/one.mp4,golf,test,,,,"),
        ("x/one.mp4,golf,test,,,,", "MEDIA/elsewhere/hard.mp4,,unlabelled,,,,"),
        ("x/one.mp4,,unlabelled,,,,", "x/soft.mp4,golf,validation,,,,another"),
        # spans of one file
        ("x/one.mp4,golf,train,0,5,,", "x/one.mp4,golf,test,4.5,9,,"),
        ("x/one.mp4,golf,train,3,,,", "x/./one.mp4,golf,test,0,4,,"),
        ("x/one.mp4,golf,train,,,,", "x//one.mp4,golf,test,7,8,,one"),
        ("x/one.mp4,golf,train,0,5,one,", "x/soft.mp4,golf,test,4,9,two,"),
    ],
)
def test_a_recording_in_two_splits(write: Write, media: Path, one: str, other: str) -> None:
    lines = [one, other.replace("MEDIA", str(media))]
    path = write("my.csv", HEAD, *USUAL, *lines)
    splits = [line.split(",")[2] for line in lines]
    with pytest.raises(
        UserError,
        match=rf"my.csv, line 5: .* \({splits[1]}\) is from the same recording as .* "
        rf"\({splits[0]}\) in .*my.csv, line 4, and their spans overlap; give both one split",
    ):
        assemble(kitchen(path, media))


def test_spellings_are_compared_without_files_too(write: Write) -> None:
    lines = ["x/one.mp4,golf,train,0,5,,", "./x//one.mp4,golf,test,4,9,,"]
    with pytest.raises(UserError, match="line 3: .* their spans overlap"):
        assemble(kitchen(write("my.csv", HEAD, *lines), Path("nowhere")), search=False)


@pytest.mark.parametrize(
    "lines",
    [
        # spans side by side
        ["x/one.mp4,golf,train,0,5,,,", "x/./one.mp4,golf,test,5,9,,,"],
        # cut clips of one recording, where nobody says which part of it
        ["x/one.mp4,golf,update,,,v,,", "x/two.mp4,golf,train,,,v,A,"],
        ["x/one.mp4,golf,test,,,,,Ann", "x/two.mp4,,unlabelled,,,,,Ann"],
    ],
)
def test_a_group_in_two_splits(write: Write, media: Path, lines: list[str]) -> None:
    rows = ["b.mp4,golf,train,,,,,", *lines]
    splits = [line.split(",")[2] for line in lines]
    one, other = (3, 4) if splits[1] == "test" else (4, 3)
    words = (
        rf"my.csv, line {one}: .* \({splits[one - 3]}\) is of the same group, '.*', as .* "
        rf"\({splits[other - 3]}\) in .*my.csv, line {other}; give both one split, or"
    )
    with pytest.raises(UserError, match=words):
        assemble(kitchen(write("my.csv", f"{HEAD},group", *rows), media))


def test_parts_of_a_recording_that_are_groups_of_their_own_are_counted(
    write: Write, media: Path
) -> None:
    lines = ["x/one.mp4,golf,train,0,5,,,early", "x/one.mp4,golf,test,5,9,,,late"]
    table = assemble(kitchen(write("my.csv", f"{HEAD},group", *lines), media))
    assert table.attrs["notes"] == [
        "validation and test clips from recordings that have clips in another split too: "
        "1 (no known spans overlap)"
    ]


@pytest.mark.parametrize(
    "lines",
    [
        ["x/one.mp4,golf,train,0,5,,", "x/one.mp4,golf,train,3,8,,", "x/two.mp4,golf,test,0,5,,"],
        ["x/one.mp4,golf,train,,,,", "X/one.mp4,golf,test,,,,"],
        ["x/one.mp4,golf,train,,,,", "x/two.mp4,golf,test,,,,", "gone.mp4,golf,test,,,,"],
    ],
)
def test_no_leak(write: Write, media: Path, hold: Write, lines: list[str]) -> None:
    hold("X/one.mp4")
    notes = assemble(kitchen(write("my.csv", HEAD, *lines), media)).attrs["notes"]
    assert not [note for note in notes if "recording" in note]


def test_links_within_a_split_are_counted(write: Write, media: Path) -> None:
    lines = ["x/one.mp4,golf,train,,,,", "x/soft.mp4,golf,train,,,,", "x/two.mp4,golf,test,,,,"]
    assert assemble(kitchen(write("my.csv", HEAD, *lines), media)).attrs["notes"] == [
        "paths that are a second name of another clip's file: 1"
    ]


def test_an_overlap_that_the_draw_of_validation_clips_made(write: Write, media: Path) -> None:
    names = ["one", "soft", "hard"]
    lines = [f"x/{name}.mp4,golf,train,{start},{start + 5},," for start, name in enumerate(names)]
    with pytest.raises(UserError, match="drawn from train by lists.validation_per_class: set it"):
        assemble(kitchen(write("my.csv", HEAD, *lines), media, validation=1))


def test_unlabelled_clips_of_evaluated_recordings_are_removed(
    write: Write, hold: Write, tmp_path: Path
) -> None:
    names = write("names.txt", "golf")
    header = "label,youtube_id,time_start,time_end,split"
    splits = {"A": "train", "B": "val", "C": "test"}
    lines = [f"golf,{name * 11},0,10,{split}" for name, split in splits.items()]
    segments = [f'{name * 11}, 0, 10, "/m/a"' for name in "ABCD"]
    hold(*(f"k/{name * 11}_0.mp4" for name in "ABC"), *(f"a/{name * 11}_0.mp4" for name in "ABCD"))
    sources = [
        {
            "reader": "kinetics_sounds",
            "lists": [str(write("kinetics.csv", header, *lines))],
            "media": str(tmp_path / "media/k"),
            "classes": str(names),
        },
        {
            "reader": "audioset",
            "lists": [str(write("unbalanced_train_segments.csv", *segments))],
            "media": str(tmp_path / "media/a"),
        },
    ]
    table = assemble(
        Lists(
            sources=sources, labelled="kinetics_sounds", update_per_class=0, validation_per_class=0
        )
    )
    left = table[table["source"] == "audioset"]
    assert left["video"].tolist() == ["A" * 11, "D" * 11]
    assert table.attrs["sources"]["audioset"]["of_held_out_groups_removed"] == 2
    assert "of_held_out_groups_removed" not in table.attrs["sources"]["kinetics_sounds"]


def slow(table: pd.DataFrame) -> bool:
    """Whether two spans of a recording overlap in two of training, validation and test."""
    role = {"validation": 1, "test": 2}
    clips = list(table.fillna({"finish": np.inf}).itertuples())
    return any(
        one.video == other.video
        and role.get(one.split, 0) != role.get(other.split, 0)
        and one.begin < other.finish
        and other.begin < one.finish
        for one in clips
        for other in clips
    )


@pytest.mark.parametrize("seed", range(20))
def test_every_pair_of_spans_is_compared(seed: int) -> None:
    generator = np.random.default_rng(seed)
    begin = generator.integers(0, 60, 12).astype(float)
    table = pd.DataFrame(
        {
            "id": [f"clip {number}" for number in range(12)],
            "video": generator.choice(["one", "two"], 12),
            "begin": begin,
            "finish": begin + generator.choice([1, 2, 5, 30], 12, p=[0.5, 0.3, 0.15, 0.05]),
            "split": generator.choice(["train", "unlabelled", "validation", "test"], 12),
            "start": 0.0,
            "end": 1.0,
            "path": "",
            "source": "mine",
        }
    )
    expected = pytest.raises(UserError) if slow(table) else contextlib.nullcontext()
    with expected:
        check_leaks(table)


@pytest.mark.parametrize("source", ["audioset", "epic_kitchens"])
def test_a_labelled_source_without_labels(write: Write, hold: Write, source: str) -> None:
    segments = write("eval_segments.csv", '--PJHxphWEs, 30.000, 40.000, "/m/09x0r"')
    columns = "narration_id,video_id,start_timestamp,stop_timestamp"
    epic = [
        write("EPIC_100_train.csv", f"{columns},verb,verb_class", "n,v,0:0:1,0:0:2,take,0"),
        write("EPIC_100_test_timestamps.csv", columns, "m,w,0:0:1,0:0:2"),
    ]
    lists = [segments] if source == "audioset" else epic
    words = {
        "audioset": "eval_segments.csv: audioset is the labelled source, but none of its 1 clips",
        "epic_kitchens": "test_timestamps.csv, line 2: epic_kitchens is the labelled source, but "
        "a clip of split test has no label; give its class, or leave the line or the list out",
    }
    plan = Lists(
        sources=[{"reader": source, "lists": [str(path) for path in lists], "media": "nowhere"}],
        labelled=source,
        update_per_class=0,
        validation_per_class=0,
    )
    with pytest.raises(UserError, match=words[source]):
        assemble(plan, search=False)


def test_a_missing_clip_is_named_with_the_path_that_was_tried(write: Write, media: Path) -> None:
    lines = ["x/x/one.mp4,golf,train,,,,", "x/two.mp4,golf,train,,,,", "x/one.mp4,golf,test,,,,"]
    tried = (
        f"1 of 3 clips have no file, first .*my.csv, line 2: there is no {media}/x/x/one.mp4 "
        rf"\(path counts from the folder {media}\)"
    )
    path = write("my.csv", HEAD, *lines)
    (note,) = assemble(kitchen(path, media)).attrs["notes"]
    assert note.startswith("plain_csv: 1 of 3 clips have no file, first ")
    with pytest.raises(UserError, match=f"'golf' has 1; .*missing files; {tried}"):
        assemble(kitchen(path, media, validation=1))
    with pytest.raises(UserError, match="has no clip of plain_csv: 1 of 1 .* no .*/x/x/one.mp4 "):
        assemble(kitchen(write("my.csv", HEAD, lines[0]), media))
