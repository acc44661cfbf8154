"""Ledgers of clips of which sound or picture alone is asked for."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from diccae.cli.ledger import check as command
from diccae.datasets.ledger import check, require_usable, summarise
from diccae.errors import UserError
from tests.datasets.ledger.conftest import manifest_of, rows_of
from tests.datasets.media.samples import sine, write

KINDS = {
    # name: status with modality A, and with modality V
    "good": ("ok", "ok"),
    "mute": ("no_audio", "ok"),
    "silent": ("silent", "ok"),
    "still": ("ok", "still"),
    "blind": ("ok", "no_video"),
    "wave": ("ok", "no_video"),
    "early sound": ("short", "ok"),
    "early picture": ("ok", "short"),
    "text": ("unreadable", "unreadable"),
    "gone": ("missing", "missing"),
}


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kinds")
    small = {"codec": "mpeg4"}
    write(folder / "good.mkv", **small)
    write(folder / "mute.mkv", **small, sounds=())
    write(folder / "silent.mkv", **small, sounds=(np.zeros((1, 32000), np.float32),))
    write(folder / "still.mkv", **small, pts=[0])
    write(folder / "blind.mkv", videos=0)
    write(folder / "wave.mkv", videos=0, sound_codec="pcm_s16le")
    write(folder / "early sound.mkv", **small, sounds=(sine(1.2, 16000),))
    write(folder / "early picture.mkv", **small, pts=list(range(30)))
    (folder / "text.mkv").write_text("<html>gone</html>")
    return manifest_of(folder, [(name, f"{name}.mkv", 0.0, 2.0) for name in KINDS])


@pytest.mark.parametrize("modality", ["A", "V"])
def test_only_what_is_asked_for_can_be_wrong(kinds: Path, tmp_path: Path, modality: str) -> None:
    out = tmp_path / "ledger.parquet"
    check(kinds, out, jobs=1, modality=modality, progress=False)
    rows = rows_of(out)
    assert {name: row["status"] for name, row in rows.items()} == {
        name: statuses["AV".index(modality)] for name, statuses in KINDS.items()
    }
    other = {"A": "video_end", "V": "audio_end"}[modality]
    assert all(row[other] is None or np.isnan(row[other]) for row in rows.values())
    word = {"A": "sound", "V": "picture"}[modality]
    assert rows[f"early {word}"]["reason"].startswith(f"short: its {word} ends before its span,")
    counts = summarise(out)
    assert counts.used == {"A": 6, "V": 6}[modality]
    assert counts.with_sound == {"A": 6, "V": None}[modality]


def test_a_ledger_for_another_modality_is_made_again(
    kinds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(kinds.parent, tmp_path / "copy")
    manifest, out = tmp_path / "copy" / kinds.name, tmp_path / "ledger.parquet"
    assert check(manifest, out, jobs=1, modality="A", progress=False).probed == len(KINDS)
    assert check(manifest, out, jobs=1, modality="A", progress=False).probed == 0
    # what an interrupted check has found is not taken over either
    parts = tmp_path / "ledger.parquet.parts"
    parts.mkdir()
    shutil.copy(out, parts / "0000000.parquet")
    capsys.readouterr()
    assert check(manifest, out, jobs=1, modality="V", progress=False).probed == len(KINDS)
    printed = capsys.readouterr().out
    assert printed.count("made for modality A and not for V; ") == 2
    assert pq.read_schema(out).metadata[b"modality"] == b"V"


def test_the_command_says_how_to_check_sound_files(
    kinds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "ledger.parquet"
    command(kinds, out, jobs=1)
    printed = capsys.readouterr().out
    assert "for clips that need no picture: --modality A" in printed
    assert "for clips that need no sound: --modality V" in printed
    command(kinds, out, jobs=1, modality="V")
    printed = capsys.readouterr().out
    assert "10 listed, 9 found, 8 readable, 6 used" in printed
    assert "--modality" not in printed
    with pytest.raises(UserError, match="4 of 10 clips .* cannot be used"):
        require_usable(out, 0.1)
