"""Several ranks are one: the same steps, the same records, one run directory; and none of them dies unnoticed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch

from agents.a2c import main
from cpc_rl.runs import read_metrics

ROOT = Path(__file__).parents[2]
TINY = """
env: {name: seekavoid_arena_01, num_envs: 4, height: 24, width: 32}
a2c: {unroll: 20}
network: {features: 16, hidden: 16}
cpc: {steps: 5, anchors: 6, num_negatives: 16}
run: {threads: 1, device: cpu, log_updates: 5, checkpoint_minutes: 0.0001}
"""
UPDATE = 20 * 4 * 4  # frames
# One rank and two round differently, so that now and then a ReLU near 0 opens in one of them alone. Adam divides even
# such a small gradient by its own size and the weights part; with a large epsilon what was small stays small.
STEADY = ("--optimiser.epsilon", "0.01")
WHOLE = ("--aux", "cpc,curl,spr", "--reduction", "mean", *STEADY, "--frames", str(40 * UPDATE))


def start(ranks: int, *flags: str, restarts: int = 0) -> subprocess.Popen[str]:
    launcher = ["torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}", f"--max-restarts={restarts}"]
    launcher += ["-m", "--"]  # without the dashes torchrun takes --run for an abbreviation of its own --run-path
    command = [sys.executable, "-m", *(launcher if ranks > 1 else []), "agents.a2c", *flags]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(process: subprocess.Popen[str], code: int = 0) -> str:
    out, _ = process.communicate(timeout=240)
    assert process.returncode == code, out
    return out


def newest(run: Path) -> Path:
    return max(run.glob("checkpoint-*.pt"), key=lambda p: int(p.stem.split("-")[1]))


def wait_for(run: Path, frames: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and process.poll() is None:
        if any(int(p.stem.split("-")[1]) >= frames for p in run.glob("checkpoint-*.pt")):
            return
        time.sleep(0.02)
    process.kill()
    raise AssertionError(process.communicate()[0])


def rank_processes(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return [p for p in psutil.Process(process.pid).children(recursive=True) if "agents.a2c" in " ".join(p.cmdline())]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "tiny.yaml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="module")
def whole(config: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run of two ranks that nobody disturbed, and what it said."""
    run = tmp_path_factory.mktemp("whole") / "run"
    return run, finish(start(2, "--config", str(config), *WHOLE, "--run", str(run)))


def check_one_is_two(flags: list[str], one: Path, two: tuple[Path, str], capfd: pytest.CaptureFixture[str]) -> None:
    """The run of one rank with `flags` into `one` has the weights and the records of `two`, as near as floats are."""
    assert main([*flags, "--run", str(one)]) == 0
    for out in (capfd.readouterr().out, two[1]):
        assert out.count("is played by") == out.count("done:") == 1  # one rank speaks for all
    runs = [one, two[0]]
    first, second = (torch.load(newest(run), weights_only=True) for run in runs)
    assert f"--frames {first['frames']}" in " ".join(flags) and first["frames"] == second["frames"]
    for name, weight in first["network"].items():
        torch.testing.assert_close(second["network"][name], weight, rtol=1e-4, atol=2e-6)
    assert torch.equal(first["generator"], second["generator"]) and len(second["ranks"]) == 2
    for a, b in zip(*(read_metrics(run / "metrics.jsonl") for run in runs), strict=True):
        skip = ("seconds", "frames_per_second", "memory_mb")
        assert a.keys() == b.keys()
        for key in a.keys() - set(skip):
            assert b[key] == pytest.approx(a[key], rel=2e-3, abs=2e-4), key


def test_two_ranks_of_two_are_one_rank_of_four(
    config: Path, whole: tuple[Path, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    check_one_is_two(["--config", str(config), *WHOLE], tmp_path / "one", whole, capfd)


def test_sums_over_two_ranks_are_those_of_one(config: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    flags = ["--config", str(config), "--aux", "none", "--reduction", "sum", *STEADY, "--frames", str(20 * UPDATE)]
    two = tmp_path / "two"
    check_one_is_two(flags, tmp_path / "one", (two, finish(start(2, *flags, "--run", str(two)))), capfd)


def test_a_run_of_two_ranks_stops_and_goes_on(
    config: Path, whole: tuple[Path, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    undisturbed, stopped = whole[0], tmp_path / "stopped"
    process = start(2, "--config", str(config), *WHOLE, "--run", str(stopped))
    wait_for(stopped, UPDATE, process)
    os.kill(rank_processes(process)[1].pid, signal.SIGTERM)  # one rank is told, both stop after the same update
    out, _ = process.communicate(timeout=100)
    assert f"--resume {stopped}" in out and newest(stopped).name != newest(undisturbed).name
    finish(start(2, "--resume", str(stopped)))
    one, two = (torch.load(newest(run), weights_only=True) for run in (undisturbed, stopped))
    assert all(torch.equal(one["network"][name], two["network"][name]) for name in one["network"])
    lines = [read_metrics(run / "metrics.jsonl")[-1] for run in (undisturbed, stopped)]
    assert lines[0]["frames"] == lines[1]["frames"] and lines[0]["loss/total"] == lines[1]["loss/total"]
    assert main(["--resume", str(stopped)]) == 2
    assert "cannot resume with 1 ranks: the run has 2" in capfd.readouterr().err


def test_a_dead_rank_ends_the_run_with_a_message(config: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = start(2, "--config", str(config), "--frames", "100000000", "--run", str(run))
    wait_for(run, UPDATE, process)
    rank_processes(process)[1].kill()
    out, _ = process.communicate(timeout=100)
    assert process.returncode != 0
    assert "of 2 lost another rank" in out or "-9" in out
    torch.load(newest(run), weights_only=True)  # and what was there is whole


def test_torchrun_restarts_from_the_last_checkpoint(config: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    frames = 60 * UPDATE
    process = start(2, "--config", str(config), "--frames", str(frames), "--run", str(run), restarts=1)
    wait_for(run, UPDATE, process)
    rank_processes(process)[1].kill()
    out = finish(process)
    assert "resuming at" in out
    assert torch.load(newest(run), weights_only=True)["frames"] == frames
    counts = [row["frames"] for row in read_metrics(run / "metrics.jsonl")]
    assert counts == sorted(set(counts)) and counts[-1] == frames  # no line twice


def test_environments_that_cannot_be_shared_are_refused(config: Path, tmp_path: Path) -> None:
    out = finish(start(2, "--config", str(config), "--num-envs", "3", "--run", str(tmp_path / "run")), code=1)
    assert "num_envs is 3; it must be a multiple of 2" in out
    assert out.count("error: num_envs is 3") == 1 and not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        (["--seed", "2"], "error: ranks differ: run.seed is 1 on rank 0 and 2 on rank 1"),
        (["--unrol", "3"], "error: rank 1: unknown flag --unrol; did you mean --unroll?"),
    ],
)
def test_ranks_that_disagree_end_with_one_line(flag: list[str], words: str, config: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "agents.a2c", "--config", str(config), "--run", str(tmp_path / "run")]
    processes = []
    for rank, more in enumerate(([], flag)):
        who = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
        environment = {**os.environ, **who, "MASTER_ADDR": "localhost", "MASTER_PORT": port}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        processes.append(subprocess.Popen([*command, *more], cwd=ROOT, env=environment, text=True, **pipes))
    errors = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [2, 2], errors
    assert words in errors[0] and "error" not in errors[1] and not (tmp_path / "run").exists()
