"""`contrast_predictions` is `cpc_loss` of predictions made elsewhere, and drawn anchors are unbiased in both."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from cpc_rl.infonce import contrast_predictions, cpc_loss
from tests.cpc_rl.infonce.test_pairs import CASES, OFFSETS, B, T, leaves, make


def predictions(context: Tensor, heads: torch.nn.ModuleList, steps: Tensor) -> list[Tensor]:
    return [head(context[:, steps[steps + k < T]]) for k, head in zip(OFFSETS, heads, strict=True)]


@pytest.mark.parametrize("name", [name for name in CASES if "targets" not in name])
@pytest.mark.parametrize("num_negatives", [None, 4])
def test_equals_cpc_loss_of_the_same_predictions(name: str, num_negatives: int | None) -> None:
    options: dict[str, Any] = {**CASES[name], "num_negatives": num_negatives}
    steps = options.get("anchor_steps", torch.arange(T)).sort().values
    one, two = make(), make()
    expected = cpc_loss(*one, OFFSETS, generator=torch.Generator().manual_seed(3), **options)
    context, latent, heads = two
    ours = contrast_predictions(
        predictions(context, heads, steps), latent, OFFSETS, generator=torch.Generator().manual_seed(3), **options
    )
    torch.testing.assert_close(ours.loss, expected.loss, check_dtype=False)
    for field in expected.per_offset._fields:
        theirs = getattr(expected.per_offset, field)
        torch.testing.assert_close(getattr(ours.per_offset, field), theirs, check_dtype=False)
    grads = [torch.autograd.grad(r.loss, leaves(*i), allow_unused=True) for r, i in ((ours, two), (expected, one))]
    for a, b in zip(*grads, strict=True):
        torch.testing.assert_close(torch.zeros(()) if a is None else a, torch.zeros(()) if b is None else b)


def test_refuses_predictions_that_are_not_those_of_the_anchors() -> None:
    context, latent, heads = make()
    right = predictions(context, heads, torch.arange(T))
    with pytest.raises(ValueError, match=r"prediction of offset 1 has shape \[3, 4, "):
        contrast_predictions([right[0][:, 1:], *right[1:]], latent, OFFSETS)
    with pytest.raises(ValueError, match="1 predictions for 2 offsets"):
        contrast_predictions(right[:1], latent, OFFSETS)


def test_drawn_anchors_are_unbiased_where_some_have_no_negative() -> None:
    """Sequence 1 is alone in its later steps: with pool time its anchors there have no negative and count nowhere."""
    inputs = make()
    valid = torch.ones(B, T, dtype=torch.bool)
    valid[[0, 2], 3:] = False
    options: dict[str, Any] = {"pool": "time", "valid": valid}
    whole = cpc_loss(*inputs, OFFSETS, **options)
    draws = [torch.tensor(steps) for steps in itertools.combinations(range(T), 2)]
    losses = [cpc_loss(*inputs, OFFSETS, anchor_steps=steps, **options).loss for steps in draws]
    torch.testing.assert_close(torch.stack(losses).mean(), whole.loss)
    pairs = sum(int(valid[b, t] and valid[b, t + k]) for k in OFFSETS for b in range(B) for t in range(T - k))
    assert whole.per_offset.pairs.sum() < pairs, "some pairs have no negative here"


def test_a_pool_of_targets_refuses_drawn_anchors() -> None:
    with pytest.raises(ValueError, match="targets_only with anchor_steps"):
        cpc_loss(*make(), OFFSETS, targets_only=True, anchor_steps=torch.tensor([0, 1]))
