"""What a parameter of a sweep may be drawn from: the distributions of wandb's sweeps, by name and by meaning.

Each is its quantile function, so one uniform number makes one draw, as in wandb's own search.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from itertools import accumulate
from typing import Any, NamedTuple

from scipy.special import betaincinv, ndtri

Spec = Mapping[str, Any]
Quantile = Callable[[float, Spec], Any]


class Distribution(NamedTuple):
    """Keys it must have, keys it may have with their defaults, and the value at quantile u, 0 < u < 1."""

    required: tuple[str, ...]
    optional: Mapping[str, Any]
    quantile: Quantile


def _uniform(u: float, p: Spec) -> float:
    return float(p["min"] + u * (p["max"] - p["min"]))


def _log_uniform(u: float, p: Spec) -> float:
    low, high = math.log(p["min"]), math.log(p["max"])
    return min(max(math.exp(low + u * (high - low)), p["min"]), p["max"])


def _normal(u: float, p: Spec) -> float:
    return float(p["mu"] + p["sigma"] * float(ndtri(u)))


def _log_normal(u: float, p: Spec) -> float:
    return math.exp(_normal(u, p))


def _beta(u: float, p: Spec) -> float:
    return float(betaincinv(p["a"], p["b"], u))


def _rounded(quantile: Quantile) -> Quantile:
    """To a multiple of q; an integer where q is written as one."""
    return lambda u, p: round(quantile(u, p) / p["q"]) * p["q"]


def _one_of(u: float, p: Spec) -> Any:
    return p["values"][math.ceil(u * len(p["values"])) - 1]


def _weighted(u: float, p: Spec) -> Any:
    up_to = list(accumulate(p["probabilities"]))
    last = max(i for i, weight in enumerate(p["probabilities"]) if weight > 0)  # the sum may be 1 - 1e-9
    return p["values"][min(sum(u >= bound for bound in up_to), last)]


MOST_VALUES = 100_000  # of a list that a grid or --cross goes through
ENDS = (2**-53, 1 - 2**-53)  # the least and the largest quantile that is drawn: see `file.uniform`
_BOUNDS, _BELL, _Q = ("min", "max"), {"mu": 0.0, "sigma": 1.0}, {"q": 1.0}
_AB = {"a": 1.0, "b": 1.0}
DISTRIBUTIONS: dict[str, Distribution] = {
    "constant": Distribution(("value",), {}, lambda u, p: p["value"]),
    "categorical": Distribution(("values",), {}, _one_of),
    "categorical_w_probabilities": Distribution(("values", "probabilities"), {}, _weighted),
    "int_uniform": Distribution(
        _BOUNDS, {}, lambda u, p: p["min"] + math.ceil(u * (p["max"] - p["min"] + 1)) - 1
    ),  # both bounds are drawn
    "uniform": Distribution(_BOUNDS, {}, _uniform),
    "q_uniform": Distribution(_BOUNDS, _Q, _rounded(_uniform)),
    "log_uniform_values": Distribution(_BOUNDS, {}, _log_uniform),
    # wandb's name for the same law: 1/x is log-uniform too, and it takes the bounds of x.
    "inv_log_uniform_values": Distribution(_BOUNDS, {}, _log_uniform),
    "q_log_uniform_values": Distribution(_BOUNDS, _Q, _rounded(_log_uniform)),
    "normal": Distribution((), _BELL, _normal),
    "q_normal": Distribution((), _BELL | _Q, _rounded(_normal)),
    "log_normal": Distribution((), _BELL, _log_normal),
    "q_log_normal": Distribution((), _BELL | _Q, _rounded(_log_normal)),
    "beta": Distribution((), _AB, _beta),
    "q_beta": Distribution((), _AB | _Q, _rounded(_beta)),
}
# wandb's own check refuses them as well: files meant 0.001 where exp(0.001) was drawn.
EXPONENTS = ("log_uniform", "inv_log_uniform", "q_log_uniform")


class Parameter(NamedTuple):
    """One parameter of a sweep."""

    name: str
    distribution: str
    spec: Spec

    def at(self, u: float) -> Any:
        """The value at quantile `u`, 0 < u < 1."""
        return DISTRIBUTIONS[self.distribution].quantile(u, self.spec)

    def values(self) -> tuple[Any, ...]:
        """All values, in order, of what has a list of them. Raises ValueError for the others."""
        p = self.spec
        match self.distribution:
            case "constant":
                return (p["value"],)
            case "categorical":
                return tuple(p["values"])
            case "int_uniform":
                return tuple(p["min"] + i for i in range(self._few(p["max"] - p["min"] + 1)))
            case "q_uniform":  # without the upper bound, as wandb has it
                return tuple(p["min"] + i * p["q"] for i in range(self._few((p["max"] - p["min"]) / p["q"])))
        raise ValueError(
            f"parameter {self.name}: {self.distribution} has no list of values; a grid takes value, values, "
            "int_uniform and q_uniform"
        )

    def _few(self, count: float) -> int:
        if count > MOST_VALUES:
            raise ValueError(f"parameter {self.name}: more than {MOST_VALUES:,} values are no list to go through")
        return math.ceil(count)


def read_parameter(name: str, content: Any) -> Parameter:
    """Check what the file says of one parameter and fill in wandb's defaults.

    Raises:
        ValueError: It is not a distribution that wandb has, or its numbers make no sense.
    """
    if not isinstance(content, Mapping):
        key = "values" if isinstance(content, list) else "value"
        raise ValueError(f"parameter {name}: {content!r}: write {name}: {{{key}: {content}}}")
    if "parameters" in content:
        raise ValueError(f"parameter {name}: nested parameters are not for a command line; write {name}.KEY instead")
    kind = content.get("distribution") or _implied(name, content)
    if kind in EXPONENTS:
        raise ValueError(
            f"parameter {name}: {kind} takes exponents of e and is given up by wandb; write the bounds themselves "
            f"with {kind}_values"
        )
    if not isinstance(kind, str) or kind not in DISTRIBUTIONS:
        raise ValueError(f"parameter {name}: distribution {kind!r}: allowed are {', '.join(DISTRIBUTIONS)}")
    required, optional, _ = DISTRIBUTIONS[kind]
    spec = {**optional, **{key: value for key, value in content.items() if key != "distribution"}}
    wrong = [key for key in spec if key not in (*required, *optional)]
    missing = [key for key in required if key not in spec]
    if wrong or missing:
        complaint = f"has no key {wrong[0]!r}" if wrong else f"lacks {' and '.join(missing)}"
        raise ValueError(f"parameter {name}: {kind} {complaint}; it takes {', '.join((*required, *optional))}")
    _check_values(name, spec)
    _check_numbers(name, kind, spec)
    parameter = Parameter(name, kind, spec)
    _check_ends(parameter)
    return parameter


def _implied(name: str, content: Spec) -> str:
    if "value" in content:
        return "constant"
    if "values" in content:
        return "categorical_w_probabilities" if "probabilities" in content else "categorical"
    if "min" in content and "max" in content:
        whole = all(isinstance(content[key], int) for key in _BOUNDS)
        return "int_uniform" if whole else "uniform"
    raise ValueError(f"parameter {name}: give value, values, min and max, or a distribution with what it takes")


def _check_values(name: str, spec: Spec) -> None:
    values = [spec["value"]] if "value" in spec else spec.get("values", [None])
    if not isinstance(values, list) or not values:
        raise ValueError(f"parameter {name}: values must be a list of one or more, not {values!r}")
    for value in values:
        if not isinstance(value, str | int | float | None):
            raise ValueError(f"parameter {name}: {value!r} is not a text, a number, true, false or null")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"parameter {name}: {value!r} is not finite; where a program takes it, write it as a text")
    if "probabilities" not in spec:
        return
    weights = spec["probabilities"]
    if not isinstance(weights, list) or len(weights) != len(values):
        raise ValueError(f"parameter {name}: give {len(values)} probabilities for {len(values)} values")
    if not all(_is_number(w) and w >= 0 for w in weights) or not math.isclose(sum(weights), 1, rel_tol=1e-5):
        raise ValueError(f"parameter {name}: probabilities {weights} must be numbers from 0 on whose sum is 1")


def _check_numbers(name: str, kind: str, spec: Spec) -> None:
    for key in ("min", "max", "mu", "sigma", "q", "a", "b"):
        if key in spec and not _is_number(spec[key]):
            raise ValueError(f"parameter {name}: {key} {spec[key]!r} is not a number{_hint(spec[key])}")
    if "min" in spec and spec["min"] >= spec["max"]:
        raise ValueError(f"parameter {name}: min {spec['min']} must be less than max {spec['max']}")
    if kind == "int_uniform" and not all(isinstance(spec[key], int) for key in _BOUNDS):
        raise ValueError(f"parameter {name}: int_uniform takes whole numbers, not {spec['min']} and {spec['max']}")
    positive = [key for key in ("sigma", "q", "a", "b") if key in spec]
    positive += ["min"] if kind.endswith("log_uniform_values") else []
    for key in positive:
        if spec[key] <= 0:
            raise ValueError(f"parameter {name}: {key} {spec[key]} must be greater than 0 in {kind}")


def _check_ends(parameter: Parameter) -> None:
    """Every quantile function rises, so that what the ends give bounds all draws."""
    for u in ENDS:
        try:
            value = parameter.at(u)
            finite = not isinstance(value, int | float) or math.isfinite(value)
        except (OverflowError, ValueError):
            finite = False
        if not finite:
            raise ValueError(f"parameter {parameter.name}: {parameter.distribution} draws numbers that are not finite")


def _hint(value: Any) -> str:
    """How YAML wants the number that a text was meant to be: `1.0e+3` for `1e3` and `1.0e3`."""
    found = re.fullmatch(r"([-+]?\d+)(\.\d*)?[eE]([-+]?)(\d+)", value) if isinstance(value, str) else None
    if found is None:
        return ""
    whole, rest, sign, power = found.groups(default="")
    return f"; YAML takes {whole}{rest or '.0'}e{sign or '+'}{power}, not {value}, for one"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
