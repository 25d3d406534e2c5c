"""The A2C terms against hand-made numbers and their gradients."""

import math

import torch

from cpc_rl.losses import baseline, entropy, policy_gradient, reduce


def test_policy_gradient_pushes_along_the_advantage():
    logits = torch.zeros(1, 2, 4, requires_grad=True)
    action, advantage = torch.tensor([[1, 2]]), torch.tensor([[2.0, -1.0]])
    loss = policy_gradient(logits, action, advantage)
    torch.testing.assert_close(loss, torch.tensor([[2.0, -1.0]]) * math.log(4))
    loss.sum().backward()
    one_hot = torch.nn.functional.one_hot(action, 4)
    torch.testing.assert_close(logits.grad, -advantage[..., None] * (one_hot - 0.25))


def test_no_gradient_through_advantage_and_returns():
    x = torch.ones(1, 1, requires_grad=True)
    assert not policy_gradient(torch.zeros(1, 1, 3), torch.zeros(1, 1, dtype=torch.int64), x).requires_grad
    assert not baseline(torch.zeros(1, 1), x).requires_grad


def test_baseline_is_half_the_square():
    torch.testing.assert_close(baseline(torch.tensor([[1.0]]), torch.tensor([[4.0]])), torch.tensor([[4.5]]))


def test_entropy():
    torch.testing.assert_close(entropy(torch.zeros(1, 1, 9)), torch.full((1, 1), math.log(9)))
    assert entropy(torch.tensor([[[100.0, 0.0]]])).item() < 1e-6


def test_rows_that_are_not_valid_count_for_nothing():
    term = torch.tensor([[1.0, torch.nan], [3.0, 5.0]], requires_grad=True)
    valid = torch.tensor([[True, False], [True, True]])
    assert reduce(term, valid, "sum").item() == 9.0
    mean = reduce(term, valid, "mean")
    assert mean.item() == 3.0
    mean.backward()
    torch.testing.assert_close(term.grad, torch.tensor([[1 / 3, 0.0], [1 / 3, 1 / 3]]))
    assert reduce(term, torch.zeros_like(valid), "mean").item() == 0.0
