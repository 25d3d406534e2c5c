"""Windows as far as Linux can play it: what POSIX alone has is taken away, then programs run from beginning to end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Other people's packages look for the platform while they are imported; ours are imported behind the change.
PLAY = """
import asyncio, enum, fcntl, os, shutil, signal, subprocess, sys, types
import gymnasium, matplotlib.pyplot, multiprocessing.connection, numba, psutil, rich.console, scipy.stats, tempfile
import sklearn.linear_model, torch, torch.distributed, torch._dynamo, tyro, wandb
import envs.minilab.jit

def locking(handle, mode, size):
    assert os.lseek(handle, 0, os.SEEK_CUR) == 2**30  # a byte that nobody reads
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB, size, 0, os.SEEK_CUR)
    except OSError:
        raise PermissionError(13, "Permission denied") from None

sys.modules["msvcrt"] = types.SimpleNamespace(LK_NBLCK=2, locking=locking)
sys.modules["fcntl"] = sys.modules["resource"] = sys.modules["pwd"] = None
for name in ("SIGHUP", "SIGUSR1", "SIGUSR2"):
    delattr(signal, name)
signal.Signals = enum.IntEnum("Signals", {"SIGABRT": 6, "SIGINT": 2, "SIGTERM": 15})
del signal.pthread_sigmask, os.killpg, os.setpgid, os.fork
plain = os.open
def opened(path, flags, *more, **others):
    if os.path.isdir(path):
        raise PermissionError(13, "Permission denied", str(path))
    return plain(path, flags, *more, **others)
os.open, shutil._use_fd_functions = opened, False
sys.platform = "win32"
"""
TRAIN = "--env rooms_watermaze --num-envs 2 --unroll 5 --height 32 --width 32 --network.hidden 16 --aux cpc"


def play(folder: Path, program: str) -> str:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", PLAY + program], cwd=folder, env=env, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="Linux plays Windows")
def test_an_agent_trains_goes_on_and_is_evaluated(tmp_path: Path) -> None:
    said = play(
        tmp_path,
        f"""
from agents.a2c import main as train
from cpc_rl.evaluate import main as evaluate
assert train("{TRAIN} --cpc.steps 2 --run run --frames 400".split()) == 0
assert train(["--resume", "run", "--frames", "800"]) == 0
assert evaluate(["run", "--episodes", "1", "--no-greedy", "--max-steps", "20"]) == 0
""",
    )
    assert "800" in said


@pytest.mark.skipif(sys.platform != "linux", reason="Linux plays Windows")
def test_what_another_process_has_locked_cannot_be_taken(tmp_path: Path) -> None:
    import fcntl

    program = "from envs import locks\nwith open('lock', 'a+b') as file: print(locks.take(file.fileno()), file.tell())"
    assert play(tmp_path, program) == "True 0\n"
    with (tmp_path / "lock").open("a+b") as file:
        fcntl.lockf(file, fcntl.LOCK_EX, 1, 2**30)
        assert play(tmp_path, program) == "False 0\n"


@pytest.mark.skipif(sys.platform != "linux", reason="Linux plays Windows")
def test_text_is_learnt_from(tmp_path: Path) -> None:
    said = play(
        tmp_path,
        """
os.environ["XDG_CACHE_HOME"] = os.getcwd()
from cpc_repr.text.__main__ import main
assert main(["--smoke", "--run", "text"]) == 0
""",
    )
    assert "done: text" in said
