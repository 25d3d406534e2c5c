"""Where trials run: on this machine, or in the queue of a Slurm cluster through submitit."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import psutil
from pydantic import Field

from configs import Frozen, UsageError
from cpc_rl.sweep.process import Ended, Launch, LocalProcess

if TYPE_CHECKING:
    from submitit import Job

LauncherName = Literal["local", "slurm", "submitit-local"]


class SlurmConfig(Frozen):
    """What each trial asks of the cluster (--launcher slurm)."""

    partition: str | None = Field(default=None, description="Partition of the cluster; by default its own choice.")
    minutes: int = Field(
        default=24 * 60,
        ge=1,
        le=10**6,
        description="Minutes until the time limit; before it ends the trial is saved and queued again.",
    )
    gpus: int = Field(default=1, ge=0, le=64, description="GPUs of a trial.")
    cpus: int = Field(default=8, ge=1, le=1024, description="Processor cores of a trial.")
    memory_gb: int = Field(default=32, ge=1, le=65_536, description="Memory of a trial in GB.")
    requeues: int = Field(
        default=10, ge=0, le=10_000, description="Times that a trial may be queued again at its time limit."
    )
    options: str = Field(
        default="",
        pattern=r"^(\w[\w-]*=[^,=]+(,|$))*$",
        description="Further options of sbatch, as NAME=VALUE,NAME=VALUE.",
    )


def check_launcher(name: LauncherName) -> None:
    """Raise UsageError where `name` cannot work: submitit is not installed, or there is no Slurm here."""
    if name == "local":
        return
    if importlib.util.find_spec("submitit") is None:
        raise UsageError(f'--launcher {name} needs a package: pip install "cpc-rl[slurm]"')
    if name == "slurm" and shutil.which("sbatch") is None:
        raise UsageError("--launcher slurm: there is no sbatch here; start it on a machine that submits jobs")


class Handle(Protocol):
    """A trial that was started."""

    def poll(self) -> Ended | None:
        """How it ended, None while it waits or runs."""

    def stop(self) -> None:
        """Ask it to write a checkpoint and leave."""

    def kill(self) -> None:
        """End it at once."""


class LocalLauncher:
    """Starts trials as children of this process, which they do not outlive."""

    def start(self, launch: Launch) -> tuple[Handle, str | None]:
        """Begin a trial: its handle, and no job."""
        return launch.start(), None

    def find(self, job: str) -> Handle:
        """Trials here do not outlive their sweep. Raises UsageError: the job is in a queue."""
        raise _elsewhere(job)


class Work:
    """What a job of the cluster does: one trial, taken up at its checkpoint when the job was queued again."""

    def __init__(self, launch: Launch) -> None:
        self.launch = launch
        self.process: LocalProcess | None = None

    def __call__(self) -> int:
        """Run the trial to its end; returns its exit code, and 127 for a program that is not there."""
        self.process = self.launch.start()
        ended = self.process.wait()
        return 127 if ended.exit_code is None else ended.exit_code

    def checkpoint(self) -> Any:
        """Called by submitit when the time is up: save, and come again."""
        from submitit.helpers import DelayedSubmission

        if self.process is not None:
            self.process.stop()
            self.process.wait()
        return DelayedSubmission(Work(self.launch))


class ClusterLauncher:
    """Puts trials into a queue, where they stay if this process dies; `find` takes them up again."""

    def __init__(self, folder: Path, config: SlurmConfig, local: bool) -> None:
        """Keep submitit's files below `folder`; `local` plays the cluster on this machine."""
        import submitit

        self._folder, self._local = folder.absolute(), local
        self._name: LauncherName = "submitit-local" if local else "slurm"
        self._job_class: type[Job[int]] = submitit.LocalJob if local else submitit.SlurmJob
        cluster = "local" if local else "slurm"
        self._executor = submitit.AutoExecutor(
            self._folder, cluster=cluster, **{f"{cluster}_max_num_timeout": config.requeues}
        )
        self._executor.update_parameters(name="sweep", timeout_min=config.minutes)
        if not local:
            self._executor.update_parameters(**slurm_parameters(config))

    def start(self, launch: Launch) -> tuple[Handle, str | None]:
        """Queue a trial: its handle, and its job."""
        launch = launch._replace(run=launch.run and launch.run.absolute(), log=launch.log.absolute())
        job: Job[int] = self._executor.submit(Work(launch))
        return ClusterJob(job, self._local), f"{self._name}:{job.job_id}"

    def find(self, job: str) -> Handle:
        """A trial that an earlier sweep queued. Raises UsageError: in another queue."""
        name, _, number = job.partition(":")
        if name != self._name:
            raise _elsewhere(job)
        return ClusterJob(self._job_class(self._folder, number), self._local)


def _elsewhere(job: str) -> UsageError:
    name, _, number = job.partition(":")
    return UsageError(f"a trial of this sweep is in the queue as job {number}; go on with --launcher {name}")


def slurm_parameters(config: SlurmConfig) -> dict[str, Any]:
    """`config` in submitit's words."""
    parameters: dict[str, Any] = {
        "gpus_per_node": config.gpus,
        "cpus_per_task": config.cpus,
        "mem_gb": config.memory_gb,
        "slurm_signal_delay_s": 120,  # to save in
        "slurm_additional_parameters": dict(o.split("=", 1) for o in config.options.split(",") if o),
    }
    if config.partition is not None:
        parameters["slurm_partition"] = config.partition
    return parameters


class ClusterJob:
    """A trial in the queue."""

    def __init__(self, job: Job[int], local: bool) -> None:
        self._job, self._local = job, local

    def poll(self) -> Ended | None:
        """See Handle."""
        result = self._job.paths.result_pickle
        if not result.exists() and self._in_queue():
            return None
        if not result.exists():  # it may have been written in between
            return Ended(None, f"job {self._job.job_id} ended as {self._job.state} without a result")
        try:
            return Ended(self._job.result())
        except Exception as error:  # whatever happened over there
            return Ended(None, f"job {self._job.job_id}: {str(error).strip().splitlines()[-1]}")

    def _in_queue(self) -> bool:
        if self._local:  # submitit's local executor names a job by its process
            with contextlib.suppress(psutil.Error):
                return psutil.Process(int(self._job.job_id)).status() != psutil.STATUS_ZOMBIE
            return False
        return not self._job.done()

    def stop(self) -> None:
        """Leave the queue; a trial that runs gets SIGTERM and writes its checkpoint."""
        if not self._local:
            self._job.cancel(check=False)
            return
        with contextlib.suppress(psutil.Error):  # Slurm signals all processes of a job; here only the trial is meant
            for task in psutil.Process(int(self._job.job_id)).children():
                for trial in task.children():
                    trial.terminate()

    def kill(self) -> None:
        """See Handle."""
        self._job.cancel(check=False)
