"""What levels count in an episode, held against what they pay."""

import numpy as np
import pytest
import torch

from envs.api import Informative, info_names
from envs.minilab import counts
from envs.minilab.env import MinilabEnv
from envs.minilab.experts import expert_actions
from envs.minilab.lasertag.arena import ALIVE, DIED, HEALTH
from envs.minilab.levels import LEVELS
from envs.minilab.physics import ACTION_NAMES
from tests.envs.minilab.lasertag.game import Game

FIRE = ACTION_NAMES.index("fire")
STEPS = 400
WORTH = {
    "rooms_watermaze": {"finds": 5},
    "explore_goal_locations_small": {"finds": 10},
    "seekavoid_arena_01": {"apples": 1, "lemons": -1},
    "lasertag_three_opponents_small": {"tags": 1},
    "rooms_keys_doors_puzzle": {"success": 50, "keys": 1, "doors": 1},
    "nav_maze_random_goal_01": {"finds": 10, "apples": 1},
}


def told(env: MinilabEnv, info: torch.Tensor, i: int = 0) -> dict[str, list[float]]:
    """Total and count of each name."""
    return dict(zip(env.episode_info, info[i].tolist(), strict=True))


@pytest.mark.parametrize("name", WORTH)
def test_an_expert_is_paid_for_what_was_counted(name: str) -> None:
    env = MinilabEnv(name, 2, 24, 24, seed=3)
    env.reset()
    env.state.body.frame[:] = 4 * (LEVELS[name].agent_steps - STEPS)
    paid, row = np.zeros(2), {}
    for _ in range(STEPS):
        step = env.step(torch.from_numpy(expert_actions(env)))
        ended = (step.terminated | step.truncated).numpy()
        paid += step.reward.numpy() * [i not in row for i in range(2)]
        row |= {i: told(env, step.info, i) for i in np.flatnonzero(ended) if i not in row}
    assert set(row) == {0, 1} and (paid > 0).all()
    for i, seen in row.items():
        worth = sum(pays * seen[count][0] for count, pays in WORTH[name].items())
        assert worth - 4 <= paid[i] <= worth if name == "rooms_watermaze" else paid[i] == worth
        for key in seen.keys() & {"finds", "success", *WORTH[name]}:
            assert seen[key][1] == 1


@pytest.mark.parametrize("name", LEVELS)
def test_every_level_tells_what_it_counts_and_begins_anew(name: str) -> None:
    env = MinilabEnv(name, 2, 24, 24)
    assert isinstance(env, Informative) and info_names(env) == env.level.COUNTS  # type: ignore[attr-defined]
    env.reset()
    env.state.counts.running[:, 0, 0] = 7
    env.state.body.frame[1] = 4 * (LEVELS[name].agent_steps - 1)
    step = env.step(torch.zeros(2, dtype=torch.int64))
    assert step.truncated.tolist() == [False, True] and step.info.shape == (2, len(env.episode_info), 2)
    assert step.info[1, 0].tolist() == [7, 1] and env.state.counts.running[1, 0].tolist() == [0, 1]


def test_a_search_in_vain_counts_its_steps_and_no_find() -> None:
    kept = counts.new_counts(1, counts.FIND_COUNTS)
    counts.begin_finds.py_func(0, kept)
    finds = {8: True, 20: True, 24: True}  # frames
    for frame in range(1, 41):
        counts.count_search.py_func(0, finds.get(frame, False), kept)
    success, found, first, later = kept.running[0].tolist()
    assert success == [1, 1] and found == [3, 1]
    assert first == [2, 1]  # agent steps
    assert later == [8, 2]  # 3 and 1, and 4 to the end


def test_two_searches_of_an_agent_without_memory_cost_the_same() -> None:
    """Each frame finds with the same chance. A mean over finds alone would make the later ones look short."""
    chance, episodes, rng = 1 / 50, 1500, np.random.default_rng(0)
    totals, first_of_found, later_of_found = np.zeros((4, 2)), [], []
    for _ in range(episodes):
        kept = counts.new_counts(1, counts.FIND_COUNTS)
        counts.begin_finds.py_func(0, kept)
        found = rng.random(100) < chance
        for frame in found:
            counts.count_search.py_func(0, bool(frame), kept)
        totals += kept.running[0]
        frames = np.flatnonzero(found)
        first_of_found += frames[:1].tolist()
        later_of_found += np.diff(frames).tolist()
    first, later = 4 * totals[2:, 0] / totals[2:, 1]  # frames
    assert first == pytest.approx(50, rel=0.08) and later == pytest.approx(50, rel=0.08)
    assert np.mean(later_of_found) < 0.85 * np.mean(first_of_found)


def test_the_wait_on_the_platform_is_no_search() -> None:
    env = MinilabEnv("rooms_watermaze", 1, 24, 24)
    env.reset()
    env.state.trial.platform_x[:], env.state.trial.platform_y[:] = 400, 0
    env.state.trial.age_ms[:] = -(10**6)  # no extra pulses
    env.place(0, -400, 0, 90)
    for _ in range(10):
        env.step(torch.tensor([FIRE]))
    env.place(0, 400, 0, 90)
    for _ in range(90):  # a find takes 83 steps
        env.step(torch.tensor([FIRE]))
    seen = told(env, torch.from_numpy(env.state.counts.running))
    assert seen["finds"] == [1, 1] and seen["first_find_steps"] == [10.25, 1]
    assert 5 <= seen["later_find_steps"][0] <= 9 and seen["later_find_steps"][1] == 0


def test_a_tag_by_ones_own_orb_is_suffered_and_not_made() -> None:
    game = Game()
    game.state.counts.running[:] = 0
    game.put(0, 500, 300)
    game.put(1, 550, 300)
    game.facts[0, HEALTH] = game.facts[1, HEALTH] = 1
    game.state.orbs[0, 0] = 480, 300, 900, 0  # the agent's own, which bursts at the bot before it
    reward = game.act()
    assert game.facts[1, DIED] != ALIVE and game.facts[0, DIED] != ALIVE and reward == 0
    assert game.state.counts.running[0, :, 0].tolist() == [1, 1]  # the bot tagged, and itself


def test_a_tag_by_a_bot_is_suffered() -> None:
    game = Game()
    game.state.counts.running[:] = 0
    game.put(0, 500, 300)
    game.put(1, 400, 300)
    game.facts[0, HEALTH] = 1
    game.state.orbs[1, 0] = 450, 300, 900, 0
    assert game.act() == 0 and game.facts[0, DIED] != ALIVE
    assert game.state.counts.running[0, :, 0].tolist() == [0, 1]


def test_a_state_of_a_version_that_did_not_count_goes_on() -> None:
    env = MinilabEnv("rooms_watermaze", 2, 24, 24, seed=5)
    env.reset()
    env.step(torch.tensor([1, 2]))
    saved = env.state_dict()
    saved["arrays"] = {name: tensor for name, tensor in saved["arrays"].items() if not name.startswith("counts.")}
    other = MinilabEnv("rooms_watermaze", 2, 24, 24, seed=5)
    other.load_state_dict(saved)
    assert torch.equal(other.step(torch.tensor([0, 3])).obs, env.step(torch.tensor([0, 3])).obs)
    del saved["arrays"]["trial.age_ms"]
    with pytest.raises(ValueError, match=r"differ in .*trial\.age_ms"):
        other.load_state_dict(saved)
