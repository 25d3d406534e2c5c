"""The suite notices: each environment here breaks one promise, and a check that says so fails."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from envs.api import BatchedEnv, EnvStep
from tests.envs.conformance import checks, scripted
from tests.envs.conformance.cases import CASES, Case
from tests.envs.conformance.recording import close_shared, copied

CASE = {case.name.removeprefix("gymnasium: "): case for case in CASES}
NEXT = CASE["next-step batch, vectors"]
SAME = CASE["same-step batch, pictures"]
Change = Callable[["Broken", EnvStep], EnvStep]


class Broken:
    """An environment whose rows pass through `change` (first the row itself, with the one before in `last`)."""

    def __init__(self, env: BatchedEnv, change: Change) -> None:
        self.env, self.change = env, change
        self.last: EnvStep | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.env, name)

    def reset(self) -> EnvStep:
        self.last = None
        return self._changed(self.env.reset())

    def step(self, actions: Tensor) -> EnvStep:
        return self._changed(self.env.step(actions))

    def _changed(self, row: EnvStep) -> EnvStep:
        row = copied(row)
        changed = self.change(self, row)
        self.last = row
        return changed


def rows(case: Case, change: Change) -> Case:
    """`case`, changed row by row."""
    return replace(case, build=lambda *args: Broken(case.build(*args), change))


def late(field: str) -> Change:
    """This field of a row comes with the next one."""

    def change(env: Broken, row: EnvStep) -> EnvStep:
        if env.last is None:
            return row
        return row._replace(**{field: getattr(env.last, field)})

    return change


def early_first(env: Broken, row: EnvStep) -> EnvStep:
    """Next-step autoreset: the last row of an episode is taken for the first of the next one."""
    return row._replace(is_first=(row.terminated | row.truncated) if env.last is not None else row.is_first)


def first_obs_as_final(env: Broken, row: EnvStep) -> EnvStep:
    return row if row.final_obs is None else row._replace(final_obs=row.obs)


def last_seen_as_final(env: Broken, row: EnvStep) -> EnvStep:
    """The observation in front of the last transition."""
    return row if row.final_obs is None or env.last is None else row._replace(final_obs=env.last.obs)


def of_all(**fields: Callable[[EnvStep], Any]) -> Change:
    return lambda env, row: row._replace(**{name: function(row) for name, function in fields.items()})


def swapped_neighbours(env: Broken, row: EnvStep) -> EnvStep:
    return row._replace(reward=row.reward.roll(1))


def paid_when_dead(env: Broken, row: EnvStep) -> EnvStep:
    return row._replace(reward=torch.where(row.valid, row.reward, 5.0))


def both(env: Broken, row: EnvStep) -> EnvStep:
    return row._replace(truncated=row.terminated | row.truncated)


def no_first_at_reset(env: Broken, row: EnvStep) -> EnvStep:
    return row if env.last is not None else row._replace(is_first=~row.is_first)


def paid_at_reset(env: Broken, row: EnvStep) -> EnvStep:
    return row if env.last is not None else row._replace(reward=row.reward + 1)


@pytest.fixture(autouse=True)
def _closed():
    yield
    close_shared()


ROWS = [
    (NEXT, "is_first one row late", late("is_first"), checks.check_first_rows),
    (NEXT, "is_first one row early", early_first, checks.check_first_rows),
    (SAME, "is_first one row late", late("is_first"), checks.check_first_rows),
    (NEXT, "flags of ends one row late", late("terminated"), checks.check_dead_rows),
    (NEXT, "ends one row late", late("terminated"), scripted.check_ends),
    (NEXT, "valid always", of_all(valid=lambda r: torch.ones_like(r.valid)), checks.check_dead_rows),
    (NEXT, "valid never", of_all(valid=lambda r: torch.zeros_like(r.valid)), checks.check_reset_row),
    (NEXT, "valid always", of_all(valid=lambda r: torch.ones_like(r.valid)), scripted.check_tracked_returns),
    (SAME, "ends taken for dead rows", of_all(valid=lambda r: ~(r.terminated | r.truncated)), checks.check_dead_rows),
    (NEXT, "valid one row late", late("valid"), checks.check_dead_rows),
    (NEXT, "reward one row late", late("reward"), scripted.check_rewards),
    (SAME, "reward one row late", late("reward"), scripted.check_rewards),
    (SAME, "reward one row late", late("reward"), scripted.check_evaluation),
    (SAME, "reward one row late", late("reward"), scripted.check_tracked_returns),
    (NEXT, "rewards of neighbours", swapped_neighbours, scripted.check_rewards),
    (NEXT, "reward of dead rows", paid_when_dead, checks.check_dead_rows),
    (NEXT, "reward at reset", paid_at_reset, checks.check_reset_row),
    (NEXT, "rewards clipped", of_all(reward=lambda r: r.reward.clamp(-1, 1)), scripted.check_evaluation),
    (NEXT, "no first row at reset", no_first_at_reset, checks.check_reset_row),
    (
        NEXT,
        "truncated for terminated",
        of_all(terminated=lambda r: r.truncated, truncated=lambda r: r.terminated),
        scripted.check_ends,
    ),
    (NEXT, "both kinds of end", both, checks.check_kinds_of_end),
    (
        NEXT,
        "one kind of end",
        of_all(terminated=lambda r: r.terminated | r.truncated, truncated=lambda r: r.truncated & False),
        scripted.check_n_step_returns,
    ),
    (SAME, "final_obs is the next episode's", first_obs_as_final, scripted.check_last_observations),
    (SAME, "final_obs is the next episode's", first_obs_as_final, scripted.check_n_step_returns),
    (SAME, "final_obs is one step early", last_seen_as_final, scripted.check_last_observations),
    (SAME, "final_obs not told", of_all(final_obs=lambda r: None), checks.check_final_obs),
    (SAME, "final_obs not told", of_all(final_obs=lambda r: None), scripted.check_n_step_returns),
    (NEXT, "final_obs of who has none", of_all(final_obs=lambda r: r.obs), checks.check_final_obs),
    (SAME, "obs as floats", of_all(obs=lambda r: r.obs.float()), checks.check_tensors),
    (NEXT, "obs as doubles", of_all(obs=lambda r: r.obs.double()), checks.check_tensors),
    (SAME, "obs channels first", of_all(obs=lambda r: r.obs.permute(0, 3, 1, 2)), checks.check_tensors),
    (
        SAME,
        "obs channels first in memory",
        of_all(obs=lambda r: r.obs.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1)),
        checks.check_tensors,
    ),
    (NEXT, "reward as doubles", of_all(reward=lambda r: r.reward.double()), checks.check_tensors),
    (NEXT, "flags as numbers", of_all(valid=lambda r: r.valid.long()), checks.check_tensors),
    (NEXT, "reward as a column", of_all(reward=lambda r: r.reward[:, None]), checks.check_tensors),
    (NEXT, "rows of another environment", of_all(obs=lambda r: r.obs.roll(1, 0)), scripted.check_rewards),
]


@pytest.mark.parametrize(
    ("case", "what", "change", "check"), ROWS, ids=[f"{what}-{check.__name__}" for _, what, _, check in ROWS]
)
def test_a_wrong_row_is_noticed(case, what, change, check):
    with pytest.raises((AssertionError, RuntimeError)):
        check(rows(case, change))


def test_rows_that_are_right_pass():
    for case in (NEXT, SAME):
        same = rows(case, lambda env, row: row)
        for check in checks.CHECKS + scripted.SCRIPTED_CHECKS:
            check(same)


def case_of(make: Callable[[int, int, bool], BatchedEnv]) -> Case:
    return replace(NEXT, build=make)


def good(*args: Any) -> Any:
    return NEXT.build(*args)


class ActionsOfNeighbours(Broken):
    def step(self, actions):
        return super().step(actions.roll(1))


class PlaysTwice(Broken):
    """A dead row too many: the first step of an episode is not shown."""

    def step(self, actions):
        row = super().step(actions)
        return super().step(actions) if not row.valid.all() else row


class Patient(Broken):
    """Takes any actions."""

    def step(self, actions):
        return super().step(actions.reshape(-1)[:1].long().clamp(0, 3).expand(self.num_envs).clone())


class SameAgain(Broken):
    """`reset` begins the episodes of the first one again."""

    def reset(self):
        self.env.load_state_dict({**self.env.state_dict(), "generation": 0})
        return super().reset()


class Forgetful(Broken):
    """Knows nothing of what was played."""

    def load_state_dict(self, state):
        pass


class Unsaveable(Broken):
    def state_dict(self):
        return {**self.env.state_dict(), "generator": torch.nn.ReLU()}


class ClosesOnce(Broken):
    def close(self):
        if self.__dict__.pop("closed", False):
            raise RuntimeError("closed twice")
        self.closed = True
        self.env.close()


class Unnamed(Broken):
    name = ""


class ListShape(Broken):
    @property
    def obs_shape(self):
        return list(self.env.obs_shape)


def wrapped(kind: type[Broken]) -> Case:
    return case_of(lambda *args: kind(good(*args), lambda env, row: row))


def unseeded() -> Case:
    made = iter(range(1000))
    return case_of(lambda num_envs, seed, evaluation: good(num_envs, 100 + next(made), evaluation))


MADE = [
    ("seed ignored: always another", unseeded(), checks.check_seeds),
    ("seed ignored: always the same", case_of(lambda n, seed, evaluation: good(n, 7, evaluation)), checks.check_seeds),
    ("evaluation as in training", case_of(lambda n, seed, evaluation: good(n, seed, False)), checks.check_seeds),
    ("actions of neighbours", wrapped(ActionsOfNeighbours), scripted.check_rewards),
    ("a step not shown", wrapped(PlaysTwice), checks.check_first_rows),
    ("takes any actions", wrapped(Patient), checks.check_wrong_actions),
    ("reset begins the same", wrapped(SameAgain), checks.check_reset_begins_anew),
    ("loads nothing", wrapped(Forgetful), checks.check_state),
    ("loads anything", wrapped(Forgetful), checks.check_state_of_another),
    ("state of objects", wrapped(Unsaveable), checks.check_state),
    ("closes once", wrapped(ClosesOnce), checks.check_close),
    ("no name", wrapped(Unnamed), checks.check_attributes),
    ("shape as a list", wrapped(ListShape), checks.check_attributes),
]


@pytest.mark.parametrize(("what", "case", "check"), MADE, ids=[what for what, _, _ in MADE])
def test_a_wrong_environment_is_noticed(what, case, check):
    with pytest.raises((AssertionError, RuntimeError, pytest.fail.Exception, pickle.UnpicklingError)):
        check(case)
