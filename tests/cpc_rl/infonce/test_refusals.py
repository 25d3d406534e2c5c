"""What the loss cannot do is said in one line that names it and the way out."""

from __future__ import annotations

import pytest
import torch

from cpc_rl.infonce import contrast_predictions, cpc_loss, info_nce, linear_heads
from tests.cpc_rl.infonce.test_pairs import OFFSETS, VALID, make

POSITIVE = torch.zeros(1, 3, dtype=torch.int64)


def test_a_mask_of_whole_numbers_is_refused_and_one_of_bools_is_taken() -> None:
    """Inverted bit by bit, 1 would be -2, and so true: what is valid would be masked."""
    with pytest.raises(ValueError, match=r"valid has type torch.int64, expected torch.bool; give valid != 0"):
        cpc_loss(*make(), OFFSETS, valid=VALID.long())
    a, z = torch.randn(1, 3, 4), torch.randn(1, 5, 4)
    with pytest.raises(ValueError, match=r"candidate_valid has type torch.uint8"):
        info_nce(a, z, POSITIVE, candidate_valid=torch.ones(1, 5, dtype=torch.uint8))
    whole = info_nce(a, z, POSITIVE, candidate_valid=torch.ones(1, 5, dtype=torch.bool))
    assert torch.equal(whole.loss, info_nce(a, z, POSITIVE).loss)


def test_transforms_of_torch_func_are_refused_and_autograd_is_not() -> None:
    context, latent, heads = make()
    with pytest.raises(ValueError, match=r"torch.func .* call backward or torch.autograd.grad"):
        torch.func.grad(lambda c: cpc_loss(c, latent, heads, OFFSETS).loss)(context)
    a, z = torch.randn(2, 1, 3, 4), torch.randn(2, 1, 5, 4)
    with pytest.raises(ValueError, match=r"give several pools as \[P, n, d\] instead of vmap"):
        torch.func.vmap(lambda x, y: info_nce(x, y, POSITIVE).loss)(a, z)
    (grad,) = torch.autograd.grad(cpc_loss(context.requires_grad_(), latent, heads, OFFSETS).loss, [context])
    assert grad.abs().sum() > 0


def test_no_sequence_at_all_is_refused_and_one_is_enough() -> None:
    heads = linear_heads(4, 4, 1)
    with pytest.raises(ValueError, match=r"context \[0, 6, 4\] has no sequence: B must be at least 1"):
        cpc_loss(torch.zeros(0, 6, 4), torch.zeros(0, 6, 4), heads, [1])
    with pytest.raises(ValueError, match=r"latent \[0, 6, 4\] must be \[B, T, Dz\] with B at least 1"):
        contrast_predictions([torch.zeros(0, 5, 4)], torch.zeros(0, 6, 4), [1])
    assert torch.isfinite(cpc_loss(torch.randn(1, 6, 4), torch.randn(1, 6, 4), heads, [1]).loss)


def test_a_head_that_is_a_plain_function_is_refused() -> None:
    context, latent, _ = make()
    with pytest.raises(ValueError, match=r"a head is a function, expected a torch.nn.Module"):
        cpc_loss(context, latent, [lambda c: c] * len(OFFSETS), OFFSETS)
