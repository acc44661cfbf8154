"""Overhead of mmengine's Runner and of this package's hooks.

Compares epochs of fine-tuning by the Runner with a plain loop over the same loader, model and
optimiser. Needs the rendered data of a plan (`diccae data render`, `diccae data cache`). Prints the
time of a step for both, and their ratio.
"""

from __future__ import annotations

import argparse
import tempfile
import time

import torch
from mmengine.runner import Runner

from diccae import registry  # noqa: F401
from diccae.plans import load_plan
from diccae.run_graph import Run


def main() -> None:
    """Train for some epochs with the Runner, then with a plain loop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plan", default="embedded")
    parser.add_argument("--modality", default="AV", choices=["A", "V", "AV"])
    parser.add_argument("--epochs", type=int, default=10)
    arguments = parser.parse_args()
    plan = load_plan(arguments.plan)
    if not (plan.cache_dir / "meta.json").is_file():
        parser.error(
            f"{plan.cache_dir} is missing; run `{plan.manifest_command} && "
            f"diccae data cache --plan {plan.name}` first"
        )
    torch.set_num_threads(1)
    config = Run(plan, "finetune", "from_scratch", 0, arguments.modality).config()
    config.train_cfg.max_epochs = arguments.epochs
    config.log_level = "ERROR"
    with tempfile.TemporaryDirectory() as folder:
        config.work_dir = folder
        config.default_hooks.checkpoint.interval = arguments.epochs + 1
        config.default_hooks.checkpoint.save_last = False
        runner = Runner.from_cfg(config)
        runner.train()  # builds loader, model and optimiser for both, and fills caches
        loader, model, optimizer = (
            runner.train_dataloader,
            runner.model,
            runner.optim_wrapper.optimizer,
        )
        runner.train_loop._epoch = runner.train_loop._iter = 0
        started = time.perf_counter()
        runner.train_loop.run()
        by_runner = time.perf_counter() - started
    steps = arguments.epochs * len(loader)
    started = time.perf_counter()
    for _ in range(arguments.epochs):
        for batch in loader:
            losses = model(**model.data_preprocessor(batch, True), mode="loss")
            optimizer.zero_grad()
            sum(losses.values()).backward()
            optimizer.step()
    plain = time.perf_counter() - started
    print(
        f"{steps} steps: Runner {1e3 * by_runner / steps:.2f} ms, "
        f"plain loop {1e3 * plain / steps:.2f} ms, ratio {by_runner / plain:.3f}, "
        f"difference {1e3 * (by_runner - plain) / steps:.2f} ms a step"
    )


if __name__ == "__main__":
    main()
