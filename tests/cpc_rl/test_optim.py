"""RMSProp against the formula, step by step, and the schedule."""

import math

import pytest
import torch
from pydantic import ValidationError

from configs import RunFailure
from cpc_rl.optim import (
    Optimiser,
    OptimiserConfig,
    RMSProp,
    WeightAverage,
    build_optimiser,
    check_finite,
    learning_rate,
)


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_rmsprop_follows_the_formula(inside, momentum):
    p = torch.nn.Parameter(torch.tensor([1.0]))
    optimiser = RMSProp([p], lr=0.1, decay=0.9, epsilon=0.01, momentum=momentum, inside_root=inside)
    x, s, m = 1.0, 1.0, 0.0
    for g in (0.5, -2.0, 0.3):
        p.grad = torch.tensor([g])
        optimiser.step()
        s = 0.9 * s + 0.1 * g * g
        root = math.sqrt(s + 0.01) if inside else math.sqrt(s) + 0.01
        m = momentum * m + 0.1 * g / root
        x -= m
        assert p.item() == pytest.approx(x, rel=1e-5)


def test_torch_rmsprop_is_the_outside_root_from_zero():
    a, b = (torch.nn.Parameter(torch.linspace(-1, 1, 5)) for _ in range(2))
    ours = RMSProp([a], lr=0.01, decay=0.9, epsilon=0.1, inside_root=False, mean_square_init=0.0)
    torchs = torch.optim.RMSprop([b], lr=0.01, alpha=0.9, eps=0.1)
    for i in range(5):
        for p in (a, b):
            p.grad = torch.sin(torch.arange(5.0) + i)
        ours.step()
        torchs.step()
    torch.testing.assert_close(a, b)


def test_build_reads_every_setting():
    p = torch.nn.Parameter(torch.zeros(1))
    config = OptimiserConfig(
        name="rmsprop", learning_rate=0.5, epsilon=0.25, epsilon_place="inside_root", decay=0.5, mean_square_init=0.0
    )
    optimiser = build_optimiser(config, [p])
    p.grad = torch.ones(1)
    optimiser.step()
    assert p.item() == pytest.approx(-0.5 / math.sqrt(0.5 + 0.25))
    adam = build_optimiser(OptimiserConfig(name="adam", learning_rate=0.5, epsilon=1e-3), [p])
    assert isinstance(adam, torch.optim.Adam)
    assert adam.defaults["lr"] == 0.5
    assert adam.defaults["eps"] == 1e-3


def test_sgd_follows_the_formula_and_decays_kernels_only():
    kernel, bias = torch.nn.Parameter(torch.tensor([[1.0]])), torch.nn.Parameter(torch.tensor([1.0]))
    config = OptimiserConfig(name="sgd", learning_rate=0.1, momentum=0.9, weight_decay=0.5)
    optimiser = build_optimiser(config, iter([bias, kernel]))
    x, y, m, n = 1.0, 1.0, 0.0, 0.0
    for g in (0.5, -2.0, 0.3):
        for p in (kernel, bias):
            p.grad = torch.full_like(p, g)
        optimiser.step()
        m, n = 0.9 * m + g + 0.5 * x, 0.9 * n + g
        x, y = x - 0.1 * m, y - 0.1 * n
        assert (kernel.item(), bias.item()) == pytest.approx((x, y), rel=1e-5)
    with pytest.raises(ValidationError, match=r"weight_decay 0.5 is for sgd; adam allows 0"):
        OptimiserConfig(weight_decay=0.5)


def test_sgds_state_survives_a_round_trip_through_disk(tmp_path):
    def trained(steps, saved=None):
        torch.manual_seed(0)
        net = torch.nn.Linear(3, 2)
        optimiser = Optimiser(OptimiserConfig(name="sgd", momentum=0.9, drops=(2,)), list(net.parameters()), net)
        if saved is not None:
            net.load_state_dict(saved["net"])
            optimiser.load_state_dict(saved, steps[0], 4)
        for i in steps:
            optimiser.zero_grad()
            net(torch.full((1, 3), float(i))).square().sum().backward()
            optimiser.step(i, i / 4)
        return {"net": net.state_dict(), **optimiser.state_dict(4)}

    torch.save(trained(range(2)), tmp_path / "x.pt")
    halves, whole = trained(range(2, 4), torch.load(tmp_path / "x.pt", weights_only=True)), trained(range(4))
    assert all(torch.equal(x, halves["net"][name]) for name, x in whole["net"].items())


def test_adam_with_epsilon_inside_the_root_is_refused():
    with pytest.raises(ValidationError, match="outside_root"):
        OptimiserConfig(name="adam", epsilon_place="inside_root")


def test_state_survives_a_round_trip():
    def run(steps, load=None):
        p = torch.nn.Parameter(torch.ones(3))
        optimiser = RMSProp([p], lr=0.1, momentum=0.5)
        if load:
            p.data.copy_(load[0])
            optimiser.load_state_dict(load[1])
        for i in steps:
            p.grad = torch.full((3,), float(i))
            optimiser.step()
        return p.data, optimiser.state_dict()

    whole, _ = run([1, 2, 3, 4])
    halves, _ = run([3, 4], load=run([1, 2]))
    assert torch.equal(whole, halves)


def test_learning_rate_falls_to_zero_over_the_frames():
    linear = OptimiserConfig(learning_rate=0.4, schedule="linear_frames")
    assert [learning_rate(linear, 7, f / 100) for f in (0, 25, 100, 130)] == pytest.approx([0.4, 0.3, 0.0, 0.0])
    assert learning_rate(OptimiserConfig(learning_rate=0.4), 99, 0.99) == 0.4


def test_learning_rate_rises_over_the_warm_up_and_stays_or_falls():
    warm = OptimiserConfig(learning_rate=0.4, warmup=4)
    assert [learning_rate(warm, n, n / 6) for n in range(6)] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4, 0.4])
    both = OptimiserConfig(learning_rate=0.4, warmup=2, schedule="linear")
    assert [learning_rate(both, n, n / 4) for n in range(6)] == pytest.approx([0.2, 0.3, 0.2, 0.1, 0, 0])


def test_learning_rate_drops_to_a_tenth_each_time():
    steps = OptimiserConfig(learning_rate=0.4, warmup=2, drops=(3, 5))
    assert [learning_rate(steps, n, n / 6) for n in range(7)] == pytest.approx(
        [0.2, 0.4, 0.4, 0.04, 0.04, 0.004, 0.004]
    )


def test_the_mean_of_weights_has_the_buffers_of_the_last():
    module = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    average = WeightAverage(module, 0.9)
    for _ in range(3):
        module(torch.randn(8, 2)).sum().backward()
        with torch.no_grad():
            module[0].weight += 1
        average.update_parameters(module)
    assert not torch.equal(average.module[0].weight, module[0].weight)
    assert torch.equal(average.module[1].running_mean, module[1].running_mean)
    again = WeightAverage(module, 0.9)
    again.restore(average.weights(), module, 3)
    for target in (average, again):
        target.update_parameters(module)
    assert torch.equal(average.module[0].weight, again.module[0].weight)


@pytest.mark.parametrize("name", ["loss/policy", "gradient_norm"])
def test_what_is_not_finite_is_named(name):
    with pytest.raises(RunFailure, match=f"{name} is nan at update 7"):
        check_finite({"loss/total": 1.0, name: float("nan")}, "at update 7")
    check_finite({"loss/total": 1.0, "cpc/bound_1": float("nan")}, "at update 7")
