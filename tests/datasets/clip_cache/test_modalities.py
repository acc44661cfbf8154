"""Caches of clips of which sound or picture alone is asked for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from diccae.datasets.av_clip_dataset import AVClipDataset
from diccae.datasets.clip_cache import load_cache
from diccae.datasets.integrity import data_problems
from diccae.datasets.transforms import LoadCachedClip, PackAVInputs  # noqa: F401
from diccae.errors import UserError
from diccae.plans import load_plan
from tests.datasets.clip_cache.conftest import SETTINGS, build, clip_path
from tests.datasets.media.samples import write

ARRAY = {"A": "fbank", "V": "frames"}
LOAD = [{"type": "LoadCachedClip"}, {"type": "PackAVInputs"}]


@pytest.mark.parametrize("mode", ["stored", "live"])
@pytest.mark.parametrize("modality", ["A", "V"])
def test_values_are_those_of_the_cache_of_both(manifest: Path, modality: str, mode: str) -> None:
    both = load_cache(build(manifest))
    expected = np.array(getattr(both, ARRAY[modality]))
    shutil.rmtree(manifest.parent / "cache")
    folder = build(manifest, modality=modality, mode=mode)
    cache = load_cache(folder)
    other = ARRAY["AV".replace(modality, "")]
    assert getattr(cache, other) is None
    assert not (folder / f"{other}.npy").exists()
    for row in range(10):
        assert np.array_equal(getattr(cache, ARRAY[modality])[row], expected[row])
    meta = json.loads((folder / "meta.json").read_text())
    assert meta["settings"]["modality"] == modality
    assert f"{other}_crc32" not in cache.index
    statistics = [meta["fbank_mean"], meta["fbank_std"]]
    assert statistics == (
        [None, None] if modality == "V" else [both.meta["fbank_mean"], both.meta["fbank_std"]]
    )
    with pytest.raises(UserError, match=f"made for modality {modality} and has no {other}; run "):
        load_cache(folder, ["frames", "fbank"])


def test_only_what_is_asked_for_can_be_wrong(manifest: Path) -> None:
    write(clip_path(manifest, 2), codec="mpeg4", sounds=())
    write(clip_path(manifest, 5), videos=0)
    table = pd.read_parquet(manifest).drop(columns="sha256")
    table.to_parquet(manifest, index=False)
    for modality, reasons in [("A", {2: "no_audio"}), ("V", {5: "no_video"})]:
        for mode in ("stored", "live"):
            folder = build(manifest, max_bad_share=0.1, modality=modality, mode=mode)
            status = load_cache(folder).index["status"]
            assert status[status != "ok"].to_dict() == reasons
    with pytest.raises(UserError, match="no_video.*; a plan that needs no picture has") as error:
        build(manifest, modality="AV", max_bad_share=0.1)
    assert str(error.value).endswith(
        "; a plan that needs no sound has `modalities: [V]` in its sections and "
        "`pretrain_modality: V`"
    )


def test_sound_shorter_than_a_window_is_no_fault_where_none_is_asked_for(manifest: Path) -> None:
    table = pd.read_parquet(manifest)
    table.loc[3, ["start", "end"]] = (1.0, 1.01)
    table.to_parquet(manifest, index=False)
    for mode in ("stored", "live"):
        cache = load_cache(build(manifest, modality="V", mode=mode))
        assert (cache.index["status"] == "ok").all()
        sound = load_cache(build(manifest, modality="A", mode=mode, max_bad_share=0.1))
        assert sound.index["status"][3] == "too_short"


def test_another_modality_makes_the_cache_anew(
    manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = build(manifest)
    capsys.readouterr()
    build(manifest, modality="A")
    assert "made for modality AV, now A is asked for; every clip is" in capsys.readouterr().out
    assert [path.name for path in folder.glob("*.npy")] == ["fbank.npy"]
    build(manifest, modality="A")
    assert "made for modality" not in capsys.readouterr().out
    build(manifest)
    assert load_cache(folder, ["frames", "fbank"]).meta["settings"]["modality"] == "AV"


def test_doctor_and_verify_name_a_cache_of_another_modality(
    manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(manifest, modality="V")
    plan = load_plan("smoke").model_copy(update={"data_root": str(manifest.parent)})
    problems = data_problems(plan, settings=SETTINGS)
    assert [problem.message for problem in problems] == [
        "was made with modality = V, the plan says AV"
    ]
    alone = plan.model_copy(update={"modality": "V"})
    monkeypatch.setattr(type(plan), "modality", "V")
    assert data_problems(alone, settings=SETTINGS) == []


def test_a_run_reads_and_needs_its_own_array_only(manifest: Path) -> None:
    folder = build(manifest)
    (folder / "frames.npy").unlink()
    sample = AVClipDataset(str(folder), ["train"], LOAD, modalities=["audio"])[0]
    assert set(sample["inputs"]) == {"audio"}
    with pytest.raises(UserError, match=r"frames\.npy is missing"):
        AVClipDataset(str(folder), ["train"], LOAD, modalities=["audio", "video"])
    build(manifest)
    both = AVClipDataset(str(folder), ["train"], LOAD[:1], modalities=["audio", "video"])[0]
    assert both["frames"].shape == (4, 20, 20, 3)
