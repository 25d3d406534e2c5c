import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import rich.console

from cpc_rl import watch
from cpc_rl.compare.reading import find, read_run
from cpc_rl.runs.sweep_directory import SweepDirectory
from tests.cpc_rl.made_runs import run_set, write_run

REFRESH = re.compile(r'<meta http-equiv="refresh" content="(\d+)">')


def go_on(run: Path, frames: int, value: float | None = 3.0) -> None:
    """Write another line, as the run would."""
    row = {"frames": frames, "episodes": 0 if value is None else 2, "episode_return": value, "frames_per_second": 50.0}
    with (run / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")


def between(monkeypatch: pytest.MonkeyPatch, *events: Callable[[], object]) -> list[float]:
    """Let `events` happen, one each time watching sleeps; gives the seconds it would have slept."""
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        events[len(slept) - 1]()

    monkeypatch.setattr(time, "sleep", sleep)
    return slept


def test_watching_goes_on_until_all_runs_are_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, page = write_run(tmp_path / "run", planned=1200), tmp_path / "out" / "report.html"
    refreshed: list[str] = []

    def first() -> None:
        refreshed.extend(REFRESH.findall(page.read_text()))
        go_on(run, 1100)

    slept = between(monkeypatch, first, lambda: go_on(run, 1200))
    assert watch.main([str(run), "--every", "7", "--out", str(page.parent)]) == 0
    assert (slept, refreshed) == ([7, 7], ["7"])
    assert not REFRESH.search(page.read_text())  # nothing more will come
    printed = capsys.readouterr().out
    assert (
        "1,000 frames; 1 going" in printed and "1,100 frames; 1 going" in printed and "1,200 frames; 1 done" in printed
    )
    assert "maze: final return cpc" in printed and printed.startswith(f"report: {page}")


def test_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    slept = between(monkeypatch)
    run = write_run(tmp_path / "run", planned=2000)
    assert watch.main([str(run), "--once", "--out", str(tmp_path / "out")]) == 0
    assert not slept and not REFRESH.search((tmp_path / "out" / "report.html").read_text())
    (row,) = (
        line for line in capsys.readouterr().out.splitlines() if "│ maze" in line and "│ cpc" in line and "50%" in line
    )
    assert row.replace("│", " ").split()[1:] == [
        "maze",
        "cpc",
        "1",
        "1",
        "k",
        "50%",
        "100",
        "0",
        "min",
        "1.00",
        "going",
    ]


def test_the_report_comes_with_the_first_episode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = write_run(tmp_path / "run", returns=[], planned=1200), tmp_path / "out"
    there: list[bool] = []
    between(
        monkeypatch,
        lambda: (there.append(out.exists()), go_on(run, 600)),
        lambda: (there.append((out / "report.html").exists()), go_on(run, 1200)),
    )
    assert watch.main([str(run), "--out", str(out)]) == 0
    assert there == [False, True]


def test_the_first_frames_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = write_run(tmp_path / "run", returns=[1.0, 2.0, 9.0, 9.0], planned=2000), tmp_path / "out"
    flags = ["--once", "--out", str(out)]
    assert watch.main([str(run), *flags, "--frames", "500"]) == 0
    assert "final return cpc 2.00" in capsys.readouterr().out
    there: list[bool] = []
    between(monkeypatch, lambda: (there.append(out.exists()), go_on(run, 2000)))
    out = tmp_path / "early"
    assert watch.main([str(run), "--out", str(out), "--frames", "100"]) == 1  # it ends without a line that early
    assert there == [False]


def test_the_page_is_left_alone_while_nothing_new_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, page = write_run(tmp_path / "run", planned=1200), tmp_path / "out" / "report.html"
    written: list[int] = []
    between(
        monkeypatch,
        lambda: written.append(page.stat().st_mtime_ns),
        lambda: (written.append(page.stat().st_mtime_ns), go_on(run, 1100)),
        lambda: (written.append(page.stat().st_mtime_ns), go_on(run, 1200)),
    )
    assert watch.main([str(run), "--out", str(page.parent)]) == 0
    assert written[0] == written[1] < written[2] < page.stat().st_mtime_ns


def test_a_sweep_goes_on_while_trials_wait_and_ends_with_failed_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "sweep"
    sweep = SweepDirectory.make(place, {}, b"", 1, [])
    sweep.add([{"aux": "cpc"}] * 2, keeps_runs=True)
    write_run(place / "trials/000")
    sweep.trials[0].status = "done"
    sweep.save()

    def fails() -> None:
        write_run(place / "trials/001", seed=2, planned=5000)
        sweep.trials[1].status, sweep.trials[1].error = "failed", "error: gone"
        sweep.save()

    slept = between(monkeypatch, fails)
    assert watch.main([str(place), "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert len(slept) == 1 and "1 done, 1 waiting" in printed and "1 done, 1 failed" in printed
    assert "failed at 1 k frames (error: gone); left out" in printed


def test_an_interrupt_is_a_way_to_leave(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", planned=2000)
    command = [sys.executable, "-m", "cpc_rl.watch", str(run), "--out", str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            while not (tmp_path / "out" / "report.html").exists() and process.poll() is None:
                time.sleep(0.1)
            process.send_signal(signal.SIGINT)
            out, error = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, error) == (130, "")
    assert "no longer watching; the runs go on" in out


def test_a_run_without_new_lines_is_silent(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", planned=2000)
    os.utime(run / "config.yaml", (0, 1000))
    os.utime(run / "metrics.jsonl", (0, 5000))
    made = read_run(run)
    assert watch.standing(made, 5000 + watch.SILENT - 1) == "going"
    assert watch.standing(made, 5000 + watch.SILENT) == "silent for 5 min"
    assert watch.standing(made, 5000 + 2 * 3600 + 120) == "silent for 2 h 02 min"
    (tmp_path / "run" / "metrics.jsonl").unlink()  # the first line is still to come
    assert watch.standing(read_run(run), 1000 + 60) == "going"
    assert watch.standing(read_run(write_run(tmp_path / "done")), 1e12) == "done"


def test_names_are_no_markup(tmp_path: Path) -> None:
    console = rich.console.Console(width=200, record=True, file=io.StringIO())
    given = run_set(write_run(tmp_path / "[red]run", env="[bold]maze"))
    console.print(watch.table(given, time.time()))
    text = console.export_text()
    assert "[red]run" in text and "[bold]maze" in text


@pytest.mark.parametrize(
    ("flags", "says"),
    [([], "give one run directory or more"), (["nowhere"], "no such run"), (["--every", "0"], "--every 0")],
)
def test_refusals(flags: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert watch.main(flags) == 2
    assert says in capsys.readouterr().err


def test_all_runs_over_and_no_curve(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", returns=[], frames=1000)
    go_on(run, 1000, None)
    assert not watch.going(find([run]))
    assert watch.main([str(run), "--out", str(tmp_path / "out")]) == 1
    assert "no episode has ended yet" in capsys.readouterr().err
