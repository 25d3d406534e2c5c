"""The network for text: one convolution over words and a mean make a sentence, a GRU reads sentences (section 3.3)."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn
from torch.nn import functional as F

from configs import Frozen
from cpc_repr.sequences import SequenceModel
from cpc_repr.text.words import MARKS, PAD


class TextModelConfig(Frozen):
    """The sentence encoder (z) and the context network (c)."""

    embedding: int = Field(default=620, ge=1, le=8192, description="Size of the embedding of a word.")
    embedding_std: float = Field(
        default=0.1,
        gt=0,
        le=1e3,
        description="Deviation of a new embedding. Adam moves a rare word by some 30 learning rates each time it "
        "occurs: where that is more than this, words lose what sets them apart before they learn anything.",
    )
    channels: int = Field(default=2400, ge=1, le=16_384, description="Channels of the convolution; the size of z.")
    context: int = Field(default=2400, ge=1, le=16_384, description="Units of the GRU; the size of c.")
    kernel: int = Field(default=1, ge=1, le=15, description="Words the convolution sees at once; odd.")
    norm: Literal["none", "batch"] = Field(
        default="none",
        description="Normalisation of z: `none` as the paper, or `batch`, which evens out what sentences differ in "
        "(what is rare is learnt sooner: for runs of minutes).",
    )

    word_dropout: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share of the words of a sentence that are left out, drawn anew at each update of CPC.",
    )

    @field_validator("kernel")
    @classmethod
    def _odd(cls, kernel: int) -> int:
        if kernel % 2 == 0:
            raise ValueError("must be odd, to have a middle")
        return kernel


class SentenceEncoder(nn.Module):
    """g_enc: rows of words [..., L], padding behind them -> z [..., channels]."""

    def __init__(self, words: int, config: TextModelConfig) -> None:
        """For a vocabulary of so many words."""
        super().__init__()
        self.embedding = nn.Embedding(words + MARKS, config.embedding, padding_idx=PAD)
        nn.init.normal_(self.embedding.weight, std=config.embedding_std)
        with torch.no_grad():
            self.embedding.weight[PAD] = 0
        self.conv = nn.Conv1d(config.embedding, config.channels, config.kernel, padding=config.kernel // 2)
        self.word_dropout = config.word_dropout
        self.norm = nn.BatchNorm1d(config.channels) if config.norm == "batch" else nn.Identity()

    def forward(self, tokens: Tensor) -> Tensor:
        """Mean over the real words: padding weighs nothing, and a window over the end sees zeros there."""
        flat = tokens.flatten(0, -2)  # [N, L]
        real = (flat != PAD).unsqueeze(1)  # [N, 1, L]
        if self.training and self.word_dropout:
            real = real & (torch.rand_like(real, dtype=torch.float32) >= self.word_dropout)
        count = real.sum(2).clamp(min=1)  # [N, 1]
        if self.training and self.conv.kernel_size == (1,):
            mean = self._mean_of_words(flat, real.squeeze(1) / count)
        else:
            x = F.relu(self.conv(self.embedding(flat).transpose(1, 2)))  # [N, channels, L]
            mean = (x * real).sum(2) / count
        return self.norm(mean).view(*tokens.shape[:-1], -1)

    def _mean_of_words(self, tokens: Tensor, weights: Tensor) -> Tensor:
        """The same for kernel 1, where a word has one value wherever it stands: it is computed once a batch.

        Args:
            tokens: [N, L].
            weights: Of each word in the mean of its sentence, [N, L].

        Returns:
            [N, channels].
        """
        rows, place = torch.unique(tokens, return_inverse=True)  # [U], [N, L]
        values = F.relu(F.linear(self.embedding(rows), self.conv.weight.squeeze(2), self.conv.bias))  # [U, channels]
        return F.embedding_bag(place, values, mode="sum", per_sample_weights=weights.to(values))


class TextModel(SequenceModel):
    """g_enc and g_ar: words [B, S, L] -> z [B, S, channels], c [B, S, context]; c_t has seen sentences up to t."""

    encoder: SentenceEncoder

    def __init__(self, words: int, config: TextModelConfig) -> None:
        """For a vocabulary of so many words."""
        super().__init__(SentenceEncoder(words, config), config.channels, config.context)
        self.config = config
