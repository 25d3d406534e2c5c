"""What every method does by the command: trained, judged, probed, stopped and gone on with, loaded."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import torch

from configs import load as read
from configs import preset_names
from cpc_repr.vision import load
from cpc_repr.vision.__main__ import main
from cpc_repr.vision.config import full_config
from cpc_repr.vision.data.pictures import open_pictures
from cpc_repr.vision.experiment import VisionExperiment
from cpc_repr.vision.pretext import METHODS
from cpc_repr.vision.pretext.task import PretextTask
from cpc_rl.runs import read_metrics
from tests.cpc_repr.commands import check_a_stopped_run_goes_on, check_kills, check_one_line, finish, results, start
from tests.cpc_repr.contexts import context
from tests.cpc_repr.vision.test_command import TINY
from tests.cpc_repr.vision.toy import toy_pictures, write_toy

TASKS = [name for name, method in METHODS.items() if issubclass(method, PretextTask)]
GRID = ["--crop", "18", "--patch", "6", "--stride", "6", "--jitter", "5"]
OWN = {  # flags that a method needs on the toy
    "relative_location": [*GRID, "--relative-location.embedding", "8", "--relative-location.hidden", "16"],
    "jigsaw": [*GRID, "--jigsaw.embedding", "8", "--jigsaw.hidden", "16", "--jigsaw.permutations", "20"],
    "exemplar": ["--exemplar.crops", "3", "--exemplar.embedding", "8"],
}
FEW = ["--supervised-updates", "0", "--efficient.fractions", "0.5"]


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("data")
    (folder / "tiny.yaml").write_text(TINY)
    return ["--data", str(write_toy(folder / "toy")), "--config", str(folder / "tiny.yaml"), *FEW]


@pytest.fixture(scope="module", params=TASKS)
def method(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def flags(method: str, toy: list[str]) -> list[str]:
    return [*toy, "--method", method, *OWN.get(method, [])]


@pytest.fixture(scope="module")
def finished(flags: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "run"
    assert main([*flags, "--run", str(run)]) == 0
    return run


def test_loss_and_gradient_are_functions_of_seed_and_number(method: str) -> None:
    """Whatever was asked for before; nothing is drawn from torch's own generator, dropout included."""
    preset = next(name for name in (f"smoke-{method}", "smoke") if name in preset_names("vision"))
    argv = ["--preset", preset, "--method", method, "--augment.grey", "0.5"]
    settings = read(full_config(), argv, prog="x", description="", family="vision")
    slopes = []
    for before, seed in (((), 0), ((7, 1), 0), ((), 1)):
        other = settings.model_copy(update={"run": settings.run.model_copy(update={"seed": seed})})
        objective = VisionExperiment().objective(context(other, toy_pictures()))
        torch.manual_seed(len(before))
        for number in (*before, 5):
            loss, _ = objective.loss(objective.batch(number), number)
        slopes.append(torch.autograd.grad(loss, list(objective.module.parameters())))
    straight, out_of_turn, another = slopes
    assert all(torch.equal(a, b) for a, b in zip(straight, out_of_turn, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(straight, another, strict=True))


def test_what_a_run_leaves(method: str, finished: Path) -> None:
    rows, found = read_metrics(finished / "metrics.jsonl"), results(finished)
    assert [row["updates"] for row in rows] == [2, 4, 6, 8]
    assert {"loss/total", "accuracy", "gradient_norm"} <= rows[0].keys() and 0 <= rows[0]["accuracy"] <= 1
    assert {method, f"{method}_grid", "random", "random_grid", "pixels", "labels_0.5", "task"} <= found.keys()
    task = found["task"]
    assert task["loss"] > 0 and 0 < task["chance_accuracy"] < 1 and task["chance_loss"] > 0
    table = (finished / "report/table.md").read_text()
    assert f"| {METHODS[method].title} |" in table and "| CPC |" not in table


def test_a_killed_run_goes_on_bit_for_bit(finished: Path, flags: list[str], tmp_path: Path) -> None:
    parts = ("module", "average")
    check_a_stopped_run_goes_on("vision", main, flags, finished, tmp_path / "run", parts, by=signal.SIGKILL)


@pytest.mark.slow
def test_killed_at_random_moments_it_is_the_run_that_was_never_killed(
    finished: Path, flags: list[str], tmp_path: Path
) -> None:
    check_kills("vision", flags, finished, tmp_path)


def test_what_is_loaded_is_what_was_probed(method: str, finished: Path, flags: list[str]) -> None:
    pictures = open_pictures("folder", Path(flags[1])).test.pictures(range(5))
    sight = load(finished)
    z = sight.encode(pictures)
    assert z.ndim == 4 and z.shape[0] == 5 and z.shape[3] == 8 and z.isfinite().all()
    assert sight.encode([]).shape == (0, *z.shape[1:])
    torch.testing.assert_close(sight.encode(pictures, chunk=2), z)


def test_smoke(method: str, tmp_path: Path) -> None:
    """With nothing but --method and --smoke: drawn pictures, all stages, tables."""
    flags = ["--method", method, "--smoke", "--run", tmp_path / "run", "--cache", tmp_path / "cache"]
    out = finish(start("vision", *flags))
    assert "6 updates (100%)" in out and "on test pictures: loss" in out and "chance" in out
    table = (tmp_path / "run/report/table.md").read_text()
    for row in ("chance", "pixels", "random encoder", METHODS[method].title, "supervised, end to end", "50 % of"):
        assert f"| {row}" in table, row


@pytest.mark.parametrize(
    "flags, words",
    [(["--crop", "400"], "--crop, --resize must not shrink"), (["--batch-size", "0"], "--batch-size")],
)
def test_sizes_that_do_not_fit_are_refused(
    flags: list[str], words: str, method: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check_one_line(main, ["--method", method, "--smoke", *flags], words, tmp_path / "run", capsys)


def test_directions_are_refused(method: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--method", method, "--smoke", "--ablation", "directions"]
    words = f"--ablation directions: --method {method} allows none, augmentation"
    check_one_line(main, flags, words, tmp_path / "run", capsys)
