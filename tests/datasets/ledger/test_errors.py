"""Unusable clips and bad input of the ledger, and the command."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from diccae.cli import ledger as cli
from diccae.datasets import ledger_files
from diccae.datasets.ledger import check, require_usable, summarise
from diccae.errors import UserError
from tests.datasets.ledger.conftest import manifest_of


def test_unusable_clips_are_counted_by_reason(made: Path) -> None:
    require_usable(made, 0.65)
    with pytest.raises(UserError) as caught:
        require_usable(made, 0.05)
    text = str(caught.value)
    assert text.startswith(
        f"{made}: 10 of 16 clips (62.5%) cannot be used, 5.0% are allowed: "
        "1 missing: no such file; "
    )
    assert "1 no_audio: there is no audio stream" in text
    assert "run `diccae data check` again" in text


def test_the_error_gives_the_ten_most_common_reasons(tmp_path: Path) -> None:
    row = {"status": "unreadable", "usable": False, "audio_streams": 1}
    rows = [row | {"reason": f"r{n:02d}"} for n in range(12) for _ in range(n + 1)]
    pq.write_table(pa.Table.from_pylist(rows, ledger_files.SCHEMA), tmp_path / "ledger.parquet")
    with pytest.raises(UserError, match="12 r11; 11 r10; .*; 3 r02[.]"):
        require_usable(tmp_path / "ledger.parquet", 1.0)


def test_bad_input(clips: Path, made: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere.parquet: there is no manifest; make one with"):
        check(tmp_path / "nowhere.parquet", tmp_path / "out.parquet", jobs=1)
    with pytest.raises(
        UserError, match="nowhere.parquet: there is no ledger; run `diccae data check` first"
    ):
        summarise(tmp_path / "nowhere.parquet")
    pd.DataFrame({"path": ["a.mp4"], "end": [1.0]}).to_parquet(tmp_path / "thin.parquet")
    with pytest.raises(UserError, match="thin.parquet: wanted the columns .*, id, start missing"):
        check(tmp_path / "thin.parquet", tmp_path / "out.parquet", jobs=1)
    words = pd.DataFrame({"id": ["a"], "path": ["a.mp4"], "start": ["soon"], "end": [1.0]})
    words.to_parquet(tmp_path / "words.parquet")
    with pytest.raises(UserError, match="words.parquet: .*make the manifest again"):
        check(tmp_path / "words.parquet", tmp_path / "out.parquet", jobs=1, progress=False)
    holes = pd.DataFrame({"id": ["a", "b"], "path": ["a.mp4", None], "start": 0.0, "end": 1.0})
    holes.to_parquet(tmp_path / "holes.parquet")
    with pytest.raises(UserError, match="holes.parquet: row 1 .from 0. lacks its id or its path"):
        check(tmp_path / "holes.parquet", tmp_path / "out.parquet", jobs=1, progress=False)
    (tmp_path / "text.parquet").write_text("no parquet")
    with pytest.raises(UserError, match="text.parquet: .*make the manifest again"):
        check(tmp_path / "text.parquet", tmp_path / "out.parquet", jobs=1)
    with pytest.raises(UserError, match="text.parquet: it is not a ledger"):
        check(clips, tmp_path / "text.parquet", jobs=1)
    with pytest.raises(
        UserError, match="manifest.parquet: it is not a ledger, columns are missing"
    ):
        check(clips, clips, jobs=1)
    with pytest.raises(UserError, match="out.parquet: it cannot be written"):
        check(clips, made / "out.parquet", jobs=1)


def test_an_empty_manifest(tmp_path: Path) -> None:
    manifest, out = manifest_of(tmp_path, []), tmp_path / "ledger.parquet"
    assert check(manifest, out, jobs=1, progress=False).probed == 0
    assert summarise(out).listed == 0
    with pytest.raises(UserError, match="it lists no clip"):
        require_usable(out, 0.5)


# the command


def test_command(clips: Path, made: Path) -> None:
    app = typer.Typer()
    app.callback()(lambda: None)
    cli.register(app)
    arguments = ["check", "--manifest", str(clips), "--out", str(made), "--jobs", "1"]
    with open(clips.parent / "still.mp4", "ab") as clip:
        clip.write(b"\0")
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0
    assert "16 listed, 15 found, 11 readable, 9 with sound, 6 used" in done.output
    assert "1 decoded now" in done.output
    assert "clips per second and core" in done.output
    assert "1 not used: missing: no such file" in done.output
    refused = CliRunner().invoke(app, [*arguments, "--max-unusable", "0.05"])
    assert isinstance(refused.exception, UserError)
    assert "10 of 16 clips (62.5%) cannot be used" in str(refused.exception)
