"""A trained encoder as a library: `load(run).encode(images)` gives z, one row for each patch of each picture's grid.

from cpc_repr.vision import load

sight = load("runs/NAME")
z = sight.encode(images)                       # uint8 [B, 3, h, w], or a list of [3, h, w] -> [B, H, W, D]
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from cpc_repr.trained import load_weights, open_trained
from cpc_repr.vision.data.batches import plain_patches
from cpc_repr.vision.data.grid import ViewConfig, crops
from cpc_repr.vision.encoders.patches import PatchEncoder
from cpc_repr.vision.encoders.resnet import EncoderConfig


class VisionEncoder:
    """g_enc, frozen, with the view of pictures it was trained on."""

    def __init__(self, model: PatchEncoder, view: ViewConfig, device: torch.device | str = "cpu") -> None:
        """Take `model` as it is, in evaluation mode, onto `device`."""
        self.model, self.view, self.device = model.to(device).eval().requires_grad_(False), view, torch.device(device)

    @torch.no_grad()
    def encode(self, images: Tensor | Sequence[Tensor], chunk: int = 64) -> Tensor:
        """Encode pictures: resized, cropped to their middle, cut into the grid; nothing is drawn.

        Args:
            images: uint8 [B, 3, h, w], or B of [3, h, w] in any sizes.
            chunk: Pictures encoded together: bounds the memory.

        Returns:
            z, float32 [B, H, W, D] on the CPU. Its mean over H and W is what the linear probe sees.

        Raises:
            ValueError: Not colour pictures of bytes.
        """
        pictures = [checked(image) for image in images]
        chunks = []
        for start in range(0, len(pictures), chunk):
            cropped = crops(pictures[start : start + chunk], self.view).to(self.device)
            chunks.append(self.model(plain_patches(cropped, self.view)).float().cpu())
        n, size = self.view.cells, self.model.size
        return torch.cat(chunks) if chunks else torch.empty(0, n, n, size)


def load(path: Path | str, device: torch.device | str = "cpu") -> VisionEncoder:
    """The encoder of a run directory (its newest checkpoint; the mean of the weights if the run has one).

    Raises:
        UsageError: There is no such run, or it is not one of `python -m cpc_repr.vision`.
        RunFailure: It has no whole checkpoint.
    """
    run, settings = open_trained(path, "vision", {"model", "cpc", "view"})
    model = PatchEncoder(EncoderConfig.model_validate(settings["model"]))
    load_weights(run, model)
    return VisionEncoder(model, ViewConfig.model_validate(settings["view"]), device)


def checked(image: Tensor) -> Tensor:
    """The picture. Raises ValueError unless it is uint8 [3, h, w]."""
    if image.dtype != torch.uint8 or image.ndim != 3 or image.shape[0] != 3 or not image.numel():
        raise ValueError(f"a picture is uint8 [3, h, w]; this is {image.dtype} {[*image.shape]}")
    return image
