"""Distributions: held against wandb's own engine, against closed forms, and their refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
import yaml
from scipy import stats

from cpc_rl.sweep.distributions import DISTRIBUTIONS, read_parameter
from cpc_rl.sweep.file import uniform

# What wandb's engine (sweeps 0.3.0) gives at the quantiles 0.03, 0.25, 0.5, 0.77, 0.985.
WANDB = [
    ({"value": 3}, [3, 3, 3, 3, 3]),
    ({"values": ["a", "b", "c"]}, ["a", "a", "b", "c", "c"]),
    ({"values": [1, 2, 3], "probabilities": [0.2, 0.5, 0.3]}, [1, 2, 2, 3, 3]),
    ({"min": 1, "max": 6}, [1, 2, 3, 5, 6]),
    ({"min": 1.0, "max": 6.0}, [1.15, 2.25, 3.5, 4.85, 5.925]),
    ({"min": 0, "max": 2.5}, [0.075, 0.625, 1.25, 1.925, 2.4625]),
    ({"distribution": "uniform", "min": 1, "max": 6}, [1.15, 2.25, 3.5, 4.85, 5.925]),
    ({"distribution": "q_uniform", "min": 0, "max": 10, "q": 2}, [0, 2, 4, 8, 10]),
    ({"distribution": "q_uniform", "min": 0.0, "max": 1.0, "q": 0.25}, [0.0, 0.25, 0.5, 0.75, 1.0]),
    ({"distribution": "q_uniform", "min": 0, "max": 7}, [0.0, 2.0, 4.0, 5.0, 7.0]),
    (
        {"distribution": "log_uniform_values", "min": 5e-06, "max": 0.005},
        [6.15134385e-06, 2.81170663e-05, 0.000158113883, 0.00102086897, 0.00450785569],
    ),
    (
        {"distribution": "inv_log_uniform_values", "min": 5e-06, "max": 0.005},
        [6.15134385e-06, 2.81170663e-05, 0.000158113883, 0.00102086897, 0.00450785569],
    ),
    ({"distribution": "q_log_uniform_values", "min": 8, "max": 512, "q": 8}, [8, 24, 64, 200, 480]),
    ({"distribution": "q_log_uniform_values", "min": 1, "max": 100}, [1.0, 3.0, 10.0, 35.0, 93.0]),
    ({"distribution": "normal"}, [-1.88079361, -0.67448975, 0.0, 0.738846849, 2.17009038]),
    ({"distribution": "normal", "mu": 2, "sigma": 0.5}, [1.0596032, 1.66275512, 2.0, 2.36942342, 3.08504519]),
    ({"distribution": "q_normal", "mu": 10, "sigma": 3, "q": 1}, [4, 8, 10, 12, 17]),
    (
        {"distribution": "log_normal", "mu": -3, "sigma": 0.7},
        [0.0133457736, 0.0310504237, 0.0497870684, 0.0835084708, 0.227424552],
    ),
    ({"distribution": "q_log_normal", "mu": 3, "sigma": 0.7, "q": 2}, [6, 12, 20, 34, 92]),
    ({"distribution": "beta", "a": 2, "b": 5}, [0.0476870904, 0.161162917, 0.264449983, 0.402118403, 0.678903149]),
    ({"distribution": "q_beta", "a": 2, "b": 5, "q": 0.1}, [0.0, 0.2, 0.3, 0.4, 0.7]),
    ({"distribution": "q_beta"}, [0.0, 0.0, 0.0, 1.0, 1.0]),
]


@pytest.mark.parametrize(("content", "values"), WANDB, ids=[str(content) for content, _ in WANDB])
def test_as_wandb_draws(content, values):
    parameter = read_parameter("x", content)
    drawn = [parameter.at(u) for u in (0.03, 0.25, 0.5, 0.77, 0.985)]
    assert [type(x) for x in drawn] == [type(x) for x in values]  # an int stays one on the command line
    assert drawn == values if isinstance(values[0], str) else drawn == pytest.approx(values, rel=1e-8)


def test_every_distribution_is_held_against_wandb():
    assert {read_parameter("x", content).distribution for content, _ in WANDB} == set(DISTRIBUTIONS)


def test_many_draws_follow_the_law():
    def draws(content):
        parameter = read_parameter("x", content)
        return np.array([parameter.at(uniform(3, i, "x")) for i in range(4000)])

    learning_rates = draws({"distribution": "log_uniform_values", "min": 5e-6, "max": 5e-3})
    assert stats.kstest(np.log(learning_rates), stats.uniform(math.log(5e-6), math.log(1e3)).cdf).pvalue > 0.01
    dice = np.bincount(draws({"min": 1, "max": 6}), minlength=7)
    assert dice[0] == 0 and stats.chisquare(dice[1:]).pvalue > 0.01
    loaded = np.bincount(draws({"values": [0, 1, 2], "probabilities": [0.7, 0.0, 0.3]}), minlength=3)
    assert loaded[1] == 0 and abs(loaded[0] / 4000 - 0.7) < 0.03


@pytest.mark.parametrize("u", [1e-17, 1 - 2**-53])
@pytest.mark.parametrize(("content", "_"), WANDB, ids=[str(content) for content, _ in WANDB])
def test_the_ends_of_the_range_are_values_too(content, _, u):
    value = read_parameter("x", content).at(u)
    if "min" in content and "q" not in content and content.get("distribution") != "q_uniform":
        assert content["min"] <= value <= content["max"]
    assert isinstance(value, str) or math.isfinite(value)


def test_probabilities_that_sum_to_a_little_less_than_one():
    thirds = read_parameter("x", {"values": ["a", "b", "c", "d"], "probabilities": [0.333333, 0.333333, 0.333333, 0]})
    assert thirds.at(1 - 2**-53) == "c"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"distribution": "log_uniform", "min": -5, "max": -1}, "exponents of e .* log_uniform_values"),
        ({"distribution": "cauchy"}, "distribution 'cauchy': allowed are constant, categorical"),
        ({"distribution": "normal", "mean": 1}, "normal has no key 'mean'; it takes mu, sigma"),
        ({"distribution": "uniform", "min": 1}, "uniform lacks max; it takes min, max"),
        ({"values": ["a"], "distribution": "categorical", "probabilities": [1.0]}, "no key 'probabilities'"),
        ({"values": []}, "one or more"),
        ({"values": "none"}, "one or more, not 'none'"),
        ({"values": [[1, 2]]}, r"\[1, 2\] is not a text"),
        ({"values": [1, 2], "probabilities": [1.0]}, "2 probabilities for 2 values"),
        ({"values": [1, 2], "probabilities": [0.5, 0.6]}, "sum is 1"),
        ({"values": [1, 2], "probabilities": [1.5, -0.5]}, "from 0 on"),
        ({"min": "5e-6", "max": 1.0}, "min '5e-6' is not a number; YAML takes 5.0e-6, not 5e-6, for one"),
        ({"min": 1, "max": "1.0e3"}, r"max '1.0e3' is not a number; YAML takes 1.0e\+3, not 1.0e3, for one"),
        ({"min": "-1e3", "max": 1}, r"YAML takes -1.0e\+3"),
        ({"min": "low", "max": 1}, "min 'low' is not a number$"),
        ({"value": float("inf")}, "inf is not finite; where a program takes it, write it as a text"),
        ({"values": [1.0, float("nan")]}, "nan is not finite"),
        ({"distribution": ["normal"]}, r"distribution \['normal'\]: allowed are"),
        ({"distribution": "log_normal", "mu": 1000}, "log_normal draws numbers that are not finite"),
        ({"distribution": "normal", "sigma": 1e308}, "normal draws numbers that are not finite"),
        ({"min": -1e308, "max": 1e308}, "uniform draws numbers that are not finite"),
        (
            {"distribution": "q_uniform", "min": 0, "max": 1e10, "q": 1e-300},
            "q_uniform draws numbers that are not finite",
        ),
        ({"distribution": "q_log_normal", "mu": 705, "sigma": 1}, "q_log_normal draws numbers that are not finite"),
        ({"min": 2, "max": 2}, "min 2 must be less than max 2"),
        ({"distribution": "int_uniform", "min": 1, "max": 2.5}, "whole numbers, not 1 and 2.5"),
        ({"distribution": "log_uniform_values", "min": 0, "max": 1}, "min 0 must be greater than 0"),
        ({"distribution": "q_log_uniform_values", "min": 0, "max": 1}, "min 0 must be greater than 0"),
        ({"distribution": "normal", "sigma": 0}, "sigma 0 must be greater than 0"),
        ({"distribution": "q_uniform", "min": 0, "max": 1, "q": 0}, "q 0 must be greater than 0"),
        ({"min": True, "max": 3}, "min True is not a number"),
        ({"min": float("nan"), "max": 3}, "min nan is not a number"),
        ({"parameters": {"y": {"value": 1}}}, "write optimiser.KEY"),
        ({}, "give value, values, min and max"),
        (3, "write optimiser: {value: 3}"),
        ([0.1, 0.2], r"write optimiser: {values: \[0.1, 0.2\]}"),
    ],
)
def test_refusals(content, says):
    with pytest.raises(ValueError, match=f"parameter optimiser: .*{says}"):
        read_parameter("optimiser", content)


def test_lists_for_a_grid():
    def values(content):
        return read_parameter("x", content).values()

    assert values({"value": None}) == (None,)
    assert values({"values": [3, "a", True]}) == (3, "a", True)
    assert values({"min": 2, "max": 4}) == (2, 3, 4)
    assert values({"distribution": "q_uniform", "min": 0, "max": 1.0, "q": 0.25}) == (0, 0.25, 0.5, 0.75)
    assert values({"min": 2**62, "max": 2**62 + 1}) == (2**62, 2**62 + 1)
    assert len(values({"min": 1, "max": 100_000})) == 100_000
    for content in ({"min": 0, "max": 10**12}, {"distribution": "q_uniform", "min": 0, "max": 1, "q": 1e-9}):
        with pytest.raises(ValueError, match="parameter x: more than 100,000 values are no list to go through"):
            values(content)
    with pytest.raises(ValueError, match="uniform has no list of values"):
        values({"min": 0.0, "max": 1.0})


def test_what_is_advised_is_taken():
    assert read_parameter("x", {"values": [0.1, 0.2]}).at(0.3) == 0.1
    assert read_parameter("x", {"min": yaml.safe_load("5.0e-6"), "max": yaml.safe_load("1.0e+3")}).at(0.5) < 1000
    assert read_parameter("x", {"value": "inf"}).at(0.5) == "inf"
    assert read_parameter("x", {"distribution": "log_normal", "mu": 690}).at(0.5) == pytest.approx(math.exp(690))
