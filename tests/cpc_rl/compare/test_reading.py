import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cpc_rl import watch
from cpc_rl.compare import main
from tests.cpc_rl.made_runs import runs, write_run

NO_ROWS = ["null", "[1, 2]", '{"frames": "x"}', '{"frames": 1%s}' % ("0" * 5000), '{"frames": 1%s}' % ("0" * 400)]


@pytest.mark.parametrize("line", NO_ROWS, ids=[line[:20] for line in NO_ROWS])
def test_a_run_with_a_damaged_line_is_left_out_by_name_and_the_others_are_compared(
    line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = (write_run(tmp_path / name, aux, 3.0) for name, aux in (("good", "none"), ("bad", "cpc")))
    path = bad / "metrics.jsonl"
    path.write_text(path.read_text().replace("\n", f"\n{line}\n", 1))
    assert main([str(good), str(bad), "--out", str(tmp_path / "out")]) == 0
    captured = capsys.readouterr()
    assert f"{path}, line 2: " in captured.out and "3.00" in captured.out and captured.err == ""
    assert watch.main([str(good), str(bad), "--once", "--out", str(tmp_path / "out")]) == 0
    assert "1 done, 1 failed" in capsys.readouterr().out


def test_lines_without_frames_or_episodes_are_no_points(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run", returns=3.0)
    rows = ["{}", '{"episode_return": 9.0}', '{"frames": null, "episode_return": 9.0, "episodes": 2}']
    rows += ['{"frames": -5, "episode_return": 9.0}', '{"frames": 1001, "episode_return": 9.0, "episodes": -2}']
    (path / "metrics.jsonl").write_text((path / "metrics.jsonl").read_text() + "\n".join([*rows, ""]))
    (run,) = runs(path)
    assert run.curve.returns.tolist() == [3.0] * 10 and run.reached == 1001


@pytest.mark.parametrize(
    ("key", "value"), [("run.frames", "many"), ("run.frames", True), ("run.frames", [1]), ("run.seed", [1])]
)
def test_a_setting_that_no_run_can_have_is_named(
    key: str, value: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_run(tmp_path / "run", settings={key: value})
    for program in (main, lambda words: watch.main([*words, "--once"])):
        assert program([str(path), "--out", str(tmp_path / "out")]) == 2
        error = f"error: {path}/config.yaml: {key} = {value!r}: must be a whole number\n"
        assert capsys.readouterr().err == error and not (tmp_path / "out").exists()


@pytest.mark.parametrize("program", [main, watch.main])
def test_a_name_that_is_no_utf_8_is_refused_by_name(
    program: Callable[[list[str]], int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(os.fsdecode(os.fsencode(write_run(tmp_path / "run")) + b"-\xff"))
    (tmp_path / "run").rename(path)
    assert program([str(path), "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == (
        f"error: '{tmp_path}/run-\ufffd' is not UTF-8, or no name of a file: rename it\n"
    )


def test_a_folder_above_a_run_may_have_such_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    write_run(odd)
    monkeypatch.chdir(odd)
    assert main([".", "--out", "out"]) == 0
    assert runs(Path("."))[0].name == "\ufffd"
