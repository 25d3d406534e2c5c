"""Ranks without processes: each runs in a thread of its own, and they meet where they sum."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from cpc_rl.aux import AuxLoss, Unroll
from cpc_rl.distributed import ProcessGroup


class ThreadGroup(ProcessGroup):
    """One of `size` ranks in one process."""

    def __init__(self, rank: int, size: int, barrier: threading.Barrier, board: list[Tensor]) -> None:
        super().__init__(rank, size)
        self.barrier, self.board = barrier, board

    def sum(self, x: Tensor) -> Tensor:
        return x.copy_(torch.stack(self._all(x)).sum(0))

    def gather(self, x: Tensor) -> Tensor:
        assert not x.requires_grad, "gradients do not cross threads"
        return torch.cat(self._all(x), 1)

    def _all(self, x: Tensor) -> list[Tensor]:
        self.board[self.rank] = x.clone()
        self.barrier.wait(30)
        found = list(self.board)
        self.barrier.wait(30)
        return found


def columns(unroll: Unroll, start: int, stop: int) -> Unroll:
    """Environments [start, stop) of it."""
    return Unroll(*(x[:, start:stop] if isinstance(x, Tensor) else x for x in unroll))


def on_ranks(make: Callable[[], AuxLoss], unroll: Unroll, bounds: list[int]) -> list[tuple[AuxLoss, Tensor, dict]]:
    """What each rank finds that has the environments from one of `bounds` to the next: (its copy, loss, metrics)."""
    size = len(bounds) - 1
    barrier, board = threading.Barrier(size), [torch.zeros(())] * size
    losses = [make() for _ in range(size)]

    def run(rank: int) -> tuple[AuxLoss, Tensor, dict]:
        losses[rank].group = ThreadGroup(rank, size, barrier, board)
        return losses[rank], *losses[rank](columns(unroll, bounds[rank], bounds[rank + 1]))

    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(run, range(size)))
