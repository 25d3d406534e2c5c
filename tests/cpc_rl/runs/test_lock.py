"""One process at a time writes a run directory, and a dead one leaves nothing behind that is in the way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from configs import UsageError
from cpc_rl.distributed import SINGLE
from cpc_rl.runs import RunConfig, RunDirectory, open_run
from cpc_rl.runs.lock import owned

HOLD = "import sys; from pathlib import Path; from cpc_rl.runs.lock import owned\n"
HOLD += "with owned(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"


def holder(path: Path) -> subprocess.Popen[str]:
    """Another process that has the lock of `path` now."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], text=True, **pipes)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_another_process_is_named_and_when_it_is_killed_the_run_is_free(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "run", RunConfig())
    before = (run.path / "config.yaml").read_text()
    process = holder(run.path)
    for options in ({"resume": run.path}, {"resume": run.path, "seed": 2}):
        with (
            pytest.raises(UsageError, match=f"process {process.pid} on .* writes {run.path} now"),
            open_run(RunConfig(**options), tmp_path / "fresh", RunConfig(**options), SINGLE),
        ):
            pass
    assert (run.path / "config.yaml").read_text() == before
    process.kill()
    process.wait()
    with open_run(RunConfig(resume=run.path), tmp_path / "fresh", RunConfig(), SINGLE) as opened:
        assert opened.path == run.path
    assert not (tmp_path / "fresh").exists()


def test_a_process_may_take_what_it_has_and_gives_it_back_once(tmp_path: Path) -> None:
    with owned(tmp_path):
        with owned(tmp_path / "."):
            pass
        probe = subprocess.run([sys.executable, "-c", HOLD, str(tmp_path)], capture_output=True, text=True, input="")
        assert probe.returncode != 0 and "UsageError" in probe.stderr
    probe = subprocess.run([sys.executable, "-c", HOLD, str(tmp_path)], capture_output=True, text=True, input="")
    assert probe.returncode == 0, probe.stderr


def test_a_new_run_is_held_from_its_making_on(tmp_path: Path) -> None:
    with open_run(RunConfig(run=tmp_path / "run"), tmp_path, RunConfig(), SINGLE) as run:
        probe = subprocess.run([sys.executable, "-c", HOLD, str(run.path)], capture_output=True, text=True, input="")
        assert "writes" in probe.stderr
    holder(run.path).kill()


def test_a_directory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot write run directory .*: No such file"), owned(tmp_path / "gone"):
        pass
