"""Run a hyperparameter sweep: many trials of one command, drawn from a file that `wandb sweep` takes as it is.

    python -m cpc_rl.sweep laptop --trials 8 --cross aux --jobs 2

Trial i depends on the seed and on i alone. Killed and started again with the same command, the sweep keeps what is
done and goes on with what was interrupted; a trial that fails is kept with its error. wandb's own sweeps (`wandb sweep
FILE`, then `wandb agent ID` on any number of machines) run the same file and the same command, but need wandb's
server, which then draws the parameters.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro
from pydantic import Field

from configs import QUIET, Frozen, UsageError, as_usage_error, guarded, load
from cpc_rl.runs.screen import Screen
from cpc_rl.runs.signals import StopSignal
from cpc_rl.runs.sweep_directory import SweepDirectory, Trial
from cpc_rl.sweep.command import check_flags, command_line, resumable
from cpc_rl.sweep.driver import Driver, outcome
from cpc_rl.sweep.file import SweepFile, Trials, load_sweep
from cpc_rl.sweep.launchers import ClusterLauncher, LauncherName, LocalLauncher, SlurmConfig, check_launcher
from cpc_rl.sweep.process import end_leftovers
from cpc_rl.sweep.progress import View
from envs.cores import cores

CHECKED = 1000  # trials whose flags are read before the first one starts: 15 ms each


class SweepConfig(Frozen):
    """What to run and where."""

    file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE.yaml")] = Field(
        description="Sweep file, or the name of one in configs/sweeps."
    )
    out: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = Field(
        default=None, description="Directory of the sweep. By default runs/sweep-<name of the file>-s<seed>."
    )
    trials: int | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="Number of draws, or of a grid's points. A larger number later goes on from there.",
    )
    seed: int = Field(
        default=1, ge=0, lt=2**31, description="Seed of the draws; the seed of a run is a parameter of the file."
    )
    cross: str = Field(
        default="",
        pattern=r"^([^,\s]+(,[^,\s]+)*)?$",
        description="Parameters, as NAME,NAME, that are not drawn: each draw of the others is run with every value of "
        "them. `--cross aux` compares auxiliary losses on the same hyperparameters.",
    )
    jobs: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="Trials at a time; by default one, or one a GPU; on Slurm all.",
    )
    gpus: str = Field(
        default="",
        pattern=r"^([0-9]{1,3}(,[0-9]{1,3})*)?$",
        description="GPUs to share out, as 0,1; by default untouched.",
    )
    threads_per_job: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description="OMP_NUM_THREADS of each trial; by default what is set already, or the cores divided by --jobs.",
    )
    launcher: LauncherName = Field(
        default="local",
        description="Launcher of trials. `local`: processes of this machine; `slurm`: jobs of a cluster, by submitit; "
        "`submitit-local`: the same without a cluster, to try it.",
    )
    slurm: SlurmConfig = SlurmConfig()
    retry_failed: bool = Field(default=False, description="Try failed trials again, from their last checkpoint.")
    track: str = Field(default="none", description="Trackers of the trials, as in training.")
    wandb: bool = Field(default=False, description="Short for `--track wandb`, beside what that names.")
    dry_run: bool = Field(default=False, description="Print the trials and their commands, and do nothing.")
    quiet: bool = Field(default=False, description=QUIET)
    debug: bool = Field(default=False, description="Show tracebacks of errors.")


def sweep(config: SweepConfig, again: str) -> int:
    """Run the sweep; 0 when all is done, 130 when a signal stopped it or a trial.

    Args:
        config: Says which.
        again: The command that goes on with it.

    Raises:
        UsageError: The file, the flags or the directory do not fit.
        RunFailure: Trials failed.
    """
    path, content, file = load_sweep(config.file)
    screen = Screen(config.quiet)
    tracking = ["--wandb" if config.wandb else "--no-wandb", f"--track={config.track}"]
    cross = [name for name in config.cross.split(",") if name]
    with as_usage_error():
        trials = Trials(file, config.seed, cross)
        parameters = [trials[i] for i in range(trials.count(config.trials))]
        keeps_runs = resumable(words_of(file, parameters[0], tracking))
    with screen.step("reading the flags of all trials") as step:
        for index, values in enumerate(parameters[:CHECKED]):
            try:
                check_flags(words_of(file, values, tracking))
            except UsageError as error:
                raise UsageError(f"{path}, trial {index}: {error}") from error
            step(index + 1, len(parameters[:CHECKED]))
    out = config.out or Path("runs") / f"sweep-{path.stem}-s{config.seed}"
    if config.dry_run:
        for index, values in enumerate(parameters):
            run = ["--run", str(out / "trials" / f"{index:03d}")] if keeps_runs else []
            print(f"{index:03d}  {shlex.join(words_of(file, values, tracking) + run)}")
        return 0
    check_launcher(config.launcher)
    with StopSignal() as signals:
        directory = SweepDirectory.make(out, content, path.read_bytes(), config.seed, cross)
        with directory.lock():
            directory = SweepDirectory.open(out)  # as it is now that nobody else writes it
            directory.add(parameters, keeps_runs)
            chosen = directory.trials[: len(parameters)]
            view = View(directory, chosen, file.metric.name, trials.varied(), quiet=config.quiet)
            end_leftovers(directory, view.say)
            for trial in chosen:
                if config.retry_failed and trial.status == "failed":
                    trial.status = "waiting"
            view.say(f"{out}: {len(chosen)} trials of {file.program}, {view.counts()}")

            launcher = (
                LocalLauncher()
                if config.launcher == "local"
                else ClusterLauncher(out / "submitit", config.slurm, local=config.launcher == "submitit-local")
            )

            def words(trial: Trial) -> list[str]:
                return words_of(file, trial.parameters, tracking)

            with view:
                slots = [slot | where_to_look(keeps_runs) for slot in slots_of(config, len(chosen))]
                Driver(directory, chosen, launcher, slots, words, view).run(signals)
            if any(t.status in ("waiting", "stopped") for t in chosen):
                screen.result(f"stopped: {view.counts()}; go on with: {again}")
                return 130
            following = f"next: python -m cpc_rl.compare {out}" if keeps_runs else f"{file.program} keeps no runs here"
            screen.result(f"done: {out}  {following}")
            outcome(chosen)
    return 0


def words_of(file: SweepFile, parameters: dict[str, object], tracking: Sequence[str]) -> list[str]:
    """The command line of a trial, but for its run directory.

    wandb's agent needs `--wandb` in the file's command; here the sweep is asked: `tracking`.
    """
    words = command_line(file.command, file.program, parameters)
    return [*words, *tracking] if resumable(words) else words


def slots_of(config: SweepConfig, trials: int) -> list[dict[str, str]]:
    """Environment variables of each of the places where a trial can run."""
    gpus = config.gpus.split(",") if config.gpus else []
    jobs = config.jobs or (trials if config.launcher == "slurm" else len(gpus) or 1)
    threads = config.threads_per_job or os.environ.get("OMP_NUM_THREADS")
    if threads is None and config.launcher == "slurm":
        threads = config.slurm.cpus
    slot = {"OMP_NUM_THREADS": str(threads or max(1, cores() // jobs))}
    return [slot | ({"CUDA_VISIBLE_DEVICES": gpus[i % len(gpus)]} if gpus else {}) for i in range(jobs)]


def where_to_look(ours: bool) -> dict[str, str]:
    """Let trials of programs of ours look for packages where this process did: not here, unless it did so itself."""
    return {} if not ours or str(Path.cwd()) in sys.path else {"PYTHONSAFEPATH": "1"}


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    argv = sys.argv[1:] if argv is None else list(argv)

    def program() -> int:
        config = load(SweepConfig, argv, prog="python -m cpc_rl.sweep", description=__doc__ or "")
        return sweep(config, f"python -m cpc_rl.sweep {shlex.join(argv)}")

    return guarded(program, debug="--debug" in argv)


if __name__ == "__main__":
    sys.exit(main())
