"""Episodes as the tracker reads them off unrolls."""

from __future__ import annotations

import pytest
import torch

from cpc_rl.rollout import EpisodeTracker, Rollout
from tests.toys import TellingEnv


def play(env: TellingEnv, tracker: EpisodeTracker, rollout: Rollout, unrolls: int) -> None:
    for _ in range(unrolls):
        rollout.roll()
        for t in range(len(rollout.logits)):
            rollout.write(t + 1, env.step(torch.zeros(env.num_envs, dtype=torch.int64)))
        tracker.update(rollout)


def begun(next_step: bool) -> tuple[TellingEnv, EpisodeTracker, Rollout]:
    env = TellingEnv([3, 7], next_step=next_step)
    rollout = Rollout(5, 2, env.obs_shape, 3, (torch.zeros(2, 1), torch.zeros(2, 1)), info=2)
    rollout.write(5, env.reset())
    return env, EpisodeTracker(2, env.episode_info), rollout


@pytest.mark.parametrize("next_step", [False, True])
def test_what_is_told_of_episodes_is_pooled_over_those_that_ended(next_step: bool) -> None:
    env, tracker, rollout = begun(next_step)
    play(env, tracker, rollout, unrolls=6)  # 30 rows
    ends = [(3, 7)[i] for i in (0, 1)]
    period = [n + next_step for n in ends]
    played = [(30 + next_step) // n for n in period]
    told = tracker.pop()
    numbers = [number for n in played for number in range(n)]
    assert told["episodes"] == len(numbers) and told["episode/number"] == sum(numbers) / len(numbers)
    finds = sum(number % 2 for number in numbers)
    steps = sum(length * n for length, n in zip(ends, played, strict=True))
    assert told["episode/steps_to_find"] == steps / finds
    assert tracker.pop() == {"episodes": 0}


def test_steps_of_a_search_in_vain_wait_for_the_find() -> None:
    env, tracker, rollout = begun(next_step=False)
    play(env, tracker, rollout, unrolls=1)  # the first episode of one environment
    told = tracker.pop()
    assert told["episode/number"] == 0 and "episode/steps_to_find" not in told
    again = EpisodeTracker(2, env.episode_info)
    again.load_state_dict(tracker.state_dict())
    play(env, again, rollout, unrolls=1)  # its second, which finds, its third, and the first of the other
    assert again.pop()["episode/steps_to_find"] == 3 + 3 + 3 + 7


def test_a_checkpoint_that_told_other_things_goes_on() -> None:
    env, tracker, rollout = begun(next_step=False)
    play(env, tracker, rollout, unrolls=1)
    saved = tracker.state_dict()
    other = EpisodeTracker(2, ("steps_to_find", "new"))
    other.load_state_dict(saved)
    assert other.info.tolist() == [[3, 0], [0, 0]]
    del saved["info"]
    other.load_state_dict(saved)
    assert not other.info.any() and other.ended == [(3.0, 3)]
