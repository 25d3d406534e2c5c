"""Threads that wait for one another sleep soon, in programs of ours alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cpc_rl.openmp import LOOKS

ROOT = Path(__file__).parents[2]
MAIN = "import sys; from agents.cli import main; main(['random', '--help'])"


def spins(*words: str, **changed: str) -> int:
    """How often OpenMP looks whether the others are done before it sleeps, as it tells when PyTorch loads it."""
    plain = {key: value for key, value in os.environ.items() if not key.startswith(("OMP_", "GOMP_"))}
    env = {**plain, "PYTHONPATH": str(ROOT), "OMP_DISPLAY_ENV": "verbose", **changed}
    done = subprocess.run([sys.executable, *words], env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    (line,) = {line for line in done.stderr.splitlines() if "GOMP_SPINCOUNT" in line}
    return int(line.split("'")[1])


@pytest.mark.skipif("linux" not in sys.platform, reason="PyTorch brings other OpenMP libraries, or none")
@pytest.mark.parametrize("module", ["agents.a2c", "cpc_rl.evaluate", "cpc_repr.text"])
def test_programs_sleep_soon(module: str) -> None:
    assert spins("-m", module, "--help") == int(LOOKS)


@pytest.mark.skipif("linux" not in sys.platform, reason="PyTorch brings other OpenMP libraries, or none")
def test_the_command_sleeps_soon_a_user_may_choose_and_the_library_chooses_nothing() -> None:
    assert spins("-c", MAIN) == int(LOOKS)
    assert spins("-m", "agents.a2c", "--help", OMP_WAIT_POLICY="active") > 10 * int(LOOKS)
    assert spins("-m", "agents.a2c", "--help", OMP_WAIT_POLICY="passive") == 0
    assert spins("-m", "agents.a2c", "--help", GOMP_SPINCOUNT="17") == 17
    assert spins("-c", "import cpc_rl.infonce") > 10 * int(LOOKS)
