"""Data that are not those any more that the cache was made from: found, named and repaired."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from diccae.datasets import ledger, stored_workers
from diccae.datasets.benchmark.spec import BenchmarkSpec
from diccae.datasets.benchmark.writer import render_benchmark
from diccae.datasets.clip_cache import load_cache
from diccae.datasets.clip_files import replaced_clips
from diccae.datasets.integrity import Problem, data_problems
from diccae.datasets.media import decode_clip
from diccae.errors import UserError
from diccae.plans import Plan, load_plan
from diccae.untrue_outputs import drop_untrue
from tests.datasets.clip_cache.conftest import COUNTS, SETTINGS, build, clip_path

ARRAYS = ("frames", "fbank")


def plan_of(manifest: Path) -> Plan:
    return load_plan("smoke").model_copy(update={"data_root": str(manifest.parent)})


def problems(manifest: Path, clips: bool = False) -> list[Problem]:
    return data_problems(plan_of(manifest), settings=SETTINGS, clips=clips)


def without_digests(manifest: Path) -> None:
    """A manifest as it is made from lists."""
    pd.read_parquet(manifest).drop(columns="sha256").to_parquet(manifest, index=False)
    (manifest.parent / "clips" / "spec.json").unlink()


def zero_rows(folder: Path) -> None:
    frames = np.load(folder / "frames.npy", mmap_mode="r+")
    frames[3:7] = 0
    frames.flush()


def edit_index(folder: Path) -> None:
    index = pd.read_parquet(folder / "index.parquet")
    index.loc[5, "label"] += 1
    index.to_parquet(folder / "index.parquet", index=False)


def edit_meta(folder: Path) -> None:
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps(meta | {"fbank_mean": 0.0}, indent=1) + "\n")


@pytest.mark.parametrize(
    ("name", "edit", "words"),
    [
        ("frames.npy", zero_rows, "4 of 10 clips"),
        ("index.parquet", edit_index, "is not the file that was written with the cache"),
        ("meta.json", edit_meta, "was changed after the cache was made"),
        ("meta.json", lambda folder: (folder / "meta.json").write_text("{"), "is damaged"),
    ],
)
def test_a_damaged_cache_is_not_trained_on_and_is_repaired_to_the_same_bytes(
    manifest: Path, name: str, edit: Callable[[Path], None], words: str
) -> None:
    folder = build(manifest)
    assert problems(manifest, clips=True) == []
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}
    edit(folder)
    with pytest.raises(UserError, match="data cache") as caught:
        load_cache(folder, ARRAYS)
    found = problems(manifest)
    assert Path(found[0].where) == folder / name
    for text in (str(caught.value), found[0].message):
        assert words in text
        assert ("unlabelled-000003 first" in text) == name.endswith("npy")
    build(manifest)
    assert problems(manifest) == []
    load_cache(folder, ARRAYS)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == whole


def test_a_replaced_clip_is_named_and_decoded_again_alone(
    manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_digests(manifest)
    folder = build(manifest)
    shutil.copy(clip_path(manifest, 2), clip_path(manifest, 6))
    (problem,) = problems(manifest)
    assert problem.where == str(clip_path(manifest, 6))
    assert problem.way_out == "diccae data cache --plan smoke"
    with pytest.raises(UserError, match="1 clips were replaced by other files .*data cache"):
        load_cache(folder)
    drop_untrue([], [plan_of(manifest)])
    assert not (folder / "meta.json").exists()
    decoded = []

    def decode(path: str, **settings: object) -> object:
        decoded.append(path)
        return decode_clip(path, **settings)

    monkeypatch.setattr(stored_workers, "decode_clip", decode)
    build(manifest)
    assert decoded == [str(clip_path(manifest, 6))]
    cache = load_cache(folder, ARRAYS)
    assert np.array_equal(cache.frames[6], cache.frames[2])
    assert problems(manifest) == []


def test_a_copy_with_other_times_is_the_same_data(
    manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meta = (build(manifest) / "meta.json").read_bytes()
    for row in range(10):
        os.utime(clip_path(manifest, row), (row, row))
    load_cache(manifest.parent / "cache", ARRAYS)
    assert problems(manifest) == []
    (manifest.parent / "cache" / "progress.json").rename(manifest.parent / "progress.json")
    assert problems(manifest) == []
    (manifest.parent / "progress.json").rename(manifest.parent / "cache" / "progress.json")
    monkeypatch.setattr(stored_workers, "decode_clip", lambda *_, **__: pytest.fail("decoded"))
    assert (build(manifest) / "meta.json").read_bytes() == meta


@pytest.mark.parametrize("mode", ["stored", "live"])
def test_a_rendered_clip_with_other_bytes_than_in_the_manifest_is_refused(
    manifest: Path, mode: str
) -> None:
    shutil.copy(clip_path(manifest, 2), clip_path(manifest, 6))
    with pytest.raises(UserError, match="1 of 10 clips") as caught:
        build(manifest, mode=mode)
    assert "altered" in str(caught.value)
    assert "diccae data render" in str(caught.value)
    render_benchmark(BenchmarkSpec(COUNTS, seed=5), manifest.parent, jobs=1, progress=False)
    build(manifest, mode=mode)
    assert problems(manifest, clips=True) == []


def test_a_clip_of_the_same_size_and_time_is_found_where_every_clip_is_read(manifest: Path) -> None:
    without_digests(manifest)
    build(manifest)
    clip = clip_path(manifest, 6)
    time, content = clip.stat().st_mtime_ns, bytearray(clip.read_bytes())
    content[-1] ^= 1
    clip.write_bytes(content)
    os.utime(clip, ns=(time, time))
    assert problems(manifest) == []
    assert [problem.where for problem in problems(manifest, clips=True)] == [str(clip)]


def test_a_clip_that_was_replaced_and_checked_is_not_that_of_the_live_cache(manifest: Path) -> None:
    without_digests(manifest)
    folder = build(manifest, mode="live")
    shutil.copy(clip_path(manifest, 2), clip_path(manifest, 6))
    # the ledger knows the new file from now on
    ledger.check(manifest, manifest.with_name("ledger.parquet"), jobs=1, progress=False)
    assert [problem.where for problem in problems(manifest)] == [str(clip_path(manifest, 6))]
    cache = load_cache(folder, ARRAYS)
    for array in (cache.frames, cache.fbank):
        np.asarray(array[2])
        with pytest.raises(UserError, match="replaced by another file .*`diccae data cache --plan"):
            np.asarray(array[6])
    cache = load_cache(build(manifest, mode="live"), ARRAYS)
    assert np.array_equal(cache.fbank[6], cache.fbank[2])
    assert problems(manifest) == []


def test_the_stamps_of_an_older_stored_cache_are_not_those_of_a_live_one(manifest: Path) -> None:
    without_digests(manifest)
    clip = clip_path(manifest, 6)
    old = shutil.copy2(clip, manifest.parent / "old.mp4")
    folder = build(manifest)
    clip.write_bytes(clip_path(manifest, 2).read_bytes())
    cache = load_cache(build(manifest, mode="live"), ARRAYS)
    np.asarray(cache.frames[6])
    assert problems(manifest) == []
    # the workflow does not make it again
    assert replaced_clips(folder) == []
    shutil.copy2(old, clip)
    assert [problem.where for problem in problems(manifest)] == [str(clip)]


@pytest.mark.parametrize("mode", ["stored", "live"])
def test_clips_that_arrive_late_and_a_folder_that_was_moved(manifest: Path, mode: str) -> None:
    without_digests(manifest)
    clip_path(manifest, 6).rename(manifest.parent / "late.mp4")
    build(manifest, max_bad_share=0.1, mode=mode)
    assert problems(manifest) == []
    (manifest.parent / "late.mp4").rename(clip_path(manifest, 6))
    (problem,) = problems(manifest)
    words = "1 clips are there that were missing when the cache was made"
    assert problem.message == f"{words}, {clip_path(manifest, 6)} first"
    assert not problem.wrong
    assert load_cache(build(manifest, mode=mode)).meta["counts"] == {"ok": 10}
    assert problems(manifest) == []
    (manifest.parent / "clips").rename(manifest.parent / "moved")
    (problem,) = problems(manifest)
    assert problem.wrong == (mode == "live")
    assert problem.message.startswith("10 of 10 clips are not there any more")
    assert "diccae data manifest --plan smoke" in problem.way_out


@pytest.mark.parametrize("name", ["truth.parquet", "truth.json", "manifest.parquet"])
def test_an_edited_truth_or_manifest_is_named(manifest: Path, name: str) -> None:
    path = manifest.parent / name
    if path.suffix == ".json":
        truth = json.loads(path.read_text())
        truth["bayes_ceiling"]["AV"] = 99.0
        path.write_text(json.dumps(truth))
    else:
        table = pd.read_parquet(path)
        table.loc[7, "label"] = (table["label"][7] + 1) % 12
        table.to_parquet(path, index=False)
    build(manifest)
    (problem,) = problems(manifest)
    assert problem.where == str(path)
    words = "bayes_ceiling is not what" if name == "truth.json" else "label of train-000003 says"
    assert words in problem.message
    render_benchmark(BenchmarkSpec(COUNTS, seed=5), manifest.parent, jobs=1, progress=False)
    build(manifest)
    assert problems(manifest) == []


def test_an_edited_ledger_is_named_and_not_believed(
    manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build(manifest, mode="live")
    path = manifest.with_name("ledger.parquet")
    table, metadata = pq.read_table(path), pq.read_metadata(path).metadata
    status = pa.array(["silent", *table["status"].to_pylist()[1:]])
    table = table.set_column(table.schema.get_field_index("status"), "status", status)
    kept = {key: value for key, value in metadata.items() if key != b"ARROW:schema"}
    pq.write_table(table.replace_schema_metadata(kept), path)
    (problem,) = problems(manifest)
    assert problem.where == str(path)
    assert "edited" in problem.message
    assert ledger.check(manifest, path, jobs=1, progress=False).probed == 10
    assert "all clips are checked again" in capsys.readouterr().out
    assert problems(manifest) == []


def test_a_cache_made_with_other_settings_is_named(manifest: Path) -> None:
    build(manifest, num_frames=2)
    (problem,) = problems(manifest)
    assert problem.message == "was made with cache.num_frames = 2, the plan says 4"
