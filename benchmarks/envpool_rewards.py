"""ViZDoom's scenarios as the envpool back end pays them, beside ViZDoom itself, episode by episode.

    pip install vizdoom
    python benchmarks/envpool_rewards.py --episodes 104 | tee benchmarks/results/envpool_rewards.md

Both play the same random actions from the same seeds, and so the same episodes: what differs is what is paid. ViZDoom
pays by its own configuration and scripts. Without the `vizdoom` package only envpool's columns are printed.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import os
import tempfile
from contextlib import chdir, closing
from typing import Any, NamedTuple

import numpy as np
import torch
from hardware import hardware

from envs.config import EnvConfig
from envs.envpool import EnvpoolEnv
from envs.envpool.presets import FRAME_SKIP, SCENARIOS

PAIRS = (
    ("MOVE_RIGHT", "MOVE_LEFT"),
    ("MOVE_BACKWARD", "MOVE_FORWARD"),
    ("TURN_RIGHT", "TURN_LEFT"),
    ("SELECT_NEXT_WEAPON", "SELECT_PREV_WEAPON"),
)


class Episode(NamedTuple):
    """What one episode paid, and its agent steps."""

    total: float
    length: int


def play_envpool(env: EnvpoolEnv, each: int, seed: int) -> list[list[Episode]]:
    """The first `each` episodes of each environment under random actions."""
    rngs = [np.random.default_rng((seed, i)) for i in range(env.num_envs)]
    done: list[list[Episode]] = [[] for _ in rngs]
    totals, lengths = np.zeros(env.num_envs), np.zeros(env.num_envs, np.int64)
    step = env.reset()
    over = np.zeros(env.num_envs, np.bool_)
    while min(map(len, done)) < each:
        actions = [0 if dead else int(rng.integers(env.num_actions)) for dead, rng in zip(over, rngs, strict=True)]
        step = env.step(torch.tensor(actions))
        totals += step.reward.double().numpy()
        lengths += step.valid.numpy()
        over = (step.terminated | step.truncated).numpy().copy()
        for i in over.nonzero()[0]:
            done[i].append(Episode(float(totals[i]), int(lengths[i])))
        totals[over], lengths[over] = 0.0, 0
    return [episodes[:each] for episodes in done]


def combined_actions(vizdoom: Any, buttons: list[Any]) -> list[list[float]]:
    """Envpool's combinations of `buttons` in its order: opposite ones never together, one weapon at a time."""
    left = [b.name for b in sorted(buttons, key=int) if not b.name.endswith("_DELTA")]
    weapons = [name for name in left if name.startswith("SELECT_WEAPON")]
    groups: list[list[str | None]] = []
    while left:
        pair = next((p for p in PAIRS if left[0] in p and set(p) <= set(left)), None)
        group = list(pair) if pair else weapons if left[0] in weapons else left[:1]
        groups.append([None, *group])
        left = [name for name in left if name not in group]
    return [[float(b.name in pressed) for b in buttons] for pressed in itertools.product(*groups)]


def play_vizdoom(vizdoom: Any, files: dict[str, str], env_seed: int, each: int, rng: Any) -> list[Episode]:
    """The first `each` episodes of one ViZDoom engine under random actions, paid by its own rules."""
    game = vizdoom.DoomGame()
    game.load_config(files["cfg_path"])
    game.set_doom_scenario_path(files["wad_path"])
    game.set_window_visible(False)
    game.set_seed(env_seed)
    game.init()
    actions = combined_actions(vizdoom, game.get_available_buttons())
    episodes = []
    for number in range(each):
        if number:
            game.new_episode()
        total, length = 0.0, 0
        while not game.is_episode_finished():
            total += game.make_action(actions[int(rng.integers(len(actions)))], FRAME_SKIP)
            length += 1
        episodes.append(Episode(total, length))
    game.close()
    return episodes


def interval(values: Any) -> str:
    """Mean with its 95 % interval."""
    return f"{values.mean():.4g} ± {1.96 * values.std(ddof=1) / np.sqrt(len(values)):.2g}"


def row(name: str, arguments: argparse.Namespace, vizdoom: Any) -> str:
    """One line of the table."""
    registry = importlib.import_module("envpool.registration").registry
    each = -(-arguments.episodes // arguments.num_envs)
    with closing(EnvpoolEnv(EnvConfig(name=name, num_envs=arguments.num_envs), arguments.seed)) as env:
        ours = [e for es in play_envpool(env, each, arguments.seed) for e in es]
        seeds = env._seeds()
    totals = np.array([e.total for e in ours])
    cells = [name, str(len(ours)), str(env.num_actions), interval(totals)]
    if vizdoom is not None:
        files = registry.specs[name][2]
        theirs: list[Episode] = []
        with tempfile.TemporaryDirectory() as folder, chdir(folder):  # ViZDoom writes where it starts
            for i, env_seed in enumerate(seeds):
                rng = np.random.default_rng((arguments.seed, i))
                theirs += play_vizdoom(vizdoom, files, env_seed, each, rng)
        real = np.array([e.total for e in theirs])
        same = sum(a.length == b.length for a, b in zip(ours, theirs, strict=True))
        differences = totals - real
        worst = f"{np.abs(differences).max():.3g}"
        cells += [interval(real), f"{same} of {len(ours)}", f"{differences.mean():.3g}", worst]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", nargs="+", default=list(SCENARIOS), metavar="ID")
    parser.add_argument("--episodes", type=int, default=104)
    parser.add_argument("--num-envs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    try:
        vizdoom = importlib.import_module("vizdoom")
    except ImportError:
        vizdoom = None
    print(f"{hardware()}; load {os.getloadavg()[0]:.1f}\n")
    head = ["scenario", "episodes", "actions", "random policy, envpool"]
    if vizdoom is not None:
        head += ["ViZDoom", "same length", "mean difference", "largest"]
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for name in arguments.env:
        print(row(name, arguments, vizdoom), flush=True)


if __name__ == "__main__":
    main()
