"""The CPC head's wiring: what it hands to the loss. The loss itself is tested in test_infonce*.py."""

from __future__ import annotations

import math

import pytest
import torch

from cpc_rl.aux import AuxSizes, CPCConfig, build_aux
from cpc_rl.infonce import cpc_loss

SIZES = AuxSizes(features=6, hidden=4, num_actions=3, unroll=12)


def unroll(b: int = 3, seed: int = 0):
    g = torch.Generator().manual_seed(seed)
    z, c = torch.randn(13, b, 6, generator=g), torch.randn(13, b, 4, generator=g)
    return z, c, torch.zeros(12, b, dtype=torch.int64), torch.zeros(13, b, dtype=torch.bool), torch.ones(13, b) > 0


def loss(config: CPCConfig, inputs, seed: int = 0) -> float:
    torch.manual_seed(1)
    return build_aux("cpc", SIZES, config, seed)(*inputs)[0].item()


def test_none_and_unknown():
    assert build_aux("none", SIZES, CPCConfig(), 0) is None
    with pytest.raises(ValueError, match="'cpp': allowed are none, cpc"):
        build_aux("cpp", SIZES, CPCConfig(), 0)
    with pytest.raises(ValueError, match="cpc.steps 12: must be smaller than a2c.unroll, 12"):
        build_aux("cpc", SIZES, CPCConfig(steps=12), 0)


def test_it_is_the_loss_over_contexts_latents_and_its_own_heads():
    torch.manual_seed(1)
    aux = build_aux("cpc", SIZES, CPCConfig(steps=4, anchors=0, negatives="batch"), 0)
    z, c, actions, is_first, valid = unroll()
    result = cpc_loss(c.transpose(0, 1), z.transpose(0, 1), aux.heads, range(1, 5))
    ours, metrics = aux(z, c, actions, is_first, valid)
    torch.testing.assert_close(ours, result.loss)
    assert set(metrics) == {f"{what}_{k}" for what in ("accuracy", "bound") for k in range(1, 5)}
    assert [h.bias for h in aux.heads] == [None] * 4
    assert [tuple(h.weight.shape) for h in aux.heads] == [(6, 4)] * 4  # W_k: hidden -> features


def test_a_reset_everywhere_leaves_no_pair():
    z, c, actions, is_first, valid = unroll()
    config = CPCConfig(steps=3, anchors=5, num_negatives=8)
    assert loss(config, (z, c, actions, torch.ones_like(is_first), valid)) == 0.0
    assert loss(config, (z, c, actions, is_first, valid)) > 0.5 * math.log(9)


@pytest.mark.parametrize("reset", [1, 6, 12])
def test_no_context_predicts_across_a_reset(reset):
    z, c, actions, is_first, valid = unroll()
    is_first[reset] = True
    torch.manual_seed(1)
    aux = build_aux("cpc", SIZES, CPCConfig(steps=11, anchors=0, negatives="batch"), 0)
    c.requires_grad_()
    aux(z, c, actions, is_first, valid)[0].backward()
    assert c.grad[reset - 1].abs().sum() == 0  # the last context of an episode predicts nothing
    assert c.grad[12].abs().sum() == 0  # nor does the last row of the unroll
    if reset > 1:
        assert c.grad[reset - 2].abs().sum() > 0


def test_rows_that_are_not_valid_are_neither_contexts_nor_candidates():
    z, c, actions, is_first, valid = unroll()
    valid[4, 1] = False
    config = CPCConfig(steps=5, anchors=0, negatives="batch")
    before = loss(config, (z, c, actions, is_first, valid))
    z[4, 1], c[4, 1] = 100.0, -100.0
    assert loss(config, (z, c, actions, is_first, valid)) == before
    assert loss(config, (z, c, actions, is_first, torch.ones_like(valid))) != before


@pytest.mark.parametrize("negatives", ["sampled", "time", "sequence", "batch"])
def test_every_kind_of_negatives_starts_at_log_n(negatives):
    n = {"sampled": None, "time": 3, "sequence": 13, "batch": 39}[negatives]
    value = loss(CPCConfig(steps=4, anchors=0, negatives=negatives, num_negatives=64), unroll())
    if n is not None:
        assert value == pytest.approx(math.log(n), abs=0.02)  # fresh heads are nearly zero
    else:
        assert math.log(60) < value < math.log(65)  # copies of the positive are dropped from the 64 drawn


def test_draws_come_from_its_own_generator_and_are_saved_with_it():
    config, inputs = CPCConfig(steps=4, anchors=3, num_negatives=8), unroll()
    assert loss(config, inputs, seed=3) == loss(config, inputs, seed=3)
    assert loss(config, inputs, seed=3) != loss(config, inputs, seed=4)
    aux = build_aux("cpc", SIZES, config, 5)
    aux(*inputs)
    saved = {name: value.clone() for name, value in aux.state_dict().items()}
    after = aux(*inputs)[0]
    other = build_aux("cpc", SIZES, config, 6)
    other.load_state_dict(saved)
    assert torch.equal(other(*inputs)[0], after)


def test_drawn_anchors_estimate_the_loss_over_all():
    # Contexts differ in how well they predict, so a biased draw would show.
    z, c, *rest = unroll(b=2)
    c = c * torch.linspace(0, 40, 13)[:, None, None]
    whole = loss(CPCConfig(steps=4, anchors=0, negatives="batch"), (z, c, *rest))
    torch.manual_seed(1)
    aux = build_aux("cpc", SIZES, CPCConfig(steps=4, anchors=4, negatives="batch"), 0)
    drawn = torch.stack([aux(z, c, *rest)[0].detach() for _ in range(2000)])
    assert drawn.std() > 0.01
    assert drawn.mean().item() == pytest.approx(whole, abs=4 * drawn.std().item() / math.sqrt(2000))
