from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from configs import RunFailure
from cpc_rl.runs import Logger, RunConfig, RunDirectory
from cpc_rl.runs.curve import aux_curves, plot_curve, smooth
from cpc_rl.runs.metrics import read_metrics


def test_smooth_is_the_mean_of_what_lies_around() -> None:
    assert smooth(np.array([0.0, 3.0, 6.0, 0.0]), 1).tolist() == [1.5, 3.0, 3.0, 3.0]
    assert smooth(np.array([1e300, 0.1, 0.1, 0.1]), 1)[2:].tolist() == pytest.approx([0.1, 0.1])
    assert smooth(np.arange(5.0), 0).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("cpc", "panels"), [(False, 2), (True, 3)])
def test_a_panel_for_each_thing_logged(tmp_path: Path, cpc: bool, panels: int) -> None:
    run = RunDirectory.create(tmp_path / "run", RunConfig())
    with Logger(run, RunConfig()) as logger:
        for i in range(1, 30):
            row = {"entropy": 2.0 - i / 50} | ({"episode_return": float(i)} if i % 3 == 0 else {})
            row |= {f"cpc/accuracy_{k}": 1 / k for k in range(1, 31)} if cpc else {}
            logger.write(400 * i, row)
    path = plot_curve(run.path)
    assert path == run.path / "report" / "curve.png"
    width, height = Image.open(path).size
    assert round(width / height / (5 / 3.6)) == panels


def test_what_happened_in_episodes_has_panels_and_searches_share_one(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "run", RunConfig())
    told = dict.fromkeys(("success", "finds", "first_find_steps", "later_find_steps", "is_success"), 1.0)
    with Logger(run, RunConfig()) as logger:
        for i in range(1, 5):
            episodes = {f"episode/{name}": value for name, value in told.items() if i > 1 or "later" not in name}
            logger.write(400 * i, {"episode_return": 1.0, "entropy": 2.0, **episodes})
    width, height = Image.open(plot_curve(run.path)).size  # six panels, four in a row
    assert width / height == pytest.approx(4 * 5 / (2 * 3.6), rel=0.01)


@pytest.mark.parametrize(
    ("logged", "shown"),
    [
        (["loss/policy", "loss/baseline", "loss/total", "entropy"], []),
        (["loss/cpc", "cpc/accuracy_1", "cpc/accuracy_2"], [("cpc", "accuracy", ["cpc/accuracy_1", "cpc/accuracy_2"])]),
        (
            ["loss/cpc_action", *(f"cpc_action/accuracy_{k}" for k in range(1, 31))],
            [("cpc_action", "accuracy", [f"cpc_action/accuracy_{k}" for k in (1, 11, 20, 30)])],
        ),
        (["loss/mine", "mine/size"], [("mine", "loss", ["loss/mine"])]),
        (["cpc/accuracy_5"], [("cpc", "accuracy", ["cpc/accuracy_5"])]),  # a run that was thinned
    ],
)
def test_each_auxiliary_loss_says_what_its_curve_shows(
    logged: list[str], shown: list[tuple[str, str, list[str]]]
) -> None:
    assert aux_curves(logged) == shown


def test_no_metrics_yet(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "run", RunConfig())
    assert read_metrics(run.metrics_path) == []
    with pytest.raises(RunFailure, match="no metrics to draw"):
        plot_curve(run.path)
