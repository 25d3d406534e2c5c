"""cpc_loss: pairs, pools and draws against brute-force loops over (offset, row, step)."""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cpc_rl.infonce import CPC, cpc_loss, linear_heads, sequences

B, T, DC, DZ, OFFSETS = 3, 6, 4, 3, (1, 3)


def make(seed: int = 0) -> tuple[Tensor, Tensor, nn.ModuleList]:
    rng = torch.Generator().manual_seed(seed)
    context = torch.randn(B, T, DC, generator=rng, dtype=torch.float64).requires_grad_()
    latent = torch.randn(B, T, DZ, generator=rng, dtype=torch.float64).requires_grad_()
    heads = linear_heads(DC, DZ, len(OFFSETS), init_std=1.0).double()
    for head in heads:
        head.weight.data = torch.randn(DZ, DC, generator=rng, dtype=torch.float64)
    return context, latent, heads


def is_pair(options: dict[str, Any], b: int, t: int, k: int) -> bool:
    segment, valid = options.get("segment"), options.get("valid")
    return (
        t + k < T
        and (segment is None or bool(segment[b, t] == segment[b, t + k]))
        and (valid is None or bool(valid[b, t] and valid[b, t + k]))
    )


def pool_of(options: dict[str, Any], steps: list[int], k: int, b: int, t: int) -> list[tuple[int, int]]:
    """Candidates of the anchor (b, t), its positive included."""
    pool, valid, group = options.get("pool", "batch"), options.get("valid"), options.get("group", torch.arange(B))
    members = []
    for b2, t2 in itertools.product(range(B), range(T)):
        inside = {"batch": True, "sequence": b2 == b, "time": t2 == t + k}[pool]
        inside &= valid is None or bool(valid[b2, t2])
        if options.get("targets_only"):
            inside &= t2 - k in steps and is_pair(options, b2, t2 - k, k)
        if options.get("exclude_own"):
            inside &= bool(group[b2] != group[b])
        if inside or (b2, t2) == (b, t + k):
            members.append((b2, t2))
    return members


def brute_force(context: Tensor, latent: Tensor, heads: nn.ModuleList, options: dict[str, Any]) -> dict[str, Tensor]:
    steps = options.get("anchor_steps", torch.arange(T)).tolist()
    scale = options.get("scale", 1.0)
    rows: dict[str, list[Tensor]] = {name: [] for name in ("loss", "accuracy", "win_rate", "log_n", "pairs")}
    for k, head in zip(OFFSETS, heads, strict=True):
        losses, wins, rates, sizes = [], [], [], []
        for b, t in itertools.product(range(B), steps):
            if not is_pair(options, b, t, k):
                continue
            others = [latent[j] for j in pool_of(options, steps, k, b, t) if j != (b, t + k)]
            if not others:
                continue
            prediction = scale * head(context[b, t])
            own, other = prediction @ latent[b, t + k], torch.stack(others) @ prediction
            losses.append(torch.logsumexp(torch.cat([own[None], other]), 0) - own)
            wins.append((own > other).all().double())
            rates.append((own > other).double().mean())
            sizes.append(torch.tensor(len(others) + 1.0).double().log())
        counts = [
            t
            for b, t in itertools.product(range(B), range(T))
            if is_pair(options, b, t, k) and set(pool_of(options, steps, k, b, t)) - {(b, t + k)}
        ]
        every, drawn = len(counts), sum(t in steps for t in counts)
        share = drawn * T / (every * len(steps)) if every else 1.0
        zero = 0.0 * (context.sum() + latent.sum())
        for name, values in zip(rows, (losses, wins, rates, sizes), strict=False):
            rows[name].append(torch.stack(values).mean() if values else zero)
        rows["loss"][-1] = rows["loss"][-1] * share
        rows["pairs"].append(torch.tensor(len(losses)))
    return {name: torch.stack(values) for name, values in rows.items()}


SEGMENT = torch.tensor([[0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 0, 0], [0, 1, 2, 3, 3, 3]])
VALID = torch.tensor([[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1], [0, 1, 1, 1, 1, 0]], dtype=torch.bool)
CASES: dict[str, dict[str, Any]] = {
    f"{pool} {name}": {"pool": pool} | options
    for pool in ("batch", "sequence", "time")
    for name, options in {
        "all": {},
        "segments": {"segment": SEGMENT},
        "padding": {"valid": VALID, "segment": SEGMENT},
        "targets": {"targets_only": True, "segment": SEGMENT, "valid": VALID},
        "own": {"exclude_own": True, "valid": VALID},
        "groups": {"exclude_own": True, "group": torch.tensor([4, 7, 4])},
        "steps": {"anchor_steps": torch.tensor([4, 0, 2]), "segment": SEGMENT, "scale": 0.3},
        "late steps": {"anchor_steps": torch.tensor([5, 4])},
        "steps, padding": {"anchor_steps": torch.tensor([4, 0, 2]), "valid": VALID, "exclude_own": True},
    }.items()
    if not (pool == "sequence" and options.get("exclude_own"))
}


def leaves(context: Tensor, latent: Tensor, heads: nn.ModuleList) -> list[Tensor]:
    return [context, latent, *heads.parameters()]


@pytest.mark.parametrize("name", CASES)
def test_matches_brute_force(name: str) -> None:
    """Fixtures 5, 6 and 8: each pool is the mask it stands for, with its gradient."""
    inputs = make()
    expected = brute_force(*inputs, CASES[name])
    result = cpc_loss(*inputs, OFFSETS, **CASES[name])
    for field, value in expected.items():
        got = getattr(result.per_offset, field)
        torch.testing.assert_close(got, value.detach().to(got.dtype), msg=lambda m, f=field: f"{f}: {m}")
    loss = expected["loss"].mean()
    torch.testing.assert_close(result.loss, loss)
    got = torch.autograd.grad(3 * result.loss, leaves(*inputs), materialize_grads=True)
    want = torch.autograd.grad(3 * loss, leaves(*inputs), materialize_grads=True)
    for x, y in zip(got, want, strict=True):
        torch.testing.assert_close(x, y)


@pytest.mark.parametrize("name", ["batch padding", "sequence segments", "time groups", "batch steps"])
@pytest.mark.parametrize("estimator", ["infonce", "mine"])
@pytest.mark.parametrize("sampled", [None, 5])
def test_gradcheck(name: str, estimator: str, sampled: int | None) -> None:
    context, latent, heads = make(1)
    options = {k: v for k, v in CASES[name].items() if k != "scale"}
    scale = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)

    def loss(c: Tensor, z: Tensor, s: Tensor, *_: Tensor) -> Tensor:
        draw = torch.Generator().manual_seed(0)
        return cpc_loss(
            c, z, heads, OFFSETS, **options, estimator=estimator, scale=s, num_negatives=sampled, generator=draw
        ).loss

    assert torch.autograd.gradcheck(loss, (context, latent, scale, *heads.parameters()))


@pytest.mark.parametrize("seed", range(6))
def test_random_resets(seed: int) -> None:
    """Fixture 8: with a reset at t, the context at t - 1 never predicts the latent at t."""
    rng = torch.Generator().manual_seed(seed)
    resets = torch.rand(B, T, generator=rng) < (0.1, 0.3, 0.6)[seed % 3]
    options = {"segment": resets.long().cumsum(1)}
    inputs = make(seed)
    result, expected = cpc_loss(*inputs, OFFSETS, **options), brute_force(*inputs, options)
    assert torch.equal(result.per_offset.pairs, expected["pairs"])
    torch.testing.assert_close(result.per_offset.loss, expected["loss"].detach())
    crossing = [sum(not resets[b, t + 1 : t + k + 1].any() for b in range(B) for t in range(T - k)) for k in OFFSETS]
    assert result.per_offset.pairs.tolist() == crossing


def test_reset_everywhere_is_zero_with_zero_gradient() -> None:
    inputs = make()
    result = cpc_loss(*inputs, OFFSETS, segment=torch.arange(T).expand(B, T))
    assert result.loss == 0 and all((x == 0).all() for x in result.per_offset)
    for grad in torch.autograd.grad(result.loss, leaves(*inputs)):
        assert (grad == 0).all()


def test_padding_is_not_read() -> None:
    context, latent, heads = make()
    c, z = (x.detach().masked_fill(~VALID[..., None], torch.nan).requires_grad_() for x in (context, latent))
    for options in ({}, {"num_negatives": 50, "generator": torch.Generator().manual_seed(0)}):
        loss = cpc_loss(c, z, heads, OFFSETS, valid=VALID, **options).loss
        grads = torch.autograd.grad(loss, [c, z, *heads.parameters()])
        assert loss.isfinite() and all(g.isfinite().all() for g in grads)
        assert (grads[0][~VALID] == 0).all() and (grads[1][~VALID] == 0).all()


def test_rows_may_come_in_any_order() -> None:
    """Fixture 6: permuting sequences along with their groups changes nothing."""
    context, latent, heads = make()
    group, order = torch.tensor([0, 1, 0]), torch.tensor([2, 0, 1])
    options = {"exclude_own": True, "valid": VALID, "segment": SEGMENT}
    want = cpc_loss(context, latent, heads, OFFSETS, group=group, **options)
    options |= {"valid": VALID[order], "segment": SEGMENT[order]}
    got = cpc_loss(context[order], latent[order], heads, OFFSETS, group=group[order], **options)
    torch.testing.assert_close(got.per_offset, want.per_offset)


@pytest.mark.parametrize("size", [1, 2, 4])
def test_drawn_steps_are_unbiased(size: int) -> None:
    """The mean over every possible draw of anchor steps is the loss, and the gradient, of all steps."""
    inputs = make()
    options = {"segment": SEGMENT, "valid": VALID}
    full = cpc_loss(*inputs, OFFSETS, **options)
    draws = [torch.tensor(steps) for steps in itertools.combinations(range(T), size)]
    losses = [cpc_loss(*inputs, OFFSETS, anchor_steps=steps, **options) for steps in draws]
    mean = torch.stack([x.loss for x in losses]).mean()
    torch.testing.assert_close(mean, full.loss)
    torch.testing.assert_close(torch.stack([x.per_offset.loss for x in losses]).mean(0), full.per_offset.loss)
    for x, y in zip(
        torch.autograd.grad(mean, leaves(*inputs)), torch.autograd.grad(full.loss, leaves(*inputs)), strict=True
    ):
        torch.testing.assert_close(x, y)


def sample(seed: int, **options: Any) -> CPC:
    return cpc_loss(*make(), OFFSETS, num_negatives=4, generator=torch.Generator().manual_seed(seed), **options)


@pytest.mark.parametrize("pool", ["batch", "sequence", "time"])
def test_same_seed_same_negatives(pool: str) -> None:
    torch.testing.assert_close(sample(0, pool=pool), sample(0, pool=pool), rtol=0, atol=0)
    assert sample(0, pool=pool).loss != sample(1, pool=pool).loss


@pytest.mark.parametrize("name", ["batch all", "sequence padding", "time groups", "batch steps, padding"])
@pytest.mark.parametrize("sampled", [None, 4])
def test_offsets_in_one_go_or_one_by_one(name: str, sampled: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """How many offsets are worked on at once changes nothing, the draw of negatives included."""
    results = []
    for most in (1, 10**6):
        monkeypatch.setattr(sequences, "_CHUNK", most)
        inputs, draw = make(), torch.Generator().manual_seed(0)
        result = cpc_loss(*inputs, OFFSETS, **CASES[name], num_negatives=sampled, generator=draw)
        results.append((*result.per_offset, *torch.autograd.grad(result.loss, leaves(*inputs))))
    for x, y in zip(*results, strict=True):
        torch.testing.assert_close(x, y)


def touched(valid: Tensor | None, seed: int, offsets: tuple[int, ...], **options: Any) -> Tensor:
    """Which latents serve as negatives: the gradient of a prediction that is constant reveals them. Bool [B, T]."""
    latent = torch.randn(B, T, DZ, generator=torch.Generator().manual_seed(9)).requires_grad_()
    rng = torch.Generator().manual_seed(seed)
    loss = cpc_loss(
        torch.ones(B, T, DC), latent, linear_heads(DC, DZ, len(offsets), init_std=1.0), offsets,
        valid=valid, num_negatives=3, generator=rng, anchor_steps=torch.tensor([0]), **options,
    ).loss  # fmt: skip
    (grad,) = torch.autograd.grad(loss, latent)
    mask = grad.abs().sum(-1) > 0
    mask[:, [k for k in offsets if k < T]] = False  # positives
    return mask


def test_negatives_are_drawn_uniformly_from_the_valid() -> None:
    hits = sum(touched(VALID, seed, (1,)).double() for seed in range(400))
    assert (hits[~VALID] == 0).all()
    usable = VALID.clone()
    usable[:, 1] = False
    expected = 400 * (1 - (1 - 1 / VALID.sum()) ** 3)
    assert ((hits[usable] - expected).abs() < 5 * expected.sqrt()).all()


def test_one_draw_serves_all_offsets_unless_told_otherwise() -> None:
    offsets = (1, 2, 3)
    once = [touched(None, seed, offsets).sum() for seed in range(30)]
    anew = [touched(None, seed, offsets, resample_per_offset=True).sum() for seed in range(30)]
    assert max(once) <= 3 < max(anew)


def test_sampled_negatives_stay_in_their_pool() -> None:
    """Every anchor of pool 'sequence' or 'time' sees negatives of its own pool only."""
    for pool in ("sequence", "time"):
        latent = torch.randn(B, T, DZ).requires_grad_()
        weight = torch.zeros(B, T, dtype=torch.bool)
        weight[0, 0] = weight[0, 2] = True  # the only pair is (0, 0) -> (0, 2)
        segment = torch.where(weight, 0, torch.arange(1, B * T + 1).view(B, T))
        loss = cpc_loss(torch.randn(B, T, DC), latent, linear_heads(DC, DZ, 1, init_std=1.0), [2], segment=segment,
                        pool=pool, num_negatives=40).loss  # fmt: skip
        (grad,) = torch.autograd.grad(loss, latent)
        used = grad.abs().sum(-1) > 0
        expected = torch.zeros_like(used)
        if pool == "sequence":
            expected[0] = True
        else:
            expected[:, 2] = True
        assert torch.equal(used, expected)


def test_shared_head_bias_and_frozen_parts() -> None:
    context, latent, _ = make()
    shared = nn.Linear(DC, DZ).double()
    loss = cpc_loss(context, latent, [shared, shared], OFFSETS).loss
    expected = brute_force(context, latent, nn.ModuleList([shared, shared]), {})["loss"].mean()
    for x, y in zip(
        torch.autograd.grad(loss, [*shared.parameters()]),
        torch.autograd.grad(expected, [*shared.parameters()]),
        strict=True,
    ):
        torch.testing.assert_close(x, y)
    shared.register_parameter("unused", nn.Parameter(torch.ones(2)))
    (grad,) = torch.autograd.grad(cpc_loss(context, latent, [shared, shared], OFFSETS).loss, [shared.unused])
    assert (grad == 0).all()
    shared.weight.requires_grad_(False)
    cpc_loss(context.detach(), latent.detach(), [shared, shared], OFFSETS).loss.backward()
    assert shared.weight.grad is None and shared.bias.grad is not None
    with torch.no_grad():
        assert not cpc_loss(context, latent, [shared, shared], OFFSETS).loss.requires_grad


def test_linear_heads() -> None:
    heads = linear_heads(200, 100, 3, bias=True, init_std=0.05)
    assert len(heads) == 3 and heads[0](torch.zeros(2, 200)).shape == (2, 100)
    assert all((head.bias == 0).all() and abs(head.weight.std() - 0.05) < 0.002 for head in heads)
    assert linear_heads(4, 4, 1)[0].bias is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"offsets": (1, 6)}, r"offset 6 does not fit sequences of 6 steps, allowed are 1\.\.5"),
        ({"offsets": (0, 1)}, "offset 0 does not fit"),
        ({"offsets": (1,)}, "2 heads for 1 offsets"),
        ({"context": torch.randn(B, T + 1, DC)}, r"context \[3, 7, 4\] and latent \[3, 6, 3\]"),
        (
            {"heads": [nn.Linear(DC, 5), nn.Linear(DC, 5)]},
            r"output of a head has shape \[5, 3, 5\], expected \[5, 3, 3\]",
        ),
        ({"segment": torch.zeros(T, B)}, r"segment has shape \[6, 3\], expected \[3, 6\]"),
        ({"valid": torch.ones(T, B)}, "valid has shape"),
        ({"group": torch.ones(T)}, "group has shape"),
        ({"anchor_steps": torch.tensor([0, 6])}, r"anchor_steps holds \[0, 6\], allowed are 0\.\.5"),
        ({"anchor_steps": torch.zeros(0)}, "anchor_steps has shape"),
        ({"pool": "everything"}, "'everything', allowed are batch, sequence, time"),
        ({"pool": "sequence", "exclude_own": True}, "leaves no negative"),
        ({"num_negatives": 0}, "num_negatives is 0"),
        ({"estimator": "x"}, "estimator is 'x'"),
    ],
)
def test_errors_name_the_value(changes: dict[str, Any], message: str) -> None:
    context, latent, heads = make()
    options = {"context": context, "latent": latent, "heads": heads, "offsets": OFFSETS} | changes
    with pytest.raises(ValueError, match=message):
        cpc_loss(**options)
