"""The encoder on every patch of a grid."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cpc_repr.vision.encoders import make_encoder
from cpc_repr.vision.encoders.base import Encoder, FirstBlocks
from cpc_repr.vision.encoders.config import EncoderConfig


class PatchEncoder(nn.Module):
    """g_enc on every patch of a grid."""

    def __init__(self, config: EncoderConfig, encoder: Encoder | None = None) -> None:
        """Of the network that `config` names, or of `encoder`, which is made of it."""
        super().__init__()
        self.config = config
        self.encoder = make_encoder(config) if encoder is None else encoder

    @property
    def size(self) -> int:
        """Numbers in one z."""
        return self.encoder.size

    def forward(self, patches: Tensor) -> Tensor:
        """Encode patches, float [B, H, W, 3, p, p] of `grid.normalised`: z [B, H, W, D], averaged over pixels."""
        return _mean(self.encoder(_flat(patches)), patches)

    def blocks(self, patches: Tensor, isolate: bool = False) -> list[Tensor]:
        """As z, of each block of the encoder; see `Encoder.maps`."""
        return [_mean(maps, patches) for maps in self.encoder.maps(_flat(patches), isolate)]

    def first(self, blocks: int) -> PatchEncoder:
        """The same with but the first `blocks` of the encoder, whose weights it shares."""
        return PatchEncoder(self.config, FirstBlocks(self.encoder, blocks))


def _flat(patches: Tensor) -> Tensor:
    return patches.flatten(0, 2).contiguous(memory_format=torch.channels_last)


def _mean(maps: Tensor, patches: Tensor) -> Tensor:
    return maps.mean((-2, -1)).view(*patches.shape[:3], -1)
