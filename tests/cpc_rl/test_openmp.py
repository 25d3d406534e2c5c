"""Threads sleep while they wait for one another, in programs of ours alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAIN = "import sys; from agents.cli import main; main(['random', '--help'])"


def spins(*words: str, **changed: str) -> int:
    """How often OpenMP looks whether the others are done before it sleeps, as it tells when PyTorch loads it."""
    plain = {key: value for key, value in os.environ.items() if not key.startswith("OMP_")}
    env = {**plain, "PYTHONPATH": str(ROOT), "OMP_DISPLAY_ENV": "verbose", **changed}
    done = subprocess.run([sys.executable, *words], env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    (line,) = {line for line in done.stderr.splitlines() if "GOMP_SPINCOUNT" in line}
    return int(line.split("'")[1])


@pytest.mark.skipif("linux" not in sys.platform, reason="PyTorch brings other OpenMP libraries, or none")
@pytest.mark.parametrize("module", ["agents.a2c", "cpc_rl.evaluate", "cpc_repr.text"])
def test_programs_sleep(module: str) -> None:
    assert spins("-m", module, "--help") == 0


@pytest.mark.skipif("linux" not in sys.platform, reason="PyTorch brings other OpenMP libraries, or none")
def test_the_command_sleeps_a_user_may_choose_and_the_library_chooses_nothing() -> None:
    assert spins("-c", MAIN) == 0
    assert spins("-m", "agents.a2c", "--help", OMP_WAIT_POLICY="active") > 0
    assert spins("-c", "import cpc_rl.infonce") > 0
