"""What bounds an agent: the naive loop on random data, and arithmetic and memory traffic over measured peaks."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from agents.config import Config
from cpc_rl.networks import ActorCritic
from cpc_rl.optim import build_optimiser
from cpc_rl.runs import pick_device


def naive_update(config: Config, shape: tuple[int, ...], actions: int) -> Callable[[], object]:
    """One round of acting and learning on random frames."""
    t, b = config.a2c.unroll, config.env.num_envs
    device = pick_device(config.run.device)
    net = ActorCritic(config.network.model_copy(update={"precision": "float32"}), shape, actions).to(device)
    optimiser = build_optimiser(config.optimiser, net.parameters())
    obs = torch.randint(0, 256, (t, b, *shape), dtype=torch.uint8, device=device)  # [T, B, H, W, 3]
    action = torch.zeros(t, b, dtype=torch.int64, device=device)  # [T, B]
    reward, first = torch.zeros(t, b, device=device), torch.zeros(t, b, dtype=torch.bool, device=device)  # [T, B]
    start = net.initial_state(b, device)

    def update() -> None:
        state = start
        with torch.no_grad():
            for i in range(t):
                out = net(obs[i : i + 1], action[i : i + 1], reward[i : i + 1], first[i : i + 1], state)
                state = out.state
                torch.multinomial(out.logits[0].softmax(-1), 1)
        out = net(obs, action, reward, first, start)
        optimiser.zero_grad()
        (out.logits.square().mean() + out.value.square().mean()).backward()
        optimiser.step()

    return update


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
