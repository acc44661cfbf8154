from __future__ import annotations

from pathlib import Path

import pytest
import torch

from diccae import compat
from diccae.checkpoints import latest_checkpoint


def save(folder: Path, *epochs: int) -> None:
    for epoch in epochs:
        torch.save({"epoch": epoch, "weight": torch.ones(1000)}, folder / f"epoch_{epoch}.pth")


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flip(content: bytes) -> bytes:
    # one bit of a weight
    place = len(content) // 2
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize("damage", [lambda content: b"", cut, flip])
def test_training_resumes_from_the_checkpoint_before_a_damaged_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: object
) -> None:
    assert latest_checkpoint(tmp_path) is None
    # by number, not by name
    save(tmp_path, 9, 10)
    (tmp_path / ".epoch_11.pth.tmp").touch()
    assert latest_checkpoint(tmp_path) == tmp_path / "epoch_10.pth"
    assert not (tmp_path / ".epoch_11.pth.tmp").exists()
    assert capsys.readouterr().out == ""
    path = tmp_path / "epoch_10.pth"
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    assert latest_checkpoint(tmp_path) == tmp_path / "epoch_9.pth"
    assert capsys.readouterr().out == f"{path} is empty or damaged; resuming from epoch_9.pth\n"
    (tmp_path / "epoch_9.pth").write_bytes(b"")
    assert latest_checkpoint(tmp_path) is None
    assert "there is no other checkpoint: training starts again" in capsys.readouterr().out


def test_mmengine_resumes_from_a_complete_checkpoint_wherever_the_folder_was_moved(
    tmp_path: Path,
) -> None:
    from mmengine.runner import runner

    compat.apply()
    save(tmp_path, 1, 2)
    (tmp_path / "last_checkpoint").write_text("/elsewhere/epoch_2.pth")
    assert runner.find_latest_checkpoint(str(tmp_path)) == str(tmp_path / "epoch_2.pth")
    (tmp_path / "epoch_2.pth").write_bytes(b"")
    assert runner.find_latest_checkpoint(str(tmp_path)) == str(tmp_path / "epoch_1.pth")
