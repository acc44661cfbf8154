"""The layouts of CAV-MAE's released checkpoints, told by the names of their weights without loading
them, so that a file of another layout is refused when a run is composed."""

from __future__ import annotations

import pickletools
import zipfile
from collections.abc import Collection
from pathlib import Path

from diccae.errors import UserError
from diccae.stored_file import reading

# what only one of the two layouts has
PRETRAINED, FINETUNED = "decoder_embed.weight", "mlp_head.1.weight"
WANTED = "method.released_weights: wanted the path of a checkpoint"


def require_layout(names: Collection[str], source: str, decoder: bool = False) -> None:
    """Check that weights of these names are a CAV-MAE, after pre-training or fine-tuning.

    Args:
        names: of the weights.
        source: the file, for errors.
        decoder: whether the run needs that of pre-training.

    Raises:
        UserError: they are not, or lack the decoder.
    """
    if "modality_a" not in names or not {PRETRAINED, FINETUNED} & set(names):
        raise UserError(
            f"{source}: wanted a CAV-MAE checkpoint, which has the weight modality_a and either "
            f"{PRETRAINED} (after pre-training) or {FINETUNED} (after fine-tuning), got one "
            "without; choose such a file as method.released_weights"
        )
    if decoder and PRETRAINED not in names:
        raise UserError(
            f"{source}: a CAV-MAE checkpoint of fine-tuning, which has no decoder to pre-train "
            "with; choose one of pre-training as method.released_weights, or leave the stage "
            "pretrain out"
        )


def check_released(file: str, decoder: bool) -> None:
    """`require_layout` of a file; one that is no zip archive, as torch writes them, is checked when
    it is loaded.

    Raises:
        UserError: the file does not exist or is damaged, or see `require_layout`.
    """
    if not Path(file).is_file():
        raise UserError(f"{WANTED}, got {file!r}, which does not exist; correct the path")
    if not zipfile.is_zipfile(file):
        return
    with reading(Path(file), "download it again"), zipfile.ZipFile(file) as archive:
        pickles = [archive.read(name) for name in archive.namelist() if name.endswith("data.pkl")]
        words = [
            argument
            for content in pickles
            for _, argument, _ in pickletools.genops(content)
            if isinstance(argument, str)
        ]
    require_layout([word.removeprefix("module.") for word in words], file, decoder)
