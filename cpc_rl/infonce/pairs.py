"""Pairs (t, t + k) of a window of sequences, laid out as the independent pools `cpc_rl.infonce.blocks` works on.

All fields are time-major. What makes one pool is a matter of folding: the whole window ("batch"), one sequence
("sequence") or one step ("time"). Nothing is gathered per anchor.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from cpc_rl.infonce.blocks import Roles

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
    sizes: list[int]  # [K], rows of each offset: the first so many anchor steps, the others have no target

    def rows(self, ks: range) -> slice:
        """The rows of some offsets, given by their places."""
        start = sum(self.sizes[: ks.start])
        return slice(start, start + sum(self.sizes[ks.start : ks.stop]))

    def chunks(self, most: int) -> Iterator[range]:
        """Cut the offsets into runs of at most `most` rows (one offset at least)."""
        first = height = 0
        for k, size in enumerate(self.sizes):
            if k > first and height + size > most:
                yield range(first, k)
                first, height = k, 0
            height += size
        yield range(first, len(self.sizes))


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

    def pairs(self, steps: Tensor, offsets: Sequence[int], device: torch.device) -> Pairs:
        """All pairs whose anchors stand at `steps` [S], sorted; the fields lie on `device`."""
        k = torch.tensor(offsets, device=steps.device)[:, None]  # [K, 1]
        offset, source, target = self._rows(steps, k, device)
        return Pairs(offset, target, self._meet(source, target), (steps + k < self.time).sum(1).tolist())

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

    def roles(self, target: Tensor, pair: Tensor, uniform: Tensor | None) -> Roles:
        """Roles of the folded latents for anchors with their positives at steps `target` [n]; `pair` [n, B]."""
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
            fields = (valid, uniform, candidate_group)
            valid, uniform, candidate_group = (None if x is None else x[target] for x in fields)
        size = {"batch": self.time * self.batch, "sequence": self.time, "time": self.batch}[self.pool]
        negatives = None if uniform is None else _nth_valid(uniform, valid, size)
        return Roles(size, self._positive(target), negatives, valid, anchor_group, candidate_group)

    def counted(self, pairs: Pairs, rows: slice, uniform: Tensor | None) -> Tensor:
        """How many pairs of each offset are valid and have a negative, long [K]; of the rows given."""
        target, pair = pairs.target[rows], pairs.valid[rows]
        count = unfold(self.roles(target, pair, uniform).count_negatives(), self.pool, self.batch)  # [n, B]
        number = torch.zeros(len(pairs.sizes), dtype=torch.int64, device=pair.device)
        return number.index_add_(0, pairs.offset[rows], (pair & (count > 0)).sum(1))

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
