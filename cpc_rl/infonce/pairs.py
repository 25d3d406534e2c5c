"""Pairs (t, t + k) of a window of sequences, laid out as the independent pools `cpc_rl.infonce.blocks` works on.

All fields are time-major. What makes one pool is a matter of folding: the whole window ("batch"), one sequence
("sequence") or one step ("time"). Nothing is gathered per anchor.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from cpc_rl.infonce.blocks import Pools

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


class Pairs(NamedTuple):
    """Rows of pairs, one for each offset and anchor step, ordered by offset. Each row stands for B pairs."""

    offset: Tensor  # [R], which offset (its place in the list)
    target: Tensor  # [R], step of the positive
    valid: Tensor  # bool [R, B]
    share: Tensor  # [K], of the valid pairs those drawn, over the share of steps drawn
    sizes: list[int]  # [K], rows of each offset: the first so many anchor steps, the others have no target

    def chunks(self, most: int) -> Iterator[tuple[range, slice]]:
        """Cut the offsets into runs of at most `most` rows (one offset at least), each with its rows."""
        first = start = stop = 0
        for k, size in enumerate(self.sizes):
            if k > first and stop + size - start > most:
                yield range(first, k), slice(start, stop)
                first, start = k, stop
            stop += size
        yield range(first, len(self.sizes)), slice(start, stop)


@dataclass(frozen=True)
class Window:
    """What is known of T steps of B sequences, and where negatives come from."""

    pool: Pool
    time: int
    batch: int
    valid: Tensor | None  # bool [T, B]
    segment: Tensor | None  # [T, B]
    group: Tensor | None  # [B]: negatives of the anchor's own group are left out
    targets_only: bool

    def pairs(self, steps: Tensor, offsets: Sequence[int], z: Tensor) -> Pairs:
        """All pairs whose anchors stand at `steps` [S], sorted; fields have the device and, if any, the type of `z`."""
        k = torch.tensor(offsets, device=steps.device)[:, None]  # [K, 1]
        every = torch.arange(self.time, device=steps.device)
        offset, source, target = self._rows(steps, k, z.device)
        valid = self._meet(source, target)  # [R, B]
        share = z.new_ones(len(offsets))
        if len(steps) != self.time or bool((steps != every).any()):
            which, *pair = self._rows(every, k, z.device)  # pairs of all steps
            drawn, total = (torch.zeros(len(offsets), dtype=torch.int64, device=z.device) for _ in range(2))  # [K]
            drawn.index_add_(0, offset, valid.sum(1))
            total.index_add_(0, which, self._meet(*pair).sum(1))
            share = (drawn * self.time).to(z.dtype) / (total * len(steps)).clamp(min=1)
        return Pairs(offset, target, valid, share, (steps + k < self.time).sum(1).tolist())

    def _rows(self, steps: Tensor, k: Tensor, device: torch.device) -> list[Tensor]:
        """Offset's place, source and target of each pair inside the window, [R] each; `k` [K, 1]."""
        offset, index = torch.nonzero(steps + k < self.time, as_tuple=True)  # [R]
        return [x.to(device) for x in (offset, steps[index], steps[index] + k[offset, 0])]

    def _meet(self, source: Tensor, target: Tensor) -> Tensor:
        """Whether both steps of each pair are valid and lie in one segment, bool [R, B]."""
        mask = torch.ones(len(source), self.batch, dtype=torch.bool, device=source.device)
        if self.valid is not None:
            mask &= self.valid[source] & self.valid[target]
        if self.segment is not None:
            mask &= self.segment[source] == self.segment[target]
        return mask

    def draw(self, count: int, generator: torch.Generator | None, device: torch.device) -> Tensor:
        """Uniform numbers [P, count] which `pools` turns into indices: one draw serves pools of any size."""
        pools = {"batch": 1, "sequence": self.batch, "time": self.time}[self.pool]
        source = device if generator is None else generator.device
        return torch.rand(pools, count, generator=generator, device=source).to(device)

    def pools(self, z: Tensor, target: Tensor, pair: Tensor, uniform: Tensor | None) -> Pools:
        """Roles of the folded latents `z` for anchors with their positives at steps `target` [n]; `pair` [n, B]."""
        member = self.valid
        if self.targets_only:
            member = torch.zeros(self.time, self.batch, dtype=torch.bool, device=pair.device)
            member[target] = pair
        valid = None if member is None else fold(member, self.pool)
        anchor_group = candidate_group = None
        if self.group is not None:
            anchor_group = fold(self.group.expand(len(target), -1), self.pool)
            candidate_group = fold(self.group.expand(self.time, -1), self.pool)
        if self.pool == "time":  # the pools in use are the steps predicted
            z = z[target]
            valid, uniform, candidate_group = (
                None if x is None else x[target] for x in (valid, uniform, candidate_group)
            )
        negatives = None if uniform is None else _nth_valid(uniform, valid, z.shape[1])
        return Pools(z, self._positive(target), negatives, valid, anchor_group, candidate_group)

    def _positive(self, target: Tensor) -> Tensor:
        """Index of each anchor's positive within its pool, [P, n]."""
        row = torch.arange(self.batch, device=target.device)
        if self.pool == "batch":
            return (target[:, None] * self.batch + row).view(1, -1)  # [1, n * B]
        return target.expand(self.batch, -1) if self.pool == "sequence" else row.expand(len(target), -1)


def _nth_valid(uniform: Tensor, valid: Tensor | None, m: int) -> Tensor:
    """Turn uniform numbers [P, M] into indices of valid candidates, uniformly and with replacement."""
    if valid is None:
        return (uniform * m).long().clamp(max=m - 1)
    seen = valid.cumsum(-1)  # [P, m]
    count = seen[:, -1:]  # [P, 1]
    nth = torch.minimum((uniform * count).long() + 1, count)
    return torch.searchsorted(seen, nth).clamp(max=m - 1)  # an empty pool: an invalid index, dropped by the mask
