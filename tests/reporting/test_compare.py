"""`diccae compare`: what counts as a difference of two tables, and how large it is called."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from diccae.cli.main import app
from diccae.errors import UserError
from diccae.reporting.compare import compare
from diccae.reporting.compare_words import judge

REFERENCE = pd.DataFrame(
    {
        "variant": ["full", "no_infonce"],
        "modality": ["AV", "AV"],
        "seeds": [3, 3],
        "n_test": [240, 240],
        "top1": [50.0, 45.0],
        "seed_std": [0.5, 0.8],
        "drop": [np.nan, 5.0],
        "drop_log_odds": [np.nan, 0.2],
        "errors_on_pairs": [60.0, 60.0],
        "family": ["", "primary"],
    }
)
ALL, ROW, TABLE = "(all rows)", "(whole row)", "(whole table)"
NO_INFONCE = "variant no_infonce, modality AV"


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders with the same table."""
    for name in ("mine", "reference"):
        write(REFERENCE, tmp_path / name / "table2.csv")
    return tmp_path / "mine", tmp_path / "reference"


def write(table: pd.DataFrame, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False)


def changed(row: int, column: str, value: object) -> pd.DataFrame:
    table = REFERENCE.astype(object)
    table.loc[row, column] = value
    return table


@pytest.mark.parametrize(
    ("mine", "found"),
    [
        (changed(1, "drop", np.nan), (NO_INFONCE, "drop", "(empty)", 5)),
        (changed(0, "drop", 3.0), ("variant full, modality AV", "drop", 3, "(empty)")),
        (changed(0, "n_test", 239), ("variant full, modality AV", "n_test", 239, 240)),
        (changed(1, "top1", 44), (NO_INFONCE, "top1", 44, 45)),
        (changed(1, "top1", np.inf), (NO_INFONCE, "top1", np.inf, 45)),
        (changed(1, "family", "exploratory"), (NO_INFONCE, "family", "exploratory", "primary")),
        (changed(1, "family", np.nan), (NO_INFONCE, "family", "(empty)", "primary")),
        (
            REFERENCE.drop(columns="drop_log_odds"),
            (ALL, "drop_log_odds", "column missing here", "present"),
        ),
        (REFERENCE.assign(more=1), (ALL, "more", "present", "column missing there")),
        (REFERENCE.iloc[:1], (NO_INFONCE, ROW, "row missing here", "present")),
        (
            pd.concat([REFERENCE, REFERENCE.iloc[[1]]]),
            (f"{NO_INFONCE}, time 2", ROW, "present", "row missing there"),
        ),
    ],
)
def test_whatever_one_side_lacks_or_says_otherwise_differs(
    folders: tuple[Path, Path], mine: pd.DataFrame, found: tuple[object, ...]
) -> None:
    assert compare(*folders).empty
    write(mine, folders[0] / "table2.csv")
    assert compare(*folders).to_numpy().tolist() == [["table2.csv", *found]]
    # seen from the other side
    row, column, own, other = found
    turned = [{"here": "there", "there": "here"}.get(str(v).split()[-1], v) for v in (other, own)]
    back = compare(folders[1], folders[0]).to_numpy().tolist()
    assert [v if "missing" not in str(v) else v.split()[-1] for v in back[0]] == [
        "table2.csv",
        row,
        column,
        *turned,
    ]


def test_the_tolerance_holds_for_numbers_of_any_spelling(folders: tuple[Path, Path]) -> None:
    write(REFERENCE.astype({"top1": int}).assign(top1=[51, 46]), folders[0] / "table2.csv")
    assert compare(*folders, tolerance=1).empty
    assert len(compare(*folders, tolerance=0.9)) == 2
    for folder, values in zip(folders, ([51, 46], [50, 45]), strict=True):
        write(REFERENCE.astype({"top1": int}).assign(top1=values), folder / "table2.csv")
    assert compare(*folders, tolerance=1).empty
    write(REFERENCE.assign(top1=[50.1, 45.0]), folders[0] / "table2.csv")
    assert compare(*folders, tolerance=0.1).empty
    # the order of rows and the spelling of a number are no difference
    write(REFERENCE.iloc[::-1], folders[0] / "table2.csv")
    assert compare(*folders).empty
    assert judge(*folders)[0][0].word == "same values"


def test_a_table_that_one_side_lacks_differs(folders: tuple[Path, Path]) -> None:
    write(REFERENCE, folders[1] / "ablations" / "no_infonce.csv")
    write(REFERENCE, folders[0] / "sensitivity.csv")
    assert compare(*folders).to_numpy().tolist() == [
        ["ablations/no_infonce.csv", ALL, TABLE, "table missing here", "present"],
        ["sensitivity.csv", ALL, TABLE, "present", "table missing there"],
    ]


def test_tables_of_a_plan_that_one_side_does_not_have_are_named(
    folders: tuple[Path, Path],
) -> None:
    write(REFERENCE, folders[1] / "embedded-10" / "table2.csv")
    # the reference lies in the results folder of a checkout
    write(REFERENCE, folders[0] / "reference" / "table2.csv")
    tables, apart = judge(*folders)
    assert [table.word for table in tables] == ["same bytes"]
    assert apart == [f"embedded-10: {folders[0]} has none of its tables"]


def test_missing_folders_and_folders_without_tables_are_named(folders: tuple[Path, Path]) -> None:
    for mine, message in (
        (Path("nope"), "^nope is not there; name two results folders"),
        (folders[0] / "empty", r"empty has no table \(\*.csv\); build one first"),
    ):
        (folders[0] / "empty").mkdir(exist_ok=True)
        with pytest.raises(UserError, match=message):
            compare(mine, folders[1])
    write(REFERENCE, folders[0].parent / "other" / "smoke" / "table2.csv")
    with pytest.raises(UserError, match="have no table of the same plan"):
        compare(folders[0].parent / "other", folders[1])
    (folders[0] / "table2.csv").write_text("")
    with pytest.raises(UserError, match="mine/table2.csv cannot be read as a table"):
        compare(*folders)


# the reference states a standard deviation over seeds of 0.8 points for the row
@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({}, "same bytes"),
        ({"top1": 45.8}, "within the noise of a seed"),
        ({"top1": 45.81}, "different"),
        ({"drop": 4.3}, "within the noise of a seed"),
        # log-odds follow their drop, and no other cell
        ({"drop": 4.3, "drop_log_odds": 0.3}, "within the noise of a seed"),
        ({"drop": 3.0, "drop_log_odds": 0.3}, "different"),
        ({"drop_log_odds": 0.3}, "different"),
        ({"top1": 45.5, "errors_on_pairs": 60.4}, "within the noise of a seed"),
        # its spread is not that of the accuracy
        ({"errors_on_pairs": 60.4}, "different"),
        ({"drop": np.nan}, "different"),
        ({"n_test": 239}, "different"),
        ({"family": "exploratory"}, "different"),
    ],
)
def test_words_by_the_spread_that_the_row_states(
    folders: tuple[Path, Path], values: dict[str, object], word: str
) -> None:
    table = REFERENCE.astype(object)
    for column, value in values.items():
        table.loc[1, column] = value
    if values:
        write(table, folders[0] / "table2.csv")
    ((judged,), _) = judge(*folders)
    assert judged.word == word


def test_words_by_intervals_and_by_rows_of_seeds(folders: tuple[Path, Path]) -> None:
    leakage = pd.DataFrame(
        {"arm": ["a"], "modality": ["AV"], "top1": [50.0], "low": [48.0], "high": [52.0]}
    )
    figure2 = pd.DataFrame({"model": "with", "seed": [0, 1, 2], "mean": [1.0, 2.0, 3.0]})
    rates = pd.DataFrame({"variant": ["full"], "modality": ["AV"], "lr": [0.1], "test": [50.0]})
    for folder, more in zip(folders, (1, 0), strict=True):
        write(leakage.assign(top1=50.0 + 2 * more), folder / "leakage.csv")
        write(figure2.assign(mean=[1.0, 2.0, 3.0 + more]), folder / "figure2.csv")
        write(rates.assign(test=50.0 + 0.01 * more), folder / "learning_rates.csv")
    words = {table.file: table.word for table in judge(*folders)[0]}
    assert words["leakage.csv"] == words["figure2.csv"] == "within the noise of a seed"
    # this table states no spread
    assert words["learning_rates.csv"] == "different"
    write(figure2.assign(mean=[1.0, 2.0, 4.01]), folders[0] / "figure2.csv")
    words = {table.file: table.word for table in judge(*folders)[0]}
    assert words["figure2.csv"] == "different"


def test_the_evidence_of_a_claim_repeats_other_tables(folders: tuple[Path, Path]) -> None:
    claim = pd.DataFrame({"id": ["a"], "verdict": ["too few seeds"], "evidence": ["+0.1"]})
    write(claim, folders[1] / "claims.csv")
    write(claim.assign(evidence="+0.2"), folders[0] / "claims.csv")

    def word() -> str:
        return next(table.word for table in judge(*folders)[0] if table.file == "claims.csv")

    assert word() == "different"
    write(changed(1, "top1", 45.5), folders[0] / "table2.csv")
    assert word() == "within the noise of a seed"
    write(claim.assign(verdict="contradicted"), folders[0] / "claims.csv")
    assert word() == "different"


def test_tables_of_the_same_runs_have_no_noise_between_them(folders: tuple[Path, Path]) -> None:
    write(changed(1, "top1", 45.5), folders[0] / "table2.csv")
    claim = pd.DataFrame({"id": ["text/avgain"], "verdict": ["confirmed"], "evidence": ["+1"]})
    for folder, evidence in zip(folders, ("+1", "+2"), strict=True):
        write(claim.assign(evidence=evidence), folder / "claims.csv")
    words = {table.file: table.word for table in judge(*folders)[0]}
    assert set(words.values()) == {"within the noise of a seed"}
    tables, _ = judge(*folders, same_runs=True)
    assert {table.word for table in tables} == {"different"}
    assert sum(len(table.beyond) for table in tables) == 2


def test_the_command_names_tolerance_differences_and_the_worst_word(
    folders: tuple[Path, Path],
) -> None:
    def run(*options: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["compare", *map(str, folders), *options])
        return result.exit_code, result.output

    code, words = run()
    assert code == 0
    assert words.endswith("same bytes: 1 of 1 tables\n")
    write(changed(1, "top1", 45.5), folders[0] / "table2.csv")
    code, words = run()
    assert code == 0
    assert "tolerance 0: the same numbers are equal" in words
    assert "within the noise of a seed  table2.csv  (cells within the noise: 1)" in words
    write(changed(1, "top1", 47).iloc[1:], folders[0] / "table2.csv")
    code, words = run("--tolerance", "1.5")
    assert code == 1
    assert "tolerance 1.5: numbers that differ by at most 1.5 are equal" in words
    assert "table2.csv, variant full, modality AV, (whole row): row missing here\n" in words
    assert f"{NO_INFONCE}, top1: 47.0 here, 45.0 there (spread over seeds 0.8)\n" in words
    assert words.endswith("different: 1 of 1 tables\n")
    result = CliRunner().invoke(app, ["compare", *map(str, folders), "--out", "x"])
    assert "--out is for the tables of --clips" in str(result.exception)
