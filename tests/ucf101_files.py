"""Writes rendered clips and lists as UCF101 ships them, with classes that have sound and others."""

from __future__ import annotations

from pathlib import Path

from tests.vggsound_files import film

# class -> the name in its files, as UCF101 spells them, and whether it has sound
CLASSES = {
    "ApplyEyeMakeup": ("ApplyEyeMakeup", True),
    "Archery": ("Archery", True),
    "Basketball": ("Basketball", False),
    "HandstandPushups": ("HandStandPushups", True),
    "YoYo": ("YoYo", False),
}
WITH_SOUND = [name for name, (_, sound) in CLASSES.items() if sound]
TEST_GROUPS, TRAIN_GROUPS = (1, 2), (8, 9, 10, 11, 12)
CLIPS = 2  # of a group
# a clip of a class with sound that has none itself
SILENT = "v_Archery_g01_c02"


def ucf101(lists: Path, media: Path) -> None:
    """Write `trainlist01.txt`, `testlist01.txt`, `classInd.txt`, and `UCF-101/<class>/v_*.avi`; of
    the classes without sound, one group of files."""
    lists.mkdir(parents=True)
    (lists / "classInd.txt").write_text(
        "".join(f"{number} {name}\n" for number, name in enumerate(CLASSES, 1))
    )
    for split, groups in (("train", TRAIN_GROUPS), ("test", TEST_GROUPS)):
        rows = []
        for label, (name, (stem, sound)) in enumerate(CLASSES.items(), 1):
            for group in groups:
                for number in range(1, CLIPS + 1):
                    clip = f"v_{stem}_g{group:02d}_c{number:02d}"
                    rows.append(f"{name}/{clip}.avi" + f" {label}" * (split == "train"))
                    path = media / "UCF-101" / name / f"{clip}.avi"
                    track = "mp3" if sound and clip != SILENT else None
                    if sound or group == TEST_GROUPS[0]:
                        film(path, 12 * (CLIPS * group + number) + label, 1, track)
        (lists / f"{split}list01.txt").write_bytes(("\r\n".join(rows) + "\r\n").encode())
