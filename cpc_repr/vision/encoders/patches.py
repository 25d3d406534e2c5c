"""The encoder on every patch of a grid."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cpc_repr.vision.encoders import make_encoder
from cpc_repr.vision.encoders.config import EncoderConfig


class PatchEncoder(nn.Module):
    """g_enc on every patch of a grid."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = make_encoder(config)

    @property
    def size(self) -> int:
        """Numbers in one z."""
        return self.encoder.size

    def forward(self, patches: Tensor) -> Tensor:
        """Encode patches, float [B, H, W, 3, p, p] of `grid.normalised`: z [B, H, W, D], averaged over pixels."""
        grid = patches.shape[:3]
        x = patches.flatten(0, 2).contiguous(memory_format=torch.channels_last)
        z: Tensor = self.encoder(x).mean((-2, -1))
        return z.view(*grid, -1)
