"""CPC with actions, held against loops, and against CPC where only the actions tell what will be seen."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from cpc_rl.aux import AuxSizes, CPCConfig, build_aux

T, B, K = 9, 3, 4
SIZES = AuxSizes(features=6, hidden=5, num_actions=3, unroll=T)


def unroll(seed: int = 0, resets: float = 0.0):
    g = torch.Generator().manual_seed(seed)
    z, c = torch.randn(T + 1, B, 6, generator=g), torch.randn(T + 1, B, 5, generator=g)
    is_first = torch.rand(T + 1, B, generator=g) < resets
    valid = torch.rand(T + 1, B, generator=g) > resets / 2
    return z, c, torch.randint(3, (T, B), generator=g), is_first, valid


def build(seed: int = 0, **config):
    torch.manual_seed(seed)
    return build_aux("cpc_action", SIZES, CPCConfig(**{"steps": K, "anchors": 0, "negatives": "batch"} | config), 0)


def by_loops(aux, z, c, actions, is_first, valid) -> tuple[torch.Tensor, dict[str, float]]:
    """Every latent of the unroll a candidate, one pair at a time."""
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
                    h = aux.cell(F.one_hot(actions[t + j, b], 3).float()[None], h)
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
    inputs[0].requires_grad_(), inputs[1].requires_grad_()
    wanted = [inputs[0], inputs[1], *aux.parameters()]
    loss, metrics = aux(*inputs)
    expected, expected_metrics = by_loops(aux, *inputs)
    torch.testing.assert_close(loss, expected)
    assert {name: value.item() for name, value in metrics.items()} == pytest.approx(expected_metrics, abs=1e-5)
    ours, theirs = torch.autograd.grad(loss, wanted), torch.autograd.grad(expected, wanted)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("anchors", [1, 4])
def test_drawn_anchors_are_an_unbiased_estimate(anchors):
    inputs = unroll(2, resets=0.2)
    whole = build()(*inputs)[0]
    aux = build(anchors=anchors)
    drawn = torch.stack([aux(*inputs)[0].detach() for _ in range(600)])
    assert drawn.std() > 0
    assert abs(drawn.mean() - whole) < 4 * drawn.std() / math.sqrt(600)


def test_a_reset_everywhere_leaves_no_pair():
    z, c, actions, is_first, valid = unroll()
    aux = build(anchors=5, negatives="sampled", num_negatives=8)
    c.requires_grad_()
    loss, metrics = aux(z, c, actions, torch.ones_like(is_first), valid)
    assert loss == 0 and all(value == 0 for value in metrics.values())
    (grad,) = torch.autograd.grad(loss, [c])
    assert torch.equal(grad, torch.zeros_like(c))


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="cpc.steps 9: must be smaller than a2c.unroll, 9"):
        build(steps=9)
    with pytest.raises(ValueError, match="cpc.negatives 'time': cpc_action takes sampled or batch"):
        build(negatives="time")


def test_a_resumed_loss_draws_what_it_would_have_drawn():
    inputs, aux = unroll(), build(anchors=3, negatives="sampled", num_negatives=5)
    aux(*inputs)
    saved = {name: value.clone() for name, value in aux.state_dict().items()}
    expected = aux(*inputs)[0]
    resumed = build(1, anchors=3, negatives="sampled", num_negatives=5)
    resumed.load_state_dict(saved)
    assert resumed(*inputs)[0] == expected


def test_it_knows_what_the_actions_will_show_and_cpc_does_not():
    """A world in which the picture is the last action: from the context alone nothing can be told."""
    torch.manual_seed(0)
    actions = torch.randint(3, (T, 64))
    pictures = torch.eye(3, 6)[torch.cat([torch.zeros(1, 64, dtype=torch.int64), actions])]  # [T + 1, B, 6]
    c, first, valid = torch.ones(T + 1, 64, 5), torch.zeros(T + 1, 64) > 0, torch.ones(T + 1, 64) > 0
    best = {}
    for name in ("cpc", "cpc_action"):
        aux = build_aux(name, SIZES, CPCConfig(steps=2, anchors=0, negatives="batch"), 0)
        optimiser = torch.optim.Adam(aux.parameters(), 0.1)
        for _ in range(150):
            loss, metrics = aux(pictures, c, actions, first, valid)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        best[name] = (metrics["bound_1"] + metrics["bound_2"]) / 2
    assert best["cpc"] < 0.05  # nats
    assert best["cpc_action"] == pytest.approx(math.log(3), abs=0.05)
