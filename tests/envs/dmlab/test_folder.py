from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from envs import locks
from envs.dmlab.folder import PREFIX, RunFolder, sweep
from tests.envs.processes import ROOT, eventually


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def test_it_goes_when_it_is_removed_and_its_janitor_with_it(temporary):
    folder = RunFolder()
    (folder.path / "12").mkdir()
    janitor = folder._janitor
    assert eventually(lambda: {signal.SIGINT, signal.SIGTERM, signal.SIGHUP} <= ignored(janitor.pid))
    assert os.getsid(janitor.pid) == janitor.pid  # the terminal's signals are not for it
    folder.remove()
    folder.remove()
    assert os.listdir(temporary) == [] and janitor.poll() == 0


def ignored(pid):
    """Signals that a process ignores."""
    (mask,) = (line.split()[1] for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "SigIgn" in line)
    return {number for number in signal.Signals if int(mask, 16) >> (number - 1) & 1}


def test_a_folder_in_use_is_not_swept_and_a_forgotten_one_is(temporary):
    mine = RunFolder()
    (temporary / f"{PREFIX}forgotten" / "12").mkdir(parents=True)
    (temporary / "something else").mkdir()
    (temporary / "target").mkdir()
    (temporary / f"{PREFIX}link").symlink_to(temporary / "target")
    other = RunFolder()
    assert {p.name for p in temporary.iterdir()} == {
        mine.path.name,
        other.path.name,
        "something else",
        "target",
        f"{PREFIX}link",
    }
    mine.remove()
    other.remove()


def test_a_folder_that_was_swept_before_it_was_locked_is_replaced(temporary, monkeypatch):
    take, swept = locks.take, []

    def slow(handle, wait=False):
        if wait and not swept:
            swept.append(handle)
            sweep()  # another run
        return take(handle, wait)

    monkeypatch.setattr(locks, "take", slow)
    folder = RunFolder()
    assert swept and [folder.path] == list(temporary.iterdir())
    folder.remove()


@pytest.mark.parametrize("janitor", [True, False])
def test_it_goes_after_a_kill(temporary, janitor):
    """By the janitor's hand; or, should that be killed too, by the next run's."""
    kill = "" if janitor else "folder._janitor.kill(); folder._janitor.wait();"
    code = (
        "import os, sys, tempfile; tempfile.tempdir = sys.argv[1]; from envs.dmlab.folder import RunFolder;"
        f"folder = RunFolder(); (folder.path / '99999999').mkdir(); {kill} os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(temporary)], cwd=ROOT, check=False)
    if not janitor:
        assert len(os.listdir(temporary)) == 1
        RunFolder().remove()
    assert eventually(lambda: os.listdir(temporary) == [])
