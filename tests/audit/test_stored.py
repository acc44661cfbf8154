"""The runs that an audit finds in a results folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from diccae.audit.rescore import runs_with_weights
from diccae.audit.stored import require_stored
from diccae.errors import UserError
from diccae.plans import Plan
from diccae.run_graph import Run
from diccae.seals.shard_export import export_shard


def test_runs_in_folders_and_in_shards(sealed: Plan) -> None:
    root = sealed.results_root()
    (root / "shards").mkdir()
    export_shard(sealed, 1, root / "shards/seed1.npz")
    for path in Path(root).glob("runs/*/seed1"):
        shutil.rmtree(path)
    own, in_shards = runs_with_weights(sealed)
    assert [(stored.run.seed, stored.folder) for stored in own] == [
        (0, root / "runs" / name / "seed0/finetune/AV") for name in ("full", "no_confusion_loss")
    ]
    assert in_shards == 2
    warmup = require_stored(Run(sealed, "warmup", "full", 1))
    assert (warmup.folder, warmup.record["stage"]) == (None, "warmup")


def test_a_missing_or_damaged_record(sealed: Plan) -> None:
    run = Run(sealed, "finetune", "full", 0, "AV")
    path = run.folder / "record.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({name: content[name] for name in content if name != "kernels"}))
    with pytest.raises(UserError, match=f"^{path}, finetune full AV seed 0: .*kernels.*; copy the"):
        require_stored(run)
    path.unlink()
    with pytest.raises(UserError, match=f"^{path} is missing, so finetune full AV seed 0 cannot"):
        require_stored(run)
