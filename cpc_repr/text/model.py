"""The network for text: one convolution over words and a mean make a sentence, a GRU reads sentences (section 3.3)."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn
from torch.nn import functional as F

from configs import Frozen
from cpc_repr import cpc_loss
from cpc_repr.text.words import MARKS, PAD
from cpc_rl.infonce import CPC, linear_heads

INIT = 0.1  # deviation of a new embedding: small, so that what is learnt outweighs it


class ModelConfig(Frozen):
    """The sentence encoder (z) and the context network (c)."""

    embedding: int = Field(default=620, ge=1, le=8192, description="Size of the embedding of a word.")
    channels: int = Field(default=2400, ge=1, le=16_384, description="Channels of the convolution; the size of z.")
    context: int = Field(default=2400, ge=1, le=16_384, description="Units of the GRU; the size of c.")
    kernel: int = Field(default=1, ge=1, le=15, description="Words the convolution sees at once; odd.")

    norm: Literal["none", "batch"] = Field(
        default="none",
        description="Normalisation of z: `none` as the paper, or `batch`, which evens out what sentences differ in "
        "(what is rare is learnt sooner: for runs of minutes).",
    )

    @field_validator("kernel")
    @classmethod
    def _odd(cls, kernel: int) -> int:
        if kernel % 2 == 0:
            raise ValueError("must be odd, to have a middle")
        return kernel


class Encoding(NamedTuple):
    """What the network makes of sentences, a row each."""

    z: Tensor  # [..., channels]
    c: Tensor  # [..., context]


class SentenceEncoder(nn.Module):
    """g_enc: rows of words [..., L], padding behind them -> z [..., channels]."""

    def __init__(self, words: int, config: ModelConfig) -> None:
        """For a vocabulary of so many words."""
        super().__init__()
        self.embedding = nn.Embedding(words + MARKS, config.embedding, padding_idx=PAD)
        nn.init.normal_(self.embedding.weight, std=INIT)
        with torch.no_grad():
            self.embedding.weight[PAD] = 0
        self.conv = nn.Conv1d(config.embedding, config.channels, config.kernel, padding=config.kernel // 2)
        self.norm = nn.BatchNorm1d(config.channels) if config.norm == "batch" else nn.Identity()

    def forward(self, tokens: Tensor) -> Tensor:
        """Mean over the real words: padding weighs nothing, and a window over the end sees zeros there."""
        flat = tokens.flatten(0, -2)  # [N, L]
        real = (flat != PAD).unsqueeze(1)  # [N, 1, L]
        x = F.relu(self.conv(self.embedding(flat).transpose(1, 2)))  # [N, channels, L]
        z = self.norm((x * real).sum(2) / real.sum(2).clamp(min=1))  # [N, channels]
        return z.view(*tokens.shape[:-1], -1)


class TextModel(nn.Module):
    """g_enc and g_ar: words [B, S, L] -> z [B, S, channels], c [B, S, context]; c_t has seen sentences up to t."""

    def __init__(self, words: int, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = SentenceEncoder(words, config)
        self.gru = nn.GRU(config.channels, config.context, batch_first=True)

    def forward(self, tokens: Tensor) -> Encoding:
        """Encode stretches of sentences, each from a zero state."""
        z = self.encoder(tokens)  # [B, S, channels]
        return Encoding(z, self.gru(z)[0])


class CPCModel(nn.Module):
    """The network and the matrices W_k of equation 3, one for each sentence ahead."""

    def __init__(self, words: int, config: ModelConfig, steps: int) -> None:
        super().__init__()
        self.model = TextModel(words, config)
        self.heads = linear_heads(config.context, config.channels, steps)


class CPCConfig(Frozen):
    """The contrastive task."""

    steps: int = Field(default=3, ge=1, le=100, description="Predict this many sentences ahead (K).")


def contrast(encoding: Encoding, heads: nn.ModuleList) -> CPC:
    """InfoNCE of predicting z [B, S, D] from c [B, S, H]; negatives are all other sentences, over batch and time."""
    return cpc_loss(encoding.c, encoding.z, heads, range(1, len(heads) + 1))


def parameters(module: nn.Module) -> int:
    """How many numbers a module has learnt."""
    return sum(p.numel() for p in module.parameters())
