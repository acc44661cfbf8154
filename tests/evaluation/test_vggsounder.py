"""Made-up labels and predictions of a few clips, every measure worked out by hand."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
import yaml
from typer.testing import CliRunner

from diccae.cli import vggsounder as command
from diccae.errors import UserError
from diccae.evaluation.vggsounder import f1, score
from diccae.evaluation.vggsounder_files import class_names, read_labels, read_predictions
from diccae.plans import CONFIG_ROOT

CLASSES = ["bark", "bird chirping, tweeting", "bell", "rain", "horn", "wind"]
LABELS = """video_id,label,modality,background_music,static_image,voice_over
-k1_000010,bark,AV,False,False,False
-k1_000010,"bird chirping, tweeting",A,False,False,False
k2_000000,bell,AV,True,False,False
k3_000000,bark,V,False,True,False
k4_000000,rain,A,False,False,False
k5_000000,horn,AV,False,False,False
"""
# best class of k1 to k4 and of k6, which carries no label; k5 is labelled and not predicted
BEST = {"A": (0, 0, 0, 3, 0), "V": (5, 2, 0, 0, 0), "AV": (1, 2, 5, 2, 0)}
IDS = ("-k1_000010", "k2_000000", "k3_000000", "k4_000000", "k6_000000")


def write_labels(folder: Path, text: str = LABELS) -> Path:
    path = folder / "vggsounder.csv"
    path.write_text(text)
    return path


def write_run(folder: Path, modality: str, ids: tuple[str, ...] = IDS, suffix: str = "") -> Path:
    """The best class and the four after it, cyclically: the one before the best is never there."""
    folder = folder / modality
    folder.mkdir(parents=True)
    tables = []
    for split, view, shift in (
        ("test", "multi", 0),
        ("test", "single", 1),
        ("validation", "multi", 1),
    ):
        table = pd.DataFrame({"id": [name + suffix for name in ids], "split": split, "view": view})
        for rank in range(5):
            table[f"top{rank + 1}"] = (np.array(BEST[modality]) + rank + shift) % len(CLASSES)
        tables.append(table)
    pd.concat(tables).to_parquet(folder / "predictions.parquet")
    (folder / "record.json").write_text(json.dumps({"plan": "clips", "modality": modality}))
    return folder / "predictions.parquet"


@pytest.fixture
def table(tmp_path: Path) -> pd.DataFrame:
    runs = [
        read_predictions(write_run(tmp_path, name), "clips", len(CLASSES))
        for name in ("V", "AV", "A")
    ]
    result = score(read_labels(write_labels(tmp_path), CLASSES), runs, len(CLASSES))
    return result.set_index(["measure", "run", "labels"]).sort_index()


def test_hits_in_every_subset_of_the_labels(table: pd.DataFrame) -> None:
    hit = table.loc[("hit@1", "AV")]
    assert hit["value"].to_dict() == pytest.approx(
        {"all": 50, "a": 200 / 3, "v": 100 / 3, "av": 50, "a only": 50, "v only": 0}
    )
    assert hit["clips"].to_dict() == {"all": 4, "a": 3, "v": 3, "av": 2, "a only": 2, "v only": 1}
    # bark, the only label of the subset, is not among the five of k1, but among those of k3
    assert table.loc[("hit@5", "AV", "av"), "value"] == pytest.approx(50)
    assert table.loc[("hit@5", "AV", "all"), "value"] == pytest.approx(100)


def test_f1_micro_pools_decisions_and_macro_averages_classes(table: pd.DataFrame) -> None:
    # two right of four predicted, five labels; by class: bird 1, bell 2 / 3, four classes 0
    assert table.loc[("f1_micro@1", "AV", "all"), "value"] == pytest.approx(100 * 4 / 9)
    assert table.loc[("f1_macro@1", "AV", "all"), "value"] == pytest.approx(100 * (1 + 2 / 3) / 6)
    # five of six classes per clip: k1 without bark, k2 and k4 without bird, k3 without horn;
    # four of the five labels are found
    assert table.loc[("f1_micro@5", "AV", "all"), "value"] == pytest.approx(100 * 2 * 4 / (20 + 5))


def test_f1_of_perfect_and_of_empty_decisions() -> None:
    truth = np.array([[True, False, False], [False, True, False]])
    assert f1(truth, truth) == (1.0, pytest.approx(2 / 3))
    assert f1(np.zeros((2, 3), bool), np.zeros((2, 3), bool)) == (0.0, 0.0)


def test_modality_confusion_counts_clips_that_a_second_modality_loses(table: pd.DataFrame) -> None:
    # right: A k1 k3 k4, V k2 k3, A-V k1 k2
    assert table.loc["mu"]["value"].to_dict() == {
        ("A", "all"): 50.0,
        ("V", "all"): 25.0,
        ("AV", "all"): 25.0,
    }
    assert set(table.loc["mu"]["clips"]) == {4}


def test_what_cannot_be_scored_is_counted(table: pd.DataFrame) -> None:
    assert table.loc[("hit@1", "A", "all"), ["missing", "unlabelled"]].tolist() == [1, 1]
    assert table.loc[("hit@1", "A", "a only"), ["missing", "unlabelled"]].tolist() == [0, 1]
    assert table.loc[("mu", "A", "all"), ["missing", "unlabelled"]].tolist() == [1, 1]


def test_the_order_of_the_clips_and_a_file_suffix_change_nothing(
    table: pd.DataFrame, tmp_path: Path
) -> None:
    paths = [write_run(tmp_path / "other", name, suffix=".mp4") for name in ("A", "V", "AV")]
    for seed, path in enumerate(paths):
        pd.read_parquet(path).sample(frac=1, random_state=seed).to_parquet(path)
    runs = [read_predictions(path, "clips", len(CLASSES)) for path in paths]
    again = score(read_labels(write_labels(tmp_path), CLASSES), runs, len(CLASSES))
    pd.testing.assert_frame_equal(again.set_index(["measure", "run", "labels"]).sort_index(), table)


def test_without_the_three_runs_there_is_no_modality_confusion(tmp_path: Path) -> None:
    run = read_predictions(write_run(tmp_path, "AV"), "clips", len(CLASSES))
    labels = read_labels(write_labels(tmp_path), CLASSES)
    assert "mu" not in set(score(labels, [run], len(CLASSES))["measure"])
    with pytest.raises(
        UserError, match="two runs have the modality AV; name one run for each of A, V, AV"
    ):
        score(labels, [run, run], len(CLASSES))


def test_a_subset_without_clips_is_not_a_number(tmp_path: Path) -> None:
    run = read_predictions(write_run(tmp_path, "AV"), "clips", len(CLASSES))
    labels = read_labels(write_labels(tmp_path, LABELS.replace(",V,", ",AV,")), CLASSES)
    row = (
        score(labels, [run], len(CLASSES)).set_index(["measure", "labels"]).loc[("hit@1", "v only")]
    )
    assert np.isnan(row["value"])
    assert row["clips"] == 0


def test_repeated_rows_are_dropped_and_counted(tmp_path: Path) -> None:
    windows = LABELS.replace("\n", "\r\n") + "k4_000000,rain,A,False,False,False\r\n"
    labels = read_labels(write_labels(tmp_path, windows), CLASSES)
    assert (len(labels.table), labels.repeated) == (6, 1)
    assert labels.table["id"].iloc[0] == "-k1_000010"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            LABELS.replace("modality", "seen"),
            "csv:1: wanted the columns video_id, label, modality, modality missing",
        ),
        (LABELS.replace(",V,", ",video,"), "csv:5: modality 'video', wanted A, V or AV"),
        (LABELS.replace("rain", "drizzle"), "csv:6: label 'drizzle' is not one of the 6 classes"),
        (
            LABELS + "k4_000000,rain,AV,False,False,False\n",
            "csv:8: label 'rain' is AV here and A in an earlier row",
        ),
        (LABELS.splitlines()[0], "holds no labels"),
    ],
)
def test_wrong_label_files_name_the_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_labels(write_labels(tmp_path, text), CLASSES)


def test_wrong_predictions_name_the_file(tmp_path: Path) -> None:
    path = write_run(tmp_path, "AV")
    with pytest.raises(
        UserError, match="belongs to plan 'clips', not to 'vggsound'; name its plan with --plan"
    ):
        read_predictions(path, "vggsound", 6)
    with pytest.raises(UserError, match="class index 5, wanted 0 to 4"):
        read_predictions(path, "clips", 5)
    good = pd.read_parquet(path)
    good.drop(columns="top5").to_parquet(path)
    with pytest.raises(UserError, match="column 'top5' is missing"):
        read_predictions(path, "clips", 6)
    pd.concat([good, good.head(1)]).to_parquet(path)
    with pytest.raises(UserError, match="clip '-k1_000010' is listed twice"):
        read_predictions(path, "clips", 6)
    path.with_name("record.json").unlink()
    with pytest.raises(UserError, match="record.json is missing"):
        read_predictions(path, "clips", 6)


def test_predictions_of_other_clips_are_an_error(tmp_path: Path) -> None:
    other = tuple(f"test-{index}" for index in range(5))
    run = read_predictions(write_run(tmp_path, "AV", other), "clips", len(CLASSES))
    with pytest.raises(
        UserError,
        match="none of the 5 clips of the AV run is in vggsounder.csv; wanted VGGSound's ids",
    ):
        score(read_labels(write_labels(tmp_path), CLASSES), [run], len(CLASSES))


def test_class_names_come_in_the_order_of_their_indices(tmp_path: Path) -> None:
    path = tmp_path / "manifest.parquet"
    pd.DataFrame({"label": [1, -1, 0, 1], "label_name": ["b", "", "a", "b"]}).to_parquet(path)
    assert class_names(path) == ["a", "b"]
    pd.DataFrame({"label": [0, 0, 1], "label_name": ["a", "c", "b"]}).to_parquet(path)
    with pytest.raises(UserError, match="one name for each class index"):
        class_names(path)


@pytest.mark.skipif(
    importlib.util.find_spec("vggsounder") is not None, reason="vggsounder is installed"
)
def test_labels_without_the_package_say_how_to_get_it() -> None:
    with pytest.raises(
        UserError, match=r"pip install 'diccae\[vggsounder\]', or name their CSV file with --labels"
    ):
        read_labels(None, CLASSES)


@pytest.mark.skipif(
    importlib.util.find_spec("vggsounder") is None, reason="vggsounder is not installed"
)
def test_labels_of_the_package_keep_clips_with_background_music() -> None:
    from vggsounder import VGGSounder

    labels = read_labels(None, VGGSounder().get_all_labels())
    assert (labels.table["id"].nunique(), len(labels.table), labels.repeated) == (15069, 37395, 0)


def test_the_command_writes_the_table_and_says_what_was_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content = yaml.safe_load((CONFIG_ROOT / "plans" / "smoke.yaml").read_text()) | {
        "name": "clips",
        "data_root": ".",
    }
    Path("clips.yaml").write_text(yaml.safe_dump(content))
    pd.DataFrame({"label": range(6), "label_name": CLASSES}).to_parquet("manifest.parquet")
    app = typer.Typer()
    command.register(app)
    app.callback()(lambda: None)
    arguments = [
        "vggsounder",
        "--plan",
        "clips.yaml",
        "--labels",
        str(write_labels(tmp_path)),
        "--out",
        "out.csv",
    ]
    for modality in ("A", "V"):
        arguments += ["--predictions", str(write_run(tmp_path, modality))]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "no modality confusion" in result.output
    assert "1 labelled clips were not predicted, 1 predicted clips have no label" in result.output
    arguments += ["--predictions", str(write_run(tmp_path, "AV"))]
    assert "modality confusion A: 50.00 % of 4 clips" in CliRunner().invoke(app, arguments).output
    written = pd.read_csv("out.csv")
    assert set(written["source"]) == {"vggsounder.csv"}
    assert len(written) == 3 * 6 * 6 + 3
