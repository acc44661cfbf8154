"""`data.drop_duplicates`: near-duplicates are left out of the clips of a plan, and counted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from diccae.cli import ledger
from diccae.clips_of_plan import count_each
from diccae.datasets.clip_cache import load_cache
from diccae.datasets.clips import read_index, read_meta, write_index, write_meta
from diccae.datasets.duplicates.find import find_duplicates, write_list
from diccae.datasets.duplicates.marking import mark_duplicates, require_marked, unmarked
from diccae.errors import UserError
from diccae.hashes import config_hash
from diccae.planned_job import data_key
from diccae.plans import Plan
from diccae.run_graph import Run
from diccae.settings import plan_settings
from tests.datasets.duplicates.conftest import COPIES, plan_on

LIST = "duplicates.csv"
Edit = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.fixture
def data(planted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the data whose list of near-duplicates is in the working directory."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data"
    shutil.copytree(planted, folder)
    write_list(find_duplicates(plan_on(tmp_path, folder)).table, Path(LIST))
    return folder


def dropping(data: Path) -> Plan:
    return plan_on(data.parent, data, **{"data.drop_duplicates": LIST})


def edit(change: Edit) -> None:
    table = pd.read_csv(LIST, dtype={"manifest": str})
    change(table).to_csv(LIST, index=False)


def test_dropped_clips_have_a_status_of_their_own(data: Path) -> None:
    plan = dropping(data)
    assert mark_duplicates(plan, plan.cache_dir) == {"unlabelled": len(COPIES)}
    cache = load_cache(plan.cache_dir, ["frames", "fbank"])
    dropped = cache.index[cache.index["status"] == "duplicate"]
    assert dropped["id"].tolist() == [f"copy{number}" for number in range(len(COPIES))]
    assert dropped["message"].iloc[0] == "copy0: near-duplicate of test0 (test, embedded-b)"
    assert cache.meta["counts"] == {"duplicate": len(COPIES), "ok": len(COPIES) + 6}
    # nothing but these takes another status
    assert (unmarked(cache.index)["status"] == "ok").all()
    assert count_each(plan)[0].of(["unlabelled"]) == 6
    assert count_each(plan)[0].of(["test"]) == len(COPIES)
    # the list stays the same
    assert len(find_duplicates(plan).table) == len(COPIES)


def test_training_is_refused_until_the_clips_are_marked_as_the_plan_says(data: Path) -> None:
    plan = dropping(data)
    with pytest.raises(UserError, match="does not leave out the near-duplicates of duplicates.csv"):
        require_marked(plan)
    mark_duplicates(plan, plan.cache_dir)
    require_marked(plan)
    edit(lambda table: table.iloc[1:])
    with pytest.raises(UserError, match="run `diccae data cache --plan mine` again"):
        require_marked(plan)
    with pytest.raises(UserError, match="leaves out near-duplicates, and the plan does not"):
        require_marked(plan_on(data.parent, data))


def test_without_the_key_nothing_changes(data: Path) -> None:
    plan = plan_on(data.parent, data)
    before = {path: path.read_bytes() for path in (data / "cache").iterdir()}
    assert not mark_duplicates(plan, plan.cache_dir)
    assert {path: path.read_bytes() for path in (data / "cache").iterdir()} == before
    assert "drop_duplicates" not in plan_settings(plan)["data"]
    runs = [Run(each, "finetune", "from_scratch", 0, "AV") for each in (plan, dropping(data))]
    # a composed config does not name the list: the digest of the data does
    assert config_hash(runs[0].config()) == config_hash(runs[1].config())
    assert "drop_duplicates" not in json.dumps(runs[0].settings.as_record())
    assert data_key(plan) != data_key(dropping(data))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.assign(second="nobody"), "line 2: no clip of the manifest is 'nobody'"),
        (lambda t: t.assign(manifest="0" * 16), "it was made from another manifest (0000"),
        (lambda t: t.drop(columns="dropped"), "no list of near-duplicates, no column dropped"),
        (lambda t: t.assign(dropped=t["first"]), "line 2: wanted `dropped` empty or "),
        (
            lambda t: t.assign(second=t["first"], dropped=t["first"]),
            "a test clip, which always stays",
        ),
    ],
)
def test_a_list_that_does_not_suit_the_clips(data: Path, change: Edit, message: str) -> None:
    edit(change)
    plan = dropping(data)
    with pytest.raises(UserError) as error:
        mark_duplicates(plan, plan.cache_dir)
    assert message in str(error.value)
    assert str(error.value).startswith(LIST)
    assert read_meta(plan.cache_dir)["counts"] == {"ok": 2 * len(COPIES) + 6}


def test_an_id_that_several_clips_have_is_refused(data: Path) -> None:
    plan = dropping(data)
    index = read_index(plan.cache_dir)
    index.loc[index["id"] == "other0", "id"] = "copy1"
    meta = read_meta(plan.cache_dir)
    meta["sha256"]["index"] = write_index(plan.cache_dir, index)
    write_meta(plan.cache_dir, meta)
    with pytest.raises(UserError, match="'copy1' is the id of several clips of the manifest; give"):
        mark_duplicates(plan, plan.cache_dir)


def test_a_list_that_is_not_there(data: Path) -> None:
    Path(LIST).unlink()
    plan = dropping(data)
    with pytest.raises(UserError, match="there is no duplicates.csv; run `diccae data duplicates"):
        mark_duplicates(plan, plan.cache_dir)


def test_a_row_that_drops_nothing_is_kept(data: Path) -> None:
    edit(lambda table: table.assign(dropped=["", *table["second"][1:]]))
    plan = dropping(data)
    assert mark_duplicates(plan, plan.cache_dir).total() == len(COPIES) - 1


def test_the_ledger_counts_them(data: Path, capsys: Any) -> None:
    ledger.check(data / "manifest.parquet", Path("ledger.parquet"), 1, "AV", None, Path(LIST))
    assert f"  {len(COPIES)} duplicate: usable, and near-duplicates" in capsys.readouterr().out


def test_a_wrong_list_is_refused_before_the_clips_are_checked(data: Path) -> None:
    edit(lambda table: table.assign(manifest="0" * 16))
    with pytest.raises(UserError, match="it was made from another manifest"):
        ledger.check(data / "manifest.parquet", Path("ledger.parquet"), 1, "AV", None, Path(LIST))
    assert not Path("ledger.parquet").exists()
