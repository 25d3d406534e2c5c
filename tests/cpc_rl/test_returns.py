"""Returns against known numbers and a naive loop."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cpc_rl.returns import clip_reward, discounts, n_step_returns


def column(*values, dtype=torch.float32):
    return torch.tensor(values, dtype=dtype)[:, None]


def test_known_numbers():
    returns = n_step_returns(
        column(1.0, 2.0, 3.0), column(0.5, 0.5, 0.5), column(True, True, True, dtype=torch.bool), column(0, 0, 0, 8.0)
    )
    torch.testing.assert_close(returns, column(1 + 0.5 * (2 + 0.5 * (3 + 4)), 2 + 0.5 * 7, 7.0))


def test_terminal_step_stops_the_sum():
    returns = n_step_returns(
        column(1.0, 2.0, 3.0), column(0.9, 0.0, 0.9), column(True, True, True, dtype=torch.bool), column(0, 0, 5.0, 10)
    )
    torch.testing.assert_close(returns, column(1 + 0.9 * 2, 2.0, 3 + 9.0))


@settings(max_examples=50, deadline=None)
@given(t=st.integers(1, 7), seed=st.integers(0, 9999))
def test_against_forward_sums(t, seed):
    g = torch.Generator().manual_seed(seed)
    reward, value = torch.randn(t, 1, generator=g), torch.randn(t + 1, 1, generator=g)
    gamma = torch.where(torch.rand(t, 1, generator=g) < 0.3, 0.0, 0.97)
    valid = torch.rand(t, 1, generator=g) < 0.8
    returns = n_step_returns(reward, gamma, valid, value)
    for start in range(t):
        total, weight, i = 0.0, 1.0, start
        while i < t and bool(valid[i]):
            total += weight * float(reward[i])
            weight *= float(gamma[i])
            i += 1
        total += weight * float(value[i])  # the unroll's end, or the value in front of a dead row
        assert float(returns[start]) == pytest.approx(total, abs=1e-4)


def test_no_gradient():
    value = torch.ones(3, 1, requires_grad=True)
    assert not n_step_returns(
        torch.ones(2, 1), torch.ones(2, 1), torch.ones(2, 1, dtype=torch.bool), value
    ).requires_grad


def test_discounts_of_the_two_autoresets():
    terminated = column(False, True, False, False, False, dtype=torch.bool)
    truncated = column(False, False, True, True, False, dtype=torch.bool)
    #             running, ended same-step, time limit same-step, time limit with its last frame, dead row after it
    is_first = column(False, True, True, False, True, dtype=torch.bool)
    on = discounts(terminated, truncated, is_first, 0.9, bootstrap_truncation=True)
    off = discounts(terminated, truncated, is_first, 0.9, bootstrap_truncation=False)
    torch.testing.assert_close(on, column(0.9, 0.0, 0.0, 0.9, 0.0))
    torch.testing.assert_close(off, column(0.9, 0.0, 0.0, 0.0, 0.0))


def test_truncation_bootstraps_from_the_last_frame():
    # Next-step autoreset: transition 1 hits the time limit, transition 2 is the dead row.
    truncated = column(False, True, False, dtype=torch.bool)
    is_first = column(False, False, True, dtype=torch.bool)
    gamma = discounts(torch.zeros_like(truncated), truncated, is_first, 0.5, bootstrap_truncation=True)
    returns = n_step_returns(column(1.0, 1.0, 99.0), gamma, ~is_first, column(0.0, 0.0, 4.0, 77.0))
    torch.testing.assert_close(returns[:2], column(1 + 0.5 * (1 + 0.5 * 4), 1 + 0.5 * 4))


def test_reward_clipping():
    r = torch.tensor([-10.0, -0.5, 0.0, 0.5, 10.0])
    torch.testing.assert_close(clip_reward(r, "abs_one"), torch.tensor([-1.0, -0.5, 0.0, 0.5, 1.0]))
    torch.testing.assert_close(clip_reward(r, "none"), r)
    # IMPALA's code: t = tanh(r / 5); 5 t, and 0.3 * 5 t below zero.
    torch.testing.assert_close(
        clip_reward(r, "soft_asymmetric"),
        torch.tensor([-1.446041, -0.149502, 0.0, 0.498340, 4.820138]),
        atol=1e-5,
        rtol=0,
    )
