"""Acting in parts and as a recorded graph gives what plain acting gives."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import cpc_rl.acting
from agents.a2c import Learner
from agents.config import A2CConfig, Config
from cpc_rl.acting import Actor, Captured, act, begin, collect, final_value, prepare, sample
from cpc_rl.networks import NetworkConfig
from cpc_rl.rollout import ROWS
from envs.api import EnvStep
from envs.config import EnvConfig
from envs.minilab.env import MinilabEnv
from tests.toys import CountingEnv


def minilab_learner(num_envs: int, device: str = "cpu", **network) -> Learner:
    config = Config(
        env=EnvConfig(name="rooms_watermaze", num_envs=num_envs, height=24, width=28),
        a2c=A2CConfig(unroll=15),
        network=NetworkConfig(features=16, hidden=12, **network),
    )
    env = MinilabEnv("rooms_watermaze", num_envs, 24, 28, seed=5, device=device)  # type: ignore[arg-type]
    env.tensors["body.frame"][1] = 0
    made = Learner(config, env)
    begin(env, made.rollout)
    env.tensors["body.frame"][num_envs // 2] = 7200 - 4 * 20  # an episode ends in the second unroll
    return made


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize(("num_envs", "cpus", "parts"), [(16, 2, 2), (27, 3, 3), (70, 9, 4), (16, 1, 1), (15, 2, 1)])
def test_parts_see_and_do_what_all_together_do(threads, num_envs, cpus, parts):
    threads(1)
    plain = minilab_learner(num_envs)
    threads(cpus)
    divided = minilab_learner(num_envs)
    assert divided.actor.parts == parts
    for _ in range(3):
        collect(plain.env, plain.net, plain.rollout, plain.generator)
        divided.actor.unroll()
        assert torch.get_num_threads() == cpus
        for name in (*ROWS, "final_value", "info"):
            assert torch.equal(getattr(plain.rollout, name), getattr(divided.rollout, name)), name
        torch.testing.assert_close(plain.rollout.logits, divided.rollout.logits)
        torch.testing.assert_close(plain.rollout.next_state, divided.rollout.next_state)
        torch.testing.assert_close(plain.rollout.activations, divided.rollout.activations)
    assert plain.rollout.logits.std() > 0 and plain.rollout.last_action.unique().numel() > 3


def test_environments_that_cannot_be_divided_are_stepped_as_one(threads):
    threads(4)
    env = CountingEnv([5] * 64)
    agent = Learner(Config(network=NetworkConfig(encoder="deep", features=8, hidden=8), a2c=A2CConfig(unroll=4)), env)
    assert agent.actor.parts == 1


def test_an_error_in_a_part_reaches_the_caller(threads, monkeypatch):
    threads(2)
    agent = minilab_learner(16)
    seen = []

    def fails(env: Any, net: Any, rollout: Any) -> None:
        seen.append(torch.get_num_threads())
        raise RuntimeError("this part is broken")

    monkeypatch.setattr(cpc_rl.acting, "act", fails)
    with pytest.raises(RuntimeError, match="this part is broken"):
        agent.actor.unroll()
    assert seen and set(seen) == {1}  # its share of the two


def test_actions_are_drawn_with_the_policy_s_probabilities():
    logits = torch.tensor([[0.0, 1.0, 2.0]])
    noise = torch.empty(200_000, 3).exponential_(generator=torch.Generator().manual_seed(0))
    counts = sample(logits.expand(200_000, 3), noise).bincount(minlength=3) / 200_000
    torch.testing.assert_close(counts, logits[0].softmax(-1), atol=0.005, rtol=0)


class Tape(TorchDispatchMode):
    """A CUDA graph's semantics on the CPU: a list of operations on fixed memory, replayed without Python's control.

    What would wait for the GPU is an error, and so is memory that is allocated anew at each replay: results go where
    they went when they were recorded.
    """

    WAITS = ("_local_scalar_dense", "nonzero", "is_nonzero", "masked_select", "unique", "equal")

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[Callable[[], None]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert not any(name in str(func) for name in self.WAITS), f"{func} would wait for the GPU"
        kwargs = kwargs or {}
        result = func(*args, **kwargs)

        def again() -> None:
            for old, new in zip(tree_leaves(result), tree_leaves(func(*args, **kwargs)), strict=True):
                if isinstance(old, Tensor) and old.data_ptr() != new.data_ptr():
                    old.copy_(new)

        self.operations.append(again)
        return result

    @torch.no_grad()
    def replay(self) -> None:
        for operation in self.operations:
            operation()


class OnTape:
    """Environments whose steps are recorded like the launch of a kernel."""

    device = torch.device("cpu")

    def __init__(self, env: MinilabEnv, tape: Tape) -> None:
        self.env, self.tape, self.actions = env, tape, torch.zeros(env.num_envs, dtype=torch.int64)

    def step(self, actions: Tensor) -> EnvStep:
        self.actions.copy_(actions)
        launch = lambda: self.env.runner.step(self.actions, True)  # noqa: E731
        self.tape.operations.append(launch)
        launch()
        return self.env._view


@pytest.mark.parametrize("network", [{}, {"precision": "bfloat16"}, {"encoder": "deep"}, {"core": "feedforward"}])
def test_an_unroll_can_be_recorded_once_and_replayed_while_weights_change(monkeypatch, network):
    plain, replayed = minilab_learner(6, **network), minilab_learner(6, **network)
    tape = Tape()

    def unroll() -> None:
        prepare(replayed.rollout, replayed.generator)
        if tape.operations:
            tape.replay()
        else:
            with tape:
                act(OnTape(replayed.env, tape), replayed.net, replayed.rollout)  # type: ignore[arg-type]

    monkeypatch.setattr(replayed.actor, "unroll", unroll)
    for _ in range(4):
        assert plain.update() == replayed.update()
    assert plain.rollout.is_first.any() or plain.episodes.ended
    assert len(plain.episodes.ended) == len(replayed.episodes.ended) == 1
    for got, want in zip(replayed.params, plain.params, strict=True):
        assert torch.equal(got, want)


@pytest.mark.gpu
def test_a_captured_unroll_on_a_gpu_equals_the_plain_one():
    plain, captured = minilab_learner(64, device="cuda"), minilab_learner(64, device="cuda")
    assert isinstance(captured.actor._work, Captured)
    for _ in range(5):
        collect(plain.env, plain.net, plain.rollout, plain.generator)
        captured.actor.unroll()
        assert torch.equal(plain.rollout.obs, captured.rollout.obs)
        assert torch.equal(plain.rollout.last_action, captured.rollout.last_action)
        for agent in (plain, captured):  # weights change under the graph
            torch.manual_seed(0)
            for p in agent.params:
                p.data.add_(torch.randn_like(p), alpha=0.01)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_training_on_a_gpu_goes_on_from_its_checkpoint(precision):
    whole = minilab_learner(32, device="cuda", precision=precision)
    for _ in range(4):  # two plain ones, then from the graph
        whole.update()
    saved = deepcopy(whole.state_dict())  # it shares memory with the network
    expected = whole.update()
    resumed = minilab_learner(32, device="cuda", precision=precision)
    resumed.load_state_dict(saved)
    assert resumed.update() == pytest.approx(expected, rel=1e-2, abs=1e-3)


def test_without_a_part_of_its_own_nothing_else_moves():
    env = MinilabEnv("seekavoid_arena_01", 6, 24, 24, seed=1)
    whole = MinilabEnv("seekavoid_arena_01", 6, 24, 24, seed=1)
    env.reset(), whole.reset()
    part = env.part(2, 5)
    actions = torch.randint(9, (30, 6), generator=torch.Generator().manual_seed(0))
    for action in actions:
        rows, everybody = part.step(action[2:5]), whole.step(action)
        for name in ("obs", "reward", "is_first", "terminated", "valid"):
            assert torch.equal(getattr(rows, name), getattr(everybody, name)[2:5]), name
    still = MinilabEnv("seekavoid_arena_01", 6, 24, 24, seed=1).reset().obs
    assert torch.equal(env._view.obs[:2], still[:2]) and torch.equal(env._view.obs[5:], still[5:])
    for lo, hi in ((-1, 3), (2, 2), (4, 7)):
        with pytest.raises(ValueError, match=rf"environments \[{lo}, {hi}\); allowed: within \[0, 6\)"):
            env.part(lo, hi)
    with pytest.raises(ValueError, match=r"actions are torch.int64 \[6\] on cpu; they must be int64 \[3\]"):
        part.step(actions[0])


def test_an_actor_is_what_the_learner_uses():
    assert isinstance(minilab_learner(4).actor, Actor)


def test_only_an_episode_cut_by_a_time_limit_alone_goes_on_with_a_value():
    """Of four rows, one ended both ways at once: it is over, and worth nothing from there on."""
    agent = minilab_learner(4)
    row = agent.env.reset()
    terminated = torch.tensor([False, True, False, True])
    truncated = torch.tensor([False, False, True, True])
    step = row._replace(terminated=terminated, truncated=truncated, final_obs=row.obs.flip(1))
    action, state = torch.zeros(4, dtype=torch.int64), agent.net.initial_state(4)
    with torch.no_grad():
        value = final_value(agent.net, step, action, state)
    assert value.ne(0).tolist() == [False, False, True, False]
