"""A run that is killed and continued is the run that was never killed, bit for bit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from agents.a2c import main

ROOT = Path(__file__).parents[2]
TINY = """
env: {name: rooms_watermaze, num_envs: 3, height: 24, width: 32}
a2c: {unroll: 20, bootstrap_truncation: false}
network: {features: 16, hidden: 16}
cpc: {steps: 5, anchors: 6, num_negatives: 16}
run: {threads: 1, device: cpu, log_updates: 5, checkpoint_minutes: 0.0001}
aux: cpc
"""
FRAMES = 24_000  # 100 updates; each environment passes no episode end in its 2,000 steps but the one at 1,800


def start(*flags: str, **options) -> subprocess.Popen:
    command = [sys.executable, "-m", "agents.a2c", *flags]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)


def finish(process: subprocess.Popen) -> str:
    out, _ = process.communicate(timeout=240)
    assert process.returncode == 0, out
    return out


def newest(run: Path) -> Path | None:
    found = sorted(run.glob("checkpoint-*.pt"), key=lambda p: int(p.stem.split("-")[1]))
    return found[-1] if found else None


def wait_for_checkpoint(process: subprocess.Popen, run: Path, frames: int) -> None:
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and process.poll() is None:
        path = newest(run)
        if path is not None and int(path.stem.split("-")[1]) >= frames:
            return
        time.sleep(0.01)
    process.kill()
    raise AssertionError(f"no checkpoint of {frames} frames: {process.communicate()[0]}")


def equal(a, b) -> bool:
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b, strict=True))
    return a == b


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> tuple[Path, Path]:
    """The configuration file and a run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("runs")
    config = folder / "tiny.yaml"
    config.write_text(TINY)
    assert main(["--config", str(config), "--frames", str(FRAMES), "--run", str(folder / "whole")]) == 0
    return config, folder / "whole"


def same(a: Path, b: Path) -> None:
    assert newest(a).name == newest(b).name
    one, other = (torch.load(newest(p), weights_only=True) for p in (a, b))
    for state in (one, other):
        del state["logger"]  # it holds the seconds
    for key in one:
        assert equal(one[key], other[key]), key


def test_kill_nine(tiny, tmp_path):
    config, whole = tiny
    run = tmp_path / "killed"
    process = start("--config", str(config), "--frames", str(FRAMES), "--run", str(run))
    wait_for_checkpoint(process, run, FRAMES // 2)
    process.kill()
    process.wait()
    assert newest(run).name != newest(whole).name  # it did die on the way
    finish(start("--resume", str(run)))
    same(run, whole)
    frames = [line.split(",")[0] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert frames == [line.split(",")[0] for line in (whole / "metrics.jsonl").read_text().splitlines()]


def test_interrupt_saves_and_tells_how_to_go_on(tiny, tmp_path):
    config, whole = tiny
    run = tmp_path / "stopped"
    process = start("--config", str(config), "--frames", str(FRAMES), "--run", str(run))
    wait_for_checkpoint(process, run, 1)
    os.kill(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=100)
    assert process.returncode == 130
    assert f"--resume {run}" in out
    assert main(["--resume", str(run)]) == 0
    same(run, whole)


def test_damaged_newest_checkpoint_falls_back(tiny, tmp_path, capfd):
    config, whole = tiny
    run = tmp_path / "damaged"
    process = start("--config", str(config), "--frames", str(FRAMES), "--run", str(run))
    wait_for_checkpoint(process, run, FRAMES // 3)
    process.kill()
    process.wait()
    damaged = newest(run)
    damaged.write_bytes(damaged.read_bytes()[:1000])
    assert main(["--resume", str(run)]) == 0
    assert f"{damaged.name} is damaged" in "".join(capfd.readouterr())
    same(run, whole)


def test_another_configuration_is_refused(tiny, capfd):
    _, whole = tiny
    assert main(["--resume", str(whole), "--cpc.steps", "7"]) == 2
    out = capfd.readouterr().err
    assert "cpc.steps" in out and "7" in out and "5" in out
    assert "Traceback" not in out
