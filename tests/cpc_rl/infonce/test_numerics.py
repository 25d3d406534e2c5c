"""Blocks, precision, extreme scores and memory of the InfoNCE functions."""

import math
import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.profiler import profile
from torch.nn import functional as F

from cpc_rl.infonce import cpc_loss, info_nce, linear_heads


def batch(dtype: torch.dtype, pools: int = 1, n: int = 30, m: int = 40, d: int = 8) -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    anchors = torch.randn(pools, n, d, generator=rng, dtype=dtype).requires_grad_()
    candidates = torch.randn(pools, m, d, generator=rng, dtype=dtype).requires_grad_()
    return anchors, candidates, torch.randint(m, (pools, n), generator=rng)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
@pytest.mark.parametrize("max_block", [1, 100, 999])
@pytest.mark.parametrize("sampled", [False, True])
def test_any_block_gives_the_same(dtype: torch.dtype, tolerance: float, max_block: int, sampled: bool) -> None:
    """Fixture 5."""
    anchors, candidates, positive = batch(dtype, pools=2)
    options = {
        "anchor_group": positive % 3,
        "candidate_group": torch.arange(40).expand(2, -1) % 3,
        "negatives": torch.arange(0, 40, 3).expand(2, -1) if sampled else None,
    }
    whole = info_nce(anchors, candidates, positive, **options)
    blocked = info_nce(anchors, candidates, positive, **options, max_block=max_block)
    want = torch.autograd.grad(whole.loss, [anchors, candidates])
    got = torch.autograd.grad(blocked.loss, [anchors, candidates])
    for x, y in zip((*blocked[:5], *blocked.per_anchor, *got), (*whole[:5], *whole.per_anchor, *want), strict=True):
        torch.testing.assert_close(x, y, rtol=tolerance, atol=tolerance)


def test_agrees_with_fused_linear_cross_entropy() -> None:
    """Another implementation of the unmasked loss (route (c): linear and cross-entropy in one)."""
    anchors, candidates, positive = batch(torch.float64)
    loss = info_nce(anchors, candidates, positive).loss
    fused = getattr(F, "linear_cross_entropy", lambda a, z, i: F.cross_entropy(a @ z.t(), i))
    other = fused(anchors[0], candidates[0], positive[0])
    torch.testing.assert_close(loss, other, rtol=1e-13, atol=1e-13)
    for x, y in zip(
        torch.autograd.grad(loss, [anchors, candidates]),
        torch.autograd.grad(other, [anchors, candidates]),
        strict=True,
    ):
        torch.testing.assert_close(x, y, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("size", [1e2, -1e2, 1e4, -1e4, 1e18, -1e18])
def test_huge_scores_stay_finite_and_non_negative(size: float) -> None:
    _, candidates, positive = batch(torch.float32)
    right = candidates.detach()[0, positive[0]][None] * size
    result = info_nce(right.requires_grad_(), F.normalize(candidates, dim=-1), positive)
    assert (result.per_anchor.loss >= 0).all() and result.loss.isfinite()
    (grad,) = torch.autograd.grad(result.loss, right)
    assert grad.isfinite().all()


def test_tiny_losses_are_not_rounded_to_zero() -> None:
    """log(1 + exp(-30)) is 9e-14: lost by lse - score in float32, kept by the softplus."""
    anchors, candidates = torch.tensor([[[30.0]]]), torch.tensor([[[1.0], [0.0]]])
    loss = info_nce(anchors, candidates, torch.tensor([[0]])).loss
    assert loss.item() == pytest.approx(math.exp(-30), rel=1e-3, abs=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_low_precision_inputs_are_computed_in_float32(dtype: torch.dtype) -> None:
    anchors, candidates, positive = (x.detach() for x in batch(torch.float32))
    low_a, low_z = anchors.to(dtype).requires_grad_(), candidates.to(dtype).requires_grad_()
    a, z = (x.detach().float().requires_grad_() for x in (low_a, low_z))
    loss, expected = info_nce(low_a, low_z, positive).loss, info_nce(a, z, positive).loss
    assert loss.dtype == torch.float32 and torch.equal(loss, expected)
    for x, y in zip(torch.autograd.grad(loss, [low_a, low_z]), torch.autograd.grad(expected, [a, z]), strict=True):
        assert x.dtype == dtype and torch.equal(x, y.to(dtype))


def test_autocast_is_off_inside() -> None:
    rng = torch.Generator().manual_seed(0)
    context, latent = torch.randn(2, 4, 9, 16, generator=rng)
    heads = linear_heads(16, 16, 2, init_std=0.3)
    expected = cpc_loss(context, latent, heads, (1, 2)).loss
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(cpc_loss(context, latent, heads, (1, 2)).loss, expected)
        anchors, candidates, positive = batch(torch.float32)
        inside = info_nce(anchors, candidates, positive).loss
    assert torch.equal(inside, info_nce(anchors, candidates, positive).loss)


def test_low_precision_sequences_and_heads() -> None:
    context, latent = (x.bfloat16().requires_grad_() for x in torch.randn(2, 4, 9, 16))
    heads = linear_heads(16, 16, 2, init_std=0.3)
    full = cpc_loss(context.float(), latent.float(), heads, (1, 2))
    torch.testing.assert_close(cpc_loss(context, latent, heads, (1, 2)), full, rtol=0, atol=0)
    for module in (heads, heads.bfloat16()):
        result = cpc_loss(context, latent, module, (1, 2), valid=torch.ones(4, 9, dtype=torch.bool))
        assert result.loss.dtype == torch.float32
        result.loss.backward()
        assert context.grad is not None and context.grad.dtype == torch.bfloat16
        assert all(p.grad is not None and p.grad.isfinite().all() for p in module.parameters())
        module.zero_grad()


def test_learnt_scale_under_masks_has_a_finite_gradient() -> None:
    """-inf must come after the scale: 0 * inf in its gradient is NaN."""
    anchors, candidates, positive = batch(torch.float64)
    scale = torch.tensor([0.0], dtype=torch.float64, requires_grad=True)
    valid = torch.rand(1, 40) > 0.5
    info_nce(anchors, candidates, positive, candidate_valid=valid, scale=scale).loss.backward()
    assert scale.grad is not None and scale.grad.shape == (1,) and scale.grad.isfinite().all()


def peak_bytes(offsets: int, **options: object) -> int:
    """Most bytes the CPU allocator had handed out at once during forward and backward, by its own log.

    Gradients of the heads are left out: they are as many as there are heads, whatever computes the loss.
    """
    batch, time, width = 16, 64, 32
    rng = torch.Generator().manual_seed(0)
    context, latent = (x.requires_grad_() for x in torch.randn(2, batch, time, width, generator=rng))
    heads = linear_heads(width, width, offsets).requires_grad_(False)
    with profile(profile_memory=True, use_kineto=True) as log:
        cpc_loss(context, latent, heads, range(1, offsets + 1), **options).loss.backward()
    assert log.kineto_results is not None
    events = [(e.start_ns(), e.nbytes()) for e in log.kineto_results.events() if e.name() == "[memory]"]
    held = peak = 0
    for _, size in sorted(events, key=lambda e: e[0]):
        held += size
        peak = max(peak, held)
    return peak


@pytest.mark.parametrize(
    "options",
    [{}, {"num_negatives": 64}, {"pool": "time"}, {"pool": "sequence"}, {"max_block": 2**16}],
    ids=["batch", "sampled", "time", "sequence", "blocked"],
)
def test_peak_memory_does_not_grow_with_offsets(options: dict[str, object]) -> None:
    few, many = peak_bytes(3, **options), peak_bytes(30, **options)
    assert few > 3 * 16 * 64 * 32 * 4  # the log is not empty
    assert many <= 1.2 * few


def test_peak_memory_follows_max_block() -> None:
    assert peak_bytes(3, max_block=2**16) < 0.5 * peak_bytes(3)


def test_heads_run_once() -> None:
    """No recomputation: a head with dropout or batch statistics is called once per offset."""

    class Counting(nn.Linear):
        calls = 0

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            return super().forward(x)

    heads = [Counting(4, 4), Counting(4, 4)]
    cpc_loss(torch.randn(3, 8, 4), torch.randn(3, 8, 4), heads, (1, 2)).loss.backward()
    assert [head.calls for head in heads] == [1, 1]


def test_imports_torch_and_nothing_else_of_the_house() -> None:
    code = (
        "import sys, torch; before = set(sys.modules); import cpc_rl.infonce;"
        "new = {m.split('.')[0] for m in set(sys.modules) - before} - sys.stdlib_module_names;"
        "assert new == {'cpc_rl'}, new; start = {'cpc_rl.interrupts', 'cpc_rl.openmp', 'cpc_rl.shadowing'};"
        "assert not {m for m in sys.modules if m.startswith('cpc_rl.') and 'infonce' not in m and m not in start}"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
