"""Shards: what is computed from them, alone and beside runs, and which of them are refused."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from diccae.artifacts import artifacts_of
from diccae.cli.main import app, main
from diccae.cli.options import plan_of_results
from diccae.errors import UserError
from diccae.hashes import file_hash
from diccae.plans import Plan, load_plan
from diccae.reporting import collect
from diccae.reporting.compare_clips import compare_clips
from diccae.reporting.shard_file import read_shard, write_shard
from diccae.reporting.shard_folder import check_seeds, plan_of_shards, shards_of
from diccae.reporting.shards import Shard, read
from diccae.seals import shard_export
from diccae.seals.finding import Finding
from diccae.seals.shard_export import export_shard
from diccae.seals.verify import verify
from tests.conftest import made_once
from tests.seals.conftest import ROOT, build, edit_record

RUN = "full/seed0/finetune/AV"


@pytest.fixture(scope="session")
def exported(sealed_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the shards of both seeds of the small plan."""

    def write(folder: Path) -> None:
        copy = folder / "copy"
        shutil.copytree(sealed_folder, copy)
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(copy)
            plan = load_plan("small.yaml")
            for seed in plan.seeds:
                export_shard(plan, seed, folder / f"seed{seed}.npz")
        shutil.rmtree(copy)

    return made_once(tmp_path_factory, "shards", write)


@pytest.fixture
def lab(exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of shards and nothing beside it: no runs, no data, no plan."""
    folder = tmp_path / "lab"
    shutil.copytree(exported, folder / "shards")
    monkeypatch.chdir(folder)
    return Path("shards")


def run(*words: str) -> str:
    result = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def change(path: Path, edit: Any) -> None:
    """Edit a shard as somebody does who repairs its digest."""
    about, arrays = read_shard(path)
    edit(about, arrays)
    write_shard(path, about, arrays)


def test_the_same_runs_give_the_same_bytes(sealed: Plan) -> None:
    done = export_shard(sealed, 1, Path("one.npz"))
    # on a machine that has this seed alone
    for path in ROOT.glob("runs/*/seed0"):
        shutil.rmtree(path)
    export_shard(sealed, 1, Path("two.npz"))
    assert Path("one.npz").read_bytes() == Path("two.npz").read_bytes()
    assert (done.runs, done.scored, done.clips) == (4, 2, 480)


def test_a_stranger_reads_a_shard_in_ten_lines(lab: Path, capsys: pytest.CaptureFixture) -> None:
    page = (Path(__file__).parents[2] / "docs" / "shards.md").read_text()
    code = re.search(r"```python\n(.*?)```", page, flags=re.DOTALL)
    assert code is not None
    assert len(code[1].strip().splitlines()) <= 10
    exec(code[1].replace("seed203.npz", str(lab / "seed0.npz")))
    plan = plan_of_shards(lab).at(lab)
    wanted = collect.accuracy(plan, "full", "AV", seeds=[0])[0]
    assert capsys.readouterr().out.strip() == f"{wanted:.2f}"


def test_tables_and_page_from_shards_are_those_from_runs(sealed: Plan, exported: Path) -> None:
    folder = Path("elsewhere")
    shutil.copytree(exported, folder)
    # neither the runs nor the data of the working directory may be read
    shutil.move("data", "data_away")
    shutil.move("results", "results_away")
    said = run("report", "--results", str(folder))
    assert "sealed; root digest" in said
    own = Path("results_away/small")
    drawn = [f"{name}.svg" for name, made in artifacts_of(sealed).items() if made.draw]
    names = [f"{name}.csv" for name in artifacts_of(sealed)] + drawn
    assert sorted(drawn) == ["figure2.svg", "mechanism.svg", "systems.svg"]
    assert {"pairs.csv", "pair_slopes.csv"} < set(names)
    stages = pd.read_csv(folder / "mechanism.csv").groupby("stage")["quantity"].agg(set)
    assert {"purity", "weight_mean"} <= stages["pretrain"]
    assert {"weight_mean", "grad_share_cls"} <= stages["finetune"]
    for name in names:
        assert (folder / name).read_bytes() == (own / name).read_bytes(), name
    rows = [(p / "report.html").read_text().splitlines() for p in (folder, own)]
    differ = [line for line in rows[0] if line not in rows[1]]
    assert [re.sub("<[^>]*>", " ", line).split()[0] for line in differ] == ["Shards", "Root"]
    differ = [line for line in rows[1] if line not in rows[0]]
    assert differ[1] == "<p>Plan small has no committed reference.</p>"
    assert differ[2].startswith("<p>Root digest")


def test_a_mixture_of_runs_and_shards(sealed: Plan, exported: Path) -> None:
    before = {name: (ROOT / f"{name}.csv").read_bytes() for name in artifacts_of(sealed)}
    (ROOT / "shards").mkdir()
    shutil.copy(exported / "seed1.npz", ROOT / "shards")
    for path in ROOT.glob("runs/*/seed1"):
        shutil.rmtree(path)
    build(sealed)
    assert {name: (ROOT / f"{name}.csv").read_bytes() for name in before} == before
    verdict = verify(sealed)
    assert verdict["findings"] == []
    assert (verdict["sealed"], verdict["runs"]) == (True, 8)
    assert "of the runs in shards: scores beyond top-1, weights and cluster ids" in str(
        verdict["not_checked"]
    )
    page = (ROOT / "report.html").read_text()
    assert "Seed 1: read from shards" in page
    assert str(ROOT / "shards/seed1.npz") in json.loads((ROOT / "verify.json").read_text())["files"]


def test_the_seal_of_a_folder_of_shards_holds_when_it_is_moved(lab: Path) -> None:
    root = run("report", "--results", "shards").split()[-1]
    lab.rename("moved")
    assert f"root digest in moved/verify.json: {root}\n" in run("verify", "--results", "moved")
    plan = plan_of_shards(Path("moved")).at(Path("moved"))
    change(Path("moved/seed1.npz"), lambda about, _: about["jobs"].update(more=1.0))
    Path("moved/table2.csv").write_text("variant\n")
    found = [str(Finding(**finding)) for finding in verify(plan)["findings"]]
    edited = "edited: moved/seed1.npz: is not the file that moved/verify.json lists"
    assert any(each.startswith(edited) for each in found)
    assert any(each.startswith("edited: moved/table2.csv") for each in found)


def test_all_seeds_of_the_shards_are_taken_whatever_their_plan_says_of_a_default(lab: Path) -> None:
    change(lab / "seed1.npz", lambda about, _: about["plan"].update(default_seeds=1))
    change(lab / "seed0.npz", lambda about, _: about["plan"].update(default_seeds=None))
    assert plan_of_results(None, None, lab).seeds == [0, 1]
    assert plan_of_results(None, 1, lab).seeds == [0]


def test_shards_are_read_without_torch(lab: Path) -> None:
    code = (
        "import sys; from diccae.cli.main import app\n"
        "from diccae.reporting import figures, mechanism, pictures\n"
        # pictures take most of the time
        "pictures.matrix = lambda *_: ''\n"
        "figures.draw_figure2 = lambda plan, table, svg: svg.write_text('<svg/>')\n"
        "mechanism.draw_mechanism = figures.draw_figure2\n"
        # report makes verify.json too
        "for words in (['report', '--results', 'shards'],\n"
        "              ['compare', '--clips', 'shards', 'shards']):\n"
        "    app(words, standalone_mode=False)\n"
        "print({'torch', 'faiss', 'mmaction'} & sys.modules.keys())"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "set()"


def test_compare_clips_reads_shards(sealed: Plan, exported: Path) -> None:
    found = compare_clips(exported, ROOT)
    assert set(found.scores["variant"]) == {"full", "no_confusion_loss"}
    assert set(found.scores["seeds_here"]) == {2}
    assert (found.scores["here"] == found.scores["there"]).all()
    assert found.changed.empty
    with pytest.raises(UserError, match=r"^small.yaml is not there"):
        compare_clips(exported, Path("small.yaml"))
    Path("empty").mkdir()
    with pytest.raises(UserError, match="^empty has no runs/.* and no shards; name a results"):
        compare_clips(exported, Path("empty"))


def _top1(about: dict[str, Any], arrays: dict[str, Any]) -> None:
    arrays["top1"][0, 3, 0] = (arrays["top1"][0, 3, 0] + 1) % 12


def _degree(about: dict[str, Any], arrays: dict[str, Any]) -> None:
    metrics = json.loads(about["files"][f"{RUN}/metrics.json"])
    metrics["degrees"] = {"test": {"mean": 9.0, "variance": 9.0}}
    about["files"][f"{RUN}/metrics.json"] = json.dumps(metrics)


def _record(about: dict[str, Any], arrays: dict[str, Any]) -> None:
    about["records"][RUN]["hardware"]["cores"] = 99


def _weights(about: dict[str, Any], arrays: dict[str, Any]) -> None:
    # the largest weight, so that another pair has it
    arrays["mean_weight"][0, 0, 1] += 0.1


def _history(about: dict[str, Any], arrays: dict[str, Any]) -> None:
    about["files"][f"{RUN}/history.csv"] += "2,0\n"


def _lacks(about: dict[str, Any], arrays: dict[str, Any]) -> None:
    about["runs"][0]["variant"] = "no_infonce"


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
        (_degree, "the degrees of confusion are not those whose statistics"),
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
    np.savez(lab / "seed1 (1).npz", a=np.zeros(3))
    assert "seed1 (1).npz is not a shard" in refusal("verify", "--results", "shards")
    (lab / "seed1 (1).npz").unlink()
    assert "with --results the page lies in that folder" in (
        refusal("report", "--results", "shards", "--out", "page.html")
    )
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


def test_rows_of_several_folds() -> None:
    tables = []
    for number in range(2):
        # in each fold a half of the clips is tested, and one of the others validates
        parts = []
        for fold, split, ids in ((1, "test", "ab"), (2, "test", "cd"), (1, "validation", "c")):
            for view in ("multi", "single"):
                rows = {"id": list(ids), "group": list(ids.upper()), "label": range(len(ids))}
                rows |= {"top1": [number] * len(ids), "in_update": [fold == number] * len(ids)}
                parts.append(pd.DataFrame(rows).assign(split=split, fold=fold, view=view))
        tables.append(pd.concat(parts, ignore_index=True))
    # the second run has no clip of fold 2
    tables[1] = tables[1][tables[1]["fold"] == 1].reset_index(drop=True)
    clips, arrays = shard_export._arrays(tables)
    runs = [{"variant": "full", "modality": "A"}, {"variant": "full", "modality": "V"}]
    about = {"clips": clips, "runs": runs, "views": ["multi", "single"]}
    shard = Shard(Path("seed0.npz"), about, arrays)
    order = ["split", "fold", "id", "view"]
    for modality, table in zip("AV", tables, strict=True):
        pd.testing.assert_frame_equal(
            shard.predictions("full", modality).sort_values(order, ignore_index=True),
            table.sort_values(order, ignore_index=True),
            check_like=True,
            check_dtype=False,
        )


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


def test_scores_with_a_modality_withheld(sealed: Plan) -> None:
    folder = ROOT / "runs" / RUN
    whole = pd.read_parquet(folder / "predictions.parquet").query("view == 'multi'")
    tables = [
        whole[["id", "label", "split"]].assign(withheld=name, filling=filling, top1=number)
        for number, (name, filling) in enumerate([("audio", "zeros"), ("video", "mean")])
    ]
    written = pd.concat(tables, ignore_index=True)
    other = ROOT / "runs" / RUN.replace("full", "no_confusion_loss")
    (other / "withheld.parquet").unlink()
    edit_record(other, lambda record: record["files"].pop("withheld.parquet"))
    written.to_parquet(folder / "withheld.parquet")
    digest = file_hash(folder / "withheld.parquet")
    edit_record(folder, lambda record: record["files"].update({"withheld.parquet": digest}))
    export_shard(sealed, 0, Path("seed0.npz"))
    shard = read(Path("seed0.npz"))
    found = shard.withheld("full")
    assert found is not None
    order = ["split", "id", "withheld"]
    written = written.assign(correct=written["top1"] == written["label"]).drop(columns="top1")
    assert 0 < written["correct"].sum() < len(written)
    pd.testing.assert_frame_equal(
        found[written.columns].sort_values(order, ignore_index=True),
        written.sort_values(order, ignore_index=True),
        check_dtype=False,
    )
    assert shard.withheld("rank") is None
