"""The way of `python -m cpc_repr.FAMILY` from flags to tables."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from configs import UsageError, flags_given, guarded, load, preset_names
from cpc_repr.config import CommandConfig, arms, recorded
from cpc_repr.context import Session
from cpc_repr.experiment import Data, Experiment, run_experiment
from cpc_repr.report import Table
from cpc_repr.resume import check_arms, check_data
from cpc_repr.training import Stopped
from cpc_repr.upgrade import upgrade
from cpc_rl.distributed import ProcessGroup, together
from cpc_rl.dynamo import spare_dynamo
from cpc_rl.malloc import keep_freed_memory
from cpc_rl.runs import RunDirectory, StopSignal, open_run, resume_command, set_up
from cpc_rl.runs.directory import fresh_path
from cpc_rl.runs.screen import Screen

C = TypeVar("C", bound=CommandConfig)
D = TypeVar("D", bound=Data)


def command(argv: list[str] | None, experiment: Experiment[C, D], settings: type[C], description: str) -> int:
    """Run `python -m cpc_repr.FAMILY`.

    Args:
        argv: Its arguments; None: those of this process.
        experiment: Does it all.
        settings: Of the experiment.
        description: For `--help`.

    Returns:
        Exit code: 0 done, 130 stopped by a signal, 2 bad input, 1 anything else.
    """
    argv = sys.argv[1:] if argv is None else argv
    family = experiment.family
    keep_freed_memory()
    spare_dynamo()

    def preset(chosen: Callable[[str], object]) -> str:
        size = "smoke" if "--smoke" in argv else "small"
        own = f"{size}-{chosen('method')}" if "method" in settings.model_fields else size
        return own if own in preset_names(family) else size

    def parse() -> C:
        config = load(
            settings,
            argv,
            prog=f"python -m cpc_repr.{family}",
            description=description,
            default_preset=preset,
            family=family,
            upgrade=upgrade,
        )
        experiment.check_flags(config, flags_given(settings, argv))
        return config

    return guarded(lambda: together(parse, partial(_run, experiment, argv)), debug="--debug" in argv)


def _run(experiment: Experiment[C, D], argv: Sequence[str], config: C, group: ProcessGroup) -> int:
    if group.size > 1 and len(arms(config)) > 1:
        raise UsageError("several processes train one network: --seeds and --ablation go without torchrun", shared=True)
    device = set_up(config.run)
    screen = Screen(config.run.quiet or not group.is_main)
    way_on = ""
    with StopSignal() as stop:
        session = Session(device=device, stop=stop, screen=screen, group=group)
        try:
            for arm in arms(config):
                experiment.methods[arm.config.objective].check(arm.config)
            fresh = fresh_path(experiment.family, config.kind, config.run.seed)
            with open_run(config.run, fresh, recorded(config), group) as run:  # before minutes of making data
                again = resume_command(f"cpc_repr.{experiment.family}", argv, run.path)
                way_on = f"; go on with: {again}"
                check_arms(run, config)
                with screen.step("reading the data"):
                    data = experiment.open(config, session)
                    for arm in arms(config):
                        experiment.check(arm.config, data)
                check_data(run, config, data.digest, write=group.is_main)
                if group.is_main and len(arms(config)) > 1:  # each of them keeps its own; a lone one keeps it here
                    run.write_config(recorded(config))
                screen.say(data.describe())
                tables = run_experiment(experiment, config, data, session, run)
                if group.is_main:
                    _show(tables, run, screen)
        except Stopped as stopped:
            if group.is_main:
                screen.result(f"{stopped}{way_on}")
            return 130
    return 0


def _show(tables: list[Table], run: RunDirectory, screen: Screen) -> None:
    (run.report / "table.md").write_text("\n".join(table.markdown() for table in tables), encoding="utf-8")
    for table in tables:
        table.show()
    screen.result(f"done: {run.path}  tables and pictures: {run.report}")
