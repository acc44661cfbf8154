from __future__ import annotations

import errno
import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

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


def test_the_target_of_a_link_is_replaced_and_the_link_stays(tmp_path: Path) -> None:
    target = tmp_path / "scratch" / "table.csv"
    target.parent.mkdir()
    link = tmp_path / "table.csv"
    link.symlink_to(target)
    # the file that it points to may not exist yet
    for content in ("old", "new"):
        with whole_file(link) as temporary:
            temporary.write_text(content)
        assert link.is_symlink()
        assert target.read_text() == content
    assert list(target.parent.iterdir()) == [target]


def test_permissions_are_kept_and_new_files_follow_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    before = os.umask(0o027)
    try:
        with whole_file(path) as temporary:
            temporary.write_text("old")
        assert path.stat().st_mode & 0o777 == 0o640
        path.chmod(0o604)
        with whole_file(path) as temporary:
            temporary.write_text("new")
        assert path.stat().st_mode & 0o777 == 0o604
    finally:
        os.umask(before)


def test_a_file_without_write_permission_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old")
    # root may write everything
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(UserError, match="table.csv: no permission"), whole_file(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "old"


def test_a_device_is_written_and_not_replaced() -> None:
    with (
        pytest.raises(UserError, match="/dev/full: the disk is full"),
        whole_file(Path("/dev/full")) as path,
    ):
        path.write_text("text")
    assert Path("/dev/full").is_char_device()


@pytest.mark.parametrize("library", ["torch", "torch by path", "numpy", "parquet"])
def test_a_file_that_is_too_large_is_one_sentence_in_each_library(
    tmp_path: Path, library: str
) -> None:
    array = np.arange(500_000.0)

    def by_handle(temporary: Path) -> None:
        with open(temporary, "wb") as handle:
            torch.save({"a": torch.from_numpy(array)}, handle)

    writers: dict[str, Callable[[Path], object]] = {
        "torch": by_handle,
        "torch by path": lambda path: torch.save({"a": torch.from_numpy(array)}, path),
        "numpy": array.tofile,
        "parquet": lambda path: pd.DataFrame({"a": array}).to_parquet(path, compression=None),
    }
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with (
            pytest.raises(UserError, match="run the same command again") as raised,
            whole_file(tmp_path / "file") as temporary,
        ):
            writers[library](temporary)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert list(tmp_path.iterdir()) == []
    assert "\n" not in str(raised.value)
