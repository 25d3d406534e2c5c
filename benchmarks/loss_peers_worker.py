"""One formulation of the CPC loss for `loss_peers.py`, in whichever virtual environment has it.

Prints "ready". "case K T B" is answered with the loss, the peak of the allocator in MiB and the seconds of a first,
profiled pass, "again" with the seconds of another pass; either with "memory" where the limit was not enough.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.autograd.profiler import profile
from torch.nn import functional as F

WIDTH, TEMPERATURE = 256, 0.1
ANCHORS, NEGATIVES = 10, 256  # as our agent draws them
Loss = Callable[[Tensor, Tensor], Tensor]  # queries [n, D], positives [n, D], negatives are the other positives


class Unit(nn.Module):
    """To length 1."""

    def forward(self, x: Tensor) -> Tensor:
        """[..., D] -> [..., D]."""
        return F.normalize(x, dim=-1)


def pairwise(loss: Loss, context: Tensor, latent: Tensor, heads: nn.ModuleList) -> Tensor:
    """CPC through a loss that knows queries and positives: the mean over offsets."""
    losses = []
    for k, head in enumerate(heads, start=1):
        losses.append(loss(head(context[:, :-k]).flatten(0, 1), latent[:, k:].flatten(0, 1)))
    return torch.stack(losses).mean()


def dense_loss() -> Loss:
    def loss(query: Tensor, positive: Tensor) -> Tensor:
        logits = F.normalize(query, dim=-1) @ F.normalize(positive, dim=-1).t() / TEMPERATURE  # [n, n]
        return F.cross_entropy(logits, torch.arange(len(query)))

    return loss


def info_nce_pytorch() -> Loss:
    from info_nce import InfoNCE

    return InfoNCE(TEMPERATURE)


def metric_learning(name: str) -> Loss:
    from pytorch_metric_learning import losses

    return losses.SelfSupervisedLoss(getattr(losses, name)(TEMPERATURE), symmetric=False)


def formulation(name: str) -> Callable[[Tensor, Tensor, nn.ModuleList], Tensor]:
    """Context [B, T, D], latent [B, T, D], one head for each offset -> the loss."""
    if name in ("ours", "ours_sampled"):
        from cpc_rl.infonce import cpc_loss

        def ours(context: Tensor, latent: Tensor, heads: nn.ModuleList) -> Tensor:
            modules = [nn.Sequential(head, Unit()) for head in heads]
            how: dict = {"targets_only": True}
            if name == "ours_sampled":
                how = {"num_negatives": NEGATIVES, "anchor_steps": torch.randperm(latent.shape[1])[:ANCHORS]}
            offsets = range(1, len(heads) + 1)
            return cpc_loss(context, F.normalize(latent, dim=-1), modules, offsets, scale=1 / TEMPERATURE, **how).loss

        return ours
    losses = {
        "dense": dense_loss,
        "info_nce": info_nce_pytorch,
        "supcon": lambda: metric_learning("SupConLoss"),
        "ntxent": lambda: metric_learning("NTXentLoss"),
    }
    loss = losses[name]()
    return lambda context, latent, heads: pairwise(loss, context, latent, heads)


def peak_mebibytes(run: Callable[[], object]) -> float:
    """The allocator's peak during `run`, above what was held before."""
    with profile(profile_memory=True, use_kineto=True) as log:
        run()
    assert log.kineto_results is not None
    events = sorted((e.start_ns(), e.nbytes()) for e in log.kineto_results.events() if e.name() == "[memory]")
    held = peak = 0
    for _, size in events:
        held += size
        peak = max(peak, held)
    return peak / 2**20


def answer(step: Callable[[], float], first: bool) -> str:
    """Do a pass, the first one under the profiler, and say what `main` answers."""
    losses: list[float] = []
    start = time.perf_counter()
    try:
        if first:
            peak = peak_mebibytes(lambda: losses.append(step()))
            return f"{losses[0]} {peak} {time.perf_counter() - start}"
        step()
        return str(time.perf_counter() - start)
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, RuntimeError) and "allocate memory" not in str(error):
            raise
        return "memory"


def prepared(loss_of: Callable[..., Tensor], offsets: int, length: int, batch: int) -> Callable[[], float]:
    """Forward and backward on the same data whatever the formulation; returns the loss."""
    torch.manual_seed(0)
    context, latent = (torch.randn(batch, length, WIDTH).requires_grad_() for _ in range(2))
    heads = nn.ModuleList(nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(offsets))

    def step() -> float:
        loss = loss_of(context, latent, heads)
        torch.autograd.grad(loss, [context, latent, *heads.parameters()])
        return loss.item()

    return step


def main() -> None:
    output = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # some libraries chat on standard output
    name, threads, gibibytes = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    torch.set_num_threads(threads)
    resource.setrlimit(resource.RLIMIT_DATA, (int(gibibytes * 2**30),) * 2)  # else the machine would kill others
    loss_of, step = formulation(name), None
    print("ready", file=output)
    for question in sys.stdin:
        word, *sizes = question.split()
        if word == "case":
            step = prepared(loss_of, *map(int, sizes))
        assert step is not None
        print(answer(step, first=word == "case"), file=output)


if __name__ == "__main__":
    main()
