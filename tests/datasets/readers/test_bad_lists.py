"""Mistakes in lists that every reader refuses in the same words."""

from __future__ import annotations

import importlib
import unicodedata
from pathlib import Path

import pandas as pd
import pytest

from diccae.datasets.readers.classes import alike, read_classes
from diccae.errors import UserError
from tests.datasets.readers.conftest import Write

KINETICS = "label,youtube_id,time_start,time_end,split"
EPIC = "narration_id,video_id,start_timestamp,stop_timestamp,verb,verb_class"
PLAIN = "path,label_name,split"
SEGMENT = '--PJHxphWEs, 30.000, 40.000, "/m/09x0r"'


def read(write: Write, reader: str, name: str, *lines: str) -> pd.DataFrame:
    """Read one list, whose classes are golf and tap dancing."""
    classes = write("names.txt", "golf", "tap dancing")
    write("classInd.txt", "1 Archery", "2 Golf")
    options = {"classes": classes} if reader == "kinetics_sounds" else {}
    module = importlib.import_module(f"diccae.datasets.readers.{reader}")
    return module.read([write(name, *lines)], None, **options)


def row(reader: str, number: int, label: str = "golf", split: str = "train") -> str:
    """A row of the readers whose lists have a column of splits."""
    video = f"{number:011d}"
    return {
        "vggsound": f"{video},5,{label},{split}",
        "kinetics_sounds": f"{label},{video},5,15,{split}",
        "plain_csv": f"{video}.mp4,{label},{split}",
    }[reader]


def rows(reader: str, *last: str) -> list[str]:
    """Three lines of a healthy list, then `last`."""
    head = {"vggsound": "ytid,start,label,split", "kinetics_sounds": KINETICS, "plain_csv": PLAIN}
    return [head[reader], row(reader, 0), row(reader, 1, "tap dancing", "test"), *last]


@pytest.mark.parametrize(
    ("word", "meant"),
    [("Test", "test"), ("TRAIN", "train"), ("training", "train"), ("trian", "train")],
)
@pytest.mark.parametrize("reader", ["vggsound", "kinetics_sounds", "plain_csv"])
def test_an_unknown_word_for_a_split(write: Write, reader: str, word: str, meant: str) -> None:
    bad = [row(reader, 2, split=word), row(reader, 3, split=word)]
    with pytest.raises(UserError) as caught:
        read(write, reader, "mine.csv", *rows(reader, *bad))
    assert "mine.csv, line 4: wanted a split of train, " in str(caught.value)
    assert f"got {word!r}; did you mean {meant!r}? (2 rows are like this)" in str(caught.value)


@pytest.mark.parametrize("word", ["val", "valid", "Validation", "validate"])
def test_other_words_for_validation(write: Write, word: str) -> None:
    with pytest.raises(UserError, match=f"got {word!r}; did you mean 'validation'"):
        read(write, "plain_csv", "mine.csv", PLAIN, f"a.mp4,golf,{word}")


@pytest.mark.parametrize(
    ("reader", "name", "lines", "words"),
    [
        ("vggsound", "contest.csv", ["00000000000_000005.mp4,golf"], "; rename"),
        ("vggsound", "strained.csv", ["00000000000_000005.mp4,golf"], "; rename"),
        ("vggsound", "train_test.csv", ["00000000000_000005.mp4,golf"], "says test and train"),
        ("vggsound", "val.csv", ["00000000000_000005.mp4,golf"], "says validation"),
        ("ucf101", "latest01.txt", ["Golf/v_Golf_g01_c01.avi 2"], "; rename"),
        ("ucf101", "my_train_test.txt", ["Golf/v_Golf_g01_c01.avi 2"], "says test and train"),
        ("epic_kitchens", "EPIC_latest.csv", [EPIC], "; rename"),
        ("epic_kitchens", "EPIC_test_of_training.csv", [EPIC], "says test and train"),
        ("audioset", "medieval_segments.csv", [SEGMENT], "; rename"),
        ("audioset", "unbalanced_eval.csv", [SEGMENT], "says eval and unbalanced_train"),
        ("audioset", "train_segments.csv", [SEGMENT], "says train"),
    ],
)
def test_a_list_whose_name_says_no_split_or_another(
    write: Write, reader: str, name: str, lines: list[str], words: str
) -> None:
    with pytest.raises(UserError, match=f"{name}: the name must say which split .*{words}"):
        read(write, reader, name, *lines)


def test_names_of_lists_in_capitals_and_with_more_words(write: Write) -> None:
    short = "00000000000_000005.mp4,golf"
    for name in ("VGGSoundTest.csv", "my_test-v2.csv", "TEST.csv"):
        assert read(write, "vggsound", name, short)["split"].tolist() == ["test"]


@pytest.mark.parametrize(
    ("reader", "header", "words"),
    [
        ("plain_csv", "path,class,split", "unknown column 'class'; did you mean 'label_name'"),
        ("plain_csv", "path,lable_name,split", "'lable_name'; did you mean 'label_name'"),
        ("plain_csv", "path,Label_Name,split", "'Label_Name'; did you mean 'label_name'"),
        ("plain_csv", "path,notes,split", "'notes'; remove it .known are path, "),
        ("plain_csv", "Path,label_name,split", "path missing; correct its first line, 'Path,"),
        ("plain_csv", "path,split,split", "the column 'split' is there twice; remove one"),
        ("plain_csv", "path,,split", "column 2 has no name"),
        ("plain_csv", "path;label_name;split", "separated by ';': save the list with commas"),
        ("plain_csv", "path\tlabel_name\tsplit", "separated by tabs: save the list with commas"),
        ("kinetics_sounds", f"{KINETICS},is_ccc", "'is_ccc'; did you mean 'is_cc'"),
        ("kinetics_sounds", f"{KINETICS},split", "the column 'split' is there twice"),
        ("kinetics_sounds", KINETICS.replace(",", ";"), "separated by ';'"),
        ("epic_kitchens", f"{EPIC},noun_clas", "'noun_clas'; did you mean 'noun_class'"),
        ("epic_kitchens", EPIC.replace("verb_class", "verbclass"), "verb_class missing"),
        ("epic_kitchens", f"{EPIC},verb", "the column 'verb' is there twice"),
    ],
)
def test_columns(write: Write, reader: str, header: str, words: str) -> None:
    with pytest.raises(UserError, match=f"EPIC_100_train.csv: .*{words}"):
        read(write, reader, "EPIC_100_train.csv", header, header)


@pytest.mark.parametrize(
    ("reader", "name", "line", "words"),
    [
        ("vggsound", "vggsound.csv", "00000000000;5;golf;train", "its first row has 1; they are"),
        ("vggsound", "train.csv", "00000000000_000005.mp4\tgolf", "separated by tabs"),
        ("audioset", "eval_segments.csv", "--PJHxphWEs; 30.0; 40.0; /m/09x0r", "got 1 .* by ';'"),
    ],
)
def test_separators_of_lists_without_a_header(
    write: Write, reader: str, name: str, line: str, words: str
) -> None:
    with pytest.raises(UserError, match=f"{name}.*{words}.*save the list with commas"):
        read(write, reader, name, line)


def test_an_empty_list_can_be_downloaded_again_only_if_it_is_published(write: Write) -> None:
    for lines in ([""], ["# nothing"], [PLAIN]):
        with pytest.raises(UserError, match="no row in this list; write its rows"):
            read(write, "plain_csv", "mine.csv", *lines)
    with pytest.raises(UserError, match="no row in this list; download it again"):
        read(write, "vggsound", "vggsound.csv", "")


@pytest.mark.parametrize(
    "lines",
    [
        # one quote, which takes the rest of the list; and two, which take what is between them
        ['b.mp4,"golf', "c.mp4,golf", "d.mp4,golf"],
        ['b.mp4,"golf', 'c.mp4,golf"', "d.mp4,golf"],
        ['b.mp4,"golf', "and more" + 2_000_000 * " ", 'of it"', "d.mp4,golf"],
    ],
)
def test_no_row_is_lost_in_a_quote_that_is_not_closed(write: Write, lines: list[str]) -> None:
    with pytest.raises(
        UserError,
        match="mine.csv, line 3: the cell label_name goes on in the next line, so a quote is not "
        "closed or it has a line break; correct the list",
    ):
        read(write, "plain_csv", "mine.csv", "path,label_name", "a.mp4,golf", *lines)


def test_a_list_that_is_a_folder(tmp_path: Path) -> None:
    module = importlib.import_module("diccae.datasets.readers.plain_csv")
    words = r"cannot be read \(Is a directory\); name a file that can, in lists.sources of the plan"
    with pytest.raises(UserError, match=words):
        module.read([tmp_path], None)


@pytest.mark.parametrize("row", ["b.mp4,golf ä", "b.mp4,golf ä,one cell more"])
def test_a_list_in_another_encoding(write: Write, row: str, capfd: pytest.CaptureFixture) -> None:
    path = write("mine.csv", "path,label_name", "a.mp4,golf", row, end="\r\n")
    path.write_bytes(path.read_bytes().decode().encode("latin-1"))
    module = importlib.import_module("diccae.datasets.readers.plain_csv")
    with pytest.raises(UserError, match="mine.csv, line 3: it is not UTF-8; save the list as UTF"):
        module.read([path], None)
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("spelling", "difference"),
    [
        ("Tap dancing", "case"),
        ("tap  dancing", "blanks"),
        ("tap\u00a0dancing", "blanks"),
        ("tapdancing", "blanks"),
        ("tap dan\u200bcing", "case, blanks or Unicode form"),
        ("tap d\uff41ncing", "Unicode form"),
    ],
)
@pytest.mark.parametrize("reader", ["vggsound", "kinetics_sounds", "plain_csv"])
def test_class_names_that_look_alike(
    write: Write, reader: str, spelling: str, difference: str
) -> None:
    bad = row(reader, 2, spelling)
    with pytest.raises(UserError) as caught:
        read(write, reader, "mine.csv", *rows(reader, bad))
    assert "mine.csv, line 4: the class " in str(caught.value)
    assert f"{spelling!r} and 'tap dancing' in " in str(caught.value)
    assert f"mine.csv, line 3 differ by {difference} only; write both alike" in str(caught.value)


def test_names_that_are_alike() -> None:
    composed, decomposed = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    assert alike([composed, "x", decomposed]) == [(composed, decomposed, "Unicode form")]
    assert alike(["put", "Put", "PUT"]) == [("put", "Put", "case"), ("put", "PUT", "case")]
    assert alike(["train horning", "train whistling", "put-on", "put on"]) == []


def test_a_class_list_with_names_that_look_alike(write: Write) -> None:
    classes = write("classInd.txt", "1 Golf", "2 golf")
    with pytest.raises(UserError, match="classInd.txt: the classes 'Golf' and 'golf' differ by c"):
        read_classes(classes)


def test_a_row_that_spells_a_class_differently_from_the_class_list(write: Write) -> None:
    module = importlib.import_module("diccae.datasets.readers.plain_csv")
    path = write("mine.csv", PLAIN, "a.mp4,Golf,train")
    with pytest.raises(UserError, match="line 2: the class 'Golf' and 'golf' in the class list"):
        module.read([path], None, write("names.txt", "golf"))


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ((1, 2), "line 3: 'b' has the label 2, but no clip has the label 0"),
        ((0, 2), "line 3: 'b' has the label 2, but no clip has the label 1"),
    ],
)
def test_numeric_labels_count_from_0_without_a_gap(
    write: Write, labels: tuple[int, int], words: str
) -> None:
    lines = [f"{name}.mp4,{name},{label}" for name, label in zip("ab", labels, strict=True)]
    with pytest.raises(UserError, match=f"mine.csv, {words}; count classes from 0"):
        read(write, "plain_csv", "mine.csv", "path,label_name,label", *lines)


@pytest.mark.parametrize("split", ["train", "update", "validation", "test"])
def test_a_labelled_split_needs_labels(write: Write, split: str) -> None:
    with pytest.raises(UserError, match=f"line 2: a clip of split {split} has no label_name; give"):
        read(write, "plain_csv", "mine.csv", PLAIN, f"a.mp4,,{split}")


def test_epic_training_rows_need_a_verb(write: Write) -> None:
    line = "P01_01_0,P01_01,00:00:01,00:00:03,take,"
    with pytest.raises(UserError, match="line 2: a clip of split validation has no verb_class"):
        read(write, "epic_kitchens", "EPIC_100_validation.csv", EPIC, line)


def test_two_classes_of_one_name(write: Write) -> None:
    lines = [f"P01_01_{n},P01_01,00:00:0{n},00:00:09,take,{n}" for n in range(2)]
    with pytest.raises(UserError, match="two classes have one name, 'take'; give a class list"):
        read(write, "epic_kitchens", "EPIC_100_train.csv", EPIC, *lines)


@pytest.mark.parametrize(
    "other", ["./a/x.mp4", "a//x.mp4", "b/../a/x.mp4", "ABSOLUTE/a/x.mp4", "a/x.mp4,other"]
)
def test_a_clip_twice_under_two_names(
    write: Write, hold: Write, tmp_path: Path, other: str
) -> None:
    path, _, id_ = other.replace("ABSOLUTE", str(tmp_path / "media")).partition(",")
    module = importlib.import_module("diccae.datasets.readers.plain_csv")
    lines = ["path,id,label_name,split", "a/x.mp4,,golf,train", f"{path},{id_},golf,test"]
    with pytest.raises(
        UserError,
        match=r"mine.csv, line 3: .* \(split test\) is the same clip as a/x \(split train\) in "
        ".*mine.csv, line 2; remove one of the two lines",
    ):
        module.read([write("mine.csv", *lines)], hold("a/x.mp4"))
