"""Shards that are refused, and seeds that are not exported."""

from __future__ import annotations

import json
import re
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from diccae.cli.main import main
from diccae.errors import UserError
from diccae.plans import Plan
from diccae.reporting.degrees import upper
from diccae.reporting.shard_folder import check_seeds, plan_of_shards, shards_of
from diccae.reporting.shards import square
from diccae.seals.finding import Finding
from diccae.seals.shard_export import export_shard
from diccae.seals.verify import verify
from tests.seals.conftest import ROOT, RUN, change, edit_record, run


def _top1(about: dict[str, Any], arrays: dict[str, Any]) -> None:
    arrays["top1"][0, 3, 0] = (arrays["top1"][0, 3, 0] + 1) % 12


def _fewer(about: dict[str, Any], arrays: dict[str, Any]) -> None:
    # without changing the accuracy, which is 80 %
    test = np.array(about["clips"]["split"]) == "test"
    right = arrays["top1"][0, :, 0] == arrays["label"]
    for kind, count in ((test & right, 4), (test & ~right, 1)):
        arrays["top1"][:, np.flatnonzero(kind)[:count], 0] = -1


def _none(about: dict[str, Any], arrays: dict[str, Any]) -> None:
    arrays["top1"][:, np.array(about["clips"]["split"]) == "test", 0] = -1


def _no_numbers(about: dict[str, Any], arrays: dict[str, Any]) -> None:
    about["files"][f"{RUN}/metrics.json"] = "{"


def _degree(about: dict[str, Any], arrays: dict[str, Any]) -> None:
    metrics = json.loads(about["files"][f"{RUN}/metrics.json"])
    metrics["degrees"] = {"test": {"mean": 9.0, "variance": 9.0}}
    about["files"][f"{RUN}/metrics.json"] = json.dumps(metrics)


def _state_degrees(about: dict[str, Any], arrays: dict[str, Any], **changes: Any) -> None:
    """The statistics of the degrees that are there, but for some."""
    values = upper(square(arrays["degree"][about["degrees"].index(RUN)]))
    stated = {"mean": values.mean(), "variance": values.var(), "zero_share": 0.0}
    stated["quantiles"] = {"0.9": np.quantile(values, 0.9)}
    metrics = json.loads(about["files"][f"{RUN}/metrics.json"])
    metrics["degrees"] = {"test": stated | changes}
    about["files"][f"{RUN}/metrics.json"] = json.dumps(metrics)


def _quantile(about: dict[str, Any], arrays: dict[str, Any]) -> None:
    _state_degrees(about, arrays, quantiles={"0.9": 9.0})


def _zeros(about: dict[str, Any], arrays: dict[str, Any]) -> None:
    _state_degrees(about, arrays, zero_share=0.5)


def _record(about: dict[str, Any], arrays: dict[str, Any]) -> None:
    about["records"][RUN]["hardware"]["cores"] = 99


def _weights(about: dict[str, Any], arrays: dict[str, Any]) -> None:
    # the largest weight, so that another pair has it
    arrays["mean_weight"][0, 0, 1] += 0.1


def _history(about: dict[str, Any], arrays: dict[str, Any]) -> None:
    about["files"][f"{RUN}/history.csv"] += "2,0\n"


def _lacks(about: dict[str, Any], arrays: dict[str, Any]) -> None:
    about["runs"][0]["variant"] = "no_infonce"


def _no_record(about: dict[str, Any], arrays: dict[str, Any]) -> None:
    del about["records"][RUN.replace("seed0", "seed1")]


def _no_part(about: dict[str, Any], arrays: dict[str, Any]) -> None:
    del about["clips"]["group"], arrays["top1"]


def _no_records(about: dict[str, Any], arrays: dict[str, Any]) -> None:
    del about["records"]


def _plan(about: dict[str, Any], arrays: dict[str, Any]) -> None:
    about["plan"]["overrides"]["method.kmeans_k"] = 13


def _name(about: dict[str, Any], arrays: dict[str, Any]) -> None:
    about["plan"]["name"] = "other"


def _clips(about: dict[str, Any], arrays: dict[str, Any]) -> None:
    about["data"]["manifest_sha256"] = "0" * 64


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (_lacks, "shards/seed1.npz lacks 1 runs of seed 1, such as full AV; train them where"),
        (_no_record, "shards/seed1.npz lacks 1 runs of seed 1, such as full AV; train them where"),
        (_no_records, "shards/seed1.npz lacks records; copy it again, or export it again with"),
        (_no_part, "shards/seed1.npz lacks clips.group, top1.npy; copy it again"),
        (
            _plan,
            r"shards/seed1.npz is of another version of plan small \(overrides is .*13.* there",
        ),
        (_name, "shards/seed1.npz is of plan 'other', wanted 'small'; move it to a folder"),
        (_clips, "shards/seed1.npz was made from other clips than shards/seed0.npz: manifest_sha"),
    ],
)
def test_shards_that_do_not_belong_together(lab: Path, edit: Any, words: str) -> None:
    change(lab / "seed1.npz", edit)
    with pytest.raises(UserError, match=f"^{words}"):
        check_seeds(plan_of_shards(lab).at(lab))


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (_record, "its content does not have the digest that it states"),
        (_history, "is not the file that the run wrote"),
        (_top1, "metrics.json says 80.000 % .*the predictions beside it say"),
        (_no_numbers, "its numbers cannot be checked: JSONDecodeError: "),
        (_fewer, r"metrics.json says 240 clips \(test, multi\), the predictions .* have 235"),
        (_none, r"metrics.json says 240 clips \(test, multi\), the predictions .* have 0"),
        (_degree, "the degrees of confusion are not those whose statistics"),
        (_quantile, "the degrees of confusion are not those whose statistics"),
        (_zeros, "the degrees of confusion are not those whose statistics"),
        (_weights, "the mean of the weights of pairs is not that of history.csv"),
    ],
)
def test_edits_inside_a_shard_whose_digest_was_repaired(lab: Path, edit: Any, words: str) -> None:
    change(lab / "seed0.npz", edit)
    found = verify(plan_of_shards(lab).at(lab))
    messages = [str(Finding(**each)) for each in found["findings"]]
    assert not found["sealed"]
    assert any(re.search(words, each) and "seed0.npz" in each for each in messages), messages


def test_missing_torn_doubled_and_foreign_files(
    lab: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refusal(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["diccae", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2
        said = capsys.readouterr().err
        assert len(said.strip().splitlines()) == 1
        return said

    path = lab / "seed1.npz"
    content = path.read_bytes()
    path.unlink()
    words = "shards/seed1.npz is missing: plan small has seeds 0, 1, the shards hold 0; copy it"
    assert words in refusal("report", "--results", "shards")
    run("verify", "--results", "shards", "--seeds", "1")
    path.write_bytes(content[: len(content) // 2])
    assert "shards/seed1.npz is damaged" in refusal("report", "--results", "shards")
    path.write_bytes(content[:2000] + b"\0" + content[2001:])
    assert "shards/seed1.npz" in refusal("verify", "--results", "shards")
    path.write_bytes(content)
    shutil.copy(path, lab / "seed1 (1).npz")
    assert "both hold seed 1; remove one of them" in refusal("verify", "--results", "shards")
    change(lab / "seed1 (1).npz", _name)
    words = "seed1.npz is of plan 'small', shards/seed1 (1).npz of 'other'; move one of them"
    assert words in refusal("verify", "--results", "shards")
    np.savez(lab / "seed1 (1).npz", a=np.zeros(3))
    assert "seed1 (1).npz is not a shard" in refusal("verify", "--results", "shards")
    (lab / "seed1 (1).npz").unlink()
    assert "with --results the page lies in that folder" in (
        refusal("report", "--results", "shards", "--out", "page.html")
    )
    assert "seed1.npz is no folder; name a folder" in refusal("verify", "--results", str(path))
    (lab / "shards").mkdir()
    assert "shards/shards has no shards (*.npz)" in refusal("verify", "--results", "shards")
    (lab / "shards").rmdir()
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("more.txt", "more")
    assert "shards/seed1.npz was edited: its content has another digest" in (
        refusal("verify", "--results", "shards")
    )


def test_a_seed_that_is_there_as_runs_with_other_numbers(sealed: Plan, exported: Path) -> None:
    (ROOT / "shards").mkdir()
    shutil.copy(exported / "seed0.npz", ROOT / "shards")
    assert list(shards_of(sealed)) == [0]
    edit_record(ROOT / "runs" / RUN, lambda r: r["files"].update({"predictions.parquet": "0" * 16}))
    shutil.move(ROOT / "shards/seed0.npz", ROOT / "shards/seed0-copy.npz")
    with pytest.raises(UserError, match=f"seed0-copy.npz has other predictions than {ROOT}/runs"):
        shards_of(sealed)


def test_an_unfinished_or_damaged_seed_is_not_exported(sealed: Plan) -> None:
    with pytest.raises(UserError, match="^plan small has no seed 7; it has 0, 1$"):
        export_shard(sealed, 7, Path("seed7.npz"))
    weights = ROOT / "runs/full/seed0/pretrain/weights.pth"
    weights.write_text("others")
    with pytest.raises(UserError, match=f"^{weights} is not the file that its record.json names"):
        export_shard(sealed, 0, Path("seed0.npz"))
    weights.unlink()
    with pytest.raises(UserError, match="is not finished, so there is no shard of seed 0 yet"):
        export_shard(sealed, 0, Path("seed0.npz"))
    assert not Path("seed0.npz").exists()
