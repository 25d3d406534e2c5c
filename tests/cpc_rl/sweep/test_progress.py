"""What is shown of a sweep."""

from __future__ import annotations

import io
import json
from pathlib import Path

import rich.console

from cpc_rl.runs.sweep_directory import State, SweepDirectory, Trial
from cpc_rl.sweep.progress import Progress, View, progress_of


def sweep(path: Path) -> SweepDirectory:
    statuses = ["done", "running", "running", "failed", "waiting"]
    trials = [
        Trial(
            index=i,
            parameters={"aux": "cpc", "optimiser.learning-rate": 0.00123456 * (i + 1)},
            run=f"trials/{i:03d}",
            log=f"logs/{i:03d}.log",
        )
        for i in range(5)
    ]
    for trial, status in zip(trials, statuses, strict=True):
        trial.status = status
    trials[3].error = "no such level [/]"
    for i, rows in enumerate([[(100, 7.5)], [(20, None), (40, 2.25), (50, None)]]):
        run = path / f"trials/{i:03d}"
        run.mkdir(parents=True)
        (run / "config.yaml").write_text("run: {frames: 100}")
        lines = [json.dumps({"frames": f, "frames_per_second": 5.0, "episode_return": r}) for f, r in rows]
        (run / "metrics.jsonl").write_text("\n".join(lines) + '\n{"frames": 6')
    return SweepDirectory(path, State(seed=1, cross=[], trials=trials))


def view(path: Path, terminal: bool, **keys) -> tuple[View, io.StringIO]:
    text, directory = io.StringIO(), sweep(path)
    console = rich.console.Console(file=text, force_terminal=terminal, width=160, height=40, highlight=False)
    return View(directory, directory.trials, "episode_return", ["optimiser.learning-rate"], console, **keys), text


def test_progress_is_read_from_the_end_of_the_metrics(tmp_path: Path):
    sweep(tmp_path)
    assert progress_of(tmp_path / "trials/001", "episode_return") == Progress(50, 100, 5.0, 2.25)
    assert progress_of(tmp_path / "trials/001", "loss").value is None
    assert progress_of(tmp_path / "trials/002", "loss") is None
    assert Progress(50, 100, 5.0, None).left == 10 and Progress(120, 100, 5.0, None).left == 0
    assert Progress(0, 100, 0.0, None).left is None
    long = tmp_path / "trials/000/metrics.jsonl"
    long.write_text("".join(json.dumps({"frames": i, "loss": 1.0 / (i + 1)}) + "\n" for i in range(9999)))
    assert progress_of(tmp_path / "trials/000", "loss") == Progress(9998, 100, 0.0, 1.0 / 9999)


def test_the_table(tmp_path: Path):
    shown, text = view(tmp_path, terminal=True)
    with shown:
        shown.refresh()
        shown.event(shown._shown[0])
        shown.event(shown._shown[3])
    plain = text.getvalue()
    assert "50 (50%)" in plain and "0:00:10" in plain and "2.25" in plain and "100 (100%)" in plain
    assert "no such level [/]" in plain and "learning-rate 0.00247" in plain
    assert "1 of 5 done, 1 failed, 2 running, 1 waiting" in plain
    assert "trial 003 failed" in plain and "trial 000 done" not in plain and "[green]" not in plain


def test_a_small_terminal_shows_what_is_at_work(tmp_path: Path):
    shown, _ = view(tmp_path, terminal=True)
    shown.console.height = 11
    console = rich.console.Console(file=io.StringIO(), width=160)
    console.print(shown.table())
    text = console.file.getvalue()
    assert "running" in text and "no such level" in text and "learning-rate 0.00617" not in text
    assert len(shown.table(whole=True).rows) == 5 and len(shown.table().rows) == 3


def test_plain_lines_where_there_is_no_terminal(tmp_path: Path):
    now = [0.0]
    shown, text = view(tmp_path, terminal=False, every=30.0, clock=lambda: now[0])
    with shown:
        for second in (10, 29, 31, 40, 62):
            now[0] = second
            shown.refresh()
        shown.event(shown._shown[3])
    lines = [line.strip() for line in text.getvalue().splitlines()]
    assert lines == [
        "trial 001: 50 (50%) frames · 5/s · episode_return 2.25 · 0:00:10 left",
        "trial 002: starting",
    ] * 2 + ["trial 003 failed (learning-rate 0.00494): no such level [/]  1 of 5 done, 1 failed, 2 running, 1 waiting"]


def test_lines_and_settings_that_make_no_sense_are_passed_over(tmp_path: Path):
    sweep(tmp_path)
    run = tmp_path / "trials/001"
    bad = ["null", "[1, 2]", '{"frames": "x"}', '{"frames": 1' + "0" * 5000 + "}", '{"episode_return": true}']
    with (run / "metrics.jsonl").open("a") as file:
        file.write("\n".join(["", *bad]))
    (run / "config.yaml").write_text("run: {frames: many}")
    assert progress_of(run, "episode_return") == Progress(50, 0, 5.0, 2.25)
    assert Progress(0, 10**15, 1e-9, None).left == 1e9
