"""CURL held against loops over pictures; its draws, its key encoder, and ranks that add up."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from cpc_rl.aux import CURL, AuxSizes, CURLConfig, build_aux
from cpc_rl.aux.curl import shifted
from cpc_rl.networks import ActorCritic, NetworkConfig
from tests.cpc_rl.aux.groups import on_ranks
from tests.cpc_rl.aux.unrolls import SHAPE, build, network, random_unroll


def curl(net: ActorCritic | None = None, seed: int = 0, **config) -> CURL:
    """With a key encoder and a W that are their own."""
    loss = build("curl", CURLConfig(**config), net, seed=seed)
    generator = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for weight in loss.parameters():
            weight += 0.1 * torch.randn(weight.shape, generator=generator)
    return loss


def flat_unroll(net: ActorCritic, batch: int = 3):
    """Pictures of one colour each, which look the same however they are shifted."""
    inputs = random_unroll(net, batch)
    return inputs._replace(obs=inputs.obs[:, :, :1, :1].expand_as(inputs.obs).contiguous())


def test_the_loss_its_metrics_and_gradients_are_those_of_the_loops():
    net = network()
    loss, inputs = curl(net, rows="all", shift=0), random_unroll(net, resets=0.3)
    assert not inputs.valid.all()
    pictures = [inputs.obs[t, b] for t in range(13) for b in range(3) if inputs.valid[t, b]]
    keys = [loss.key_encoder.module(x[None])[0] for x in pictures]
    terms, hits = [], []
    for i, x in enumerate(pictures):
        query = net.encoder(x[None])[0]
        scores = torch.stack([query @ loss.head.weight.T @ key for key in keys])
        terms.append(torch.logsumexp(scores, 0) - scores[i])
        hits.append(float(scores[i] > torch.cat([scores[:i], scores[i + 1 :]]).max()))
    expected = torch.stack(terms).mean()
    ours, metrics = loss(inputs)
    torch.testing.assert_close(ours, expected)
    assert metrics["accuracy"].item() == pytest.approx(sum(hits) / len(hits))
    assert metrics["bound"].item() == pytest.approx(math.log(len(pictures)) - expected.item(), abs=1e-5)
    wanted = [*net.encoder.parameters(), loss.head.weight]
    for a, b in zip(torch.autograd.grad(ours, wanted), torch.autograd.grad(expected, wanted), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("shape", [(5, 7, 3), (6, 4, 1)])
def test_a_shifted_picture_is_a_crop_of_one_with_its_edges_repeated(shape):
    pad = 2
    corners = torch.cartesian_prod(torch.arange(2 * pad + 1), torch.arange(2 * pad + 1))
    pictures = torch.randint(256, (len(corners), *shape), dtype=torch.uint8)
    ours = shifted(pictures, corners, pad)
    assert ours.dtype == torch.uint8
    for picture, (top, left), crop in zip(pictures, corners.tolist(), ours, strict=True):
        padded = F.pad(picture.double().permute(2, 0, 1)[None], (pad,) * 4, mode="replicate")[0].permute(1, 2, 0)
        assert torch.equal(crop, padded[top : top + shape[0], left : left + shape[1]].to(torch.uint8))
    assert torch.equal(ours[12], pictures[12])  # the corner (pad, pad): nothing moves


def test_both_views_move_each_on_its_own_and_reach_every_corner():
    net = network()
    seen = []
    loss = curl(net, rows="all", shift=1)
    net.encoder.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    loss.key_encoder.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    inputs = random_unroll(net, batch=20)
    loss(inputs)
    one, other = seen
    places = {}
    for i, picture in enumerate(inputs.obs[inputs.valid]):
        crops = shifted(picture.expand(9, -1, -1, -1), torch.cartesian_prod(torch.arange(3), torch.arange(3)), 1)
        pair = tuple(int((crops == view[i]).flatten(1).all(1).nonzero()) for view in (one, other))
        places[pair] = places.get(pair, 0) + 1
    assert len(places) > 70  # of 81 pairs of corners, among 260 pictures


def test_a_picture_that_shows_no_shift_has_the_loss_of_one_that_is_not_shifted():
    net = network()
    flat, rich = flat_unroll(net), random_unroll(net)
    values = {shift: [curl(net, rows="all", shift=shift)(x)[0].item() for x in (flat, rich)] for shift in (0, 4)}
    assert values[4][0] == pytest.approx(values[0][0])
    assert values[4][1] != pytest.approx(values[0][1])


def test_rows_are_drawn_anew_from_those_that_count():
    net = network()
    inputs = random_unroll(net, resets=0.5)
    loss = curl(net, rows=10)
    drawn = [set(zip(*(x.tolist() for x in loss.draw(inputs.valid)), strict=True)) for _ in range(40)]
    assert all(len(rows) == 10 for rows in drawn) and drawn[0] != drawn[1]
    assert set.union(*drawn) == {tuple(row) for row in inputs.valid.nonzero().tolist()}  # each valid one, no other
    few = torch.zeros_like(inputs.valid)
    few[3, 1] = few[5, 0] = True
    assert set(zip(*(x.tolist() for x in loss.draw(few)), strict=True)) == {(3, 1), (5, 0)}


def test_nothing_that_counts_leaves_no_loss():
    net = network()
    inputs = random_unroll(net)
    for valid in (0, 1):  # one picture has no negative
        few = torch.zeros_like(inputs.valid)
        few[0, :valid] = True
        loss, metrics = curl(net, rows=10)(inputs._replace(valid=few))
        assert loss == 0 and metrics["accuracy"] == 0
        assert all((g == 0).all() for g in torch.autograd.grad(loss, [*net.encoder.parameters()]))


@pytest.mark.parametrize("shape", [(5,), ()])
def test_vectors_are_refused_in_one_line(shape):
    with pytest.raises(ValueError, match=r"^curl\.shift 4: observations of shape \(5?,?\) are no pictures$"):
        build_aux({"curl": CURLConfig()}, AuxSizes(6, 4, 3, 12, shape), network(), 0)


def test_the_key_encoder_follows_and_is_never_trained():
    net = network()
    loss = build("curl", CURLConfig(momentum=0.75), net)
    assert [name for name, p in loss.named_parameters() if p.requires_grad] == ["head.weight"]
    assert {f"key_encoder.module.{name}" for name in net.encoder.state_dict()} < loss.state_dict().keys()
    fresh = [p.clone() for p in net.encoder.parameters()]
    loss.after_step(net)
    with torch.no_grad():
        for p in net.encoder.parameters():
            p += 1.0
    loss.after_step(net)
    for key, old in zip(loss.key_encoder.module.parameters(), fresh, strict=True):
        torch.testing.assert_close(key, old + 0.25)
    loss(random_unroll(net))[0].backward()
    assert all(p.grad is None for p in loss.key_encoder.parameters())
    assert all(p.grad.abs().sum() > 0 for p in net.encoder.parameters())


@pytest.mark.parametrize(("rows", "seed"), [("all", 0), (7, 1), (2, 1), (2, 3)])
def test_two_halves_are_the_whole(rows, seed):
    net = network()
    inputs = random_unroll(net, batch=4, resets=0.2)
    whole = curl(net, rows=rows, seed=seed)
    expected, expected_metrics = whole(inputs)
    ranks = on_ranks(lambda: curl(net, rows=rows, seed=seed), inputs, [0, 2, 4])
    torch.testing.assert_close(sum(value for _, value, _ in ranks), expected)
    for name, value in expected_metrics.items():
        torch.testing.assert_close(sum(metrics[name] for _, _, metrics in ranks), value)
    total = torch.autograd.grad(expected, [*net.encoder.parameters(), whole.head.weight])
    each = [torch.autograd.grad(value, [*net.encoder.parameters(), loss.head.weight]) for loss, value, _ in ranks]
    for a, b in zip(map(sum, zip(*each, strict=True)), total, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("encoder", ["shallow", "deep"])
def test_bfloat16_encoders_give_nearly_the_same(encoder):
    found = []
    for precision in ("float32", "bfloat16"):
        torch.manual_seed(0)
        net = ActorCritic(NetworkConfig(features=6, hidden=4, encoder=encoder, precision=precision), SHAPE, 3)
        loss, _ = build("curl", CURLConfig(rows=20), net)(random_unroll(net))
        loss.backward()
        assert all(torch.isfinite(p.grad).all() for p in net.encoder.parameters())
        found.append(loss.item())
    assert found[1] != found[0] and found[1] == pytest.approx(found[0], abs=0.05)


def test_it_learns_to_know_pictures_again():
    net = network(features=16)
    loss, inputs = build("curl", CURLConfig(rows="all", shift=1), net), random_unroll(net)
    coarse = inputs.obs[:, :, ::4, ::4].repeat_interleave(4, 2).repeat_interleave(4, 3)  # a shift of 1 leaves most
    inputs = inputs._replace(obs=coarse)
    params = [*net.encoder.parameters(), loss.head.weight]
    optimiser = torch.optim.Adam(params, 0.003)
    first = loss(inputs)
    for _ in range(150):
        found, metrics = loss(inputs)
        optimiser.zero_grad()
        found.backward()
        optimiser.step()
        loss.after_step(net)
    assert metrics["accuracy"] > 0.5 > 0.2 > first[1]["accuracy"]
    assert found < first[0] / 2
