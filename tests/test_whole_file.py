from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from diccae.errors import UserError
from diccae.whole_file import whole_file


def test_a_new_file_replaces_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "table.csv"
    for content in ("old", "new"):
        with whole_file(path) as temporary:
            temporary.write_text(content)
            assert not path.is_file() or path.read_text() == "old"
        assert path.read_text() == content
    assert list(path.parent.iterdir()) == [path]


def write_half(path: Path, failure: BaseException) -> None:
    with whole_file(path) as temporary:
        temporary.write_text("half")
        raise failure


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "the disk is full; free some space, then run the same command again"),
        (errno.EDQUOT, "the quota is used up"),
        (errno.EROFS, "the folder is read-only; mount it writable"),
        (errno.EACCES, "no permission to write there; change its owner or mode"),
        (errno.EPERM, "no permission to write there; change its owner or mode"),
        (errno.EIO, r"it cannot be written \(Input/output error\); correct that"),
    ],
)
def test_a_failure_gives_the_reason_and_keeps_the_old_file(
    tmp_path: Path, number: int, words: str
) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old")
    with pytest.raises(UserError, match=f"table.csv: {words}"):
        write_half(path, OSError(number, os.strerror(number)))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interruption_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        write_half(path, KeyboardInterrupt())
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_in_place_of_the_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "results").touch()
    with (
        pytest.raises(UserError, match="results/table.csv: it cannot be written"),
        whole_file(tmp_path / "results" / "table.csv"),
    ):
        pass
