"""The paper's scale in small: rendered clips, laid out and listed as VGGSound, AudioSet,
EPIC-KITCHENS-100 and UCF101 ship, from lists to a sealed report."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
import yaml

from diccae.datasets.benchmark.figure import FPS, SIZE, render_frames
from diccae.datasets.benchmark.scene import SECONDS, draw_scene
from diccae.datasets.benchmark.sound import RATE, render_audio
from tests.workflow_copy import ROOT, copy_workflow, snakemake

NAME = "vggsound-mini"

CLASSES = ["bird chirping, tweeting", "people marching", "playing hammond organ"]
TRAIN, TEST = 7, 2  # clips a class
AUDIOSET = [f"{'-_Z'[number % 3]}audio{number:05d}" for number in range(12)]
EPIC = (
    "narration_id,participant_id,video_id,narration_timestamp,start_timestamp,stop_timestamp,"
    "start_frame,stop_frame,"
    "narration,verb,verb_class,noun,noun_class,all_nouns,all_noun_classes"
)


def film(path: Path, index: int, seconds: float, sound: str | None = "aac") -> None:
    """A rendered scene, again and again until the film is as long as asked for; the ending of
    `path` says in which container."""
    scene = draw_scene(5, "train", index)
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
    """`vggsound.csv` and `video/<id>_<start>.mp4`; one listed clip is gone, as some of every
    download are. Returns the recordings of the test clips."""
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
    """Segments with their comments and quoted labels, and `Y<id>.mp4`; two segments are cut from
    recordings of VGGSound's test split."""
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
    """Long recordings below their participants, and narrated spans of them."""
    rows = [EPIC]
    for number, video in enumerate(("P01_01", "P22_107")):
        film(media / video[:3] / "videos" / f"{video}.MP4", number, 14)
        for span in range(4):
            start = 3 * span + 0.5
            times = ",".join(f"00:00:{second:05.2f}" for second in (start, start, start + 2.25))
            rows.append(
                f"{video}_{span},{video[:3]},{video},{times},{start * 60:.0f},"
                f"{(start + 2.25) * 60:.0f},"
                f'"take knife, plate",take,0,knife,4,"[\'knife\', \'plate\']","[4, 2]"'
            )
    (lists / "EPIC_100_train.csv").write_text("\n".join(rows) + "\n")


def ucf101(lists: Path, media: Path) -> None:
    """A folder a class; half of the classes have no sound at all."""
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


def write_plan(path: Path) -> None:
    """The plan `vggsound` on few clips, with tiny encoders and budgets."""
    plan = yaml.safe_load((ROOT / "configs" / "plans" / "vggsound.yaml").read_text())
    kept = {key: plan[key] for key in ("scale", "dataset", "lists", "parameters")}
    kept["lists"] |= {"update_per_class": 2, "validation_per_class": 1}
    next(source for source in kept["lists"]["sources"] if source["reader"] == "audioset")[
        "classes"
    ] = "media/lists/class_labels_indices.csv"
    sizes = {
        "cache": {"frame_size": 36, "num_frames": 2, "n_mels": 32, "fbank_frames": 64},
        "data": {"num_classes": 3, "frame_size": 32, "update_per_class": 2, "update_unlabelled": 8},
        "data.spec_augment": {"freq_mask": 4, "time_mask": 8},
        "audio_encoder": {"model": "test_vit", "n_mels": 32, "fbank_frames": 64, "init": "scratch"},
        "video_encoder": {"model": "test_vit", "frame_size": 32, "init": "scratch"},
        "method": {"kmeans_k": 3, "kmeans_restarts": 2, "refine_every": 1},
        "schedule": {"num_workers": 1, "views": 2, "precision": "float32", "base_batch_size": 4},
        "schedule.warmup": {"batch_size": 4, "epochs": 1},
        "schedule.pretrain": {"batch_size": 4, "epochs": 2},
        "schedule.finetune": {"batch_size": 4, "epochs": 1},
    }
    content = kept | {
        "name": NAME,
        "data_root": f"results/data/{NAME}",
        "seeds": [0],
        "table1": {"variants": ["full"], "modalities": ["A", "V", "AV"]},
        "table2": {"variants": ["full", "no_kmeans_audioset"], "modalities": ["A", "AV"]},
        "overrides": {
            "embedding_dim": 16,
            "data.samples_per_class": 2,
            **{
                f"{part}.{key}": value
                for part, values in sizes.items()
                for key, value in values.items()
            },
        },
    }
    path.write_text(yaml.safe_dump(content))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the workflow reads, the plan, and the data sets as they ship, in a folder of its own."""
    folder = copy_workflow(tmp_path_factory.mktemp("mini"))
    # composing the large plans takes longer than this one runs
    for plan in (folder / "configs" / "plans").glob("*.yaml"):
        if plan.stem not in ("embedded", "smoke"):
            plan.unlink()
    write_plan(folder / "configs" / "plans" / f"{NAME}.yaml")
    media = folder / "media"
    lists = media / "lists"
    lists.mkdir(parents=True)
    test = vggsound(lists, media / "vggsound")
    audioset(lists, media / "audioset", test)
    epic_kitchens(lists, media / "epic-kitchens-100")
    ucf101(lists, media / "ucf101")
    return folder


@pytest.fixture(scope="module")
def results(checkout: Path) -> Path:
    """The whole workflow, once."""
    done = snakemake(checkout, f"results/{NAME}/report.html")
    logs = "\n".join(
        f"{path}: {path.read_text()[-1500:]}"
        for path in (checkout / "results" / "logs").rglob("*.log")
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:] + logs
    return checkout / "results"


def test_every_list_is_counted(results: Path) -> None:
    words = (results / "logs" / "results" / "data" / NAME / "manifest.log").read_text()
    for line in (
        "vggsound: 28 listed, 0 duplicates, 27 found, 0 ambiguous, 0 vggsound test removed",
        "audioset: 14 listed, 0 duplicates, 14 found, 0 ambiguous, 2 vggsound test removed",
        "epic_kitchens: 8 listed, 0 duplicates, 8 found, 0 ambiguous, 0 vggsound test removed",
        "ucf101: 6 listed, 0 duplicates, 6 found, 0 ambiguous, 0 vggsound test removed",
        "  unlabelled: 26 clips",
        "  test: 6 clips",
        "54 clips, 53 on the disk",
    ):
        assert line in words


def test_no_test_recording_is_pre_trained_on(results: Path) -> None:
    table = pd.read_parquet(results / "data" / NAME / "manifest.parquet")
    counts = table.groupby(["source", "split"]).size().to_dict()
    assert counts == {
        ("audioset", "unlabelled"): 12,
        ("epic_kitchens", "unlabelled"): 8,
        ("ucf101", "unlabelled"): 6,
        # the clip that is gone stays in the split that lists it
        ("vggsound", "train"): 13,
        ("vggsound", "update"): 6,
        ("vggsound", "validation"): 3,
        ("vggsound", "test"): 6,
    }
    test = set(table.loc[table["split"] == "test", "video"])
    assert len(test) == 6
    assert not test & set(table.loc[table["split"] != "test", "video"])
    folder = results / NAME / "runs" / "full" / "seed0" / "pretrain"
    seen = np.load(folder / "assignments.npz")["ids"]
    usable = pd.read_parquet(results / "data" / NAME / "cache" / "index.parquet")
    pool = usable["split"].isin(["unlabelled", "train"]) & (usable["status"] == "ok")
    assert sorted(seen) == sorted(usable.loc[pool, "id"])


def test_the_class_order_is_written_with_the_names(results: Path) -> None:
    order = pd.read_csv(results / "data" / NAME / "classes.csv")
    assert order["label_name"].tolist() == CLASSES
    table = pd.read_parquet(results / "data" / NAME / "manifest.parquet")
    labelled = table[table["source"] == "vggsound"]
    assert (labelled["label_name"] == order["label_name"].to_numpy()[labelled["label"]]).all()
    assert (table.loc[table["source"] != "vggsound", "label"] == -1).all()
    assert set(table.loc[table["source"] == "audioset", "label_name"]) == {"Speech; Gush"}


def test_clips_without_sound_or_file_are_counted_and_nothing_is_stored(results: Path) -> None:
    folder = results / "data" / NAME / "cache"
    meta = json.loads((folder / "meta.json").read_text())
    assert meta["mode"] == "live"
    assert meta["counts"] == {"missing": 1, "no_audio": 3, "ok": 50}
    assert not list(folder.glob("*.npy"))


def test_tables_name_the_data_and_the_results_are_sealed(results: Path) -> None:
    root = results / NAME
    first = pd.read_csv(root / "table1.csv")
    measured = first[first["source"].str.startswith("measured")]
    assert measured["dataset"].tolist() == ["VGGSound"]
    assert measured["source"].tolist() == [f"measured, plan {NAME}, seeds 1"]
    assert measured["n_test"].tolist() == [6]
    assert measured[["A", "V", "AV"]].notna().all(axis=None)
    second = pd.read_csv(root / "table2.csv")
    assert [*zip(second["variant"], second["modality"], strict=True)] == [
        (variant, modality)
        for modality in ("A", "AV")
        for variant in ("full", "no_kmeans_audioset")
    ]
    assert second["top1"].between(0, 100).all()
    seal = json.loads((root / "verify.json").read_text())
    assert seal["sealed"] is True
    assert seal["runs"] == 3 + 2 + 3
    page = (root / "report.html").read_text()
    assert NAME in page
    assert "VGGSound" in page
    for modality in ("A", "V", "AV"):
        metrics = json.loads(
            (root / "runs" / "full" / "seed0" / "finetune" / modality / "metrics.json").read_text()
        )
        assert metrics["accuracy"]["test"]["n"] == 6
        assert metrics["accuracy"]["validation"]["n"] == 3
