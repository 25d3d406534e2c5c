"""Ctrl-C while a program starts: one line and exit code 130."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WORDS = {"module": ["-m", "agents.a2c"], "text": ["-m", "cpc_repr.text"], "evaluate": ["-m", "cpc_rl.evaluate"]}
WORDS["command"] = ["-c", "import sys; from agents.cli import main; sys.exit(main(['train']))"]


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("how", WORDS)
def test_an_interrupt_among_the_imports_is_one_line(how: str) -> None:
    process = subprocess.Popen([sys.executable, *WORDS[how]], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    maps = Path(f"/proc/{process.pid}/maps")
    while "libtorch" not in maps.read_text():  # in the middle of the longest import
        assert process.poll() is None
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (130, "error: interrupted\n")


def test_the_library_leaves_the_users_handler_alone() -> None:
    code = "import signal, cpc_rl, agents; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True).stdout == "True\n"


def test_a_program_is_interrupted_as_ever_between_its_start_and_its_end() -> None:
    code = (
        "import signal; from cpc_rl import interrupts; from configs import guarded; interrupts.be_brief()\n"
        "def program(): signal.raise_signal(signal.SIGINT)\n"
        "code = guarded(program, debug=False)\n"
        "assert code == 130 and signal.getsignal(signal.SIGINT) is interrupts.leave_at_once\n"
        "signal.raise_signal(signal.SIGINT)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "error: interrupted\n" * 2)
