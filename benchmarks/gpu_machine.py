"""What `on_a_gpu.sh` measures on: GPUs, driver, processor, versions. Refuses a machine without a
GPU, or with one that is too small."""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from diccae.doctor.machine import driver_version
from diccae.engine.records import hardware
from diccae.kernels import has_avx2

# the smallest GPU memory that holds both ViT-B, their gradients, AdamW's state and a small batch
LEAST_GB = 8
# Dense bf16 peaks in TFLOP/s (without sparsity), by a part of the device's name; the first that
# fits counts. SXM boards where the name does not say another.
PEAKS = {
    "B200": 2250,
    "H200 NVL": 835,
    "H200": 989,
    "H100 PCIe": 756,
    "H100 NVL": 835,
    "H100": 989,
    "A100": 312,
    "L40S": 362,
    "RTX 4090": 165,
}


def peak_of(name: str) -> float | None:
    """Dense bf16 peak in TFLOP/s of a GPU by its name; None if it is not known."""
    return next((value for chip, value in PEAKS.items() if chip in name), None)


def product_rate(device: torch.device, size: int) -> float:
    """TFLOP/s of a product of two random bf16 matrices of size x size: what this device reaches of
    its peak at best."""
    first, second = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in "ab")
    repeats = 20 if device.type == "cuda" else 1
    for number in range(repeats + 3):
        if number == 3:
            _wait(device)
            started = time.perf_counter()
        torch.mm(first, second)
    _wait(device)
    return repeats * 2 * size**3 / (time.perf_counter() - started) / 1e12


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def describe() -> dict[str, Any]:
    """GPUs, processor and versions; `name` names the hardware and its memory."""
    here = hardware()
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    gpus = [torch.cuda.get_device_properties(index) for index in range(count)]
    named = [f"{gpu.name} ({gpu.total_memory / 1e9:.0f} GB)" for gpu in gpus]
    alike = len(set(named)) == 1 and len(named) > 1
    gpu = f"{len(named)} x {named[0]}" if alike else ", ".join(named) or "no GPU"
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    wide = "AVX-512" if has_avx2(needed="avx512f") else "AVX2" if has_avx2() else "no AVX2"
    return {
        "name": f"{gpu}; {here['cpu']}",
        "gpus": count,
        "rows": [
            f"GPU: {gpu}, driver {driver_version() or 'none'}",
            f"processor: {here['cores']} usable cores of {here['cpu']} ({wide}), "
            f"{memory:.0f} GB of memory",
            f"versions: Python {platform.python_version()}, torch {torch.__version__} with CUDA "
            f"{torch.version.cuda or 'none'}, faiss {_version('faiss-gpu')}, timm "
            f"{_version('timm')}",
        ],
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "none"


def require_gpu(gpus: int) -> None:
    """End with a sentence if there is no GPU, or one that is too small."""
    if not gpus:
        raise SystemExit(
            f"on_a_gpu: torch {torch.__version__} finds no GPU (driver "
            f"{driver_version() or 'none'}); run it on a machine with one, check nvidia-smi and "
            "CUDA_VISIBLE_DEVICES, or add --tiny to try the steps on the CPU"
        )
    free, total = torch.cuda.mem_get_info()
    if free < LEAST_GB * 1e9:
        raise SystemExit(
            f"on_a_gpu: {free / 1e9:.1f} of {total / 1e9:.1f} GB are free on "
            f"{torch.cuda.get_device_name()}, and training two ViT-B needs {LEAST_GB}; end what "
            "else runs there, or use a larger GPU"
        )


def main() -> None:
    """Write `hardware.json`, or compare it with that of an earlier try."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the results of the steps are kept")
    parser.add_argument("--tiny", action="store_true", help="accept a machine without a GPU")
    options = parser.parse_args()
    found = describe()
    if not options.tiny:
        require_gpu(found["gpus"])
    path = options.folder / "hardware.json"
    if path.is_file() and (before := json.loads(path.read_text())["name"]) != found["name"]:
        raise SystemExit(
            f"on_a_gpu: {options.folder} holds results of other hardware ({before}), and this is "
            f"{found['name']}; name another folder with --folder"
        )
    path.write_text(json.dumps(found, indent=1) + "\n")
    print(*found["rows"], sep="\n")


if __name__ == "__main__":
    main()
