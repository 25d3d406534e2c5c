"""What envpool's engines do to the process and to the folder that they were started from."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch

from tests.envs.envpool.raw import make


def engines():
    return [p for p in psutil.Process().children() if p.status() != psutil.STATUS_ZOMBIE and "vizdoom" in p.name()]


def test_nothing_is_left_behind(tmp_path, monkeypatch):
    home, temporary = tmp_path / "home", tmp_path / "temporary"
    home.mkdir()
    temporary.mkdir()
    monkeypatch.chdir(home)
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    env = make("Basic-v1", num_envs=2)
    assert not engines(), "started before reset"
    env.reset()
    assert len(engines()) == 2 and Path.cwd() == home
    for _ in range(80):  # over the end of an episode, where the engine looks for its folder again
        env.step(torch.zeros(2, dtype=torch.int64))
    assert not list(home.iterdir()) and list(temporary.iterdir())
    env.close()
    env.close()
    assert not engines() and not list(home.iterdir()) and not list(temporary.iterdir())


@pytest.mark.parametrize("name", ["Basic-v1", "Pong-v5"])
def test_closing_what_never_began(name):
    env = make(name)
    env.close()
    env.close()


SCRIPT = """
import signal, sys, time, torch
from tests.envs.envpool.raw import make
seen = []
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, frame: seen.append(number))
env = make("Basic-v1", num_envs=1)
env.reset()
print("playing", flush=True)
while len(seen) < 2:
    env.step(torch.zeros(1, dtype=torch.int64))
for _ in range(100):
    env.step(torch.zeros(1, dtype=torch.int64))
    time.sleep(0.002)
env.close()
print("closed", seen == [signal.SIGINT, signal.SIGTERM], flush=True)
"""


def test_ctrl_c_reaches_the_program_and_not_its_engines(tmp_path):
    """An engine that dies of it would take the program with it (std::terminate), checkpoint and all."""
    root = Path(__file__).parents[3]
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None and process.stdout.readline() == "playing\n"
        for number in (signal.SIGINT, signal.SIGTERM):  # to the whole group, as a terminal does
            os.killpg(process.pid, number)
            time.sleep(0.2)
        assert process.communicate(timeout=60)[0] == "closed True\n"
        assert process.returncode == 0 and not list(tmp_path.iterdir())
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
