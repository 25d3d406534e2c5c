"""The CPC head's wiring: what it hands to the loss. The loss itself is tested in test_infonce*.py."""

from __future__ import annotations

import math

import pytest
import torch

from cpc_rl.aux import AUX_LOSSES, AuxSizes, CPCConfig, Unroll, build_aux
from cpc_rl.infonce import cpc_loss
from cpc_rl.negatives import Negatives
from tests.cpc_rl.aux.unrolls import build, network, random_unroll

ALL = Negatives(count="all")


def loss(config: CPCConfig, inputs: Unroll, seed: int = 0) -> float:
    return build("cpc", config, seed=seed)(inputs)[0].item()


def test_none_unknown_and_too_far():
    net = network()
    sizes = AuxSizes(6, 4, 3, 12)
    assert len(build_aux({}, sizes, net, 0)) == 0
    with pytest.raises(ValueError, match=r"cpc\.steps 12: must be smaller than a2c.unroll, 12"):
        build_aux({"cpc": CPCConfig(steps=12)}, sizes, net, 0)


@pytest.mark.parametrize("negatives", [Negatives(pool="time"), Negatives(exclude="own")])
@pytest.mark.parametrize("name", ["cpc", "cpc_action"])
def test_one_environment_without_negatives_is_refused(name, negatives):
    config = AUX_LOSSES[name].Config(steps=3, negatives=negatives)
    sizes = AuxSizes(6, 4, 3, 12, num_envs=1)
    with pytest.raises(ValueError, match=rf"{name}\.negatives\.(pool time|exclude own): with one environment nothing"):
        build_aux({name: config}, sizes, network(), 0)
    build_aux({name: config}, sizes._replace(num_envs=2), network(), 0)
    build_aux({name: config.model_copy(update={"negatives": Negatives()})}, sizes, network(), 0)


def test_it_is_the_loss_over_contexts_latents_and_its_own_heads():
    aux = build("cpc", CPCConfig(steps=4, anchors="all", negatives=ALL))
    inputs = random_unroll()
    result = cpc_loss(inputs.c.transpose(0, 1), inputs.z.transpose(0, 1), aux.heads, range(1, 5))
    ours, metrics = aux(inputs)
    torch.testing.assert_close(ours, result.loss)
    assert set(metrics) == {f"{what}_{k}" for what in ("accuracy", "bound") for k in range(1, 5)}
    assert [h.bias for h in aux.heads] == [None] * 4
    assert [tuple(h.weight.shape) for h in aux.heads] == [(6, 4)] * 4  # W_k: hidden -> features


def test_a_reset_everywhere_leaves_no_pair():
    inputs = random_unroll()
    config = CPCConfig(steps=3, anchors=5, negatives=Negatives(count=8))
    assert loss(config, inputs._replace(is_first=torch.ones_like(inputs.is_first))) == 0.0
    assert loss(config, inputs) > 0.5 * math.log(9)


@pytest.mark.parametrize("reset", [1, 6, 12])
def test_no_context_predicts_across_a_reset(reset):
    inputs = random_unroll()
    inputs.is_first[reset] = True
    c = inputs.c.requires_grad_()
    build("cpc", CPCConfig(steps=11, anchors="all", negatives=ALL))(inputs)[0].backward()
    assert c.grad[reset - 1].abs().sum() == 0  # the last context of an episode predicts nothing
    assert c.grad[12].abs().sum() == 0  # nor does the last row of the unroll
    if reset > 1:
        assert c.grad[reset - 2].abs().sum() > 0


def test_rows_that_are_not_valid_are_neither_contexts_nor_candidates():
    inputs = random_unroll()
    inputs.valid[4, 1] = False
    config = CPCConfig(steps=5, anchors="all", negatives=ALL)
    before = loss(config, inputs)
    inputs.z[4, 1], inputs.c[4, 1] = 100.0, -100.0
    assert loss(config, inputs) == before
    assert loss(config, inputs._replace(valid=torch.ones_like(inputs.valid))) != before


@pytest.mark.parametrize(
    ("negatives", "n"),
    [
        (Negatives(pool="time"), 3),
        (Negatives(pool="sequence"), 13),
        (Negatives(), 39),
        (Negatives(exclude="own"), 27),
        (Negatives(count=64), None),
    ],
)
def test_every_kind_of_negatives_starts_at_log_n(negatives, n):
    value = loss(CPCConfig(steps=4, anchors="all", negatives=negatives), random_unroll())
    if n is not None:
        assert value == pytest.approx(math.log(n), abs=0.02)  # fresh heads are nearly zero
    else:
        assert math.log(60) < value < math.log(65)  # copies of the positive are dropped from the 64 drawn


def test_draws_come_from_its_own_generator_and_are_saved_with_it():
    config, inputs = CPCConfig(steps=4, anchors=3, negatives=Negatives(count=8)), random_unroll()
    assert loss(config, inputs, seed=3) == loss(config, inputs, seed=3)
    assert loss(config, inputs, seed=3) != loss(config, inputs, seed=4)
    aux = build("cpc", config, seed=5)
    aux(inputs)
    saved = {name: value.clone() for name, value in aux.state_dict().items()}
    after = aux(inputs)[0]
    other = build("cpc", config, seed=6)
    other.load_state_dict(saved)
    assert torch.equal(other(inputs)[0], after)


def test_drawn_anchors_estimate_the_loss_over_all():
    # Contexts differ in how well they predict, so a biased draw would show.
    inputs = random_unroll(batch=2)
    inputs = inputs._replace(c=inputs.c * torch.linspace(0, 40, 13)[:, None, None])
    whole = loss(CPCConfig(steps=4, anchors="all", negatives=ALL), inputs)
    aux = build("cpc", CPCConfig(steps=4, anchors=4, negatives=ALL))
    drawn = torch.stack([aux(inputs)[0].detach() for _ in range(2000)])
    assert drawn.std() > 0.01
    assert drawn.mean().item() == pytest.approx(whole, abs=4 * drawn.std().item() / math.sqrt(2000))
