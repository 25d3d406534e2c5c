"""What every back end promises (`envs.api`), as functions that raise AssertionError where it is not kept."""

from __future__ import annotations

import io
from contextlib import closing

import pytest
import torch

from envs.api import EnvironmentFailure, info_names
from envs.config import BACKENDS
from tests.envs.conformance.cases import Case
from tests.envs.conformance.recording import record, recording, same, shared


def check_attributes(case: Case) -> None:
    env = shared(case)
    assert isinstance(env.name, str) and env.name and env.backend in BACKENDS
    assert env.num_envs == case.num_envs and env.num_actions >= 2
    assert isinstance(env.obs_shape, tuple) and len(env.obs_shape) in (1, 3)
    assert all(type(n) is int and n > 0 for n in env.obs_shape)
    assert isinstance(env.reading, str) and "\n" not in env.reading
    assert type(env.action_repeat) is int and env.action_repeat >= 1
    assert isinstance(env.frames_per_second, float) and env.frames_per_second > 0
    assert isinstance(env.restores, bool) and env.device == torch.device("cpu")


def check_tensors(case: Case) -> None:
    env = shared(case)
    shape, batch = env.obs_shape, env.num_envs
    step = env.reset()
    for _ in range(10):
        seen = [step.obs] if step.final_obs is None else [step.obs, step.final_obs]
        for obs in seen:
            assert obs.shape == (batch, *shape) and obs.is_contiguous() and obs.device == env.device
            assert obs.dtype == (torch.uint8 if len(shape) == 3 else torch.float32)
        assert step.reward.dtype == torch.float32
        assert all(flag.dtype == torch.bool for flag in step[2:6])
        assert all(x.shape == (batch,) and x.device == env.device for x in step[1:6])
        step = env.step(torch.zeros(batch, dtype=torch.int64))


def check_reset_row(case: Case) -> None:
    row = recording(case).rows[0]
    assert row.is_first.all() and row.valid.all() and not row.reward.any()
    assert not row.terminated.any() and not row.truncated.any() and row.final_obs is None


def check_first_rows(case: Case) -> None:
    """`is_first` stands where the environment's own count is zero, and each valid step counts one."""
    r = recording(case)
    assert (r.ended.sum(0) >= 2).all(), "too short to tell"
    is_first = r.flags("is_first")
    assert torch.equal(is_first, r.counts == 0)
    assert torch.equal(r.counts[1:], torch.where(is_first[1:], 0, r.counts[:-1] + 1))


def check_dead_rows(case: Case) -> None:
    """Next-step: one row without a transition behind each end. Same-step: none, and ends are beginnings."""
    r = recording(case)
    valid, is_first, ended = r.flags("valid"), r.flags("is_first"), r.ended
    if case.next_step:
        assert torch.equal(valid[1:], ~ended[:-1]) and torch.equal(is_first[1:], ended[:-1])
        assert not r.flags("reward")[~valid].any() and not ended[~valid].any()
    else:
        assert valid.all() and torch.equal(is_first[1:], ended[1:])


def check_kinds_of_end(case: Case) -> None:
    r = recording(case)
    terminated, truncated = r.flags("terminated"), r.flags("truncated")
    assert not (terminated & truncated).any()
    if case.limit is not None:
        after = torch.cat([torch.zeros_like(r.counts[:1]), r.counts[:-1] + 1])  # the count at each row's transition
        assert torch.equal(truncated, (after == case.limit) & r.flags("valid") & ~terminated) and truncated.any()


def check_final_obs(case: Case) -> None:
    """Who tells last observations tells them in all rows that ended; nobody else has any."""
    r = recording(case)
    told = [row.final_obs is not None for row in r.rows]
    if case.tells_final:
        assert all(told[t] for t in r.ended.any(1).nonzero()[:, 0].tolist())
    else:
        assert not any(told)


def check_information(case: Case) -> None:
    """Who tells more of an episode tells it in all rows that ended: a total and a count of each name."""
    names, r = info_names(shared(case)), recording(case)
    assert all(isinstance(name, str) for name in names)
    for row, ended in zip(r.rows, r.ended, strict=True):
        if not names:
            assert row.info is None
        elif ended.any():
            assert row.info is not None and row.info.shape == (case.num_envs, len(names), 2)
            assert row.info.dtype == torch.float32 and (row.info[ended, :, 1] >= 0).all()


def check_seeds(case: Case) -> None:
    """The same seed plays the same; another seed, evaluation, and a neighbour in the batch play something else."""
    first = recording(case)
    with closing(case.make()) as env:
        assert same(record(case, env, case.steps), first)
    for other in ({"seed": 8}, {"evaluation": True}):
        with closing(case.make(**other)) as env:
            assert not same(record(case, env, case.steps), first)
    alike = [torch.equal(row.obs[0], row.obs[1]) and torch.equal(row.reward[0], row.reward[1]) for row in first.rows]
    assert not all(alike)


def check_reset_begins_anew(case: Case) -> None:
    env = shared(case)
    first = record(case, env, min(case.steps, 70))
    env.step(torch.zeros(env.num_envs, dtype=torch.int64))
    second = record(case, env, min(case.steps, 70))
    assert second.rows[0].is_first.all() and second.rows[0].valid.all() and not second.rows[0].reward.any()
    assert not second.ended[0].any() and not second.counts[0].any()
    assert not same(first, second)


def check_state(case: Case) -> None:
    """A state can be saved with `weights_only`, and goes on exactly or with episodes that were not played."""
    with closing(case.make()) as env:
        before = record(case, env, 25)
        file = io.BytesIO()
        torch.save(env.state_dict(), file)
        after = record(case, env, 25, begun=before.rows[-1])
    again = []
    for _ in range(2):
        state = torch.load(io.BytesIO(file.getvalue()), weights_only=True)
        with closing(case.make()) as env:
            env.load_state_dict(state)
            again.append(record(case, env, 25, begun=before.rows[-1] if env.restores else None))
            restores = env.restores
    assert same(*again)
    if restores:
        assert same(again[0], after)
    else:
        assert again[0].rows[0].is_first.all() and not same(again[0], before)


def check_state_of_another(case: Case) -> None:
    env = shared(case)
    env.reset()
    state = env.state_dict()
    for wrong in ({**state, "name": "another"}, {**state, "num_envs": 99}, {}):
        with pytest.raises(ValueError):
            env.load_state_dict(wrong)
    with closing(case.make(num_envs=case.num_envs + 1)) as other, pytest.raises(ValueError):
        other.load_state_dict(state)


def check_wrong_actions(case: Case) -> None:
    env = shared(case)
    env.reset()
    good = torch.zeros(env.num_envs, dtype=torch.int64)
    for wrong in (good.int(), good.float(), good[None], good[1:], good - 1, good + env.num_actions):
        with pytest.raises(ValueError, match="actions"):
            env.step(wrong)
    assert env.step(good).valid.all()  # nothing was played


def check_close(case: Case) -> None:
    env = case.make()
    env.close()
    env.close()


def check_failure(case: Case) -> None:
    """What an environment's own code raises is told with the environment's name and number, in one line."""
    assert case.failing is not None
    for method in ("step", "reset"):
        env, told = case.failing(method)
        with closing(env), pytest.raises(EnvironmentFailure) as caught:
            env.reset()
            for _ in range(20):
                env.step(torch.zeros(env.num_envs, dtype=torch.int64))
        message = str(caught.value)
        assert all(words in message for words in (env.name, *told)) and "\n" not in message
        env.close()


def check_lost_rows(case: Case) -> None:
    """A row whose environment was lost begins another episode: no end, no reward, not valid; others go on."""
    assert case.losing is not None
    with closing(case.losing()) as env:
        r = record(case, env, 30)
    lost = ~r.flags("valid")
    assert (lost.sum(0) == 1).all() and not r.flags("reward")[lost].any() and not r.ended[lost].any()
    assert torch.equal(r.flags("is_first")[1:], (r.ended | lost)[1:])
    assert torch.equal(r.counts[1:], torch.where(r.flags("is_first")[1:], 0, r.counts[:-1] + 1))


CHECKS = [
    check_attributes,
    check_tensors,
    check_reset_row,
    check_first_rows,
    check_dead_rows,
    check_kinds_of_end,
    check_final_obs,
    check_information,
    check_seeds,
    check_reset_begins_anew,
    check_state,
    check_state_of_another,
    check_wrong_actions,
    check_close,
]
