"""Several processes that train one agent, each with its share of the environments; `torchrun` starts them.

    torchrun --nproc-per-node=4 -m -- agents.a2c --env rooms_watermaze --aux cpc --num-envs 64 --run runs/NAME

All ranks hold the same weights, draw from the same random numbers and take the same step: the sum of their gradients.
R ranks of B / R environments are one rank of B up to the rounding of sums.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from pydantic import BaseModel
from torch import Tensor

from configs import RunFailure, UsageError, difference

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
SILENCE = 10.0  # seconds of waiting without a word
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

    def agree(self, make: Callable[[], M]) -> M:
        """The configuration that `make` gives, on each rank the same.

        Raises:
            UsageError: `make` raises it on a rank, or gives something else there. All ranks raise it, none waits.
        """
        if self.size == 1:
            return make()
        made: M | None = None
        complaint = ""
        try:
            made = make()
        except UsageError as error:
            complaint = str(error)
        told = self.collect((complaint, {} if made is None else made.model_dump(mode="json")))
        complaints = [each for each, _ in told]
        if len(set(complaints)) == 1 and complaint:
            raise UsageError(complaint, shared=True)
        for rank, (said, found) in enumerate(told):
            if said:
                raise UsageError(f"rank {rank}: {said}", shared=True)
            for key, first, here in difference(told[0][1], found):
                raise UsageError(f"ranks differ: {key} is {first} on rank 0 and {here} on rank {rank}", shared=True)
        assert made is not None
        return made

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
        UsageError: The environment variables that say who we are do not fit.
        RunFailure: The other ranks cannot be reached.
    """
    size = _number("WORLD_SIZE", default=1)
    if size == 1:
        yield ProcessGroup()
        return
    rank = _number("RANK")
    if rank >= size:
        raise UsageError(f"RANK is {rank}: of WORLD_SIZE {size} processes the last one is {size - 1}")
    backend = "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(_number("LOCAL_RANK"))
        backend = "cpu:gloo,cuda:nccl"
    try:
        with _patience(f"rank {rank} of {size} waits for the others"):
            store, rank, size = next(dist.rendezvous("env://", timeout=PATIENCE))  # type: ignore[attr-defined]
            fresh = dist.PrefixStore(meet(store, rank, size), store)  # type: ignore[attr-defined]
            dist.init_process_group(backend, store=fresh, rank=rank, world_size=size, timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        raise RunFailure(f"rank {rank} of {size} cannot reach the others: {error}") from error
    try:
        yield ProcessGroup(dist.get_rank(), size)
    finally:
        dist.destroy_process_group()


def together(make: Callable[[], M], work: Callable[[M, ProcessGroup], T]) -> T:
    """Do `work` on all ranks, each with the same configuration, which `make` gives; see `joined` and `agree`."""
    with joined() as group:
        return work(group.agree(make), group)


@contextmanager
def _patience(what: str) -> Iterator[None]:
    """Say after some seconds what this process waits for, and for how long at most."""
    line = f"{what}, for {PATIENCE.total_seconds() / 60:.0f} minutes at most"
    timer = threading.Timer(SILENCE, lambda: print(line, file=sys.stderr, flush=True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _number(name: str, default: int | None = None) -> int:
    """An environment variable of torchrun's. Raises UsageError for what is no number."""
    text = os.environ.get(name, "" if default is None else str(default))
    if not (text.isascii() and text.isdigit()) or (name == "WORLD_SIZE" and int(text) == 0):
        raise UsageError(f"{name} is {text!r}: torchrun sets it to a number; unset WORLD_SIZE for a single process")
    return int(text)


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
        name = f"meeting-{size}-{secrets.token_hex(8)}"
        store.set("meeting", name)
        answers = [f"{name}/{other}" for other in range(1, size)]
        _wait(lambda: not answers or store.check(answers), deadline, f"rank 0 of {size} waits for the others")
        store.set(f"{name}/all", json.dumps([store.get(key).decode() for key in answers]))
        return name

    def confirmed() -> str:
        if not store.check(["meeting"]):
            return ""
        name: str = store.get("meeting").decode()
        if (others := name.split("-")[1]) != str(size):
            raise RunFailure(f"rank {rank} is one of {size}, and rank 0 one of {others}: WORLD_SIZE must be the same")
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
