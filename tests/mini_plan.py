"""A plan of the paper's scale with tiny encoders, a few small clips and short schedules."""

from __future__ import annotations

from typing import Any

SIZES = {
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


def small_overrides() -> dict[str, Any]:
    """The `overrides` of such a plan, on three classes."""
    return {
        "embedding_dim": 16,
        "data.samples_per_class": 2,
        **{
            f"{part}.{key}": value
            for part, values in SIZES.items()
            for key, value in values.items()
        },
    }
