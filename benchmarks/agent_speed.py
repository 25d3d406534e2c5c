"""Agent steps per second of the whole loop beside its bounds. Alone on the machine, please.

    python benchmarks/agent_speed.py [--rounds 7] [--allocator keep|default] [flags of agents.a2c]
    python benchmarks/agent_speed.py --sweep num-envs 8 16 32 64 128      # or: --sweep cpc.steps 1 5 30
    python benchmarks/agent_speed.py --losses                             # every auxiliary loss beside A2C alone

The naive limit is the same network acting T times in B environments' worth of random frames, then one forward,
backward and optimiser step on T x B of them, in float32: no environment, no losses but a mean, no records. The
arithmetic bound is what those operations, counted (`limit.py`), would take at the speed of a large matrix product.
All arms run in one process and take turns, so the ratios hold where absolute figures drift.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import torch
from bounds import best_seconds, flops_and_bytes, naive_update
from hardware import hardware

import envs
from agents.a2c import Learner
from agents.config import Config, full_config
from configs import load
from cpc_rl.acting import begin
from cpc_rl.aux import AUX_LOSSES
from cpc_rl.malloc import keep_freed_memory
from cpc_rl.networks import ActorCritic
from cpc_rl.runs import pick_device

ARMS = {
    "none": ("--aux", "none"),
    "cpc": ("--aux", "cpc"),
    "none, bfloat16": ("--aux", "none", "--network.precision", "bfloat16"),
    "cpc, bfloat16": ("--aux", "cpc", "--network.precision", "bfloat16"),
}


def configuration(flags: list[str]) -> Config:
    flags = flags if "--preset" in flags else ["--preset", "laptop", *flags]
    return load(full_config(), flags, prog="agent_speed", description="")


def learner(config: Config) -> Learner:
    device = pick_device(config.run.device)
    home, _ = envs.best_device(config.env, device.type)
    made = Learner(config, envs.make(config.env, seed=1, device=home), device)
    begin(made.env, made.rollout)
    return made


def rates(arms: dict[str, Callable[[], object]], rounds: int, updates: int) -> dict[str, list[float]]:
    """Calls a second of each arm in each round, taken in turns; the first three rounds warm up and are left out."""
    found: dict[str, list[float]] = {name: [] for name in arms}
    for i in range(rounds + 3):
        for name, update in arms.items():
            begun = time.perf_counter()
            for _ in range(updates):
                update()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if i > 2:
                found[name].append(updates / (time.perf_counter() - begun))
    return found


def table(flags: list[str], options: argparse.Namespace, title: str = "") -> None:
    """Print the rows of one setting."""
    config = configuration(flags)
    if config.run.threads:
        torch.set_num_threads(config.run.threads)
    chosen = {name: ("--aux", name) for name in ("none", *AUX_LOSSES)} if options.losses else ARMS
    learners = {name: learner(configuration([*flags, *arm])) for name, arm in chosen.items()}
    env, steps = learners["none"].env, config.a2c.unroll * config.env.num_envs
    device = pick_device(config.run.device)
    size = 8192 if device.type == "cuda" else 2048
    a, b = torch.randn(2, size, size, device=device).unbind()
    naive = naive_update(config, env.obs_shape, env.num_actions)
    net = ActorCritic(config.network, env.obs_shape, env.num_actions).to(device)
    flops, _ = flops_and_bytes(net, env.obs_shape, config.a2c.unroll, config.env.num_envs)
    arms = {"naive limit": naive, **{name: made.update for name, made in learners.items()}}
    bound = []  # updates a second, before and after each round
    bound.append(2 * size**3 / best_seconds(lambda: a @ b) / (flops * steps))
    found = rates(arms, options.rounds, options.updates)
    bound.append(2 * size**3 / best_seconds(lambda: a @ b) / (flops * steps))
    frames = steps * env.action_repeat
    for name, values in found.items():
        to_limit, to_none = (
            median(x / y for x, y in zip(values, found[base], strict=True)) for base in ("naive limit", "none")
        )
        rate = median(values)
        print(
            f"| {title}{name} | {rate * steps:,.0f} | {rate * frames:,.0f} | {to_limit:.2f} | {rate / max(bound):.2f} "
            f"| {to_none:.2f} | {1e9 / (rate * frames) / 3600:.1f} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--updates", type=int, default=3, help="updates of each arm in a round")
    parser.add_argument("--allocator", choices=["keep", "default"], default="keep", help="see cpc_rl/malloc.py")
    parser.add_argument("--sweep", nargs="+", default=[], metavar="FLAG VALUE", help="a table over values of one flag")
    parser.add_argument("--losses", action="store_true", help="an arm for each auxiliary loss, float32")
    options, flags = parser.parse_known_args()
    if options.allocator == "keep":
        keep_freed_memory()
    config = configuration(flags)
    if config.run.threads:
        torch.set_num_threads(config.run.threads)
    print(f"{hardware()}\n\n{config.env.name}, B={config.env.num_envs}, T={config.a2c.unroll}, ", end="")
    print(f"{config.network.encoder} network, allocator {options.allocator}; ", end="")
    print(f"median of {options.rounds} rounds, ratios within each round\n")
    print("| arm | agent steps/s | frames/s | of the naive limit | of arithmetic | of A2C alone | h for 1e9 |")
    print("|---|---|---|---|---|---|---|")
    name, *values = options.sweep or ("", "")
    for value in values:
        table([*flags, f"--{name}", value] if name else flags, options, f"{name} {value}: " if name else "")


if __name__ == "__main__":
    main()
