import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from configs import RunFailure, UsageError
from cpc_rl.compare import common_grid, curve, episode_returns, main, panels, read_run


def make_run(
    path: Path, aux: str, level: float, env: str = "maze", backend: str = "minilab", frames: int = 1000
) -> Path:
    path.mkdir(parents=True)
    settings = {"env": {"name": env, "backend": backend}, "aux": aux, "optimiser": {"name": "adam"}}
    (path / "config.yaml").write_text(yaml.safe_dump(settings))
    rows = [{"frames": n, "episode_return": level} for n in range(100, frames + 1, 100)]
    lines = [json.dumps({"frames": 50, "episode_return": None}), *map(json.dumps, rows)]
    (path / "metrics.jsonl").write_text("".join(line + "\n" for line in lines))
    return path


def test_arms_are_averaged_and_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [
        make_run(tmp_path / f"{aux}{i}", aux, level + i) for aux, level in (("none", 2), ("cpc", 7)) for i in (0, 1)
    ]
    assert main([*map(str, runs), "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    lines = [line for line in printed.splitlines() if "minilab" in line]
    assert [" ".join(line.replace("│", " ").split()) for line in lines] == [
        "maze minilab none 2 1,000 2.50 2.00, 3.00",
        "maze minilab cpc 2 1,000 7.50 7.00, 8.00",
    ]
    pixels = np.asarray(Image.open(tmp_path / "out" / "compared.png").convert("RGB")).reshape(-1, 3)
    assert (pixels == (214, 39, 40)).all(1).sum() > 300  # a red line
    assert str(tmp_path / "out" / "compared.png") in printed


def test_back_ends_are_not_mixed_unless_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = make_run(tmp_path / "one", "cpc", 1.0)
    other = make_run(tmp_path / "other", "cpc", 3.0, backend="dmlab")
    flags = [str(one), str(other), "--out", str(tmp_path / "out")]
    assert main(flags) == 2
    error = capsys.readouterr().err
    assert "maze" in error and f"minilab (as in {one})" in error and f"dmlab (as in {other})" in error
    assert "--mix-backends" in error and not (tmp_path / "out").exists()
    assert main([*flags, "--mix-backends"]) == 0
    assert "dmlab and minilab" in capsys.readouterr().out


def test_arms_of_different_back_ends_are_refused_too(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / "a", "cpc", 1.0), make_run(tmp_path / "b", "none", 1.0, backend="dmlab")]
    with pytest.raises(UsageError, match="different back ends"):
        panels([read_run(run, "aux") for run in runs])


def test_each_environment_has_its_panel_and_its_own_back_end(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / "a", "cpc", 1.0), make_run(tmp_path / "b", "cpc", 1.0, "Pong-v5", "envpool")]
    sorted_runs = panels([read_run(run, "aux") for run in runs])
    assert {env: list(arms) for env, arms in sorted_runs.items()} == {"maze": ["cpc"], "Pong-v5": ["cpc"]}


def test_curves_are_smoothed_backwards_and_end_where_the_run_does() -> None:
    frames, returns = np.array([10.0, 20.0, 30.0]), np.array([0.0, 4.0, 8.0])
    assert curve(frames, returns, np.array([10.0, 15.0, 20.0, 30.0]), window=2).tolist() == [0, 1, 2, 6]
    assert np.isnan(curve(frames, returns, np.array([5.0, 31.0]))).all()


def test_runs_are_compared_where_all_have_frames(tmp_path: Path) -> None:
    short, long = (make_run(tmp_path / str(n), "cpc", 1.0, frames=n) for n in (500, 1000))
    grid = common_grid([read_run(short, "aux"), read_run(long, "aux")])
    assert (grid[0], grid[-1]) == (100, 500)


@pytest.mark.parametrize(
    ("flags", "says"),
    [(["--by", "auxx"], "--by auxx"), (["nowhere"], "no such run directory")],
)
def test_refusals(flags: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(make_run(tmp_path / "a", "cpc", 1.0)), *flags]) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1


def test_nothing_to_compare(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "give one run directory or more" in capsys.readouterr().err


def test_a_run_without_episodes_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunFailure, match="empty: no episode has ended"):
        episode_returns(make_run(tmp_path / "empty", "cpc", 1.0, frames=0))
