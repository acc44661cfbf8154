"""The ledger: the status of clips, what is kept between checks, interruptions, and counts."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from diccae.cli import ledger as cli
from diccae.datasets import ledger_files, ledger_workers
from diccae.datasets.ledger import check, require_usable, summarise
from diccae.datasets.ledger_files import gather
from diccae.datasets.probe import probe_clip
from diccae.errors import UserError
from tests.datasets.test_decoding import picture, write

MOVING = {"codec": "mpeg4", "size": (48, 64)}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of one clip of each kind."""
    folder = tmp_path_factory.mktemp("clips")
    write(folder / "good.mp4", **MOVING)
    write(folder / "mute.mp4", **MOVING, sounds=())
    write(folder / "blind.mp4", videos=0)
    write(folder / "silent.mp4", **MOVING, sounds=(np.zeros((1, 32000), np.float32),))
    write(folder / "still.mp4", **MOVING, pts=[0])
    (folder / "text.mp4").write_text("<html>gone</html>")
    (folder / "empty.mp4").touch()
    rows = [
        ("good", "good.mp4", 0.0, 2.0),
        ("whole", "good.mp4", np.nan, np.nan),
        ("-part", "good.mp4", 0.5, 1.5),
        ("short", "good.mp4", 0.0, 3.0),
        ("cut", "good.mp4", 0.0, 10.0),
        ("after", "good.mp4", 30.0, 40.0),
        ("reversed", "good.mp4", 2.0, 1.0),
        ("endless", "good.mp4", 0.5, np.inf),
        ("absurd", "good.mp4", 1e300, 2e300),
        ("mute", "mute.mp4", 0.0, 2.0),
        ("blind", "blind.mp4", 0.0, 2.0),
        ("silent", "silent.mp4", 0.0, 2.0),
        ("still", "still.mp4", 0.0, 2.0),
        ("text", "text.mp4", 0.0, 2.0),
        ("empty", "empty.mp4", 0.0, 2.0),
        ("gone", "gone.mp4", 0.0, 2.0),
    ]
    return manifest_of(folder, rows)


def manifest_of(
    folder: Path, rows: list[tuple[str, str, float, float]], name: str = "manifest.parquet"
) -> Path:
    table = pd.DataFrame(rows, columns=["id", "path", "start", "end"])
    table.assign(label="other columns do no harm").to_parquet(folder / name)
    return folder / name


def rows_of(path: Path) -> dict[str, dict]:
    return {row["id"]: row for row in pq.read_table(path).to_pylist()}


@pytest.fixture(scope="module")
def made(clips: Path) -> Path:
    out = clips.parent / "ledger.parquet"
    assert check(clips, out, jobs=2, progress=False).probed == 16
    return out


@pytest.mark.parametrize(
    ("name", "status", "usable", "reason"),
    [
        ("good", "ok", True, ""),
        ("whole", "ok", True, ""),
        ("-part", "ok", True, ""),
        (
            "short",
            "short",
            True,
            "short: its picture ends before its span, but lasts for half of it",
        ),
        ("cut", "short", False, "short: its picture or its sound ends before half of its span"),
        ("after", "short", False, "short: its picture ends before its span begins"),
        ("reversed", "unreadable", False, "unreadable: the span in the manifest is empty"),
        ("endless", "ok", True, ""),
        ("absurd", "unreadable", False, "unreadable: decoding it ends in OverflowError"),
        ("mute", "no_audio", False, "no_audio: there is no audio stream"),
        ("blind", "no_video", False, "no_video: there is no video stream"),
        ("silent", "silent", False, "silent: its sound is digital silence"),
        ("still", "still", True, "still: its picture does not change"),
        (
            "text",
            "unreadable",
            False,
            "unreadable: it cannot be decoded (Invalid data found when processing input)",
        ),
        ("empty", "unreadable", False, "unreadable: the file has no bytes"),
        ("gone", "missing", False, "missing: no such file"),
    ],
)
def test_status_of_every_kind(
    made: Path, name: str, status: str, usable: bool, reason: str
) -> None:
    row = rows_of(made)[name]
    assert (row["status"], row["usable"], row["reason"]) == (status, usable, reason)


def test_columns(clips: Path, made: Path) -> None:
    rows, file = rows_of(made), clips.parent / "good.mp4"
    good = rows["good"]
    assert list(rows) == pd.read_parquet(clips)["id"].tolist()
    assert (good["bytes"], good["mtime_ns"]) == (file.stat().st_size, file.stat().st_mtime_ns)
    assert (good["width"], good["height"], good["fps"], good["sample_rate"], good["channels"]) == (
        64,
        48,
        25,
        16000,
        1,
    )
    assert (good["video_codec"], good["audio_codec"]) == ("mpeg4", "aac")
    assert (good["video_streams"], good["audio_streams"]) == (1, 1)
    assert good["duration"] == pytest.approx(2.0, abs=0.1)
    assert good["peak"] == pytest.approx(0.4, abs=0.1)
    assert (good["video_end"], good["audio_end"]) == pytest.approx((2.0, 2.0), abs=0.01)
    assert (rows["whole"]["start"], rows["whole"]["end"]) == (None, None)
    assert rows["short"]["video_end"] == pytest.approx(2.0, abs=0.01)
    assert (
        rows["mute"]["audio_streams"],
        rows["blind"]["video_streams"],
        rows["gone"]["bytes"],
    ) == (0, 0, -1)
    assert not made.with_name("ledger.parquet.parts").exists()


def test_the_ledger_names_its_manifest(clips: Path, made: Path) -> None:
    kept = pq.read_schema(made).metadata
    assert kept[b"manifest_sha256"].decode() == hashlib.sha256(clips.read_bytes()).hexdigest()


def test_counts(made: Path) -> None:
    counts = summarise(made)
    assert (counts.listed, counts.found, counts.readable, counts.with_sound, counts.used) == (
        16,
        15,
        11,
        9,
        6,
    )
    assert counts.statuses["ok"] == counts.statuses["unreadable"] == 4
    assert counts.statuses["short"] == 3
    assert sum(counts.reasons.values()) == 10
    assert not any(reason.startswith("still") for reason in counts.reasons)


def test_a_still_picture_that_was_encoded_with_loss_and_one_in_which_little_moves(
    tmp_path: Path,
) -> None:
    def drawn(index: int) -> np.ndarray:
        image = np.repeat(picture(0, 12, 16), 12, axis=0).repeat(12, axis=1)
        image[60:72, 2 * index : 2 * index + 12] = 255
        return image

    settings = {"size": (144, 192), "options": {"crf": "30"}}
    still = write(tmp_path / "still.mp4", draw=lambda _: drawn(0), **settings)
    assert probe_clip(still, 0.0, 2.0)["status"] == "still"
    assert (
        probe_clip(write(tmp_path / "moving.mp4", draw=drawn, **settings), 0.0, 2.0)["status"]
        == "ok"
    )


# again


def test_nothing_that_is_unchanged_is_probed_again(clips: Path, made: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(clips.parent, folder)
    out, before = folder / "ledger.parquet", rows_of(made)
    assert check(folder / "manifest.parquet", out, jobs=1, progress=False).probed == 0
    assert repr(rows_of(out)) == repr(before)
    # a repaired file and a new one
    shutil.copy(folder / "good.mp4", folder / "text.mp4")
    shutil.copy(folder / "good.mp4", folder / "gone.mp4")
    assert check(folder / "manifest.parquet", out, jobs=1, progress=False).probed == 2
    assert rows_of(out)["text"]["status"] == rows_of(out)["gone"]["status"] == "ok"
    # a file that was touched, one that went
    os.utime(folder / "still.mp4", (1, 1))
    (folder / "mute.mp4").unlink()
    assert check(folder / "manifest.parquet", out, jobs=1, progress=False).probed == 2
    assert rows_of(out)["mute"]["status"] == "missing"


def test_another_manifest_takes_over_what_it_shares(
    clips: Path, made: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(clips.parent, folder)
    rows = [
        ("new name", "good.mp4", 0.0, 2.0),
        ("other span", "good.mp4", 0.1, 2.0),
        ("mute", "mute.mp4", 0.0, 2.0),
    ]
    other = manifest_of(folder, rows[::-1], "other.parquet")
    assert check(other, folder / "ledger.parquet", jobs=1, progress=False).probed == 1
    assert list(rows_of(folder / "ledger.parquet")) == ["mute", "other span", "new name"]
    assert rows_of(folder / "ledger.parquet")["new name"]["status"] == "ok"


def test_a_ledger_of_another_version_is_made_again(
    clips: Path, made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "ledger.parquet"
    pq.write_table(pq.read_table(made).replace_schema_metadata({"probe": "0"}), out)
    assert check(clips, out, jobs=1, progress=False).probed == 16
    assert "made by another version of the check" in capsys.readouterr().out


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_workers, "SHARD", 8)


def many(folder: Path, count: int) -> Path:
    write(folder / "good.mp4", **MOVING)
    return manifest_of(
        folder, [(f"clip{index}", "good.mp4", index / 1000, 2.0) for index in range(count)]
    )


@pytest.fixture
def start() -> Iterator[Callable[[Path, Path], subprocess.Popen[bytes]]]:
    """Starts a check in a process of its own, that a test can kill.

    It does not go on from the sixth part before there is a file `go` beside the manifest.
    """
    running = []

    def run(manifest: Path, out: Path) -> subprocess.Popen[bytes]:
        code = (
            "import sys, time; from pathlib import Path\n"
            "from diccae.datasets import ledger, ledger_workers\n"
            f"ledger_workers.SHARD = {ledger_workers.SHARD}\n"
            "make_tasks, go = ledger.make_tasks, Path(sys.argv[1]).with_name('go')\n"
            "def held(*arguments):\n"
            "    for number, task in enumerate(make_tasks(*arguments)):\n"
            "        while number == 6 and not go.exists():\n"
            "            time.sleep(0.01)\n"
            "        yield task\n"
            "ledger.make_tasks = held\n"
            "if __name__ == '__main__':\n"
            "    ledger.check(Path(sys.argv[1]), Path(sys.argv[2]), jobs=1, progress=False)"
        )
        running.append(subprocess.Popen([sys.executable, "-c", code, str(manifest), str(out)]))
        return running[-1]

    yield run
    for process in running:
        process.kill()
        process.wait()


def wait_for(running: subprocess.Popen[bytes], parts: Path, count: int) -> None:
    """Until a check has written some of its parts."""
    while len([*parts.glob("[0-9]*.parquet")]) < count:
        assert running.poll() is None, "it ended too soon"
        time.sleep(0.01)


@pytest.mark.usefixtures("small_shards")
def test_an_interrupted_check_is_continued(tmp_path: Path, start: Callable) -> None:
    manifest, out = many(tmp_path, 20 * ledger_workers.SHARD), tmp_path / "ledger.parquet"
    parts = tmp_path / "ledger.parquet.parts"
    running = start(manifest, out)
    wait_for(running, parts, 2)
    children = psutil.Process(running.pid).children(recursive=True)
    running.send_signal(signal.SIGKILL)
    running.wait()
    # no process is left that would write into the next run
    psutil.wait_procs(children)
    done = len([*parts.glob("[0-9]*.parquet")])
    assert 2 <= done <= 6
    assert not out.exists()
    # an incomplete file is ignored; a damaged part is reported and made again
    (parts / ".0000019.parquet.tmp").write_bytes(b"PAR1")
    (parts / "0000001.parquet").write_bytes(b"PAR1")
    assert (
        check(manifest, out, jobs=1, progress=False).probed
        == (20 - done + 1) * ledger_workers.SHARD
    )
    assert list(rows_of(out)) == [f"clip{index}" for index in range(20 * ledger_workers.SHARD)]
    assert summarise(out).used == 20 * ledger_workers.SHARD
    assert not parts.exists()


@pytest.mark.usefixtures("small_shards")
def test_a_run_that_is_killed_twice_keeps_the_first_part(tmp_path: Path) -> None:
    manifest, out = many(tmp_path, 2 * ledger_workers.SHARD), tmp_path / "ledger.parquet"
    check(manifest, out, jobs=1, progress=False)
    parts = tmp_path / "ledger.parquet.parts"
    parts.mkdir()
    table = pq.read_table(out)
    out.unlink()
    # the first run left one part; the second gathered it and was killed before it wrote its own
    pq.write_table(table.slice(0, ledger_workers.SHARD), parts / "0000000.parquet")
    gather(out, parts)
    assert [path.name for path in parts.iterdir()] == ["known.parquet"]
    assert check(manifest, out, jobs=1, progress=False).probed == ledger_workers.SHARD


@pytest.mark.usefixtures("small_shards")
def test_a_process_that_dies_takes_no_other_clip_with_it(tmp_path: Path, start: Callable) -> None:
    manifest, out = many(tmp_path, 12 * ledger_workers.SHARD), tmp_path / "ledger.parquet"
    parts = tmp_path / "ledger.parquet.parts"
    running = start(manifest, out)
    wait_for(running, parts, 1)
    # the one that works is a child of the server that makes processes
    youngest = max(
        psutil.Process(running.pid).children(recursive=True),
        key=lambda process: process.create_time(),
    )
    youngest.kill()
    (tmp_path / "go").touch()
    assert running.wait() == 0
    assert summarise(out).used == 12 * ledger_workers.SHARD


# refusals


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
    (clips.parent / "still.mp4").touch()
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0
    assert "16 listed, 15 found, 11 readable, 9 with sound, 6 used" in done.output
    assert "1 decoded now" in done.output
    assert "clips per second and core" in done.output
    assert "1 not used: missing: no such file" in done.output
    refused = CliRunner().invoke(app, [*arguments, "--max-unusable", "0.05"])
    assert isinstance(refused.exception, UserError)
    assert "10 of 16 clips (62.5%) cannot be used" in str(refused.exception)
