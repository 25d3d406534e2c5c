"""Processes of trials: locked logs, and what a dead sweep leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from configs import RunFailure
from cpc_rl.runs.sweep_directory import State, SweepDirectory, Trial, last_line, locked
from cpc_rl.sweep.process import Ended, Launch, LocalProcess, end_leftovers

ENDLESS = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(300)"


def until(condition) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def directory(path: Path) -> SweepDirectory:
    return SweepDirectory(path, State(seed=1, cross=[], trials=[Trial(index=0, parameters={}, log="logs/000.log")]))


def test_a_log_is_locked_while_anyone_writes_it(tmp_path: Path):
    log = tmp_path / "logs/000.log"
    assert not locked(log)
    child = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'])"
    process = LocalProcess([sys.executable, "-c", child], log, {})
    assert process.wait() == Ended(0)
    assert locked(log), "the grandchild lives"
    with pytest.raises(RunFailure, match="another process still writes"):
        LocalProcess(["true"], log, {})
    said: list[str] = []
    end_leftovers(directory(tmp_path), said.append, grace=0.1)
    assert not locked(log) and "trial 000 still runs (process " in said[0]


def test_leftovers_get_time_for_their_checkpoint(tmp_path: Path):
    log = tmp_path / "logs/000.log"
    process = LocalProcess([sys.executable, "-c", "import time; time.sleep(0.8); print('saved')"], log, {})
    end_leftovers(directory(tmp_path), lambda _: None)
    assert process.wait() == Ended(0) and last_line(log) == "saved"


def test_a_deaf_leftover_is_killed_and_nobody_else(tmp_path: Path):
    log, other = tmp_path / "logs/000.log", tmp_path / "other.log"
    process, bystander = (LocalProcess([sys.executable, "-c", ENDLESS], path, {}) for path in (log, other))
    until(lambda: last_line(log) == "on")
    process.stop()
    reader = subprocess.Popen(["tail", "-f", str(log)], stdout=subprocess.PIPE)
    assert reader.stdout.readline() == b"\n"  # it has the log open
    said: list[str] = []
    end_leftovers(directory(tmp_path), said.append, grace=0.3)
    assert reader.poll() is None
    reader.kill()
    reader.communicate()
    assert process.wait() == Ended(-signal.SIGKILL) and str(process.pid) in said[0] and len(said) == 1
    assert bystander.poll() is None
    bystander.kill()
    assert bystander.poll() == Ended(-signal.SIGKILL)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the next sweep ends them")
def test_a_trial_gets_sigterm_when_its_sweep_dies(tmp_path: Path):
    log = tmp_path / "log"
    parent = os.fork()
    if parent == 0:
        LocalProcess([sys.executable, "-c", "import time; print('on', flush=True); time.sleep(300)"], log, {})
        time.sleep(300)
    until(lambda: log.exists() and last_line(log) == "on")
    (trial,) = psutil.Process(parent).children()
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    until(lambda: not locked(log))
    assert not trial.is_running() or trial.status() == psutil.STATUS_ZOMBIE


def test_a_run_without_a_checkpoint_begins_again(tmp_path: Path):
    run = tmp_path / "trials/000"
    run.mkdir(parents=True)
    (run / "metrics.jsonl").write_text("half")
    launch = Launch(["echo", "begun"], run, tmp_path / "log", {})
    launch.start().wait()
    assert not run.exists() and last_line(tmp_path / "log") == f"begun --run {run}"
    run.mkdir()
    (run / "checkpoint-8.pt").touch()
    (run / "metrics.jsonl").write_text("half")
    launch.start().wait()
    assert (run / "metrics.jsonl").exists() and last_line(tmp_path / "log") == f"begun --resume {run}"


@pytest.mark.parametrize(
    ("log", "line"),
    [
        ("\n$ run\nerror: one\nmore\n", "error: one"),
        ("\n$ run\nTraceback\n  File\nValueError: x\n\n", "ValueError: x"),
        ("\n$ run\nerror: old\n\n$ run again\nnew\n", "new"),
        ("\n$ run\nerror: old\n\n$ run again\n", "it printed nothing"),
    ],
)
def test_last_line(tmp_path: Path, log, line):
    (tmp_path / "log").write_text(log)
    assert last_line(tmp_path / "log") == line
