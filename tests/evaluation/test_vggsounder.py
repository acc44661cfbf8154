"""Made-up labels and predictions of a few clips, every measure worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from diccae.errors import UserError
from diccae.evaluation.vggsounder import f1, score
from diccae.evaluation.vggsounder_files import read_labels, read_predictions
from tests.evaluation.vggsounder_samples import CLASSES, LABELS, write_labels, write_run


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


def test_runs_of_several_models_have_no_modality_confusion(tmp_path: Path) -> None:
    paths = [write_run(tmp_path, name) for name in ("A", "V", "AV")]
    for path, seed in zip(paths, (0, 0, 1), strict=True):
        record = json.loads(path.with_name("record.json").read_text())
        record |= {"variant": "full", "seed": seed}
        path.with_name("record.json").write_text(json.dumps(record))
    runs = [read_predictions(path, "clips", len(CLASSES)) for path in paths]
    words = "got A of full seed 0, V of full seed 0, AV of full seed 1; name three runs"
    with pytest.raises(UserError, match=words):
        score(read_labels(write_labels(tmp_path), CLASSES), runs, len(CLASSES))


def test_a_subset_without_clips_is_not_a_number(tmp_path: Path) -> None:
    run = read_predictions(write_run(tmp_path, "AV"), "clips", len(CLASSES))
    labels = read_labels(write_labels(tmp_path, LABELS.replace(",V,", ",AV,")), CLASSES)
    row = (
        score(labels, [run], len(CLASSES)).set_index(["measure", "labels"]).loc[("hit@1", "v only")]
    )
    assert np.isnan(row["value"])
    assert row["clips"] == 0
