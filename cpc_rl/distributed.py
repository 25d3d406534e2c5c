"""Several processes that train one agent, each with its share of the environments; `torchrun` starts them.

    torchrun --nproc-per-node=4 -m -- agents.a2c --env rooms_watermaze --aux cpc --num-envs 64 --run runs/NAME

All ranks hold the same weights, draw from the same random numbers and take the same step: the sum of their gradients.
R ranks of B / R environments are one rank of B up to the rounding of sums.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from configs import RunFailure

T = TypeVar("T")
PATIENCE = timedelta(minutes=10)  # without a word from another rank: longer than any reset, checkpoint or compilation


class ProcessGroup:
    """Who we are among the ranks. Alone, every method is the identity, and torch.distributed is not touched."""

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        """Use `joined`."""
        self.rank, self.size = rank, size

    @property
    def is_main(self) -> bool:
        """Whether this rank keeps the records."""
        return self.rank == 0

    def sum(self, x: Tensor) -> Tensor:
        """The sum over all ranks, in place."""
        if self.size > 1:
            self._talk(lambda: dist.all_reduce(x))
        return x

    def sum_gradients(self, params: Sequence[Tensor]) -> None:
        """Give every rank the sum of all ranks' gradients; a missing one counts as zero."""
        if self.size == 1:
            return
        for p in params:
            if p.grad is None:
                p.grad = torch.zeros_like(p)
        grads = [p.grad for p in params if p.grad is not None]
        flat = self.sum(torch.cat([g.flatten() for g in grads]))  # one message instead of one a parameter
        for grad, part in zip(grads, torch.split(flat, [g.numel() for g in grads]), strict=True):
            grad.copy_(part.view_as(grad))

    def gather(self, x: Tensor) -> Tensor:
        """[T, B / R, ...] of each rank -> [T, B, ...] on all, in the order of ranks; gradients find their way back."""
        if self.size == 1:
            return x
        if x.dtype == torch.bool:  # which gloo does not carry
            return self.gather(x.to(torch.uint8)).bool()
        gathered: Tensor = _Gather.apply(x, self)
        return gathered

    def collect(self, value: T) -> list[T]:
        """Each rank's `value`, in the order of ranks; any picklable object, so for records rather than tensors."""
        values: list[Any] = [value]
        if self.size > 1:
            values = [None] * self.size
            self._talk(lambda: dist.all_gather_object(values, value))
        return values

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """For each flag, whether it is up on any rank."""
        return tuple(bool(x) for x in self.sum(torch.tensor(flags, dtype=torch.int32)))

    def _talk(self, message: Callable[[], Any]) -> None:
        try:
            message()
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise RunFailure(f"rank {self.rank} of {self.size} lost another rank ({reason})") from error


SINGLE = ProcessGroup()


class _Gather(torch.autograd.Function):
    """Concatenation over ranks along dimension 1."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, group: ProcessGroup) -> Tensor:
        ctx.group = group
        parts = [torch.empty_like(x, memory_format=torch.contiguous_format) for _ in range(group.size)]
        group._talk(lambda: dist.all_gather(parts, x.contiguous()))
        return torch.cat(parts, dim=1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        grad = ctx.group.sum(grads[0].contiguous())  # each rank used all columns
        return grad.chunk(ctx.group.size, dim=1)[ctx.group.rank], None


@contextmanager
def joined() -> Iterator[ProcessGroup]:
    """The ranks that torchrun started, for a `with` block; alone where it was not torchrun.

    Raises:
        RunFailure: The other ranks cannot be reached.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield ProcessGroup()
        return
    backend = "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        backend = "cpu:gloo,cuda:nccl"
    try:
        store, rank, size = next(dist.rendezvous("env://", timeout=PATIENCE))  # type: ignore[attr-defined]
        fresh = dist.PrefixStore(meet(store, rank, size), store)  # type: ignore[attr-defined]
        dist.init_process_group(backend, store=fresh, rank=rank, world_size=size, timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        raise RunFailure(f"rank {os.environ.get('RANK')} of {size} cannot reach the others: {error}") from error
    try:
        yield ProcessGroup(dist.get_rank(), size)
    finally:
        dist.destroy_process_group()


def meet(store: Any, rank: int, size: int, patience: timedelta = PATIENCE) -> str:
    """A name that all ranks which are alive now agree on, and none before them had; each of them must call this.

    After a restart torchrun's store still holds what the dead ranks wrote, their addresses too, and gloo would wait
    for those. So rank 0 proposes a new name, every rank answers with a number of its own, and goes on only when rank 0
    confirmed that very number.

    Args:
        store: A `torch.distributed.Store` that all ranks share.
        rank: Ours.
        size: How many there are.
        patience: How long to wait for the others.

    Raises:
        RunFailure: Not all of them came.
    """
    deadline, mine = time.monotonic() + patience.total_seconds(), secrets.token_hex(8)
    if rank == 0:
        name = f"meeting-{secrets.token_hex(8)}"
        store.set("meeting", name)
        answers = [f"{name}/{other}" for other in range(1, size)]
        _wait(lambda: not answers or store.check(answers), deadline, f"rank 0 of {size} waits for the others")
        store.set(f"{name}/all", json.dumps([store.get(key).decode() for key in answers]))
        return name

    def confirmed() -> str:
        if not store.check(["meeting"]):
            return ""
        name: str = store.get("meeting").decode()
        store.set(f"{name}/{rank}", mine)
        return name if store.check([f"{name}/all"]) and mine in json.loads(store.get(f"{name}/all")) else ""

    return _wait(confirmed, deadline, f"rank {rank} of {size} waits for rank 0")


def _wait(ready: Callable[[], T], deadline: float, what: str) -> T:
    while not (value := ready()):
        if time.monotonic() > deadline:
            raise RunFailure(f"{what}, in vain")
        time.sleep(0.05)
    return value


def restarted() -> bool:
    """Whether torchrun has started us anew after a rank died (`--max-restarts`)."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0
