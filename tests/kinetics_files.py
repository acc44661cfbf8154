"""Writes rendered clips and lists as Kinetics ships them."""

from __future__ import annotations

from pathlib import Path

from tests.vggsound_files import film

HEADER = "label,youtube_id,time_start,time_end,split,is_cc"
CLASSES = ["tap dancing", "playing xylophone", "blowing nose"]
CLIPS = {"train": 6, "val": 1, "test": 2}  # of each class


def kinetics(lists: Path, media: Path) -> None:
    """Write the lists of the three splits, `<split>/<class>/<id>_<start>_<end>.mp4` of three
    classes, rows of another class without files, and a list of the three classes."""
    (lists / "kinetics-400").mkdir(parents=True)
    for split, clips in CLIPS.items():
        rows = [HEADER, f"abseiling,{split:_<11},0,10,{split},0"]
        for label, name in enumerate(CLASSES):
            for number in range(clips):
                video, start = f"{split:-<5}{label}{number:05d}", 10 * number
                rows.append(f"{name},{video},{start},{start + 10},{split},0")
                file = f"{video}_{start:06d}_{start + 10:06d}.mp4"
                film(media / split / name.replace(" ", "_") / file, 12 * number + label, 10)
        (lists / "kinetics-400" / f"{split}.csv").write_text("\n".join(rows) + "\n")
    names = [name.replace(" ", "_") for name in CLASSES]
    (lists / "kinetics-sounds100.txt").write_text("\n".join(names) + "\n")
