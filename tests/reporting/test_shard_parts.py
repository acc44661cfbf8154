"""Shards whose digest was repaired after an edit: parts that do not fit together."""

from __future__ import annotations

import copy
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from diccae.errors import UserError
from diccae.reporting.shard_agreement import check_agreement
from diccae.reporting.shard_file import ABOUT, DIGEST, content_digest
from diccae.reporting.shard_parts import contradictions
from diccae.reporting.shards import Shard, read
from tests.empty_shard import write_empty_shard

Arrays = dict[str, Any]


def parts() -> tuple[dict[str, Any], Arrays]:
    """Two clips of three classes, one run, two views."""
    about = {
        "clips": {"id": ["a", "b"], "split": ["test", "test"], "group": ["g", "h"]},
        "views": ["multi", "single"],
        "runs": [{"variant": "full", "modality": "AV"}],
        "degrees": ["full/seed0/finetune/AV"],
        "withheld": {"modes": [], "variants": []},
        "mechanism": {"mean_weight": [], "update_degree": []},
        "records": {},
        "data": {"manifest_sha256": "1", "truth": None, "classes": ["x", "y", "z"]},
    }
    arrays = {
        "label": np.array([0, 2], np.int16),
        "fold": np.array([-1, -1], np.int16),
        "top1": np.array([[[0], [1]], [[0], [-1]]], np.int8),
        "in_update": np.zeros((2, 1), bool),
        "withheld": np.zeros((0, 2, 0), np.int8),
        "degree": np.zeros((1, 6)),
    }
    return about, arrays


def _set(name: str, value: Any) -> Callable[[dict[str, Any], Arrays], None]:
    return lambda about, arrays: arrays.update({name: value})


def _same_id(about: dict[str, Any], arrays: Arrays) -> None:
    about["clips"]["id"] = ["a", "a"]


def _group(about: dict[str, Any], arrays: Arrays) -> None:
    about["clips"]["group"] = ["g"]


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (_same_id, "clip 'a' is listed twice in split test"),
        (_group, "id, split and group list [1, 2] clips"),
        (_set("label", np.array([0, 3])), "label is 3, wanted 0 to 2"),
        (_set("label", np.array([0])), "label has the shape (1,), about.json is of 2"),
        (_set("top1", np.full((2, 2, 1), 3)), "top1 is 3, wanted -1 to 2"),
        (_set("top1", np.full((2, 2, 1), -2)), "top1 is -2, wanted -1 to 2"),
        (_set("top1", np.zeros((2, 2, 1))), "top1 has numbers of the kind float64"),
        (_set("in_update", np.zeros((2, 1))), "in_update has numbers of the kind float64"),
        (_set("degree", np.zeros((2, 6))), "degree has the shape (2, 6), about.json is of 1"),
        (_set("degree", np.zeros((1, 7))), "degree has 7 pairs of classes, which no number of"),
    ],
)
def test_parts_that_do_not_fit_together(
    edit: Callable[[dict[str, Any], Arrays], None], words: str
) -> None:
    about, arrays = parts()
    assert list(contradictions(about, arrays)) == []
    edit(about, arrays)
    assert next(contradictions(about, arrays)).startswith(words)


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ({"records": []}, "lacks records; copy it again"),
        ({"seed": "x"}, "lacks seed; copy it again"),
        ({"format": 1}, "has format 1, this version reads format 2"),
    ],
)
def test_an_about_of_other_kinds_is_refused(
    tmp_path: Path, about: dict[str, Any], words: str
) -> None:
    path = tmp_path / "seed0.npz"
    write_empty_shard(path, seed=0)
    assert read(path).seed == 0
    write_empty_shard(path, **{"seed": 0, **about})
    with pytest.raises(UserError, match=f"seed0.npz {words}"):
        read(path)


def test_an_about_that_is_no_object_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "seed0.npz"
    for content in (b"[1]", b"{"):
        members = {ABOUT: content}
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(ABOUT, content)
            archive.writestr(DIGEST, content_digest(members))
        with pytest.raises(UserError, match="is not a shard: its about.json states no format"):
            read(path)


@pytest.mark.parametrize("part", ["label", "group"])
def test_two_seeds_have_the_same_classes_and_groups_of_clips(part: str) -> None:
    about, arrays = parts()
    first = Shard(Path("seed0.npz"), about, arrays)
    other = Shard(Path("seed1.npz"), *copy.deepcopy((about, arrays)))
    check_agreement([first, other])
    # clips of one shard alone are none of the other's
    other.about["clips"]["id"] = ["b", "c"]
    other.about["clips"]["group"], other.arrays["label"][:] = ["h", "g"], [2, 1]
    check_agreement([first, other])
    if part == "label":
        other.arrays["label"][0] = 1
    else:
        other.about["clips"]["group"][0] = "g"
    with pytest.raises(UserError, match=r"seed1.npz has other classes or groups of 1 clips than s"):
        check_agreement([first, other])
