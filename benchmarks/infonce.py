"""Time and memory of the CPC loss against the dense formulation, in one run: `python benchmarks/infonce.py`.

Dense: the same sampled shared negatives and the same anchors, with the logits of all offsets held by autograd. Times
are the best of alternating rounds of forward and backward; memory is the peak of the allocator during one of them,
above what was held before, without the gradients of the heads (as many as there are heads, whatever the loss).
"""

import time
from collections.abc import Callable

import torch
from hardware import hardware
from torch import Tensor, nn
from torch.autograd.profiler import profile
from torch.nn import functional as F

from cpc_rl.infonce import cpc_loss, linear_heads
from cpc_rl.malloc import keep_freed_memory

TIME, WIDTH, NEGATIVES = 100, 256, 256


def dense_loss(context: Tensor, latent: Tensor, heads: nn.ModuleList, steps: Tensor, negatives: int | None) -> Tensor:
    """Per offset: cross-entropy over all logits at once, as it is usually written."""
    batch, length, width = latent.shape
    flat = latent.reshape(-1, width)  # [B * T, D]
    index = None if negatives is None else torch.randint(len(flat), (negatives,), device=flat.device)
    rows = torch.arange(batch, device=flat.device)[:, None] * length  # [B, 1]
    losses = []
    for k, head in enumerate(heads, start=1):
        usable = steps[steps + k < length]
        prediction = head(context[:, usable]).flatten(0, 1)  # [n, D]
        target = (rows + usable + k).flatten()  # [n]
        if index is None:
            losses.append(F.cross_entropy(prediction @ flat.t(), target))
            continue
        own = (prediction * flat[target]).sum(-1, keepdim=True)  # [n, 1]
        others = (prediction @ flat[index].t()).masked_fill(target[:, None] == index, -torch.inf)  # [n, M]
        losses.append(F.cross_entropy(torch.cat([own, others], 1), torch.zeros_like(target)))
    return torch.stack(losses).mean()


def seconds(run: Callable[[], None], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def peak_mebibytes(run: Callable[[], None], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    with profile(profile_memory=True, use_kineto=True) as log:
        run()
    assert log.kineto_results is not None
    events = sorted((e.start_ns(), e.nbytes()) for e in log.kineto_results.events() if e.name() == "[memory]")
    held = peak = 0
    for _, size in events:
        held += size
        peak = max(peak, held)
    return peak / 2**20


def measure(batch: int, offsets: int, drawn: int, negatives: int | None, device: torch.device) -> str:
    context, latent = (torch.randn(batch, TIME, WIDTH, device=device).requires_grad_() for _ in range(2))
    heads = linear_heads(WIDTH, WIDTH, offsets).to(device)
    steps = torch.randperm(TIME)[:drawn].sort().values.to(device)

    def differentiate(loss: Tensor) -> None:
        torch.autograd.grad(loss, [context, latent, *(p for p in heads.parameters() if p.requires_grad)])

    def ours() -> None:
        loss = cpc_loss(context, latent, heads, range(1, offsets + 1), num_negatives=negatives, anchor_steps=steps).loss
        differentiate(loss)

    def dense() -> None:
        differentiate(dense_loss(context, latent, heads, steps, negatives))

    heads.requires_grad_(False)
    memory = [peak_mebibytes(run, device) for run in (ours, dense)]
    heads.requires_grad_(True)
    rounds = 7 if batch * drawn * offsets * (negatives or batch * TIME) < 10**7 else 2
    pairs = [[seconds(run, device) for run in (ours, dense)] for _ in range(rounds)]
    times = [min(column) for column in zip(*pairs, strict=True)]
    pool = "all" if negatives is None else str(negatives)
    return (
        f"| {batch} | {offsets} | {drawn} | {pool} | {times[0] * 1e3:.0f} | {times[1] * 1e3:.0f} "
        f"| {times[0] / times[1]:.2f} | {memory[0]:.0f} | {memory[1]:.0f} | {memory[0] / memory[1]:.2f} |"
    )


def main() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    keep_freed_memory()  # as in a training process
    print(f"# InfoNCE against the dense formulation\n\n{hardware()}; float32.")
    print(
        f"T = {TIME}, d = {WIDTH}, forward and backward; memory is the peak during both, in MiB, "
        "less the heads' own gradients.\n"
    )
    print("| B | K | anchor steps | negatives | ms, ours | ms, dense | ratio | MiB, ours | MiB, dense | ratio |")
    print("|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for batch, drawn, negatives in ((16, 10, NEGATIVES), (32, 10, NEGATIVES), (32, TIME, NEGATIVES), (8, TIME, None)):
        for offsets in (3, 30):
            print(measure(batch, offsets, drawn, negatives, device), flush=True)


if __name__ == "__main__":
    main()
