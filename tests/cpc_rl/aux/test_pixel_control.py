"""Pixel control, held against loops over pixels, steps and cells, and against known numbers."""

from __future__ import annotations

import math

import pytest
import torch

from cpc_rl.aux import PixelControlConfig, Unroll
from cpc_rl.aux.pixel_control import grid, pixel_changes
from tests.agents.learners import learner
from tests.cpc_rl.aux import unrolls
from tests.cpc_rl.aux.groups import on_ranks
from tests.cpc_rl.aux.unrolls import B, T, random_unroll
from tests.toys import CountingEnv

GAMMA = 0.8


def build(anchors: int | str = "all", **config):
    return unrolls.build("pixel_control", PixelControlConfig(discount=GAMMA, anchors=anchors, **config))


def changes_by_loops(obs: torch.Tensor, cell: int) -> torch.Tensor:
    steps, batch, height, width, channels = obs.shape
    h, w = height // (2 * cell) * 2, width // (2 * cell) * 2
    top, left = (height - h * cell) // 2, (width - w * cell) // 2
    found = torch.zeros(steps - 1, batch, h, w)
    for t in range(steps - 1):
        for b in range(batch):
            for y in range(h * cell):
                for x in range(w * cell):
                    for channel in range(channels):
                        place = (b, top + y, left + x, channel)
                        change = abs(int(obs[t + 1][place]) - int(obs[t][place]))
                        found[t, b, y // cell, x // cell] += change / 255 / cell**2 / channels
    return found


@pytest.mark.parametrize(("shape", "cell"), [((20, 20, 3), 4), ((17, 25, 1), 2), ((13, 12, 4), 3)])
def test_changes_are_those_of_the_loops(shape, cell):
    obs = torch.randint(256, (3, 2, *shape), dtype=torch.uint8)
    torch.testing.assert_close(pixel_changes(obs, cell), changes_by_loops(obs, cell))


def test_a_change_counts_in_its_cell_alone_and_the_same_up_and_down():
    obs = torch.zeros(3, 1, 20, 20, 3, dtype=torch.uint8)
    obs[1, 0, 2 + 5, 2 + 15, 1] = 255  # two pixels of border lie outside of the central crop
    obs[1, 0, 1, 1] = 255
    expected = torch.zeros(4, 4)
    expected[1, 3] = 1 / 48
    assert torch.equal(pixel_changes(obs, 4), expected.expand(2, 1, 4, 4))
    assert torch.equal(pixel_changes(255 - obs, 4), expected.expand(2, 1, 4, 4))


@pytest.mark.parametrize(
    ("shape", "cell", "cells"),
    [((84, 84, 3), 4, (20, 20)), ((72, 96, 3), 4, (18, 24)), ((72, 96, 3), 8, (8, 12)), ((16, 23, 1), 4, (4, 4))],
)
def test_the_grid_is_the_largest_in_the_middle_and_the_papers_for_its_pictures(shape, cell, cells):
    assert grid(shape, cell) == cells


def returns_by_loops(change: torch.Tensor, is_first, valid, best: torch.Tensor) -> torch.Tensor:
    found = torch.zeros_like(change)
    for b in range(change.shape[1]):
        for t in range(T):
            scale = 1.0
            for u in range(t, T):
                if is_first[u + 1, b] or not valid[u + 1, b]:
                    break
                found[t, b] += scale * change[u, b]
                scale *= GAMMA
            else:
                found[t, b] += scale * best[b]
    return found


def by_loops(aux, inputs: Unroll) -> tuple[torch.Tensor, dict[str, float]]:
    def q(c):
        x = aux.head.features(c[None]).mT.unflatten(2, aux.head.map)
        value, advantage = aux.head.value(x)[0], aux.head.advantage(x)[0]  # [1, h, w], [A, h, w]
        return value + advantage - advantage.mean(0)

    with torch.no_grad():
        change = changes_by_loops(inputs.obs, 4)
        best = torch.stack([q(c).max(0).values for c in inputs.c[-1]])
        returns = returns_by_loops(change, inputs.is_first, inputs.valid, best)
    losses, sums = [], {"change": [], "returns": [], "value": []}
    for t in range(T):
        for b in range(B):
            if inputs.valid[t + 1, b] and not inputs.is_first[t + 1, b]:
                value = q(inputs.c[t, b])[inputs.actions[t, b]]
                losses.append(0.5 * (value - returns[t, b]).square().mean())
                for name, x in (("change", change[t, b]), ("returns", returns[t, b]), ("value", value)):
                    sums[name].append(x.mean().item())
    return torch.stack(losses).mean(), {name: sum(x) / len(x) for name, x in sums.items()}


@pytest.mark.parametrize("resets", [0.0, 0.2])
def test_loss_metrics_and_gradients_are_those_of_the_loops(resets):
    aux, inputs = build(), random_unroll(seed=1, resets=resets)
    c = inputs.c.requires_grad_()
    wanted = [c, *aux.parameters()]
    loss, metrics = aux(inputs)
    expected, expected_metrics = by_loops(aux, inputs)
    torch.testing.assert_close(loss, expected)
    assert {name: value.item() for name, value in metrics.items()} == pytest.approx(expected_metrics, abs=1e-5)
    ours, theirs = torch.autograd.grad(loss, wanted), torch.autograd.grad(expected, wanted)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
    assert (
        ours[0][:-1].abs().sum() > 0 and ours[0][-1].abs().sum() == 0
    )  # nothing is learnt of the last row: it is a target


def test_an_end_cuts_the_return_and_the_last_row_bootstraps():
    aux = build()
    change, best = torch.ones(T, 1, 4, 4), torch.full((1, 4, 4), 10.0)
    follows = torch.ones(T, 1, dtype=torch.bool)
    follows[4] = False  # row 5 shows another episode
    found = aux.returns(change, follows, best)[:, 0, 0, 0].tolist()
    assert found[3::-1] == pytest.approx([sum(GAMMA**i for i in range(n)) for n in (1, 2, 3, 4)])
    assert found[4] == 0
    assert found[T - 1] == pytest.approx(1 + GAMMA * 10)
    assert found[5] == pytest.approx(sum(GAMMA**i for i in range(T - 5)) + GAMMA ** (T - 5) * 10)


@pytest.mark.parametrize("anchors", [1, 5])
def test_drawn_steps_are_an_unbiased_estimate(anchors):
    inputs = random_unroll(seed=2, resets=0.2)
    inputs = inputs._replace(c=inputs.c * torch.linspace(0, 20, T + 1)[:, None, None])  # steps differ in their loss
    whole, whole_metrics = build()(inputs)
    aux = build(anchors)
    drawn, values = zip(
        *[(loss.item(), m["value"].item()) for loss, m in (aux(inputs) for _ in range(600))], strict=True
    )
    for x, mean in ((torch.tensor(drawn), whole), (torch.tensor(values), whole_metrics["value"])):
        assert x.std() > 0
        assert abs(x.mean() - mean) < 4 * x.std() / math.sqrt(600)


@pytest.mark.parametrize("anchors", ["all", 4])
def test_ranks_add_up_to_one(anchors):
    inputs = random_unroll(seed=3, resets=0.1)
    whole = build(anchors)
    loss, metrics = whole(inputs)
    loss.backward()
    parts = on_ranks(lambda: build(anchors), inputs, [0, 1, B])
    torch.testing.assert_close(sum(part for _, part, _ in parts), loss)
    for name, value in metrics.items():
        torch.testing.assert_close(sum(found[name] for *_, found in parts), value)
    for _, part, _ in parts:
        part.backward()
    for p, *each in zip(whole.parameters(), *(aux.parameters() for aux, *_ in parts), strict=True):
        torch.testing.assert_close(sum(q.grad for q in each), p.grad)


def test_an_unroll_in_which_nothing_follows_gives_zero_and_no_gradient():
    inputs, aux = random_unroll(), build()
    c = inputs.c.requires_grad_()
    loss, metrics = aux(inputs._replace(is_first=torch.ones_like(inputs.is_first)))
    assert loss == 0 and all(value == 0 for value in metrics.values())
    assert torch.equal(torch.autograd.grad(loss, [c])[0], torch.zeros_like(c))


@pytest.mark.parametrize(
    ("shape", "message"), [((5,), r"\(5,\) are no pictures"), ((15, 30, 3), r"\(15, 30, 3\) must be at least 16 x 16")]
)
def test_what_is_no_picture_or_too_small_is_refused(shape, message):
    with pytest.raises(ValueError, match=rf"pixel_control\.cell 4: observations of shape {message}"):
        learner("pixel_control", CountingEnv([7], obs_shape=shape))


def test_it_learns_which_action_changes_what():
    """Action 0 turns the left half over, action 1 the right half, action 2 nothing; no step tells of the next."""
    torch.manual_seed(0)
    inputs = random_unroll(batch=32)
    obs = torch.zeros(T + 1, 32, 16, 16, 3, dtype=torch.uint8)
    for t in range(T):
        turned = torch.zeros(32, 16, 16, 3, dtype=torch.bool)
        turned[inputs.actions[t] == 0, :, :8] = True
        turned[inputs.actions[t] == 1, :, 8:] = True
        obs[t + 1] = torch.where(turned, 255 - obs[t], obs[t])
    inputs = inputs._replace(obs=obs, c=torch.ones_like(inputs.c))
    aux = unrolls.build("pixel_control", PixelControlConfig(discount=0.0, anchors="all"))
    optimiser = torch.optim.Adam(aux.parameters(), 0.01)
    for _ in range(200):
        loss, _ = aux(inputs)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    expected = torch.zeros(3, 4, 4)
    expected[0, :, :2], expected[1, :, 2:] = 1, 1
    torch.testing.assert_close(aux.head(torch.ones(1, 4))[0], expected, atol=0.05, rtol=0)


@pytest.mark.parametrize("aux", ["pixel_control", "reward_prediction,pixel_control"])
def test_an_agent_trains_with_it_and_resumes_bit_for_bit(aux):
    def trained(updates: int, saved=None):
        agent = learner(aux, CountingEnv([7, 5, 9], next_step=True, obs_shape=(16, 20, 3)), unroll=25)
        if saved is not None:
            agent.load_state_dict(saved)
        return agent, [agent.update() for _ in range(updates)]

    whole, logged = trained(4)
    assert logged[-1]["pixel_control/change"] == pytest.approx(1 / 255)  # the toy's pixels count its steps
    resumed, _ = trained(2, trained(2)[0].state_dict())
    assert all(torch.equal(a, b) for a, b in zip(whole.params, resumed.params, strict=True))


def test_its_gradients_reach_encoder_and_core_and_not_the_policy():
    agent = learner("pixel_control", CountingEnv([7, 5, 9], obs_shape=(16, 20, 3)))
    agent.update()
    agent.optimiser.zero_grad()
    r = agent.rollout
    out = agent.net(r.obs, r.last_action, r.reward, r.is_first, r.state)
    agent.aux(agent.unroll(out))[0].backward()
    for module in (agent.net.encoder, agent.net.core, agent.aux):
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in module.parameters())
    assert agent.net.policy.weight.grad is None
