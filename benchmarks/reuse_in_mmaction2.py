"""Installs this package into a fresh environment beside mmaction2 and trains the README's example.

    python3.11 benchmarks/reuse_in_mmaction2.py \\
        --torch torch==2.8.0 torchvision==0.23.0 torchaudio==2.8.0

All that is run stands in README.md ("Reuse the loss"): first the loss alone, with what the base
installation brings, then a head and a config of mmaction2, which train ten steps on rendered clips
of four classes. The losses of every step and all versions are printed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STEPS, CLASSES, BATCH = 10, 4, 4

# small frames and few clips, over the config of the README
OVERRIDES = f"""
model["backbone"] = dict(pretrained=None)
model["cls_head"]["num_classes"] = {CLASSES}
train_pipeline = [
    dict(type="DecordInit"),
    dict(type="SampleFrames", clip_len=1, frame_interval=1, num_clips=3),
    dict(type="DecordDecode"),
    dict(type="Resize", scale=(64, 64), keep_ratio=False),
    dict(type="FormatShape", input_format="NCHW"),
    dict(type="PackActionInputs"),
]
clips = dict(ann_file="clips.txt", data_prefix=dict(video="."), pipeline=train_pipeline)
train_dataloader = dict(
    batch_size={BATCH}, num_workers=0, persistent_workers=False, dataset=clips
)
train_cfg = dict(_delete_=True, type="IterBasedTrainLoop", max_iters={STEPS}, val_interval={STEPS})
param_scheduler = []
log_processor = dict(window_size=1)
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=-1))
"""

RENDER = """
import av, numpy as np
rng, lines = np.random.default_rng(0), []
for index in range(16):
    with av.open(f"{index}.mp4", "w") as file:
        stream = file.add_stream("mpeg4", rate=8)
        stream.width = stream.height = 64
        for frame in range(16):
            image = rng.integers(0, 60, (64, 64, 3), dtype=np.uint8)
            image[:, 4 * frame : 4 * frame + 8, index % 3] += 40 * (index % 4)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        file.mux(stream.encode())
    lines.append(f"{index}.mp4 {index % 4}")
open("clips.txt", "w").write("\\n".join(lines))
"""

VERSIONS = """
import sys
from importlib.metadata import version
print("Python", sys.version.split()[0], *(f"{name} {version(name)}" for name in sys.argv[1:]))
"""


def run(*command: str | Path, folder: Path) -> None:
    print("$", *(word if "\n" not in str(word) else "..." for word in command), flush=True)
    environment = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "2"}
    subprocess.run([str(word) for word in command], cwd=folder, env=environment, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--python", default=sys.executable, help="interpreter; 3.10 is enough for the loss"
    )
    parser.add_argument("--torch", nargs="+", default=[], help="requirements to install first")
    parser.add_argument("--venv", type=Path, help="an environment to use; default: a new one")
    parser.add_argument("--base-only", action="store_true", help="leave out mmaction2")
    options = parser.parse_args()
    loss, head, config = re.findall(
        r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        venv = options.venv.absolute() if options.venv else folder / "venv"
        python = venv / "bin" / "python"
        if not python.exists():
            run(options.python, "-m", "venv", venv, folder=folder)
        if options.torch:
            run(python, "-m", "pip", "install", "--quiet", *options.torch, folder=folder)
        # a copy: building leaves files beside the sources
        source = folder / "source"
        for package in ("diccae", "snakemake_logger_plugin_diccae"):
            shutil.copytree(ROOT / package, source / package)
        for file in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / file, source)
        run(python, "-m", "pip", "install", "--quiet", source, folder=folder)
        run(python, "-c", loss + "print('loss', float(loss.detach()))", folder=folder)
        run(python, "-c", VERSIONS, "torch", "numpy", "scipy", "jaxtyping", folder=folder)
        if options.base_only:
            return
        run(python, "-m", "pip", "install", "--quiet", f"{source}[mmaction2]", folder=folder)
        (folder / "confusion_head.py").write_text(head)
        (folder / "config.py").write_text(config + OVERRIDES)
        run(python, "-c", RENDER, folder=folder)
        found = "import mmaction.registry as r; print(r.__file__)"
        registry = Path(subprocess.check_output([python, "-c", found], text=True).strip())
        train = registry.parent / ".mim" / "tools" / "train.py"
        run(python, train, "config.py", "--no-validate", "--work-dir", "work", folder=folder)
        (scalars,) = folder.glob("work/*/vis_data/scalars.json")
        steps = [json.loads(line) for line in scalars.read_text().splitlines()]
        assert len(steps) == STEPS, f"wanted {STEPS} steps, got {len(steps)}"
        for step in steps:
            losses = {key: round(step[key], 4) for key in ("loss_cls", "loss_confusion")}
            print(f"step {step['step']}: {losses}")
        names = ("torch", "numpy", "mmaction2", "mmengine", "mmcv-lite")
        run(python, "-c", VERSIONS, *names, folder=folder)


if __name__ == "__main__":
    main()
