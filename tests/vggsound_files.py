"""Writes rendered clips and lists as VGGSound, AudioSet, EPIC-KITCHENS-100 and UCF101 ship them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from diccae.datasets.benchmark.designs import PAIRS
from diccae.datasets.benchmark.figure import FPS, SIZE, render_frames
from diccae.datasets.benchmark.scene import SECONDS, draw_scene
from diccae.datasets.benchmark.sound import RATE, render_audio

CLASSES = ["bird chirping, tweeting", "people marching", "playing hammond organ"]
TRAIN, TEST = 7, 2  # clips per class
AUDIOSET = [f"{'-_Z'[number % 3]}audio{number:05d}" for number in range(12)]
EPIC = (
    "narration_id,participant_id,video_id,narration_timestamp,start_timestamp,stop_timestamp,"
    "start_frame,stop_frame,narration,verb,verb_class,noun,noun_class,all_nouns,all_noun_classes"
)


def film(path: Path, index: int, seconds: float, sound: str | None = "aac") -> None:
    """Write a video that repeats a rendered scene for some seconds; the suffix of `path` chooses
    the container."""
    scene = draw_scene(PAIRS, 5, "train", index)
    frames, audio = render_frames(scene), render_audio(scene)
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=FPS)
        video.width = video.height = SIZE
        if sound is not None:
            track = container.add_stream(sound, rate=RATE, layout="mono")
        for number in range(round(seconds * FPS)):
            image = frames[number % len(frames)]
            container.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(video.encode(None))
        if sound is not None:
            wave = np.tile(audio, int(np.ceil(seconds / SECONDS)))[None, : round(seconds * RATE)]
            frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
            container.mux(track.encode(frame))
            container.mux(track.encode(None))


def vggsound(lists: Path, media: Path) -> list[str]:
    """Write `vggsound.csv` and `video/<id>_<start>.mp4`, without the file of one listed clip;
    returns the recordings of the test clips."""
    rows, test = [], []
    for label, name in enumerate(CLASSES):
        for number in range(TRAIN + TEST):
            video, start = f"{'-_v'[number % 3]}vgg{label}{number:06d}", 10 * number
            split = "train" if number < TRAIN else "test"
            quoted = f'"{name}"' if "," in name else name
            rows.append(f"{video},{start},{quoted},{split}")
            if split == "test":
                test.append(video)
            film(media / "video" / f"{video}_{start:06d}.mp4", 12 * number + label, 10)
    rows.append(f"gonegonegon,30,{CLASSES[1]},train")
    (lists / "vggsound.csv").write_text("\n".join(rows) + "\n")
    return test


def audioset(lists: Path, media: Path, test: list[str]) -> None:
    """Write lists of segments with comments and quoted labels, and `Y<id>.mp4`; two segments are
    from recordings in the test split of VGGSound."""
    head = [
        "# Segments csv created Sun Mar  5 10:54:31 2017",
        "# num_ytids=22160, num_segs=22160, num_unique_labels=527, num_positive_labels=52882",
        "# YTID, start_seconds, end_seconds, positive_labels",
    ]
    for name, videos in (
        ("unbalanced_train_segments.csv", [*AUDIOSET[:9], test[0], test[-1]]),
        ("balanced_train_segments.csv", AUDIOSET[9:]),
    ):
        rows = [f'{video}, 30.000, 40.000, "/m/09x0r,/t/dd00088"' for video in videos]
        (lists / name).write_text("\n".join([*head, *rows]) + "\n")
    (lists / "class_labels_indices.csv").write_text(
        'index,mid,display_name\n0,/m/09x0r,"Speech"\n1,/t/dd00088,"Gush"\n'
        '2,/m/015p6,"Bird vocalization, bird call, bird song"\n'
    )
    for index, video in enumerate([*AUDIOSET, test[0], test[-1]]):
        film(media / f"Y{video}.mp4", index, 10)


def epic_kitchens(lists: Path, media: Path) -> None:
    """Write long recordings in a folder for each participant, and a list of narrated spans."""
    rows = [EPIC]
    for number, video in enumerate(("P01_01", "P22_107")):
        film(media / video[:3] / "videos" / f"{video}.MP4", number, 14)
        for span in range(4):
            start = 3 * span + 0.5
            times = ",".join(f"00:00:{second:05.2f}" for second in (start, start, start + 2.25))
            rows.append(
                f"{video}_{span},{video[:3]},{video},{times},"
                f"{start * 60:.0f},{(start + 2.25) * 60:.0f},"
                f'"take knife, plate",take,0,knife,4,"[\'knife\', \'plate\']","[4, 2]"'
            )
    (lists / "EPIC_100_train.csv").write_text("\n".join(rows) + "\n")


def ucf101(lists: Path, media: Path) -> None:
    """Write a folder for each of two classes, of which one has no sound."""
    classes = {"ApplyEyeMakeup": "mp3", "ApplyLipstick": None}
    rows = []
    for label, (name, sound) in enumerate(classes.items()):
        for group in (8, 9, 10):
            clip = f"{name}/v_{name}_g{group:02d}_c01.avi"
            rows.append(f"{clip} {label + 1}")
            film(media / "UCF-101" / clip, 12 * group + label, 3, sound)
    (lists / "trainlist01.txt").write_bytes(("\r\n".join(rows) + "\r\n").encode())
    (lists / "classInd.txt").write_text(
        "".join(f"{label + 1} {name}\n" for label, name in enumerate(classes))
    )
