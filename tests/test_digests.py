from __future__ import annotations

from pathlib import Path

import pytest

from diccae.digests import file_digest, text_digest

# FIPS 180-2, appendix B.1
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_digests_are_those_of_the_standard(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert file_digest(tmp_path / "abc") == text_digest("abc") == ABC


def test_text_is_hashed_as_utf8(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes("é".encode())
    assert text_digest("é") == file_digest(tmp_path / "text")


def test_a_missing_file_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        file_digest(tmp_path / "missing")
