"""Shards: what is computed from them, alone and beside runs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from diccae.artifacts import artifacts_of
from diccae.cli.options import plan_of_results
from diccae.errors import UserError
from diccae.hashes import file_hash
from diccae.plans import Plan
from diccae.reporting import collect
from diccae.reporting.compare_clips import compare_clips
from diccae.reporting.degrees import degree_of
from diccae.reporting.listed_files import root_digest
from diccae.reporting.shard_folder import plan_of_shards
from diccae.reporting.shards import Shard, read, square, triangle
from diccae.seals import shard_export
from diccae.seals.finding import Finding
from diccae.seals.seal import seal_text
from diccae.seals.shard_export import export_shard
from diccae.seals.verify import verify
from tests.seals.conftest import ROOT, RUN, build, change, edit_record, run


def test_the_same_runs_give_the_same_bytes(sealed: Plan) -> None:
    done = export_shard(sealed, 1, Path("one.npz"))
    # on a machine that has this seed alone
    for path in ROOT.glob("runs/*/seed0"):
        shutil.rmtree(path)
    export_shard(sealed, 1, Path("two.npz"))
    assert Path("one.npz").read_bytes() == Path("two.npz").read_bytes()
    assert (done.runs, done.scored, done.clips) == (4, 2, 480)


def test_a_shard_has_the_learning_curves_that_its_tables_need(lab: Path) -> None:
    shard = read(lab / "seed0.npz")
    curves = {name for name in shard.about["files"] if name.endswith("/history.csv")}
    assert f"{RUN}/history.csv" in curves
    with pytest.raises(UserError, match="^shards/seed0.npz lacks full/history.csv; copy it again"):
        shard.file("full/history.csv")


def test_the_degrees_of_a_shard_are_those_of_the_run(sealed: Plan, exported: Path) -> None:
    values = np.arange(6.0)
    assert square(values).tolist() == [[0, 1, 2], [1, 3, 4], [2, 4, 5]]
    assert np.array_equal(triangle(square(values)), values)
    shard = read(exported / "seed0.npz")
    stored = degree_of(ROOT / "runs" / RUN)
    assert stored.any()
    assert np.array_equal(shard.degree(RUN), stored)


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
    assert (
        "of the runs in shards: scores beyond top-1, weights, cluster ids and most learning curves"
        in str(verdict["not_checked"])
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


def test_a_folder_whose_seal_is_not_there_or_of_another_plan(lab: Path) -> None:
    run("report", "--results", "shards")
    seal = lab / "verify.json"
    content = json.loads(seal.read_text())
    other = content | {"plan": "other"}
    seal.write_text(seal_text(other | {"root": root_digest(other)}))
    plan = plan_of_shards(lab).at(lab)
    assert [str(Finding(**each)) for each in verify(plan)["findings"]][0] == (
        f"edited: {seal}: is of plan other, not of small; copy that of these results here"
    )
    # links that lead out of the folder, and up again
    (lab / "up").symlink_to("..")
    seal.unlink()
    (lab / "report.html").unlink()
    said = run("verify", "--results", "shards")
    assert "note: shards/up: is not a file of this plan\n" in said
    assert "plan small: no problem found, but there is no seal; 12 tables" in said
    assert "no root digest: shards/verify.json is missing or was edited; copy it from" in said


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
    shutil.copytree(exported, "edited")
    change(Path("edited/seed1.npz"), lambda _, arrays: arrays["top1"].fill(0))
    with pytest.raises(UserError, match=r"^edited/seed1.npz, .*metrics.json, says .* the predict"):
        compare_clips(Path("edited"), ROOT)
    with pytest.raises(UserError, match=r"^small.yaml is not there"):
        compare_clips(exported, Path("small.yaml"))
    Path("empty").mkdir()
    with pytest.raises(UserError, match="^empty has no runs/.* and no shards; name a results"):
        compare_clips(exported, Path("empty"))


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
