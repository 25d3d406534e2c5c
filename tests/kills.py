"""Killing a program again and again, and going on each time."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

Start = Callable[..., subprocess.Popen]


def killed_runs(start: Start, flags: Sequence[str], finished: Path, folder: Path, kills: int = 25) -> list[Path]:
    """Runs that were killed with signal 9 at random moments, `kills` times in all, and resumed until they were done.

    Args:
        start: Starts the program with these arguments.
        flags: Of a new run, without `--run`.
        finished: The same run, which nobody disturbed: its duration says when to kill.
        folder: Takes the runs.
        kills: How often to kill.
    """
    begun = time.monotonic()
    end(start("--resume", finished))
    startup = time.monotonic() - begun
    chance, runs = random.Random(0), []
    while kills > 0:
        runs.append(folder / f"run{len(runs)}")
        while True:
            there = (runs[-1] / "config.yaml").is_file()
            process = start("--resume", runs[-1]) if there else start(*flags, "--run", runs[-1])
            if kills <= 0:
                end(process)
                break
            try:
                process.wait(chance.uniform(0.3, 1.6) * startup)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                kills -= 1
                continue
            end(process)
            break
    return runs


def end(process: subprocess.Popen) -> None:
    out, _ = process.communicate(timeout=400)
    assert process.returncode == 0, out
