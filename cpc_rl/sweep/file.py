"""The sweep file, as `wandb sweep` takes it, and the trials that follow from it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, ValidationError, model_validator

from configs import Frozen, UsageError, explain, flag_names, load_yaml
from configs.files import PRESETS
from cpc_rl.sweep.distributions import Parameter, read_parameter

MOST_TRIALS = 100_000
SWEEPS = PRESETS / "sweeps"
REFUSED = {
    "early_terminate": "trials are not stopped early here: each runs its frames",
    "scheduler": "trials are drawn here, not by wandb's schedulers",
    "metrics": "several metrics are for wandb's own schedulers; give one metric",
    "controller": "this program is the controller",
    "job": "give program and command instead of a wandb job",
    "image_uri": "give program and command instead of an image",
}


class Metric(Frozen):
    """What the sweep is judged by."""

    name: str = Field(min_length=1)
    goal: Literal["minimize", "maximize"] = "minimize"


class SweepFile(Frozen):
    """A sweep file of wandb's, as far as it can be run without its server."""

    model_config = ConfigDict(coerce_numbers_to_str=True)  # a word of the command may be 3

    program: str = Field(min_length=1)
    command: tuple[str, ...] = Field(default=("${env}", "${interpreter}", "${program}", "${args}"), min_length=1)
    method: Literal["random", "grid"]
    parameters: dict[str, dict[str, Any]] = Field(min_length=1)
    metric: Metric = Metric(name="episode_return", goal="maximize")
    run_cap: int | None = Field(default=None, ge=1, le=100_000)
    # For wandb's pages only.
    name: str | None = None
    description: str | None = None
    project: str | None = None
    entity: str | None = None
    kind: str | None = None
    apiVersion: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _refuse(cls, content: Any) -> Any:
        for key, why in REFUSED.items():
            if key in content:
                raise ValueError(f"{key}: {why}")
        if content.get("method") in ("bayes", "custom"):
            raise ValueError(f"method {content['method']!r} needs wandb's server; allowed here are random and grid")
        if not isinstance(content.get("parameters", {}), Mapping):
            raise ValueError("parameters must be keys and values")
        for name, parameter in content.get("parameters", {}).items():
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", str(name)):
                raise ValueError(f"parameter {name!r}: a name is letters, digits, '_', '.', '-'")
            read_parameter(str(name), parameter)
        return content

    @model_validator(mode="after")
    def _grid_has_lists(self) -> Self:
        if self.method == "grid":
            for parameter in self.read():
                parameter.values()
        return self

    def read(self) -> list[Parameter]:
        """The parameters, in the file's order."""
        return [read_parameter(name, content) for name, content in self.parameters.items()]


def load_sweep(file: Path) -> tuple[Path, dict[str, Any], SweepFile]:
    """Read a sweep file; the name of one in configs/sweeps will do.

    Returns:
        Where it lies, its content as it stands there, and as it was understood.

    Raises:
        UsageError: It is missing or says what cannot be run here.
    """
    committed = SWEEPS / f"{file}.yaml"
    path = committed if not file.exists() and committed.is_file() else file
    if not path.is_file():
        names = ", ".join(sorted(p.stem for p in SWEEPS.glob("*.yaml")))
        raise UsageError(f"{file}: no such sweep file, and no sweep of that name; there are {names}")
    content = load_yaml(path)
    try:
        return path, content, SweepFile.model_validate(content)
    except ValidationError as error:
        raise UsageError(f"{path}: {explain(error, known=flag_names(SweepFile))}") from error


class Trials:
    """All trials of a sweep. Trial i is the same whatever their number, and whatever other parameters there are."""

    def __init__(self, file: SweepFile, seed: int, cross: Sequence[str] = ()) -> None:
        """`cross` names parameters of which each draw of the others is run with every value.

        Raises:
            ValueError: No such parameter, or it has no list of values.
        """
        self.file, self.seed = file, seed
        parameters = file.read()
        for name in cross:
            if name not in file.parameters:
                raise ValueError(f"--cross {name}: no such parameter; there are {', '.join(file.parameters)}")
        if file.method == "grid" and cross:
            raise ValueError("--cross is for method random: a grid runs every combination anyway")
        # Names in order, as wandb walks through a grid; crossed ones in the order they were asked for.
        names = sorted(file.parameters) if file.method == "grid" else list(cross)
        self._listed = {name: next(p for p in parameters if p.name == name).values() for name in names}
        self._drawn = [p for p in parameters if p.name not in self._listed]

    @property
    def combinations(self) -> int:
        """Trials that share one draw (random), or all there are (grid)."""
        return prod(len(values) for values in self._listed.values())

    def count(self, draws: int | None) -> int:
        """How many trials to run. Raises ValueError if neither `draws` nor the file says so."""
        cap = self.file.run_cap
        if self.file.method == "grid":
            count = min(x for x in (draws, cap, self.combinations) if x is not None)
        elif draws is not None:
            count = draws * self.combinations
            if cap is not None and count > cap:
                raise ValueError(f"--trials {draws} makes {count} trials; the file's run_cap is {cap}")
        elif cap is not None:
            count = cap
        else:
            raise ValueError("give --trials N, or run_cap in the file: random draws have no end")
        if count > MOST_TRIALS:
            raise ValueError(
                f"{count:,} trials are more than one sweep keeps, {MOST_TRIALS:,}; give --trials or run_cap"
            )
        return count

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Parameters of trial `index`, in the file's order."""
        draw, combination = divmod(index, self.combinations)
        values = {p.name: p.at(uniform(self.seed, draw, p.name)) for p in self._drawn}
        values |= dict(zip(self._listed, _nth(list(self._listed.values()), combination), strict=True))
        return {name: values[name] for name in self.file.parameters}

    def varied(self) -> list[str]:
        """Names of the parameters that differ between trials."""
        fixed = ("constant",)
        return [p.name for p in self.file.read() if p.distribution not in fixed]


def uniform(seed: int, draw: int, name: str) -> float:
    """A number in (0, 1) that depends on these three alone, so that sweeps with other parameters share draws."""
    digest = hashlib.sha256(f"{seed}/{draw}/{name}".encode()).digest()
    return (int.from_bytes(digest[:8]) // 2**12 + 0.5) / 2**52


def _nth(lists: Sequence[Sequence[Any]], index: int) -> tuple[Any, ...]:
    """Element `index` of the product, the last list fastest."""
    chosen = []
    for values in reversed(lists):
        index, digit = divmod(index, len(values))
        chosen.append(values[digit])
    return tuple(reversed(chosen))
