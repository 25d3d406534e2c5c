"""What the commands of this package share: their settings, the runs one makes, the way from flags to a table."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Generic, NamedTuple, Self, TypeVar

import rich.console
import torch
import tyro
from pydantic import Field

from configs import Frozen, MayChange, UsageError, guarded, load
from cpc_repr.report import Table
from cpc_repr.training import Stopped, subdirectory, upgrade
from cpc_rl.distributed import ProcessGroup, joined
from cpc_rl.malloc import keep_freed_memory
from cpc_rl.runs import RunDirectory, RunSettings, StopSignal, open_run, pick_device
from cpc_rl.runs.directory import fresh_path


class CommandConfig(Frozen):
    """Settings that every command has."""

    run: Annotated[RunSettings, tyro.conf.OmitArgPrefixes] = RunSettings()
    seeds: MayChange[int] = Field(
        default=1, ge=1, le=100, description="Repeat with so many seeds, from --seed on: intervals."
    )
    smoke: MayChange[bool] = Field(default=False, description="All stages on tiny data, in seconds: --preset smoke.")

    @property
    def kind(self) -> str:
        """What is trained, for the name of a fresh run directory."""
        return "cpc"

    def rows(self) -> Mapping[str, Self]:
        """Rows of the ablation's table, each with its configuration; a lone "" where there is none."""
        return {"": self}


C = TypeVar("C", bound=CommandConfig)


class Arm(NamedTuple, Generic[C]):
    """One of the runs a command makes."""

    row: str  # of the table; several arms of a row differ in seed
    folder: str  # within the run directory; "" is the run directory itself
    config: C


def arms(config: C) -> list[Arm[C]]:
    """Every run that `config` asks for: the rows of its ablation, each with all seeds."""
    found = []
    for name, changed in config.rows().items():
        for seed in range(config.run.seed, config.run.seed + config.seeds):
            parts = [_slug(name)] * bool(name) + [f"s{seed}"] * (config.seeds > 1)
            run = changed.run.model_copy(update={"seed": seed})
            found.append(Arm(name, "-".join(parts), changed.model_copy(update={"run": run})))
    return found


def _slug(name: str) -> str:
    return "_".join("".join(c if c.isalnum() else " " for c in name).split())


def settings(config: CommandConfig) -> dict[str, Any]:
    """What results depend on: all but how the run is recorded and what else the command runs."""
    plain = config.model_dump(mode="json")
    for name in ("seeds", "smoke", "ablation"):
        plain.pop(name, None)
    return plain | {"run": {"seed": config.run.seed}}


def recorded(config: C) -> C:
    """`config` as config.yaml keeps it."""
    return config.model_copy(update={"run": config.run.without_places()})


@dataclass(frozen=True)
class Session:
    """What an experiment runs in."""

    run: RunDirectory
    device: torch.device
    stop: StopSignal
    say: Callable[[str], None]  # prints a line
    group: ProcessGroup

    def folder(self, arm: Arm[C]) -> RunDirectory:
        """Where an arm's checkpoints, metrics and results lie."""
        return subdirectory(self.run.path / arm.folder, recorded(arm.config)) if arm.folder else self.run


def command(
    argv: list[str] | None,
    family: str,
    model: type[C],
    description: str,
    experiment: Callable[[C, Session], list[Table]],
    shared: bool = False,
) -> int:
    """Run `python -m cpc_repr.FAMILY`.

    Args:
        argv: Its arguments; None: those of this process.
        family: Of its presets.
        model: Its settings.
        description: For `--help`.
        experiment: Does it all and gives the tables; called again in the same run directory it goes on.
        shared: Whether torchrun's processes can share the work.

    Returns:
        Exit code: 0 done, 130 stopped by a signal, 2 bad input, 1 anything else.
    """
    argv = sys.argv[1:] if argv is None else argv
    keep_freed_memory()

    def program() -> int:
        config = load(
            model,
            argv,
            prog=f"python -m cpc_repr.{family}",
            description=description,
            default_preset=lambda chosen: "smoke" if "--smoke" in argv else "small",
            family=family,
            upgrade=upgrade,
        )
        with joined() as group:
            if group.size > 1 and not shared:
                raise UsageError(f"cpc_repr.{family} trains in one process: start it without torchrun")
            if group.size > 1 and len(arms(config)) > 1:
                raise UsageError("several processes train one network: --seeds and --ablation go without torchrun")
            return _run(config, family, experiment, group)

    return guarded(program, debug="--debug" in argv)


def _run(config: C, family: str, experiment: Callable[[C, Session], list[Table]], group: ProcessGroup) -> int:
    device = pick_device(config.run.device)
    if config.run.threads:
        torch.set_num_threads(config.run.threads)
    console = rich.console.Console(highlight=False, soft_wrap=True, quiet=not group.is_main)

    def say(text: str) -> None:
        console.print(text, markup=False)
        console.file.flush()

    fresh = fresh_path(family, config.kind, config.run.seed)
    with open_run(config.run, fresh, recorded(config), group) as run, StopSignal() as stop:
        if group.is_main and len(arms(config)) > 1:  # each of them keeps its own; a lone one keeps it here
            run.write_config(recorded(config))
        try:
            tables = experiment(config, Session(run, device, stop, say, group))
        except Stopped as stopped:
            say(f"{stopped}; go on with: python -m cpc_repr.{family} --resume {run.path}")
            return 130
        if group.is_main:
            (run.report / "table.md").write_text("\n".join(table.markdown() for table in tables), encoding="utf-8")
            for table in tables:
                table.show()
            say(f"done: {run.path}  tables and pictures: {run.report}")
    return 0
