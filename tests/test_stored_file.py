from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from diccae.errors import UserError
from diccae.stored_file import json_or_nothing, read_json, reading

TABLE = pd.DataFrame({"a": range(1000)})
FORMATS: dict[str, tuple[Callable[[Path], object], Callable[[Path], object]]] = {
    "a.json": (
        lambda path: path.write_text(json.dumps({"a": list(range(100))})),
        lambda path: json.loads(path.read_text()),
    ),
    "a.parquet": (TABLE.to_parquet, pd.read_parquet),
    "a.npy": (lambda path: np.save(path, np.ones(1000)), lambda path: np.load(path, mmap_mode="r")),
    "a.npz": (lambda path: np.savez(path, a=np.ones(1000)), lambda path: np.load(path)["a"]),
    "a.pth": (lambda path: torch.save({"a": torch.ones(1000)}, path), torch.load),
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_file_that_was_cut_off_is_one_sentence_with_the_way_out(
    tmp_path: Path, name: str, share: float
) -> None:
    write, read = FORMATS[name]
    path = tmp_path / name
    write(path)
    with reading(path, "make it again"):
        read(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    found = r"is damaged \(.+\)" if share else "is empty"
    with (
        pytest.raises(UserError, match=f"^{re.escape(str(path))} {found}; make it again$"),
        reading(path, "make it again"),
    ):
        read(path)


def test_a_file_that_is_missing_or_holds_no_object(tmp_path: Path) -> None:
    path = tmp_path / "meta.json"
    with pytest.raises(UserError, match="meta.json is missing; make it again"):
        read_json(path, "make it again")
    path.write_text("null")
    with pytest.raises(UserError, match="wanted one object, got NoneType"):
        read_json(path, "make it again")


def test_what_is_cheap_to_make_again_is_named_and_taken_for_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "progress.json"
    assert json_or_nothing(path, "every clip is decoded again") is None
    assert capsys.readouterr().out == ""
    path.write_text('{"a": ')
    assert json_or_nothing(path, "every clip is decoded again") is None
    assert "progress.json is damaged (" in (words := capsys.readouterr().out)
    assert "; every clip is decoded again" in words
    path.write_text('{"a": 1}')
    assert json_or_nothing(path, "every clip is decoded again") == {"a": 1}
