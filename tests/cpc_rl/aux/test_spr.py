"""Self-predictive representations held against loops over pairs; its target encoder, and ranks that add up."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from cpc_rl.aux import SPR, AuxSizes, SPRConfig, Unroll, build_aux
from cpc_rl.networks import ActorCritic, NetworkConfig
from tests.cpc_rl.aux import unrolls
from tests.cpc_rl.aux.groups import on_ranks
from tests.cpc_rl.aux.unrolls import SHAPE, build, network

T, K = 9, 4


def spr(net: ActorCritic, seed: int = 0, anchors_are: list[int] | None = None, **config) -> SPR:
    """With a target encoder that is not the network's."""
    loss = build("spr", SPRConfig(**{"steps": K, "anchors": "all"} | config), net, unroll=T, seed=seed)
    generator = torch.Generator().manual_seed(9)
    for weight in loss.target_encoder.parameters():
        weight += 0.1 * torch.randn(weight.shape, generator=generator)
    if anchors_are is not None:
        loss.anchor_steps = lambda rows: torch.tensor(anchors_are)
    return loss


def random_unroll(net: ActorCritic, **options) -> Unroll:
    inputs = unrolls.random_unroll(net, unroll=T, **options)
    return inputs._replace(c=inputs.c.requires_grad_())


def by_loops(loss: SPR, inputs: Unroll, anchors: list[int]) -> tuple[torch.Tensor, dict[str, float]]:
    """One pair at a time."""
    c, actions, is_first, valid = inputs.c, inputs.actions, inputs.is_first, inputs.valid
    batch = c.shape[1]
    needed = {t + k for t in anchors for k in range(1, K + 1) if t + k <= T}
    encoded = {(t, b): loss.target_encoder(inputs.obs[t, b][None])[0] for t in needed for b in range(batch)}
    counting = torch.stack([z for (t, b), z in encoded.items() if valid[t, b]])
    centre = counting.mean(0)

    def pairs(k: int, steps) -> list[tuple[int, int]]:
        return [
            (t, b)
            for t in steps
            for b in range(batch)
            if t + k <= T and valid[t, b] and valid[t + k, b] and not is_first[t + 1 : t + k + 1, b].any()
        ]

    losses, metrics = [], {}
    for k in range(1, K + 1):
        found = []
        for t, b in pairs(k, anchors):
            h = c[t, b][None]
            for j in range(k):
                h = loss.roll_forward.cell(F.one_hot(actions[t + j, b], 3).float()[None], h)
            found.append(torch.cosine_similarity(loss.predictor(h)[0], encoded[t + k, b] - centre, 0))
        expected_pairs = max(1, len(pairs(k, range(T + 1)))) * len(anchors) / (T + 1)
        losses.append(sum(2 - 2 * x for x in found) / expected_pairs + 0 * c.sum())
        metrics[f"similarity_{k}"] = sum(x.item() for x in found) / max(1, len(found))
    directions = counting / counting.norm(dim=1, keepdim=True)
    metrics["target_std"] = directions.std(0, correction=0).mean().item() * math.sqrt(directions.shape[1])
    return torch.stack(losses).mean(), metrics


@pytest.mark.parametrize("resets", [0.0, 0.3])
@pytest.mark.parametrize("anchors", [None, [0, 3, 8, 9]])
def test_loss_metrics_and_gradients_are_those_of_the_loops(resets, anchors):
    net = network()
    loss, inputs = spr(net, anchors_are=anchors), random_unroll(net, seed=1, resets=resets)
    expected, expected_metrics = by_loops(loss, inputs, anchors or [*range(T + 1)])
    ours, metrics = loss(inputs)
    torch.testing.assert_close(ours, expected)
    assert {name: value.item() for name, value in metrics.items()} == pytest.approx(expected_metrics, abs=1e-5)
    wanted = [inputs.c, *loss.roll_forward.parameters(), *loss.predictor.parameters()]
    for a, b in zip(torch.autograd.grad(ours, wanted), torch.autograd.grad(expected, wanted), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("anchors", [1, 4])
def test_drawn_anchors_estimate_the_loss_over_all(anchors):
    net = network()
    inputs = random_unroll(net, batch=4, seed=2, resets=0.2)
    inputs = inputs._replace(c=inputs.c.detach() * torch.linspace(0, 3, T + 1)[:, None, None])  # a bias would show
    same = torch.randint(256, (1, 1, *SHAPE), dtype=torch.uint8)  # one picture in two, so that every centre is alike
    inputs = inputs._replace(obs=torch.where(torch.arange(4)[:, None, None, None] % 2 == 0, same, inputs.obs[:1, :1]))
    inputs = inputs._replace(obs=inputs.obs.expand(T + 1, 4, *SHAPE), valid=torch.ones(T + 1, 4, dtype=torch.bool))
    whole = spr(net)(inputs)[0].item()
    loss = spr(net, anchors=anchors)
    drawn = torch.stack([loss(inputs)[0].detach() for _ in range(600)])
    assert drawn.std() > 0.01
    assert drawn.mean().item() == pytest.approx(whole, abs=4 * drawn.std().item() / math.sqrt(600))


@pytest.mark.parametrize("reset", [1, 6, T])
def test_no_context_predicts_across_a_reset(reset):
    net = network()
    inputs = random_unroll(net)
    inputs.is_first[reset] = True
    spr(net)(inputs)[0].backward()
    assert inputs.c.grad[reset - 1].abs().sum() == 0  # the last context of an episode predicts nothing
    assert inputs.c.grad[T].abs().sum() == 0
    if reset > 1:
        assert inputs.c.grad[reset - 2].abs().sum() > 0


def test_a_reset_everywhere_leaves_no_pair():
    net = network()
    inputs = random_unroll(net)
    loss, metrics = spr(net, anchors=5)(inputs._replace(is_first=torch.ones_like(inputs.is_first)))
    assert loss == 0 and all(metrics[f"similarity_{k}"] == 0 for k in range(1, K + 1))
    assert (torch.autograd.grad(loss, inputs.c)[0] == 0).all()


def test_rows_that_are_not_valid_count_nowhere():
    net = network()
    inputs = random_unroll(net)
    inputs.valid[4, 1] = False
    before, metrics = spr(net)(inputs)
    obs, c = inputs.obs.clone(), inputs.c.detach().clone()
    obs[4, 1], c[4, 1] = 255 - obs[4, 1], -100.0
    after, same = spr(net)(inputs._replace(obs=obs, c=c))
    assert after == before and same == metrics
    assert spr(net)(inputs._replace(valid=torch.ones_like(inputs.valid)))[0] != before


def test_only_rows_that_somebody_predicts_are_encoded():
    net = network()
    loss, seen = spr(net, anchors_are=[1, 2, 8]), []
    loss.target_encoder.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    inputs = random_unroll(net)
    loss(inputs)
    assert len(seen) == 1
    assert torch.equal(seen[0], inputs.obs[[2, 3, 4, 5, 6, 9]].flatten(0, 1))
    assert torch.isfinite(spr(net, anchors_are=[T])(inputs)[0])  # the last row predicts nothing


def test_target_std_tells_a_collapsed_encoder_from_a_live_one():
    net, rows = network(), (400, 5)
    loss, valid = spr(net), torch.ones(rows, dtype=torch.bool)
    for z, std in (
        (torch.randn(2000, 64), pytest.approx(1, abs=0.02)),  # all directions
        (torch.rand(2000, 1) * torch.randn(64), pytest.approx(0, abs=1e-3)),  # one direction, whatever the lengths
    ):
        loss.target_encoder.forward = lambda _, z=z: z
        assert loss.targets(torch.zeros(*rows, *SHAPE), valid)[1].item() == std


def test_the_target_encoder_follows_and_is_never_trained():
    net = network()
    loss = build("spr", SPRConfig(steps=K, momentum=0.75), net)
    assert not any("target" in name for name, p in loss.named_parameters() if p.requires_grad)
    assert {f"target_encoder.module.{name}" for name in net.encoder.state_dict()} < loss.state_dict().keys()
    fresh = [p.clone() for p in net.encoder.parameters()]
    loss.after_step(net)
    with torch.no_grad():
        for p in net.encoder.parameters():
            p += 1.0
    loss.after_step(net)
    for target, old in zip(loss.target_encoder.module.parameters(), fresh, strict=True):
        torch.testing.assert_close(target, old + 0.25)
    loss(random_unroll(net))[0].backward()
    assert all(p.grad is None for p in [*loss.target_encoder.parameters(), *net.parameters()])


@pytest.mark.parametrize("anchors", ["all", 3])
def test_two_halves_are_the_whole(anchors):
    net = network()
    inputs = random_unroll(net, batch=5, resets=0.2)
    whole = spr(net, anchors=anchors)
    expected, expected_metrics = whole(inputs)
    ranks = on_ranks(lambda: spr(net, anchors=anchors), inputs, [0, 2, 5])
    torch.testing.assert_close(sum(value for _, value, _ in ranks), expected)
    for name, value in expected_metrics.items():
        torch.testing.assert_close(sum(metrics[name] for _, _, metrics in ranks), value)
    total = torch.autograd.grad(expected, [inputs.c, *whole.predictor.parameters()])
    each = [torch.autograd.grad(value, [inputs.c, *loss.predictor.parameters()]) for loss, value, _ in ranks]
    for a, b in zip(map(sum, zip(*each, strict=True)), total, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_steps_beyond_the_unroll_are_refused():
    with pytest.raises(ValueError, match=r"spr\.steps 9: must be smaller than a2c.unroll, 9"):
        spr(network(), steps=9)


def test_vectors_are_fine():
    torch.manual_seed(0)
    net = ActorCritic(NetworkConfig(features=6, hidden=4), (5,), 3)
    loss = build_aux({"spr": SPRConfig(steps=K)}, AuxSizes(6, 4, 3, T, (5,)), net, 0)["spr"]
    inputs = random_unroll(net)
    found, metrics = loss(inputs._replace(obs=torch.randn(T + 1, 3, 5)))
    assert 0 < found < 4 and metrics["target_std"] > 0


@pytest.mark.parametrize("encoder", ["shallow", "deep"])
def test_bfloat16_encoders_give_nearly_the_same(encoder):
    found = []
    for precision in ("float32", "bfloat16"):
        torch.manual_seed(0)
        net = ActorCritic(NetworkConfig(features=16, hidden=4, encoder=encoder, precision=precision), SHAPE, 3)
        found.append(spr(net)(random_unroll(net))[0].item())
    assert found[1] != found[0] and found[1] == pytest.approx(found[0], abs=0.05)


def test_it_learns_what_the_actions_will_show():
    """A world in which the picture is the last action: from the context alone nothing can be told."""
    net = network(features=16)
    inputs = random_unroll(net, batch=32)
    done = torch.cat([torch.zeros(1, 32, dtype=torch.int64), inputs.actions])
    pictures = torch.randint(256, (3, *SHAPE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    inputs = inputs._replace(obs=pictures[done], c=torch.ones_like(inputs.c, requires_grad=False))
    loss = spr(net, steps=2, anchors=5)
    optimiser = torch.optim.Adam([p for p in loss.parameters() if p.requires_grad], 0.02)
    first = loss(inputs)[1]
    for _ in range(150):
        value, metrics = loss(inputs)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
    for k in (1, 2):
        assert metrics[f"similarity_{k}"] > 0.95 > 0.3 > first[f"similarity_{k}"]
