"""How fast could it be? The naive bound, and the machine's own: arithmetic and memory traffic over measured peaks.

    python benchmarks/limit.py [--preset laptop] [--threads 1] [--num-envs 16]

Arithmetic is counted by torch's FLOP counter over one unroll (act T times, then one forward and backward pass); bytes
are those that a step cannot do without: its frame, written once and read by acting and by learning, and every
activation of the network written once and read once in each pass, weights aside (they stay in the caches). Peaks are
measured here: a large matrix product, and a copy much larger than the caches. What is counted twice by acting and
learning could be kept from acting (docs/a2c.md), so the machine's bound is for this algorithm as it is usually done.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from agent_speed import naive_update
from hardware import hardware
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import envs
from agents.a2c import Config
from configs import load
from cpc_rl.memory import keep_freed_memory
from cpc_rl.networks import ActorCritic
from cpc_rl.runs import pick_device


def best_seconds(work: Callable[[], object], repeats: int = 10) -> float:
    """The fastest of `repeats`, after one that warms up: a peak is what the machine does undisturbed."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times[1:])


def peak_flops(device: torch.device, size: int) -> float:
    """FLOP/s of a float32 matrix product of `size`."""
    a, b = torch.randn(2, size, size, device=device).unbind()
    return 2 * size**3 / best_seconds(lambda: a @ b)


def peak_bytes(device: torch.device, megabytes: int = 256) -> float:
    """Bytes/s of a copy, counting what is read and what is written."""
    a = torch.ones(megabytes * 2**18, device=device)
    b = torch.empty_like(a)
    return 2 * a.nbytes / best_seconds(lambda: b.copy_(a))


def flops_and_bytes(net: ActorCritic, shape: tuple[int, ...], t: int, b: int) -> tuple[float, float]:
    """FLOPs and bytes for each agent step: acting once, and its share of learning."""
    device = next(net.parameters()).device
    obs = torch.zeros(t, b, *shape, dtype=torch.uint8, device=device)
    action = torch.zeros(t, b, dtype=torch.int64, device=device)
    reward, first = torch.zeros(t, b, device=device), torch.zeros(t, b, dtype=torch.bool, device=device)
    written = 0

    def count(module: nn.Module, inputs: object, output: object) -> None:
        nonlocal written
        tensors = output if isinstance(output, tuple) else (output,)
        written += sum(x.nbytes for x in tensors if isinstance(x, torch.Tensor))

    leaves = [m for m in net.modules() if not list(m.children())]
    hooks = [m.register_forward_hook(count) for m in leaves]
    with FlopCounterMode(display=False) as forward, torch.no_grad():
        net(obs, action, reward, first, net.initial_state(b, device))
    for hook in hooks:
        hook.remove()
    with FlopCounterMode(display=False) as learning:
        out = net(obs, action, reward, first, net.initial_state(b, device))
        (out.logits.sum() + out.value.sum()).backward()
    flops = (forward.get_total_flops() + learning.get_total_flops()) / (t * b)
    frame, activations = obs[0, 0].nbytes, written / (t * b)
    # acting: write the frame, read it, write and read the activations; learning: read the frame for the forward and
    # for the backward pass, write the activations, read them twice, write and read their gradients.
    return flops, 4 * frame + 7 * activations


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    _, flags = parser.parse_known_args()
    keep_freed_memory()
    if "--preset" not in flags:
        flags = ["--preset", "laptop", *flags]
    config = load(Config, flags, prog="limit", description="")
    if config.run.threads:
        torch.set_num_threads(config.run.threads)
    device = pick_device(config.run.device)
    env = envs.make(config.env, seed=1)
    t, b, shape, actions = config.a2c.unroll, config.env.num_envs, env.obs_shape, env.num_actions
    flops, traffic = flops_and_bytes(ActorCritic(config.network, shape, actions).to(device), shape, t, b)
    compute, memory = peak_flops(device, 8192 if device.type == "cuda" else 2048), peak_bytes(device)
    naive = t * b / best_seconds(naive_update(config, shape, actions), repeats=5)
    print(f"{hardware()}\n\n{config.env.name}, B={b}, T={t}, {config.network.encoder} network\n")
    print("| bound | for each agent step | measured peak | agent steps/s | the naive bound reaches |")
    print("|---|---|---|---|---|")
    for name, need, unit, peak in (
        ("arithmetic", flops, "FLOP", compute),
        ("memory", traffic, "B", memory),
    ):
        rate = peak / need
        what = f"{name} | {need / 1e6:,.2f} M{unit} | {peak / 1e9:,.1f} G{unit}/s"
        print(f"| {what} | {rate:,.0f} | {naive / rate:.2f} |")
    print(f"| naive: the same network on random data | | | {naive:,.0f} | 1 |")


if __name__ == "__main__":
    main()
