"""Settings that audio, vision and text share, and the runs that one command makes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Generic, NamedTuple, Self, TypeVar

import tyro
from pydantic import Field

from configs import Frozen, MayChange
from cpc_rl.runs import RunSettings


class TrainConfig(Frozen):
    """How long a method is trained."""

    updates: MayChange[int] = Field(default=100_000, ge=1, le=10**9, description="Updates of training.")
    accumulate: int = Field(
        default=1,
        ge=1,
        le=4096,
        description="Batches of an update, each with negatives of its own (the paper's GPUs).",
    )


class CommandConfig(Frozen):
    """Settings that every command has."""

    places: ClassVar[tuple[str, ...]] = ()  # keys of where the data lie: a resumed run takes the same data elsewhere

    run: Annotated[RunSettings, tyro.conf.OmitArgPrefixes] = RunSettings()
    seeds: MayChange[int] = Field(
        default=1, ge=1, le=100, description="Repeat with so many seeds, from --seed on: intervals."
    )
    smoke: MayChange[bool] = Field(default=False, description="All stages on tiny data, in seconds: --preset smoke.")

    train: Annotated[TrainConfig, tyro.conf.OmitArgPrefixes] = TrainConfig()

    @property
    def objective(self) -> str:
        """Name of the method that is trained."""
        return "cpc"

    @property
    def kind(self) -> str:
        """Method and ablation, for the name of a fresh run directory."""
        ablation = getattr(self, "ablation", "none")
        return self.objective if ablation == "none" else f"{self.objective}-{ablation}"

    @property
    def has_baselines(self) -> bool:
        """Whether what the method is held against is evaluated too."""
        return getattr(self, "ablation", "none") == "none"

    def rows(self) -> Mapping[str, Self]:
        """Rows of the ablation's table, each with its configuration; a lone "" where there is none."""
        return {"": self}

    def result_settings(self) -> dict[str, Any]:
        """What results depend on: all but how the run is recorded and what else the command runs."""
        plain = self.model_dump(mode="json")
        for name in ("seeds", "smoke", "ablation"):
            plain.pop(name, None)
        return plain | {"run": {"seed": self.run.seed}}

    def with_places(self, settings: dict[str, Any]) -> dict[str, Any]:
        """`result_settings` of the same data, which lie where they lie now."""
        now, new = self.model_dump(mode="json"), dict(settings)
        for section, _, name in (key.partition(".") for key in self.places):
            if new[section][name] and now[section][name]:  # files, then and now
                new[section] = new[section] | {name: now[section][name]}
        return new


C = TypeVar("C", bound=CommandConfig)


def unread_of_bound(config: CommandConfig, key: str) -> str:
    """Why a run does not read the setting `key` of the network that is trained on labels; empty if it does."""
    if not key.startswith("train.supervised_"):
        return ""
    if not config.has_baselines:
        return "it is of the network trained on labels, which this command does not train"
    if key != "train.supervised_updates" and not getattr(config.train, "supervised_updates", 1):
        return "it is of the network trained on labels, which --supervised-updates 0 leaves out"
    return ""


class Arm(NamedTuple, Generic[C]):
    """One of the runs a command makes."""

    row: str  # of the table; several arms of a row differ in seed
    folder: str  # within the run directory; "" is the run directory itself
    config: C


def arms(config: C) -> list[Arm[C]]:
    """Every run that `config` asks for: the rows of its ablation, each with all seeds."""
    runs = []
    for name, changed in config.rows().items():
        for seed in range(config.run.seed, config.run.seed + config.seeds):
            words = [_slug(name)] * bool(name) + [f"s{seed}"] * (config.seeds > 1)
            run = changed.run.model_copy(update={"seed": seed})
            runs.append(Arm(name, "-".join(words), changed.model_copy(update={"run": run})))
    return runs


def _slug(name: str) -> str:
    return "_".join("".join(c if c.isalnum() else " " for c in name).split())


def recorded(config: C) -> C:
    """`config` as config.yaml keeps it."""
    return config.model_copy(update={"run": config.run.without_places()})
