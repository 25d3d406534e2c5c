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

import torch
from bounds import best_seconds, flops_and_bytes, naive_update, peak_bytes, peak_flops
from hardware import hardware

import envs
from agents.config import full_config
from configs import load
from cpc_rl.malloc import keep_freed_memory
from cpc_rl.networks import ActorCritic
from cpc_rl.runs import pick_device


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    _, flags = parser.parse_known_args()
    keep_freed_memory()
    if "--preset" not in flags:
        flags = ["--preset", "laptop", *flags]
    config = load(full_config(), flags, prog="limit", description="")
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
