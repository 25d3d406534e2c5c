"""What `python -m cpc_repr.FAMILY` must do whatever the family."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest
import torch

from tests.kills import killed_runs

ROOT = Path(__file__).parents[2]
Main = Callable[[list[str]], int]


TWO = ("torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "--")  # the dashes: --run is not theirs


def start(family: str, *flags: str | Path, launcher: Sequence[str] = ()) -> subprocess.Popen:
    """The command in a process of its own, or in several with the `launcher` TWO."""
    command = [sys.executable, "-m", *launcher, f"cpc_repr.{family}", *map(str, flags)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finish(process: subprocess.Popen, code: int = 0) -> str:
    """What it printed, once it has ended with `code`."""
    out, _ = process.communicate(timeout=240)
    assert process.returncode == code, out
    return out


def newest(run: Path) -> dict:
    path = max(run.glob("checkpoint-*.pt"), key=lambda p: int(p.stem.split("-")[1]))
    return torch.load(path, weights_only=True)


def results(run: Path) -> dict:
    return json.loads((run / "report/results.json").read_text())["results"]


def check_nothing_is_computed_anew(main: Main, finished: Path, capsys: pytest.CaptureFixture[str], word: str) -> None:
    """Resuming a finished run prints its table, with `word` in it, and changes no file."""
    before = {p: p.stat().st_mtime_ns for p in finished.rglob("*") if p.suffix in (".pt", ".json", ".jsonl")}
    assert main(["--resume", str(finished)]) == 0
    assert {p: p.stat().st_mtime_ns for p in before} == before
    out = capsys.readouterr().out
    assert word in out and "done:" in out


def check_a_stopped_run_goes_on(
    family: str,
    main: Main,
    flags: Sequence[str],
    finished: Path,
    run: Path,
    parts: Sequence[str] = ("module",),
    by: signal.Signals = signal.SIGTERM,
) -> None:
    """A signal after the first checkpoint, then --resume: weights and results are those of `finished`, bit for bit."""
    process = start(family, *flags, "--run", run)
    while not list(run.glob("checkpoint-*.pt")) and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(by)
    said = finish(process, code=130 if by == signal.SIGTERM else -by)
    assert by != signal.SIGTERM or f"--resume {run}" in said
    assert main(["--resume", str(run)]) == 0
    one, two = newest(finished), newest(run)
    assert one["updates"] == two["updates"] == 8
    for part in parts:
        assert one[part].keys() == two[part].keys() != set()
        for name, value in one[part].items():
            assert torch.equal(value, two[part][name]), name
    found = [results(r) for r in (finished, run)]
    for each in found:
        each.pop("throughput", None)  # a timing
    assert found[0] == found[1]


def check_kills(family: str, flags: Sequence[str], finished: Path, folder: Path) -> None:
    """Killed with signal 9 at 25 random moments and resumed each time, runs end as `finished` did, bit for bit."""
    for run in killed_runs(partial(start, family), flags, finished, folder):
        one, two = newest(finished)["module"], newest(run)["module"]
        assert one.keys() == two.keys() and all(torch.equal(value, two[name]) for name, value in one.items())
        each = [results(r) for r in (finished, run)]
        for result in each:
            result.pop("throughput", None)  # a timing
        assert each[0] == each[1]


def check_one_line(main: Main, flags: Sequence[str], words: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong `flags` end with exit code 2 and one line that has `words`."""
    assert main([*flags, *(["--run", str(run)] if "--resume" not in flags else [])]) == 2
    said = capsys.readouterr()
    assert words in said.err and len(said.err.strip().splitlines()) == 1
    assert not said.out and not run.exists()


def check_help(main: Main, words: Sequence[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    out = capsys.readouterr().out
    for word in ("--smoke", "--data", "--seeds", "--resume", "runs/NAME", *words):
        assert word in out


def check_the_mean_of_weights_is_used(main: Main, flags: Sequence[str], load: Callable, plain: Path, run: Path) -> None:
    """With an average the weights trained are those of `plain`, but their mean is what is evaluated and loaded."""
    assert main([*flags, "--optimiser.average", "0.9", "--run", str(run)]) == 0
    last, saved = newest(plain)["module"], newest(run)
    assert all(torch.equal(x, last[name]) for name, x in saved["module"].items())
    assert results(run)["per_offset"]["loss"] != results(plain)["per_offset"]["loss"]
    for name, x in load(run).model.named_parameters():
        assert torch.equal(x, saved["average"][f"model.{name}"]) and not torch.equal(x, last[f"model.{name}"]), name
