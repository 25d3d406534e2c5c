"""Pairs (t, t + k) of a window of sequences, laid out as the independent pools `cpc_rl._infonce_blocks` works on.

All fields are time-major. What makes one pool is a matter of folding: the whole window ("batch"), one sequence
("sequence") or one step ("time"). Nothing is gathered per anchor.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from cpc_rl._infonce_blocks import Pools

Pool = Literal["batch", "sequence", "time"]


def fold(x: Tensor, pool: Pool) -> Tensor:
    """Lay a time-major field [n, B, ...] out as pools: [1, n * B, ...], [B, n, ...] or [n, B, ...]."""
    if pool == "batch":
        return x.flatten(0, 1).unsqueeze(0)  # [1, n * B, ...]
    return x.transpose(0, 1) if pool == "sequence" else x


def unfold(x: Tensor, pool: Pool, batch: int) -> Tensor:
    """Undo `fold`."""
    if pool == "batch":
        return x.reshape(-1, batch, *x.shape[2:])  # [n, B, ...]
    return x.transpose(0, 1) if pool == "sequence" else x


@dataclass(frozen=True)
class Window:
    """Which of the T steps of B sequences make pairs, and which candidates each anchor is scored against."""

    pool: Pool
    time: int
    batch: int
    valid: Tensor | None  # bool [T, B]
    segment: Tensor | None  # [T, B]
    group: Tensor | None  # [B]: negatives of the anchor's own group are left out
    targets_only: bool
    steps: Tensor  # [S], those used as anchors, sorted
    drawn: bool  # false: these are all steps

    def draw(self, count: int, generator: torch.Generator | None) -> Tensor:
        """Uniform numbers [P, count] which `pools` turns into indices: one draw serves pools of any size."""
        pools = {"batch": 1, "sequence": self.batch, "time": self.time}[self.pool]
        device = self.steps.device if generator is None else generator.device
        return torch.rand(pools, count, generator=generator, device=device).to(self.steps.device)

    def pairs(self, n: int, offset: int) -> tuple[Tensor, Tensor]:
        """Valid pairs of the first n anchor steps, bool [n, B], and the share of them drawn, over that of steps drawn.

        Weighted by the second, a mean over the first has the mean over the pairs of all steps for expectation.
        """
        pair = self._mask(self.steps[:n], offset)
        if not self.drawn:
            return pair, pair.new_ones((), dtype=torch.float32)
        every = torch.arange(self.time - offset, device=self.steps.device)
        total = self._mask(every, offset).sum().clamp(min=1)
        return pair, pair.sum() * self.time / (total * len(self.steps))

    def _mask(self, step: Tensor, offset: int) -> Tensor:
        """Which pairs (step, step + offset) are valid, bool [n, B]; all targets must lie within the window."""
        mask = torch.ones(len(step), self.batch, dtype=torch.bool, device=step.device)
        if self.valid is not None:
            mask = self.valid[step] & self.valid[step + offset]
        if self.segment is not None:
            mask = mask & (self.segment[step] == self.segment[step + offset])
        return mask

    def pools(self, z: Tensor, pair: Tensor, offset: int, ranks: Tensor | None) -> Pools:
        """Roles of the folded latents `z` for the pairs [n, B] of the first n anchor steps."""
        target = self.steps[: len(pair)] + offset
        member = self.valid
        if self.targets_only:
            member = torch.zeros(self.time, self.batch, dtype=torch.bool, device=pair.device)
            member[target] = pair
        valid = None if member is None else fold(member, self.pool)
        anchor_group = candidate_group = None
        if self.group is not None:
            anchor_group = fold(self.group.expand(len(target), -1), self.pool)
            candidate_group = fold(self.group.expand(self.time, -1), self.pool)
        if self.pool == "time":  # the pools of this offset are those of the steps predicted
            z = z[target]
            valid, ranks, candidate_group = (None if x is None else x[target] for x in (valid, ranks, candidate_group))
        negatives = None if ranks is None else _nth_valid(ranks, valid, z.shape[1])
        return Pools(z, self._positive(target), negatives, valid, anchor_group, candidate_group)

    def _positive(self, target: Tensor) -> Tensor:
        """Index of each anchor's positive within its pool, [P, n]."""
        row = torch.arange(self.batch, device=target.device)
        if self.pool == "batch":
            return (target[:, None] * self.batch + row).view(1, -1)  # [1, n * B]
        return target.expand(self.batch, -1) if self.pool == "sequence" else row.expand(len(target), -1)


def _nth_valid(ranks: Tensor, valid: Tensor | None, m: int) -> Tensor:
    """Turn uniform numbers [P, M] into indices of valid candidates, uniformly and with replacement."""
    if valid is None:
        return (ranks * m).long().clamp(max=m - 1)
    seen = valid.cumsum(-1)  # [P, m]
    count = seen[:, -1:]  # [P, 1]
    nth = torch.minimum((ranks * count).long() + 1, count)
    return torch.searchsorted(seen, nth).clamp(max=m - 1)  # an empty pool: an invalid index, dropped by the mask
