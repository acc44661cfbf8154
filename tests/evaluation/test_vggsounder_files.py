"""Files of labels and predictions that are wrong or do not fit, and the command."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pandas as pd
import pytest
import typer
import yaml
from typer.testing import CliRunner

from diccae.cli import vggsounder as command
from diccae.errors import UserError
from diccae.evaluation.vggsounder import score
from diccae.evaluation.vggsounder_files import class_names, read_labels, read_predictions
from diccae.plans import CONFIG_ROOT
from tests.evaluation.vggsounder_samples import CLASSES, LABELS, write_labels, write_run


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
    good.assign(top5=-1).to_parquet(path)
    with pytest.raises(UserError, match="class index -1, wanted 0 to 5"):
        read_predictions(path, "clips", 6)
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
        UserError, match=r"pip install -e '.\[vggsounder\]' in the checkout, or name their CSV"
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
