"""CPC with actions, held against loops, and against CPC where only the actions tell what will be seen."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from cpc_rl.aux import CPCActionConfig, CPCConfig, Unroll
from cpc_rl.negatives import Negatives
from tests.cpc_rl.aux import unrolls
from tests.cpc_rl.aux.unrolls import network

T, B, K = 9, 3, 4
ALL = Negatives(count="all")


def unroll(seed: int = 0, resets: float = 0.0) -> Unroll:
    return unrolls.random_unroll(network(hidden=5), seed=seed, resets=resets, unroll=T)


def build(seed: int = 0, **config):
    config = CPCActionConfig(**{"steps": K, "anchors": "all", "negatives": ALL} | config)
    return unrolls.build("cpc_action", config, network(hidden=5), unroll=T, seed=seed)


def by_loops(aux, inputs: Unroll) -> tuple[torch.Tensor, dict[str, float]]:
    """Every latent of the unroll a candidate, one pair at a time."""
    z, c, actions, is_first, valid = inputs.z, inputs.c, inputs.actions, inputs.is_first, inputs.valid
    losses, metrics = [], {}
    candidates = [(t, b) for t in range(T + 1) for b in range(B) if valid[t, b]]
    for k in range(1, K + 1):
        terms, hits = [], []
        for t in range(T + 1 - k):
            for b in range(B):
                if is_first[t + 1 : t + k + 1, b].any() or not (valid[t, b] and valid[t + k, b]):
                    continue
                h = c[t, b][None]
                for j in range(k):
                    h = aux.roll_forward.cell(F.one_hot(actions[t + j, b], 3).float()[None], h)
                prediction = aux.head(h)[0]
                scores = torch.stack([prediction @ z[i] for i in candidates])
                place = candidates.index((t + k, b))
                terms.append(torch.logsumexp(scores, 0) - scores[place])
                others = torch.cat([scores[:place], scores[place + 1 :]])
                hits.append(float(scores[place] > others.max()))
        losses.append(torch.stack(terms).mean() if terms else z.sum() * 0)
        metrics[f"accuracy_{k}"] = sum(hits) / max(1, len(hits))
        metrics[f"bound_{k}"] = math.log(len(candidates)) - losses[-1].item() if terms else 0.0
    return torch.stack(losses).mean(), metrics


@pytest.mark.parametrize("resets", [0.0, 0.3])
def test_loss_metrics_and_gradients_are_those_of_the_loops(resets):
    aux, inputs = build(), unroll(1, resets)
    wanted = [inputs.z.requires_grad_(), inputs.c.requires_grad_(), *aux.parameters()]
    loss, metrics = aux(inputs)
    expected, expected_metrics = by_loops(aux, inputs)
    torch.testing.assert_close(loss, expected)
    assert {name: value.item() for name, value in metrics.items()} == pytest.approx(expected_metrics, abs=1e-5)
    ours, theirs = torch.autograd.grad(loss, wanted), torch.autograd.grad(expected, wanted)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("anchors", [1, 4])
def test_drawn_anchors_are_an_unbiased_estimate(anchors):
    inputs = unroll(2, resets=0.2)
    whole = build()(inputs)[0]
    aux = build(anchors=anchors)
    drawn = torch.stack([aux(inputs)[0].detach() for _ in range(600)])
    assert drawn.std() > 0
    assert abs(drawn.mean() - whole) < 4 * drawn.std() / math.sqrt(600)


def test_a_reset_everywhere_leaves_no_pair():
    inputs, aux = unroll(), build(anchors=5, negatives=Negatives(count=8))
    c = inputs.c.requires_grad_()
    loss, metrics = aux(inputs._replace(is_first=torch.ones_like(inputs.is_first)))
    assert loss == 0 and all(value == 0 for value in metrics.values())
    (grad,) = torch.autograd.grad(loss, [c])
    assert torch.equal(grad, torch.zeros_like(c))


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match=r"cpc_action\.steps 9: must be smaller than a2c.unroll, 9"):
        build(steps=9)


def test_a_resumed_loss_draws_what_it_would_have_drawn():
    inputs, aux = unroll(), build(anchors=3, negatives=Negatives(count=5))
    aux(inputs)
    saved = {name: value.clone() for name, value in aux.state_dict().items()}
    expected = aux(inputs)[0]
    resumed = build(seed=1, anchors=3, negatives=Negatives(count=5))
    resumed.load_state_dict(saved)
    assert resumed(inputs)[0] == expected


def test_it_knows_what_the_actions_will_show_and_cpc_does_not():
    """A world in which the picture is the last action: from the context alone nothing can be told."""
    torch.manual_seed(0)
    inputs = unrolls.random_unroll(network(hidden=5), batch=64, unroll=T)
    done = torch.cat([torch.zeros(1, 64, dtype=torch.int64), inputs.actions])
    inputs = inputs._replace(z=torch.eye(3, 6)[done], c=torch.ones_like(inputs.c))  # z [T + 1, B, 6]
    best = {}
    for name, kind in (("cpc", CPCConfig), ("cpc_action", CPCActionConfig)):
        config = kind(steps=2, anchors="all", negatives=ALL)
        aux = unrolls.build(name, config, network(hidden=5), unroll=T)
        optimiser = torch.optim.Adam(aux.parameters(), 0.1)
        for _ in range(150):
            loss, metrics = aux(inputs)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        best[name] = (metrics["bound_1"] + metrics["bound_2"]) / 2
    assert best["cpc"] < 0.05  # nats
    assert best["cpc_action"] == pytest.approx(math.log(3), abs=0.05)
