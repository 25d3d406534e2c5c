"""Jigsaw: in which of a hundred orders do the nine patches of a picture come? (Noroozi & Favaro 2016)."""

from __future__ import annotations

import itertools
import math
from functools import cache
from typing import Any, ClassVar, cast

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor

from cpc_repr.context import Context
from cpc_repr.objective import Losses, generator
from cpc_repr.vision.data.pictures import Pictures
from cpc_repr.vision.encoders.config import EncoderConfig
from cpc_repr.vision.pretext.puzzle import CELLS, Puzzle, PuzzleConfig, PuzzleNetwork
from cpc_repr.vision.pretext.task import Chance, classification


class JigsawConfig(PuzzleConfig):
    """Settings of the method that puts patches in order."""

    permutations: int = Field(default=100, ge=2, le=10_000, description="Orders to tell apart, far from each other.")
    arrangements: int = Field(default=16, ge=1, le=10_000, description="Orders drawn for each picture of a batch.")

    @model_validator(mode="after")
    def _fits(self) -> JigsawConfig:
        if self.arrangements > self.permutations:
            raise ValueError(f"--jigsaw.arrangements {self.arrangements}: there are {self.permutations} permutations")
        return self


@cache
def permutation_set(count: int, seed: int) -> Tensor:
    """Permutations of nine cells that differ in many places, int64 [count, 9].

    The first is random; each further one is as far from the nearest before it, by Hamming distance, as any can be.
    """
    everything = torch.from_numpy(np.array(list(itertools.permutations(range(CELLS))), dtype=np.uint8))  # [9!, 9]
    draws = generator(seed, 0, 7)
    nearest = torch.full((len(everything),), CELLS + 1)  # distance to the nearest that is chosen
    chosen = []
    for _ in range(count):
        candidates = (nearest == nearest.max()).nonzero()[:, 0]
        chosen.append(everything[candidates[torch.randint(len(candidates), (), generator=draws)]])
        nearest = torch.minimum(nearest, (everything != chosen[-1]).sum(1))
    return torch.stack(chosen).long()


def arranged(embeddings: Tensor, orders: Tensor) -> Tensor:
    """Patches joined in several orders: embeddings [B, 9, E] and orders int64 [B, M, 9] -> [B, M, 9 E]."""
    pictures = torch.arange(len(embeddings), device=embeddings.device)[:, None, None]
    return embeddings[pictures, orders].flatten(2)


class JigsawNetwork(PuzzleNetwork):
    """The network, and the permutations that its classes stand for, which a checkpoint must hold."""

    permutations: Tensor

    def __init__(self, encoder: EncoderConfig, config: JigsawConfig, seed: int) -> None:
        super().__init__(encoder, config, CELLS, config.permutations)
        self.register_buffer("permutations", permutation_set(config.permutations, seed).clone())


class Jigsaw(Puzzle):
    """Each picture in several orders, drawn anew in every batch."""

    Config = JigsawConfig
    title = "jigsaw"
    rows: ClassVar = {"jigsaw": "jigsaw"}

    def __init__(self, context: Context[Any, Pictures]) -> None:
        """See `Objective`."""
        self.config: JigsawConfig = context.config.jigsaw
        seed = context.config.run.seed
        super().__init__(context, lambda: JigsawNetwork(context.config.model, self.config, seed))

    @property
    def chance(self) -> Chance:
        """Of as many classes as there are permutations."""
        return Chance(math.log(self.config.permutations), 1 / self.config.permutations)

    def loss(self, batch: Tensor, number: int) -> Losses:
        """Cross-entropy of the permutations."""
        embeddings = self.embed(batch, number)  # [B, 9, E]
        order = torch.rand(len(batch), self.config.permutations, generator=self.draws(number, 3)).argsort(1)
        which = order[:, : self.config.arrangements].to(embeddings.device)  # [B, M], all different
        orders = cast(JigsawNetwork, self.module).permutations[which]  # [B, M, 9]
        return classification(self.answer(arranged(embeddings, orders), number), which)
