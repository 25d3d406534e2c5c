"""Through a queue: submitit's local executor runs the trials; for Slurm, what is asked of it."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import psutil
import pytest

from configs import UsageError
from cpc_rl.runs.sweep_directory import locked
from cpc_rl.sweep.__main__ import main
from cpc_rl.sweep.launchers import LocalLauncher, SlurmConfig, Work, check_launcher, slurm_parameters
from cpc_rl.sweep.process import Launch
from tests.cpc_rl.sweep.test_sweep import STANDIN, Sweep, at_step, starts, state, statuses, steps, until, write

pytest.importorskip("submitit")


def test_jobs_outlive_the_sweep_and_are_found_again(tmp_path: Path, capsys):
    file, out = write(tmp_path / "f.yaml", steps={"value": 100}, fail={"values": [False, True]}), tmp_path / "out"
    words = [file, "--out", str(out), "--launcher", "submitit-local", "--jobs", "2"]
    first = Sweep(tmp_path / "log", *words)
    until(lambda: at_step(out, 0, 3) and state(out)[0]["job"])
    first.send(signal.SIGKILL)
    first.wait()
    assert main([file, "--out", str(out)]) == 2
    number = state(out)[0]["job"].removeprefix("submitit-local:")
    assert f"in the queue as job {number}; go on with --launcher submitit-local" in capsys.readouterr().err
    assert main(words) == 1
    assert statuses(out) == ["done", "failed"] and starts(out) == [1, 1] and steps(out, 0) == list(range(1, 101))
    assert state(out)[1]["error"] == "no such level" and state(out)[0]["job"] is None


def test_a_stopped_sweep_takes_its_jobs_out_of_the_queue(tmp_path: Path):
    file, out = write(tmp_path / "f.yaml", steps={"value": 2000}), tmp_path / "out"
    sweep = Sweep(tmp_path / "log", file, "--out", str(out), "--launcher", "submitit-local")
    until(lambda: at_step(out, 0, 3))
    sweep.send(signal.SIGTERM)
    assert sweep.wait() == 130
    assert statuses(out) == ["stopped"] and not locked(out / "logs/000.log")
    assert (out / "trials/000/checkpoint-1.pt").read_text() == str(len(steps(out, 0)))


def test_a_job_that_vanished_fails_its_trial(tmp_path: Path, capsys):
    file, out = write(tmp_path / "f.yaml", steps={"value": 2000}), tmp_path / "out"
    sweep = Sweep(tmp_path / "log", file, "--out", str(out), "--launcher", "submitit-local")
    until(lambda: at_step(out, 0, 3) and state(out)[0]["job"])
    number = int(state(out)[0]["job"].partition(":")[2])
    for process in [*psutil.Process(number).children(), psutil.Process(number)]:
        process.kill()
    assert sweep.wait() == 1
    assert f"job {number} ended as" in state(out)[0]["error"]
    until(lambda: not locked(out / "logs/000.log"))  # the trial itself had its signal


def test_a_job_that_vanishes_while_the_sweep_stops_has_not_failed(tmp_path: Path):
    file, out = write(tmp_path / "f.yaml", steps={"value": 2000}, deaf={"value": True}), tmp_path / "out"
    sweep = Sweep(tmp_path / "log", file, "--out", str(out), "--launcher", "submitit-local")
    until(lambda: at_step(out, 0, 3) and state(out)[0]["job"])
    controller = psutil.Process(int(state(out)[0]["job"].partition(":")[2]))
    sweep.send(signal.SIGTERM)
    until(lambda: "stopping after this update" in sweep.log.read_text())
    for process in [*controller.children(recursive=True), controller]:
        process.kill()
    assert sweep.wait() == 130 and statuses(out) == ["stopped"]


def test_at_its_time_limit_a_job_saves_and_comes_again(tmp_path: Path):
    words = [sys.executable, str(STANDIN), "agents.a2c", "--steps=40"]
    work = Work(Launch(words, tmp_path / "run", tmp_path / "log", {}))
    work.process = work.launch.start()
    until(lambda: (tmp_path / "run/steps.txt").exists())
    again = work.checkpoint().function
    assert work.process.poll().exit_code == 130
    assert again() == 0
    assert [int(line) for line in (tmp_path / "run/steps.txt").read_text().split()] == list(range(1, 41))


def test_what_slurm_is_asked_for():
    assert slurm_parameters(
        SlurmConfig(partition="gpu", gpus=2, cpus=4, memory_gb=9, options="qos=low,mail-user=a@b")
    ) == {
        "gpus_per_node": 2,
        "cpus_per_task": 4,
        "mem_gb": 9,
        "slurm_partition": "gpu",
        "slurm_signal_delay_s": 120,
        "slurm_additional_parameters": {"qos": "low", "mail-user": "a@b"},
    }
    assert "slurm_partition" not in slurm_parameters(SlurmConfig())


def test_the_script_that_slurm_gets(tmp_path: Path, monkeypatch):
    """As far as a machine without Slurm goes: an sbatch that keeps what it is given."""
    import submitit

    sbatch = tmp_path / "sbatch"
    sbatch.write_text(f"#!/bin/sh\ncp $1 {tmp_path}/script\necho Submitted batch job 77\n")
    sbatch.chmod(0o755)
    (tmp_path / "srun").symlink_to(sbatch)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    from cpc_rl.sweep.launchers import ClusterLauncher

    check_launcher("slurm")
    launcher = ClusterLauncher(tmp_path / "jobs", SlurmConfig(partition="gpu", minutes=90, requeues=3), local=False)
    handle, job = launcher.start(Launch(["true"], Path("run"), Path("log"), {}))
    sent = handle._job.submission().function.launch  # wherever the job may run
    assert sent.run == Path.cwd() / "run" and sent.log == Path.cwd() / "log"
    script = (tmp_path / "script").read_text()
    assert job == "slurm:77"
    for line in ("--partition=gpu", "--time=90", "--gpus-per-node=1", "--cpus-per-task=8", "--mem=32GB"):
        assert f"#SBATCH {line}" in script
    assert "USR2@120" in script
    assert isinstance(launcher.find("slurm:77")._job, submitit.SlurmJob)
    with pytest.raises(UsageError, match="go on with --launcher submitit-local"):
        launcher.find("submitit-local:5")


def test_what_is_missing_is_named(monkeypatch):
    monkeypatch.setenv("PATH", "")
    check_launcher("local")
    check_launcher("submitit-local")
    with pytest.raises(UsageError, match="no sbatch here"):
        check_launcher("slurm")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r'--launcher slurm needs a package: pip install "cpc-rl\[slurm\]"'):
        check_launcher("slurm")
    with pytest.raises(UsageError, match="in the queue as job 5; go on with --launcher slurm"):
        LocalLauncher().find("slurm:5")
