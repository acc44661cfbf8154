"""Examples, commands and files in README and docs."""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from diccae.committed import FOLDER
from diccae.datasets.readers import plain_csv
from diccae.jobs import jobs_of_seed
from diccae.planning.costs import JOB_START_SECONDS
from diccae.plans import load_plan
from diccae.reporting.shards import read
from diccae.run_graph import check
from tests.documents import example_plan, in_blocks

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
DATA = (ROOT / "docs" / "data.md").read_text()
FEATURES = (ROOT / "docs" / "features.md").read_text()
CLUSTER = (ROOT / "docs" / "cluster.md").read_text()
LOSS, HEAD, CONFIG = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def test_the_example_of_the_loss_trains_the_encoder_and_the_loss() -> None:
    names: dict[str, Any] = {}
    torch.manual_seed(0)
    exec(LOSS, names)
    trained = [*names["encoder"].parameters(), *names["criterion"].parameters()]
    assert all(parameter.grad.abs().sum() > 0 for parameter in trained)
    groups = names["optimizer"].param_groups
    assert {id(p) for group in groups for p in group["params"]} == set(map(id, trained))


def test_the_example_of_a_head_adds_the_loss_to_those_of_mmaction2() -> None:
    from mmaction.registry import MODELS
    from mmaction.structures import ActionDataSample

    from diccae import registry  # noqa: F401

    settings: dict[str, Any] = {}
    exec(CONFIG, settings)
    exec(HEAD, {})
    head = MODELS.build(settings["model"]["cls_head"] | {"num_classes": 4, "in_channels": 8})
    try:
        samples = [ActionDataSample().set_gt_label(label) for label in (0, 1, 0, 2)]
        losses = head.loss(torch.randn(12, 8, 7, 7), samples, num_segs=3)
    finally:
        MODELS.module_dict.pop("ConfusionTSNHead")
    assert {"loss_cls", "loss_confusion"} <= losses.keys()
    assert losses["loss_confusion"].isfinite()


@pytest.mark.parametrize(
    "link",
    sorted(
        set(re.findall(r"`((?:docs|tests|configs|profiles)/[\w./-]+)`", README + DATA + CLUSTER))
    ),
)
def test_every_file_in_the_text_exists(link: str) -> None:
    assert (ROOT / link).exists() or link == "configs/plans/kitchen.yaml"


def indented(text: str, first: str) -> str:
    """The indented block of a text that starts with the line `first`."""
    (block,) = re.findall(
        rf"^    {re.escape(first)}.*\n(?:(?:    .*)?\n)*", text, flags=re.MULTILINE
    )
    return textwrap.dedent(block)


def test_the_example_plan_and_list_for_own_clips_are_valid(tmp_path: Path) -> None:
    (tmp_path / "kitchen.yaml").write_text(example_plan())
    plan = load_plan(tmp_path / "kitchen.yaml")
    check(plan)
    assert plan.dataset_name == "my kitchen clips"
    (tmp_path / "kitchen.csv").write_text(indented(DATA, "path,label_name,split").rstrip() + "\n")
    table = plain_csv.read([tmp_path / "kitchen.csv"], None)
    assert dict(zip(table["id"], table["label_name"], strict=True)) == {
        "kitchen/0001": "chop onions",
        "kitchen/0002": "wash dishes",
        "street/0001": "",
    }
    assert list(table["split"]) == ["train", "test", "unlabelled"]


@pytest.mark.parametrize("name", ["kitchen20", "kitchen20-frozen", "esc10"])
def test_the_core_time_of_a_plan_on_sounds_is_that_of_the_reference(name: str) -> None:
    plan = load_plan(name)
    row = rf"^\| `{name}` \| .* \| {len(plan.seeds)} \| (\d+) to (\d+) h \|$"
    ((least, most),) = re.findall(row, DATA, flags=re.MULTILINE)
    shards = sorted((ROOT / FOLDER / name).glob("seed*.npz"))
    assert shards
    for shard in shards:
        seconds = sum(record["cpu_seconds"] for record in read(shard).records.values())
        seconds += JOB_START_SECONDS * len(jobs_of_seed(plan, plan.seeds[0]))
        # rounded, since the machines of the reference differ by up to a factor of two
        assert int(least) <= round(seconds * len(plan.seeds) / 3600) <= int(most)


def test_the_memory_of_a_job_is_that_of_the_reference() -> None:
    records = read(ROOT / FOLDER / "embedded" / "seed200.npz").records.values()
    (stated,) = re.findall(r"A job needs up to ([\d.]+) GB of memory", README)
    largest = max(record["peak_rss_mb"] for record in records) / 1000
    assert largest <= float(stated) < largest + 0.5


def test_the_example_of_vectors_writes_them_in_a_fresh_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("kitchen20/audio/1-2.wav", "ESC-10/001 - Dog bark/1-100032-A.ogg"):
        clip = Path("media", name)
        clip.parent.mkdir(parents=True)
        clip.touch()
    embedding = SimpleNamespace(numpy=lambda: np.ones((10, 1024)))
    hub = SimpleNamespace(load=lambda url: lambda sound: (None, embedding, None))
    monkeypatch.setitem(sys.modules, "tensorflow_hub", hub)
    librosa = SimpleNamespace(load=lambda file, sr: (np.zeros(5 * sr), sr))
    monkeypatch.setitem(sys.modules, "librosa", librosa)
    (code,) = re.findall(r"```python\n(.*?)```", FEATURES, flags=re.DOTALL)
    exec(code, {})
    made = np.load("media/features/yamnet.npz")
    assert made["embedding"].shape == (2, 9, 1024)
    assert list(made["path"]) == ["1-2.wav", "1-100032-A.ogg"]


def test_a_folder_is_made_before_a_link_is_put_into_it() -> None:
    blocks = [block for block in in_blocks() if any(each.program == "ln" for each in block)]
    assert blocks
    for block in blocks:
        first = next(n for n, each in enumerate(block) if each.program == "ln")
        made = [path for each in block[:first] if each.program == "mkdir" for path in each.words]
        parent = str(Path(block[first].words[-1]).parent)
        assert any(Path(path).is_relative_to(parent) for path in made), block[first].text
