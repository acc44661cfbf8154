"""Checks that are killed and continued, and a worker process that dies."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

from diccae.datasets import ledger_workers
from diccae.datasets.alone import alone
from diccae.datasets.ledger import check, summarise
from diccae.datasets.ledger_files import gather
from diccae.errors import UserError
from tests.datasets.ledger.conftest import MOVING, manifest_of, rows_of
from tests.datasets.media.samples import write


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
    gather(out, parts, "AV")
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


def test_one_check_at_a_time(tmp_path: Path) -> None:
    manifest, out = many(tmp_path, 3), tmp_path / "ledger.parquet"
    parts = tmp_path / "ledger.parquet.parts"
    parts.mkdir()
    words = "another `diccae data check` works there; wait until it has ended"
    # its parts would be taken for those of an interrupted check
    with alone(parts, "diccae data check"), pytest.raises(UserError, match=words):
        check(manifest, out, jobs=1, progress=False)
    assert not out.exists()
