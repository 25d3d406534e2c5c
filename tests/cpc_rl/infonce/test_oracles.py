"""Problems with known answers: channels, chains, Gaussians, the listing of CPC v2, pure noise."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cpc_rl.infonce import cpc_loss, info_nce, linear_heads


@pytest.mark.parametrize(
    ("symbols", "candidates", "loss"),
    [
        (8, 4, 0.246777),
        (8, 16, 0.946611),
        (8, 64, 2.135609),
        (8, 512, 4.165739),
        (4, 16, 1.486971),
        (16, 128, 2.139549),
    ],
)
def test_deterministic_channel(symbols: int, candidates: int, loss: float) -> None:
    """Fixture 2: z tells c, W is infinite; what remains is E log(1 + duplicates), known exactly."""
    rng = torch.Generator().manual_seed(0)
    pools = 4_000_000 // (symbols * candidates)
    symbol = torch.randint(symbols, (pools, candidates), generator=rng)
    z = F.one_hot(symbol, symbols).float()
    result = info_nce(z[:, :1], z, torch.zeros(pools, 1, dtype=torch.long), scale=1e3)
    duplicates = (symbol[:, 1:] == symbol[:, :1]).sum(1)
    torch.testing.assert_close(result.per_anchor.loss[:, 0], (1.0 + duplicates).log())
    spread = result.per_anchor.loss.std() / math.sqrt(pools)
    assert abs(result.loss - loss) < 5 * spread
    assert result.bound < math.log(symbols) + 5 * spread


def test_markov_chain() -> None:
    """Fixture 3: trained W equals the log ratio p(j|i)/p(j) up to a constant of i; the bound is I(k), falling in k."""
    n, copies = 5, 200
    rng = torch.Generator().manual_seed(0)
    step = torch.eye(n).roll(1, 1) * 0.6 + torch.eye(n) * 0.2 + 0.2 / n  # doubly stochastic: p(j) is uniform
    step = step[:, torch.randperm(n, generator=rng)]
    candidates = torch.eye(n).repeat(copies, 1)[None]  # negatives come from p(j)
    contexts, positive = torch.arange(n).repeat_interleave(n), torch.arange(n).repeat(n)[None]
    bounds = []
    for k in (1, 2, 3):
        joint = torch.linalg.matrix_power(step, k)  # [context, latent]
        head, bound = fit_bilinear(contexts, candidates, positive, joint.flatten()[None])
        ratio = (joint * n).log()
        learnt = head.weight.detach().t()  # [context, latent]
        torch.testing.assert_close(
            learnt - learnt.mean(1, keepdim=True), ratio - ratio.mean(1, keepdim=True), atol=0.02, rtol=0.02
        )
        assert bound == pytest.approx(((joint * ratio).sum() / n).item(), abs=5e-3)
        bounds.append(bound)
    assert bounds[0] > bounds[1] > bounds[2] > 0


def fit_bilinear(contexts: Tensor, candidates: Tensor, positive: Tensor, weight: Tensor) -> tuple[nn.Linear, float]:
    n = candidates.shape[-1]
    head = nn.Linear(n, n, bias=False)
    optimiser = torch.optim.LBFGS(head.parameters(), max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        result = info_nce(head(torch.eye(n))[contexts][None], candidates, positive, anchor_weight=weight)
        result.loss.backward()
        return result.loss

    optimiser.step(loss)
    result = info_nce(head(torch.eye(n))[contexts][None], candidates, positive, anchor_weight=weight)
    return head, result.bound.item()


@pytest.mark.parametrize(
    ("dim", "rho", "n", "information", "bound", "tolerance"),
    [
        (1, 0.8, 16, 0.5108, 0.468, 0.02),
        (2, 0.8, 64, 1.0217, 0.987, 0.02),
        (4, 0.8, 64, 2.0433, 1.885, 0.02),
        (4, 0.9, 64, 3.3215, 2.837, 0.02),
        (4, 0.9, 512, 3.3215, 3.237, 0.03),
    ],
)
def test_gaussians(dim: int, rho: float, n: int, information: float, bound: float, tolerance: float) -> None:
    """Fixture 4: the true log ratio of correlated Gaussians as a dot product; the bound stays below I."""
    rng = torch.Generator().manual_seed(0)
    pools = 60_000 // n if n < 512 else 60
    c, noise = torch.randn(2, pools, n, dim, generator=rng)
    z = rho * c + math.sqrt(1 - rho**2) * noise
    anchors = torch.cat([rho * c, torch.full((pools, n, 1), -(rho**2) / 2)], -1) / (1 - rho**2)
    candidates = torch.cat([z, z.square().sum(-1, keepdim=True)], -1)
    result = info_nce(anchors, candidates, torch.arange(n).expand(pools, n))
    assert result.bound == pytest.approx(bound, abs=tolerance)
    assert result.bound < min(information, math.log(n))


def listing(context: Tensor, targets: Tensor, head: nn.Module, i: int, emb_scale: float) -> Tensor:
    """CPC v2, supplement, by its description: all targets of the batch as classes, labels by index arithmetic."""
    _, h, w, d = targets.shape
    predictions = head(context)[:, : -(i + 1)].reshape(-1, d) * emb_scale  # rows 0 .. h-i-2
    logits = predictions @ targets.reshape(-1, d).t()
    place = torch.arange(len(predictions))
    block = (h - i - 1) * w
    labels = place // block * (h * w) + (i + 1) * w + place % block
    return F.cross_entropy(logits, labels)


@pytest.mark.parametrize("i", range(5))
def test_cpc_v2_listing(i: int) -> None:
    """Fixture 7: columns as sequences reproduce the listing, in all four directions."""
    rng = torch.Generator().manual_seed(i)
    b, h, w, d = 3, 6, 6, 16
    context, targets = torch.randn(b, h, w, 2 * d, generator=rng), torch.randn(b, h, w, d, generator=rng)
    head = nn.Linear(2 * d, d)
    directions = (
        lambda x: x,
        lambda x: x.flip(1),
        lambda x: x.transpose(1, 2),
        lambda x: x.transpose(1, 2).flip(1),
    )
    for turn in directions:
        c, z = turn(context).clone().requires_grad_(), turn(targets).clone().requires_grad_()
        columns = (x.transpose(1, 2).flatten(0, 1) for x in (c, z))  # [B * W, H, D]
        loss = cpc_loss(*columns, [head], [i + 1], scale=0.1).loss
        expected = listing(c, z, head, i, 0.1)
        torch.testing.assert_close(loss, expected, atol=1e-6, rtol=1e-6)
        wanted = [c, z, *head.parameters()]
        for x, y in zip(torch.autograd.grad(loss, wanted), torch.autograd.grad(expected, wanted), strict=True):
            torch.testing.assert_close(x, y, atol=1e-6, rtol=1e-4)


def test_noise_cannot_be_predicted() -> None:
    """Fixture 9: on i.i.d. noise a trained model's held-out loss is log N, not below: nothing leaks from the future."""
    torch.manual_seed(0)
    rows, time, width, offsets = 16, 20, 8, (1, 2)
    context_net = nn.GRU(width, 16, batch_first=True)
    heads = linear_heads(16, width, len(offsets))
    optimiser = torch.optim.Adam([*context_net.parameters(), *heads.parameters()], lr=3e-3)
    lengths = torch.randint(5, time + 1, (rows,))
    valid = torch.arange(time) < lengths[:, None]

    def losses(z: Tensor) -> tuple[Tensor, Tensor]:
        c = context_net(z)[0]
        result = cpc_loss(c, z, heads, offsets, valid=valid, exclude_own=True)
        return result.loss, result.per_offset.log_n.mean()

    for _ in range(150):
        optimiser.zero_grad()
        losses(torch.randn(rows, time, width))[0].backward()
        optimiser.step()
    with torch.no_grad():
        held_out = torch.tensor([losses(torch.randn(rows, time, width)) for _ in range(30)]).mean(0)
    assert 0 <= held_out[0] - held_out[1] < 0.05


def test_future_latents_do_not_reach_the_context() -> None:
    """Fixture 9, exactly: what the context of step i takes from latents of steps > i is nothing."""
    z = torch.randn(2, 7, 3, requires_grad=True)
    c = nn.GRU(3, 5, batch_first=True)(z)[0]
    context = c.detach().requires_grad_()
    loss = cpc_loss(context, z.detach(), linear_heads(5, 3, 1, init_std=1.0), [2], anchor_steps=torch.tensor([1])).loss
    (grad,) = torch.autograd.grad(loss, context)
    assert (grad[:, 1] != 0).any() and (grad[:, [0, *range(2, 7)]] == 0).all()
    (through,) = torch.autograd.grad(c, z, grad)
    assert (through[:, 2:] == 0).all() and (through[:, :2] != 0).any()
