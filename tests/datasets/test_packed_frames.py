"""Records of frames as JPEG: images that any program reads, the same bytes on any processor."""

from __future__ import annotations

import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

from diccae.datasets.packed_frames import jpeg_bytes, pack, unpack


def smooth(frames: int, size: int) -> np.ndarray:
    coarse = np.random.default_rng(0).integers(0, 256, (frames, 8, 8, 3), np.uint8)
    return np.stack([cv2.resize(frame, (size, size)) for frame in coarse])


def test_a_record_holds_images_that_any_program_reads() -> None:
    frames = smooth(3, 64)
    record = pack(frames)
    sizes = record[:12].view("<u4")
    assert sizes.sum() + 12 == len(record)
    first = record[12 : 12 + sizes[0]]
    assert first[:2].tolist() == [0xFF, 0xD8]
    assert np.array_equal(
        cv2.imdecode(first, cv2.IMREAD_COLOR)[:, :, ::-1], unpack(record, 3, [0])[0]
    )
    error = np.abs(unpack(record, 3, [0, 1, 2]).astype(int) - frames)
    assert error.mean() < 3


DIGESTS = """
import hashlib
import numpy as np
from diccae.datasets.packed_frames import pack, unpack

frame, row, column, colour = np.ogrid[:3, :48, :64, :3]
waves = np.add(row * (3 + frame), column * 5) + 40 * colour
frames = np.abs(waves % 400 - 200).astype(np.uint8)
record = pack(frames)
print(hashlib.sha256(record).hexdigest()[:16])
print(hashlib.sha256(unpack(record, 3, [0, 1, 2])).hexdigest()[:16])
"""


@pytest.mark.parametrize("instructions", [{}, {"JSIMD_FORCENONE": "1"}])
def test_bytes_and_pixels_do_not_depend_on_the_processor(instructions: dict[str, str]) -> None:
    # JSIMD_FORCENONE switches the vector instructions of libjpeg-turbo off
    found = subprocess.run(
        [sys.executable, "-c", DIGESTS],
        env=os.environ | instructions,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.split() == ["dca7b06322cab7af", "de96bca36b611f2f"]


@pytest.mark.parametrize("size", [64, 224])
def test_the_estimate_of_the_size_has_room_for_a_clip_with_much_detail(size: int) -> None:
    detail = smooth(1, size).astype(int) + np.random.default_rng(1).integers(
        -6, 7, (1, size, size, 1)
    )
    measured = len(pack(detail.clip(0, 255).astype(np.uint8)))
    assert measured / 2 < jpeg_bytes(size) < 3 * measured
    assert 10 * jpeg_bytes(224) < 10 * 3 * 224**2 / 7
