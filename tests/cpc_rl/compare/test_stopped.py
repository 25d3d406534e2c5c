"""Runs that ended early by their own evaluations: counted, up to where they stopped, and named."""

import json
from pathlib import Path

import pytest

from cpc_rl import watch
from cpc_rl.compare import phrases
from cpc_rl.compare.curves import read_curve
from cpc_rl.compare.summary import compare
from cpc_rl.compare.tables import summary_csv, tables
from tests.cpc_rl.made_runs import run_set, write_run

REASON = "the evaluated return is 9, --stop-at 9 is reached"


def stopped(path: Path, frames: int, seed: int = 1, reason: bool = True) -> Path:
    """A run of cpc that ended at so many of 1,000 frames."""
    write_run(path, "cpc", 8.0, seed=seed, frames=frames, planned=1000)
    if reason:
        (path / "stopped.json").write_text(json.dumps({"frames": frames, "reason": REASON}))
    return path


def test_a_stopped_run_counts_however_short_it_is_and_all_are_compared_up_to_there(tmp_path: Path) -> None:
    """Returns rise by 1 with each line of 100 frames: the last tenth of the first 300 frames has the third line's."""
    whole = write_run(tmp_path / "whole", "none", [float(i) for i in range(1, 11)])
    soon, later = stopped(tmp_path / "soon", 300, 1), stopped(tmp_path / "later", 600, 2)
    comparison = compare(run_set(whole, soon, later))
    panel = comparison.panels["maze"]
    assert [run.state for run in panel.arms["cpc"].runs] == ["stopped", "stopped"]
    assert len(panel.arms["cpc"].counted) == 2 and panel.frames == 300
    assert panel.arms["none"].finals.tolist() == [3.0]
    row = next(row for row in tables(comparison)[0].rows if row[2] == "cpc")
    assert row[3] == "2 seeds; 2 stopped at 300 to 600 frames"
    warnings = " ".join(phrases.notes(comparison))
    assert f"soon: stopped early at 300 of 1 k frames ({REASON})" in warnings and f"{later}" in warnings
    head, *lines = summary_csv(comparison).splitlines()
    column = head.split(",").index("stopped")
    assert [line.split(",")[column] for line in lines] == ["0", "2"]


def test_a_run_that_is_as_short_and_did_not_stop_is_left_out(tmp_path: Path) -> None:
    whole, short = write_run(tmp_path / "whole", "none", 3.0), stopped(tmp_path / "short", 300, reason=False)
    panel = compare(run_set(whole, short)).panels["maze"]
    assert panel.arms["cpc"].runs[0].state == "unfinished" and not panel.arms["cpc"].counted and panel.frames == 1000


def test_curves_that_share_no_frames_are_told_apart_from_short_ones(tmp_path: Path) -> None:
    whole, soon = write_run(tmp_path / "whole", "none", 3.0), stopped(tmp_path / "soon", 50)
    told = " ".join(phrases.notes(compare(run_set(whole, soon))))
    assert f"{whole}: left out, for the curves share no frames: its own is of 100 to 1 k" in told
    assert "share no frames: its own is of 5 to 50" in told and "before half" not in told


def test_nothing_waits_for_a_stopped_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [str(write_run(tmp_path / "whole", "none", 3.0)), str(stopped(tmp_path / "soon", 300))]
    assert watch.main([*runs, "--every", "1", "--out", str(tmp_path / "out")]) == 0  # it ends by itself
    assert "1 done, 1 stopped" in capsys.readouterr().out


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    path = stopped(tmp_path / "soon", 300)
    (path / "stopped.json").write_text("[]")
    run = run_set(path).runs[0]
    assert run.state == "failed" and "stopped.json is damaged" in run.error


def test_lines_of_evaluation_are_no_points_of_the_curve_and_take_none_from_it() -> None:
    rows = [{"frames": 100 * i, "episodes": 2, "episode_return": float(i)} for i in (1, 2)]
    mixed = [rows[0], {"frames": 100, "eval/return": 50.0}, rows[1], {"frames": 200, "eval/return": 60.0}]
    curve, broken = read_curve(mixed)
    assert curve.frames.tolist() == [100, 200] and curve.returns.tolist() == [1, 2] and broken == 0
