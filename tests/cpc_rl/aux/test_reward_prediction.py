"""Reward prediction, held against loops over windows and against known numbers."""

from __future__ import annotations

import math

import pytest
import torch
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from cpc_rl.aux import RewardPredictionConfig, Unroll
from cpc_rl.aux.reward_prediction import whole_windows
from tests.agents.learners import learner
from tests.cpc_rl.aux import unrolls
from tests.cpc_rl.aux.groups import on_ranks
from tests.cpc_rl.aux.unrolls import B, T, network, random_unroll
from tests.toys import CountingEnv


def build(frames: int = 3):
    return unrolls.build("reward_prediction", RewardPredictionConfig(frames=frames))


def windows(inputs: Unroll, n: int) -> list[tuple[int, int]]:
    """(t, b) of each reward that counts: row t is the last of its n frames."""
    found = []
    for t in range(n - 1, T):
        for b in range(B):
            frames = range(t - n + 1, t + 1)
            together = not any(inputs.is_first[row, b] for row in list(frames)[1:])
            if together and all(inputs.valid[row, b] for row in frames) and inputs.valid[t + 1, b]:
                found.append((t, b))
    return found


def by_loops(aux, inputs: Unroll, n: int) -> tuple[torch.Tensor, dict[str, float]]:
    terms: dict[bool, list[torch.Tensor]] = {False: [], True: []}  # by whether there is a reward
    actual, predicted = [], []
    for t, b in windows(inputs, n):
        seen = torch.cat([inputs.z[row, b] for row in range(t - n + 1, t + 1)])
        scores = aux.head(aux.hidden(seen).clamp(min=0))
        reward = inputs.rewards[t, b].item()
        label = 0 if reward < 0 else 2 if reward > 0 else 1
        terms[reward != 0].append(torch.logsumexp(scores, 0) - scores[label])
        actual.append(label)
        predicted.append(int(scores.argmax()))
    loss = sum((0.5 * torch.stack(each).mean() for each in terms.values() if each), inputs.z.sum() * 0)
    done = inputs.rewards[inputs.valid[1:]]
    metrics = {
        "accuracy": float(accuracy_score(actual, predicted)),
        "rewarding": (done != 0).float().mean().item(),
    }
    if len(set(actual)) > 1:
        metrics["balanced_accuracy"] = float(balanced_accuracy_score(actual, predicted))
    return loss, metrics


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@pytest.mark.parametrize("n", [1, 3, T])
@pytest.mark.parametrize("resets", [0.0, 0.2])
def test_loss_metrics_and_gradients_are_those_of_the_loops(n, resets):
    aux, inputs = build(n), random_unroll(seed=1, resets=resets)
    if n == T:
        inputs.is_first[:, 0], inputs.valid[:, 0] = False, True  # one window at least
    inputs.rewards[torch.rand(T, B) < 0.5] = 0  # classes of different sizes
    wanted = [inputs.z.requires_grad_(), *aux.parameters()]
    loss, metrics = aux(inputs)
    expected, expected_metrics = by_loops(aux, inputs, n)
    torch.testing.assert_close(loss, expected)
    assert {name: value.item() for name, value in metrics.items()} == pytest.approx(expected_metrics, abs=1e-6)
    ours, theirs = torch.autograd.grad(loss, wanted), torch.autograd.grad(expected, wanted)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_rewarding_and_other_steps_weigh_the_same_however_many_there_are():
    inputs, aux = random_unroll(), build()
    with torch.no_grad():  # a head that says log 1/2, log 1/4, log 1/4 whatever it sees
        aux.head.weight.zero_()
        aux.head.bias.copy_(torch.tensor([0.5, 0.25, 0.25]).log())
    rewards = torch.zeros(T, B)
    rewards[5, 0] = -3.0  # one of 30 windows
    loss, metrics = aux(inputs._replace(rewards=rewards))
    assert loss.item() == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(4))
    assert metrics["accuracy"].item() == pytest.approx(1 / 30)
    assert metrics["balanced_accuracy"].item() == pytest.approx(0.5)
    assert metrics["rewarding"].item() == pytest.approx(1 / 36)
    rewards[6, 1] = 7.0  # a positive and a negative reward share the half of the rewarding steps
    loss, _ = aux(inputs._replace(rewards=rewards))
    assert loss.item() == pytest.approx(0.25 * math.log(2) + 0.75 * math.log(4))


@pytest.mark.parametrize("reward", [0.0, 2.0])
def test_a_class_that_is_missing_adds_nothing(reward):
    inputs, aux = random_unroll(), build()
    with torch.no_grad():
        for p in aux.head.parameters():
            p.zero_()
    loss, metrics = aux(inputs._replace(rewards=torch.full((T, B), reward)))
    assert loss.item() == pytest.approx(0.5 * math.log(3))
    assert metrics["rewarding"] == float(reward != 0)
    assert "balanced_accuracy" not in metrics


def test_an_unroll_without_a_window_gives_zero_and_no_gradient():
    inputs, aux = random_unroll(), build()
    z = inputs.z.requires_grad_()
    loss, metrics = aux(inputs._replace(is_first=torch.ones_like(inputs.is_first)))
    assert loss == 0 and metrics["accuracy"] == 0
    assert torch.equal(torch.autograd.grad(loss, [z])[0], torch.zeros_like(z))


def test_a_window_may_begin_with_an_episode_and_end_with_its_last_reward_and_no_more():
    is_first, valid = torch.zeros(8, 1, dtype=torch.bool), torch.ones(8, 1, dtype=torch.bool)
    is_first[4] = True
    assert whole_windows(is_first, valid, 3).flatten().tolist() == [True, True, False, False, True]
    valid[6] = False  # neither a frame nor what the action before it led to
    assert whole_windows(is_first, valid, 3).flatten().tolist() == [True, True, False, False, False]


def test_only_frames_before_the_reward_are_read():
    inputs, aux = random_unroll(), build()
    before = aux(inputs)[0]
    inputs.z[-1] = 100.0  # what the last action led to
    assert torch.equal(aux(inputs)[0], before)
    inputs.z[-2] = 100.0
    assert not torch.equal(aux(inputs)[0], before)


@pytest.mark.parametrize("bounds", [[0, 1, B], [0, 1, 2, B]])
def test_ranks_add_up_to_one(bounds):
    inputs = random_unroll(seed=3, resets=0.1)
    inputs.rewards[:, 0] = 0  # the first rank sees no reward at all
    whole = build()
    loss, metrics = whole(inputs)
    loss.backward()
    parts = on_ranks(build, inputs, bounds)
    torch.testing.assert_close(sum(part for _, part, _ in parts), loss)
    for name, value in metrics.items():
        torch.testing.assert_close(sum(found[name] for *_, found in parts), value)
    for _, part, _ in parts:
        part.backward()
    for p, *each in zip(whole.parameters(), *(aux.parameters() for aux, *_ in parts), strict=True):
        torch.testing.assert_close(sum(q.grad for q in each), p.grad)


def test_more_frames_than_the_unroll_are_refused():
    with pytest.raises(ValueError, match=rf"reward_prediction.frames 13: must be at most a2c.unroll, {T}"):
        build(13)


def test_it_learns_what_two_frames_show_and_one_does_not():
    """The next reward is the product of what the last two frames show: neither alone tells its sign."""
    torch.manual_seed(0)
    inputs = random_unroll(network(), batch=64)
    shown = torch.randint(0, 2, (T + 1, 64)) * 2.0 - 1
    inputs = inputs._replace(z=shown[..., None] * torch.ones(6))  # z [T + 1, B, 6]
    inputs.rewards[1:] = shown[1:-1] * shown[:-2]
    found = {}
    for n in (1, 2):
        aux = build(n)
        optimiser = torch.optim.Adam(aux.parameters(), 0.01)
        for _ in range(150):
            loss, metrics = aux(inputs)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        found[n] = metrics["balanced_accuracy"].item()
    assert found[1] < 0.7
    assert found[2] > 0.99


@pytest.mark.parametrize("aux", ["reward_prediction", "cpc,reward_prediction"])
def test_an_agent_trains_with_it_and_resumes_bit_for_bit(aux):
    def trained(updates: int, saved=None):
        agent = learner(aux, CountingEnv([7, 5, 9], next_step=True))
        if saved is not None:
            agent.load_state_dict(saved)
        return agent, [agent.update() for _ in range(updates)]

    whole, logged = trained(4)
    assert 0 <= logged[-1]["reward_prediction/accuracy"] <= 1 and logged[-1]["reward_prediction/rewarding"] == 1
    resumed, _ = trained(2, trained(2)[0].state_dict())
    assert all(torch.equal(a, b) for a, b in zip(whole.params, resumed.params, strict=True))


def test_its_gradients_reach_the_encoder_and_not_the_core():
    agent = learner("reward_prediction")
    agent.update()
    agent.optimiser.zero_grad()
    r = agent.rollout
    out = agent.net(r.obs, r.last_action, r.reward, r.is_first, r.state)
    agent.aux(agent.unroll(out))[0].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in agent.net.encoder.parameters())
    assert all(p.grad is None for p in agent.net.core.parameters())
