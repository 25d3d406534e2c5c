"""What each source of negatives costs: CPC forward and backward on one unroll, beside the agent's own update.

    python benchmarks/cpc_negatives.py [--num-envs 16] [--threads 0] [--rounds 5]

Random z and c of the laptop preset's shapes (T = 100, 256 wide, K = 30). "Of an update" is measured against one round
of the naive limit of `agent_speed.py` (acting and one forward/backward), taken in turns in the same process.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import torch
from bounds import naive_update
from hardware import hardware

from agents.config import full_config
from configs import load
from cpc_rl.aux import AuxSizes, CPCConfig, Unroll, build_aux
from cpc_rl.malloc import keep_freed_memory
from cpc_rl.networks import ActorCritic, NetworkConfig

T = 100


def arm(negatives: str, anchors: int | str, num_envs: int) -> Callable[[], object]:
    """Forward and backward of one setting."""
    where = {"count": 256} if negatives == "sampled" else {"pool": negatives}
    config = CPCConfig.model_validate({"negatives": {"count": "all", **where}, "anchors": anchors})
    net = ActorCritic(NetworkConfig(), (72, 96, 3), 9)
    aux = build_aux({"cpc": config}, AuxSizes(256, 256, 9, T), net, seed=0)
    z, c = (torch.randn(T + 1, num_envs, 256, requires_grad=True) for _ in range(2))  # [T + 1, B, D]
    rows = torch.zeros(T + 1, num_envs)
    seen = Unroll(rows, z, c, rows, rows, rows[1:].long(), rows[1:], rows > 0, rows == 0, net)

    def run() -> None:
        aux(seen)[0].backward()

    return run


def seconds(run: Callable[[], object]) -> float:
    """Of one call."""
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num-envs", type=int, default=16)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    keep_freed_memory()
    if options.threads:
        torch.set_num_threads(options.threads)
    flags = ["--preset", "laptop", "--device", "cpu", "--num-envs", str(options.num_envs)]
    limit = naive_update(load(full_config(), flags, prog="cpc_negatives", description=""))
    settings = [(n, a) for a in (10, "all") for n in ("sampled", "time", "sequence", "batch")]
    arms = {setting: arm(*setting, options.num_envs) for setting in settings}
    taken: dict[tuple[str, int | str], list[tuple[float, float]]] = {setting: [] for setting in settings}
    for i in range(options.rounds + 1):  # the first round warms up
        base = seconds(limit)
        for setting, run in arms.items():
            spent = seconds(run)
            if i:
                taken[setting].append((spent, spent / base))
    print(f"{hardware()}; B={options.num_envs}, T={T}\n")
    print("| negatives | candidates each | anchors | ms | of an update |")
    print("|---|---|---|---|---|")
    sizes = {"sampled": 257, "time": options.num_envs, "sequence": T + 1, "batch": (T + 1) * options.num_envs}
    for (name, anchors), values in taken.items():
        ms, share = median(v[0] for v in values) * 1000, median(v[1] for v in values)
        print(f"| {name} | {sizes[name]:,} | {anchors} | {ms:,.0f} | {share:.0%} |")


if __name__ == "__main__":
    main()
