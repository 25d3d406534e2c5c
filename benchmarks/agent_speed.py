"""Agent steps per second of the whole loop, without and with CPC, beside the naive limit. Alone on the machine, please.

    python benchmarks/agent_speed.py [--preset laptop] [--rounds 7] [--env rooms_watermaze] [--allocator keep|default]

The naive limit is the same network acting T times in B environments' worth of random frames, then one forward,
backward and optimiser step on T x B of them: no environment, no losses but a mean, no records. All arms run in one
process and take turns, so the ratios hold where absolute figures drift.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import torch
from hardware import hardware

import envs
from agents.a2c import Config, Learner
from configs import load
from cpc_rl.acting import begin
from cpc_rl.memory import keep_freed_memory
from cpc_rl.networks import ActorCritic
from cpc_rl.optim import build_optimiser
from cpc_rl.runs import pick_device


def naive_update(config: Config, shape: tuple[int, ...], actions: int) -> Callable[[], object]:
    """One round of acting and learning on random frames."""
    t, b = config.a2c.unroll, config.env.num_envs
    device = pick_device(config.run.device)
    net = ActorCritic(config.network, shape, actions).to(device)
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--updates", type=int, default=3, help="updates of each arm in a round")
    parser.add_argument("--allocator", choices=["keep", "default"], default="keep", help="see cpc_rl/memory.py")
    options, flags = parser.parse_known_args()
    if options.allocator == "keep":
        keep_freed_memory()
    if "--preset" not in flags:
        flags = ["--preset", "laptop", *flags]
    arms: dict[str, Callable[[], object]] = {}
    for aux in ("none", "cpc"):
        config = load(Config, [*flags, "--aux", aux], prog="agent_speed", description="")
        if config.run.threads:
            torch.set_num_threads(config.run.threads)
        learner = Learner(config, envs.make(config.env, seed=1), pick_device(config.run.device))
        begin(learner.env, learner.rollout)
        arms[aux] = learner.update
    arms = {"naive limit": naive_update(config, learner.env.obs_shape, learner.env.num_actions), **arms}
    steps = options.updates * config.a2c.unroll * config.env.num_envs
    rates: dict[str, list[float]] = {name: [] for name in arms}
    for i in range(options.rounds + 1):  # the first round warms up
        for name, update in arms.items():
            begun = time.perf_counter()
            for _ in range(options.updates):
                update()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if i:
                rates[name].append(steps / (time.perf_counter() - begun))
    print(f"{hardware()}\n\n{config.env.name}, ", end="")
    print(f"B={config.env.num_envs}, T={config.a2c.unroll}, {config.network.encoder} network, ", end="")
    print(f"allocator {options.allocator}; median of {options.rounds} rounds, ratio within each round\n")
    print("| arm | agent steps/s | frames/s | of the limit | of A2C alone |")
    print("|---|---|---|---|---|")
    for name, values in rates.items():
        to_limit, to_none = (
            median(a / b for a, b in zip(values, rates[base], strict=True)) for base in ("naive limit", "none")
        )
        print(f"| {name} | {median(values):,.0f} | {4 * median(values):,.0f} | {to_limit:.2f} | {to_none:.2f} |")


if __name__ == "__main__":
    main()
