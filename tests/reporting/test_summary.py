"""What the committed references say together: data sets side by side, and the sentences on them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from diccae.cli.summary import BEGIN, END, said_on, with_sentences
from diccae.committed import DATA_SETS_TABLE, FOLDER
from diccae.digests import file_digest
from diccae.errors import UserError
from diccae.functional.verdicts import TOO_FEW
from diccae.plans import load_plan
from diccae.reporting.data_sets import data_sets, page_of_data_sets, sentences
from diccae.reporting.effects import COLUMNS
from diccae.reporting.listed_files import root_digest
from diccae.reporting.summary import open_choices, real_sounds, summary
from tests.documents import ROOT

LOSS, INFONCE, MEAN = ("table2/no_confusion_loss", "table2/no_infonce", "table2/flat_mean")


def effect(claim: str, modality: str, verdict: str, drop: float, half: float = 1.0) -> dict:
    row = dict.fromkeys(COLUMNS, np.nan) | {"claim": claim, "modality": modality, "seeds": 12}
    row |= {"drop": drop, "low": drop - half, "high": drop + half, "verdict": verdict}
    family = "primary" if modality == "AV" else "exploratory"
    row["level"] = 98.75 if modality == "AV" else 95.0
    return row | {"smallest_visible": 2 * half, "drop_log_odds": drop / 20, "family": family}


def write(folder: Path, table: str, rows: list[dict]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(folder / f"{table}.csv", index=False)


@pytest.fixture
def reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Made-up tables of the rendered clips, the controls and one set of real sounds."""
    monkeypatch.chdir(tmp_path)
    rendered = [
        effect(LOSS, "A", "same direction here", 2.0),
        effect(INFONCE, "A", "same direction here", 3.0),
        effect(MEAN, "A", "too few seeds", 0.1),
        effect(LOSS, "AV", "same direction here", 2.0),
        effect(INFONCE, "AV", "opposite direction, no effect of that size here", -0.6, 0.3),
        effect(MEAN, "AV", "no effect of that size here", 0.1, 0.5),
        effect("table2/no_kmeans", "AV", "too few seeds", 0.4, 1.5),
    ]
    write(FOLDER / "embedded", "effects", rendered)
    real = [
        effect(LOSS, "A", "too few seeds", 0.2, 1.5),
        effect(INFONCE, "A", "opposite direction", -2.0, 1.25),
        effect(MEAN, "A", "too few seeds", 0.3, 2.0),
    ]
    write(FOLDER / "kitchen20", "effects", real)
    names = ("difference", "difference_low", "difference_high", "statement", "conclusion")
    judged = {
        "full/shuffled": (0.1, -0.2, 0.4, "The method is better", "which pair does not matter"),
        "oracle/shuffled": (0.5, -0.5, 1.5, "Weights from the truth are better", "undecided"),
    }
    rules = [
        {"id": key, "seeds": 12} | dict(zip(names, values, strict=True))
        for key, values in judged.items()
    ]
    write(FOLDER / "controls", "control_verdicts", rules)
    readings = {
        "full": (np.nan, np.nan, np.nan),
        "rank": (0.4, -0.5, 1.3),
        "pair_sum": (14.8, 12.0, 17.6),
        "full@k=12": (-0.8, -1.5, -0.1),
    }
    sensitivity = [
        {"variant": name, "modality": modality, "seeds": 4}
        | dict(zip(("drop", "drop_low", "drop_high"), values, strict=True))
        for name, values in readings.items()
        for modality in ("A", "AV")
    ]
    write(FOLDER / "embedded-full", "sensitivity", sensitivity)
    ends = {
        "full": (np.nan, 8.0),
        "from_scratch@lr=0.004": (-5.0, np.nan),
        "diccae_tokens": (-3.0, 2.0),
        "mbt": (-2.0, 3.0),
        "gblend": (1.5, np.nan),
        "avcl": (0.5, np.nan),
    }
    systems = [
        {
            "system": f"{name.upper()} (miniature)",
            "variant": name,
            "modality": modality,
            "seeds": 12,
            "rate": "chosen" if "@" in name else "common",
            **{"top1": 80.0, "low": 79.0, "high": 81.0},
        }
        | {"over_diccae": over, "over_diccae_low": over - 1, "over_diccae_high": over + 1}
        | {"over_scratch": own, "over_scratch_low": own - 1, "over_scratch_high": own + 1}
        for name, (over, own) in ends.items()
        for modality in ("A", "AV")
    ]
    write(FOLDER / "embedded", "systems", systems)
    for name, runs, sealed in (("embedded", 1000, True), ("kitchen20", 500, False)):
        seal(FOLDER / name, runs=runs, sealed=sealed)
    return FOLDER


def seal(folder: Path, **content: Any) -> None:
    """A verify.json with its root digest."""
    content |= {"root": root_digest(content)}
    (folder / "verify.json").write_text(json.dumps(content))


def test_the_five_sentences(reference: Path) -> None:
    assert summary() == [
        "Parts of the method, rendered clips, 12 seeds, 98.8 % intervals, which hold together in "
        "95 % of cases: of 4 A-V drops, in points: 1 in the claimed direction (without the "
        "confusion loss: +2.0 [+1.0, +3.0]), 1 in the opposite direction (without InfoNCE: -0.6 "
        "[-0.9, -0.3]), 1 without an effect of 1 point (the mean weight for every pair: +0.1 "
        "[-0.4, +0.6]), 1 undecided (without K-means, on the same clips: +0.4 [-1.1, +1.9]).",
        "Which pairs are weighted, rendered clips, 12 seeds, exploratory, 95 % intervals: "
        "undecided whether weights from the truth are better (+0.5 [-0.5, +1.5] points); which "
        "pair does not matter (+0.1 [-0.2, +0.4] points).",
        "Other systems, rendered clips, 12 seeds, exploratory, 95 % intervals: DICCAE reaches "
        "80.0 % [79.0, 81.0] in A-V and is better than its encoders trained from scratch (+8.0 "
        "[+7.0, +9.0] points); of 3 systems beside DICCAE in A-V, differences in points: 1 worse "
        "(MBT: -2.0 [-3.0, -1.0]), 1 better (GBLEND: +1.5 [+0.5, +2.5]), 1 not told apart from it "
        "(AVCL: +0.5 [-0.5, +1.5]).",
        "Real sounds (kitchen20 with 12 rotations), exploratory, 95 % intervals: 2 of 3 verdicts "
        "in audio are not those on rendered clips, 1 of them with the opposite direction, which is "
        "no test of a difference; 1 of 3 differences there has a direction (in points: kitchen20, "
        "without InfoNCE: -2.0 [-3.2, -0.8]); by chance alone 5 % of such intervals or more have "
        "a direction.",
        "What can be seen: with 80 % power, 95 % intervals show a true difference of 0.6 to 3.0 "
        "points in A-V on rendered clips and of 2.5 to 4.0 points in audio on real sounds; the "
        "wider intervals of the parts of the method need a larger one; every number follows from "
        "1,500 runs of 2 plans, whose shards are in results/reference and are verified by `diccae "
        "verify`, 1 of them with findings.",
    ]


def test_readings_of_open_choices(reference: Path) -> None:
    assert open_choices() == (
        "Readings of open choices, rendered clips, 4 seeds, exploratory, 95 % intervals: 1 of 3 in "
        "A-V is not told apart from the method as it runs here; 1 does worse (drops in points: "
        "pair_sum: +14.8 [+12.0, +17.6]); 1 does better (drops in points: full@k=12: -0.8 [-1.5, "
        "-0.1]); by chance alone 5 % of such intervals or more have a direction."
    )
    table = reference / "embedded-full" / "sensitivity.csv"
    rows = pd.read_csv(table).assign(seeds=2, drop_low=np.nan, drop_high=np.nan)
    rows.to_csv(table, index=False)
    assert open_choices() == "Readings of open choices: no verdict with 2 seeds (4 are needed)."
    table.unlink()
    assert open_choices() == "Readings of open choices: not computed yet."


def test_other_verdicts_on_real_sounds_are_said_first(reference: Path) -> None:
    table = data_sets()
    assert sentences(table) == [
        "In audio, 2 of 3 verdicts on real sounds are not those on rendered clips; 1 of them has "
        "the opposite direction. This is no test of the difference between the data sets.",
        "Without InfoNCE: same direction on rendered clips (+3.0 [+2.0, +4.0]), opposite direction "
        "on kitchen20 (-2.0 [-3.2, -0.8]; effects from 2.5 points on can be seen).",
        "Without the confusion loss: same direction on rendered clips (+2.0 [+1.0, +3.0]), too few "
        "seeds on kitchen20 (+0.2 [-1.3, +1.7]; effects from 3.0 points on can be seen).",
    ]
    same = table[table["claim"] == MEAN]
    assert sentences(same) == [
        "In audio, all verdicts on real sounds are those on rendered clips (1)."
    ]
    assert sentences(table[table["clips"] == "rendered"]) == [
        "Rendered clips and real sounds are not compared yet: a reference is missing, or has too "
        "few seeds for a verdict."
    ]


def test_a_difference_without_an_interval_is_not_counted(reference: Path) -> None:
    table = data_sets()
    equal = (table["clips"] == "real") & (table["claim"] == MEAN)
    table.loc[equal, ["low", "high", "smallest_visible"]] = np.nan
    assert "1 of 2 differences there has a direction" in real_sounds(table)


def test_too_few_rotations_on_real_sounds_give_means_and_no_comparison(reference: Path) -> None:
    table = data_sets()
    real = table["clips"] == "real"
    table.loc[real, "seeds"] = 1
    table.loc[real, ["low", "high", "smallest_visible"]] = np.nan
    table.loc[real, "verdict"] = TOO_FEW
    assert len(sentences(table)) == 1
    assert real_sounds(table) == (
        "Real sounds (kitchen20): no verdict with 1 rotation (4 are needed); means of 3 "
        "exploratory audio drops, in points: without the confusion loss: +0.2; without InfoNCE: "
        "-2.0; the mean weight for every pair: +0.3."
    )


def test_the_page_has_one_row_for_each_claim(reference: Path) -> None:
    plan = load_plan("embedded")
    assert page_of_data_sets(plan) is None
    data_sets().to_csv(DATA_SETS_TABLE, index=False)
    page = page_of_data_sets(plan)
    assert page is not None
    assert page["columns"] == [("embedded", "A"), ("embedded", "AV"), ("kitchen20", "A")]
    assert page["missing"] == ["kitchen20-frozen", "esc10"]
    rows = {row["words"]: row for row in page["rows"]}
    assert len(rows) == 4
    loss = rows["without the confusion loss"]
    assert [drop for drop, _ in loss["paper"]] == [1.9, 2.4]
    assert loss["paper"][1][1] == pytest.approx(np.log(65.5 / 34.5) - np.log(63.1 / 36.9))
    assert [cell["drop"] for cell in loss["cells"]] == [2.0, 2.0, 0.2]
    assert rows["without K-means, on the same clips"]["cells"][::2] == [None, None]
    # plans that are no data sets of their own, and results of shards, do not have it
    assert page_of_data_sets(load_plan("smoke")) is None
    assert page_of_data_sets(plan.at(Path("elsewhere"))) is None


def test_a_reference_that_is_not_computed_is_said_to_be_so(tmp_path: Path) -> None:
    assert {sentence.partition(": ")[2] for sentence in summary(tmp_path)} == {"not computed yet."}
    (tmp_path / "embedded").mkdir()
    (tmp_path / "embedded" / "effects.csv").write_text("")
    with pytest.raises(UserError, match="effects.csv is empty; restore it: git checkout"):
        summary(tmp_path)
    (tmp_path / "embedded" / "effects.csv").write_text("claim,modality\n")
    with pytest.raises(UserError, match="effects.csv is damaged .*; restore it: git checkout"):
        summary(tmp_path)
    (tmp_path / "embedded" / "effects.csv").unlink()
    (tmp_path / "embedded" / "verify.json").write_text('{"runs": 1}')
    with pytest.raises(UserError, match="verify.json lacks the key 'sealed'; restore it: git che"):
        summary(tmp_path)


def test_an_edited_table_or_seal_gives_no_sentence(reference: Path) -> None:
    folder = reference / "controls"
    table = folder / "control_verdicts.csv"
    files = {"results/controls/control_verdicts.csv": file_digest(table)}
    seal(folder, plan="controls", files=files, runs=80, sealed=True)
    before = summary()
    assert "1,580 runs of 3 plans" in before[-1]
    text = table.read_text()
    table.write_text(text.replace("+0.1", "+9.1").replace("0.1,", "9.1,"))
    with pytest.raises(UserError, match="control_verdicts.csv is not the file that .* lists: it w"):
        summary()
    table.write_text(text)
    assert summary() == before
    effects_of = reference / "kitchen20"
    files = {"results/kitchen20/effects.csv": "0" * 64}
    seal(effects_of, plan="kitchen20", files=files, runs=500, sealed=True)
    with pytest.raises(UserError, match="kitchen20/effects.csv is not the file that"):
        summary()
    seal(effects_of, plan="kitchen20", files={}, runs=500, sealed=True)
    stored = json.loads((folder / "verify.json").read_text())
    (folder / "verify.json").write_text(json.dumps(stored | {"runs": 8000}))
    with pytest.raises(UserError, match="controls/verify.json was edited: its content does not"):
        summary()


def test_sentences_go_between_the_marks_of_a_page(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text(f"# Title\n\n{BEGIN}old\n{END}\nEnd\n")
    text = with_sentences(page, ["One.", "Two."])
    assert text == f"# Title\n\n{BEGIN}\n- One.\n- Two.\n\n{END}\nEnd\n"
    page.write_text(text)
    assert with_sentences(page, ["One.", "Two."]) == text
    page.write_text(BEGIN)
    with pytest.raises(UserError, match=r"README.md lacks the lines '<!-- diccae summary: begin"):
        with_sentences(page, [])


def test_the_committed_reference_is_small_and_its_sentences_are_current(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    again = "run diccae summary --write"
    for page, found in said_on().items():
        assert with_sentences(page, found) == page.read_text(), f"{page}: {again}"
    table = data_sets()
    assert DATA_SETS_TABLE.is_file() == bool(len(table)), again
    if len(table):
        assert DATA_SETS_TABLE.read_text() == table.to_csv(index=False, float_format="%.4f"), again
    paths = [path for path in FOLDER.rglob("*") if path.is_file() and path.suffix != ".html"]
    # with all plans and seeds it will be about 11 MB
    assert sum(path.stat().st_size for path in paths) < 12_000_000
    for folder in {path.parent for path in FOLDER.glob("*/*.npz")}:
        held = {int(path.stem.removeprefix("seed")) for path in folder.glob("*.npz")}
        assert held <= set(load_plan(folder.name).seeds)
        assert (folder / "verify.json").is_file(), f"diccae report --results {folder}"
