"""Where agents go, and its picture."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from configs import Frozen
from cpc_rl.coverage import FINE, Coverage, covers, draw
from cpc_rl.episodes import RandomPolicy, evaluate
from cpc_rl.evaluate import main
from cpc_rl.networks import ActorCritic, NetworkConfig
from cpc_rl.runs import Logger, RunConfig, RunDirectory
from envs import LEVELS, EnvConfig
from envs.api import EnvStep
from envs.minilab.env import MinilabEnv
from envs.minilab.physics import ACTION_NAMES
from tests.toys import CountingEnv

FORWARD = ACTION_NAMES.index("forward")
CORRIDOR = """
*******
*P   G*
*******
"""


def forward(step: EnvStep) -> torch.Tensor:
    return torch.full_like(step.reward, FORWARD, dtype=torch.int64)


def near_the_end(env: MinilabEnv, steps: int) -> None:
    env.state.body.frame[:] = 4 * (LEVELS[env.name].agent_steps - steps)


def test_a_cell_counts_once_it_was_entered() -> None:
    env = MinilabEnv("explore_goal_locations_small", 1, 24, 24, layout=CORRIDOR)
    seen = Coverage(env, forward, episodes=1, max_steps=15)
    step = env.reset()
    env.place(0, 150, 150, 0)
    x = []
    for _ in range(20):  # the last five no longer count
        x.append(env.poses()[0, 0])
        step = env.step(seen(step))
    (found,) = seen.maps.values()
    assert found.cells.open.sum() == 5 and found.cells.open[1, 1:6].all()
    entered = int(x[14] // 100)
    assert 1 < entered < 5 and seen.told().mean == entered / 5  # columns 1 to `entered`
    assert found.steps.sum() == 15 and found.steps[: FINE * 1].sum() == 0


def test_the_episodes_that_count_are_those_of_the_scores() -> None:
    env = MinilabEnv("seekavoid_arena_01", 2, 24, 24, seed=3)
    seen = Coverage(env, RandomPolicy(9, 1), 3, 100)
    step = env.reset()
    near_the_end(env, 50)
    ends = 0
    while ends < 2:  # the second episode of both
        step = env.step(seen(step))
        if step.truncated.any():
            ends += 1
            near_the_end(env, 40)
    told = seen.told()
    (found,) = seen.maps.values()
    assert told.times == 3 and len(found.shares) == 3 and found.steps.sum() == 50 + 50 + 40
    assert 0 < told.mean == np.mean(seen.shares) < 0.2 and seen.told() == told


@pytest.mark.parametrize("name", LEVELS)
def test_agents_are_in_open_cells(name: str) -> None:
    env = MinilabEnv(name, 4, 24, 24, seed=1)
    seen = Coverage(env, RandomPolicy(9, 1), 4, 60)
    assert covers(env)
    evaluate(env, seen, episodes=4, max_steps=60)
    assert seen.told().times == 4 and all(0 < share < 1 for share in seen.shares)
    for found in seen.maps.values():
        visited = found.steps.reshape(found.cells.open.shape[0], FINE, -1, FINE).sum((1, 3))
        inside = visited[found.cells.open].sum()
        assert inside == visited.sum() if "rooms_water" not in name and "seek" not in name else inside > 0


def test_the_map_shows_what_all_its_episodes_had() -> None:
    def things(name: str) -> set[tuple[int, int, int]]:
        env = MinilabEnv(name, 4, 24, 24, seed=1)
        seen = Coverage(env, RandomPolicy(9, 1), 4, 1000)
        seen(env.reset())
        (found,) = seen.maps.values()
        return {shape.colour for shape in found.shapes}

    platform, goal = (230, 160, 40), (60, 220, 60)
    assert platform not in things("rooms_watermaze") and (55, 100, 140) in things("rooms_watermaze")
    assert goal in things("nav_maze_static_01") and goal not in things("nav_maze_random_goal_01")


def test_levels_of_many_maps_show_the_first_ones() -> None:
    env = MinilabEnv("explore_goal_locations_small", 6, 24, 24, seed=1)
    seen = {}
    for name in ("sampled", "greedy"):
        seen[name] = Coverage(env, RandomPolicy(9, 1), 6, 1000)
        seen[name](env.reset())
        assert seen[name].told().times == 6 and len(seen[name].maps) == 4
    width, height = Image.open(io.BytesIO(draw("a $ title", seen))).size
    assert width > 1.5 * height  # two rows of four


def test_other_environments_are_not_covered() -> None:
    assert not covers(CountingEnv([3]))


class TrainedConfig(Frozen):
    env: EnvConfig = EnvConfig(name="minilab/seekavoid_arena_01", num_envs=2, height=36, width=36)
    network: NetworkConfig = NetworkConfig(features=8, hidden=8)
    aux: str = "none"


def test_evaluation_tells_and_draws_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = RunDirectory.create(tmp_path / "run", TrainedConfig())
    run.checkpoints.save({"frames": 4000, "network": ActorCritic(TrainedConfig().network, (36, 36, 3), 9).state_dict()})
    with Logger(run, RunConfig()) as logger:
        logger.write(4000, {"episode_return": 1.0})
    assert main([str(run.path), "--episodes", "2", "--device", "cpu"]) == 0
    printed = capsys.readouterr().out
    assert "coverage" in printed and "apples" in printed and "coverage.png" in printed
    result = json.loads((run.report / "evaluation.json").read_text())
    assert result["greedy"]["info"]["coverage"]["times"] == 2 and 0 < result["sampled"]["info"]["coverage"]["mean"] < 1
    colours = np.asarray(Image.open(run.report / "coverage.png").convert("RGB")).reshape(-1, 3)
    assert len(np.unique(colours, axis=0)) > 100
