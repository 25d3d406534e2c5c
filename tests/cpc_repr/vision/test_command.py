"""`python -m cpc_repr.vision` as a user meets it, in processes of their own."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.image import imread

from configs import UsageError
from cpc_repr.vision import load
from cpc_repr.vision.__main__ import main
from cpc_repr.vision.data.batches import plain_patches
from cpc_repr.vision.data.grid import crops
from cpc_repr.vision.data.pictures import open_pictures
from cpc_rl.runs import read_metrics
from tests.cpc_repr.commands import (
    check_a_stopped_run_goes_on,
    check_help,
    check_kills,
    check_nothing_is_computed_anew,
    check_one_line,
    finish,
    newest,
    results,
    start,
)
from tests.cpc_repr.vision.toy import SIDE, write_toy

TINY = f"""
train: {{updates: 8, batch_size: 4, accumulate: 2, supervised_updates: 3}}
view: {{resize: {SIDE}, crop: 20, patch: 8, stride: 4, jitter: 7, grey: 0}}
cpc: {{offsets: [1, 2], context_width: 8, context_blocks: 2, directions: 2, target: 6, scale: 0.1, bias: true}}
optim: {{warmup: 2, beta1: 0.8, clip: 0.01, average: 0.99}}
model: {{stem: [4, 3, 2], pool: false, blocks: [1, 1], bottlenecks: [4, 4], maps: [8, 8], norm: layer}}
augment: {{operations: 1, elastic: 0.2, histogram: 0.2, colour: 0.2, grey: 0.2, drop: 0.2}}
probe: {{epochs: 1, hidden: 4}}
protocol: {{sgd_updates: 5, sgd_batch: 8, lbfgs_iterations: 3, grid_updates: 3, grid_batch: 8,
  linear_epochs: 3, mlp_epochs: 2}}
efficient: {{fractions: [0.5], blocks: 1, maps: 8, bottleneck: 4, batch_size: 4, updates: 2, every: 1}}
evaluation: {{batches: 1, units: 3}}
run: {{threads: 1, device: cpu, log_updates: 2, checkpoint_minutes: 1.0e-9}}
"""


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("data")
    (folder / "tiny.yaml").write_text(TINY)
    return ["--data", str(write_toy(folder / "toy")), "--config", str(folder / "tiny.yaml")]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, toy: list[str]) -> Path:
    run = tmp_path_factory.mktemp("runs") / "run"
    assert main([*toy, "--run", str(run)]) == 0
    return run


def test_smoke(tmp_path: Path) -> None:
    """With nothing given but --smoke: drawn pictures, all stages, tables and plots."""
    out = finish(start("vision", "--smoke", "--run", tmp_path / "run", "--cache", tmp_path / "cache"))
    table = (tmp_path / "run/report/table.md").read_text()
    for row in ("chance", "pixels", "random encoder", "CPC", "supervised, end to end", "every cell, Adam", "50 % of"):
        assert f"| {row}" in table, row
    assert "48.7" in table and "71.5" in table and "10 classes" in table
    assert "6 updates (100%)" in out and "left" in out and "done:" in out and "pictures a second" in out
    assert {p.name for p in (tmp_path / "run/report").iterdir()} == {
        "table.md",
        "results.json",
        "accuracy_per_offset.png",
        "units.png",
    }


def test_what_a_run_leaves(finished: Path) -> None:
    rows = read_metrics(finished / "metrics.jsonl")
    assert [row["updates"] for row in rows] == [2, 4, 6, 8]
    assert {"loss/total", "cpc/accuracy_1", "cpc/bound_2", "cpc/log_n", "updates_per_second"} <= rows[0].keys()
    found = results(finished)
    assert {"chance", "pixels", "cpc", "cpc_grid", "random", "random_grid", "supervised", "labels_0.5"} < found.keys()
    assert found["cpc"].keys() == {a + b for a in ("linear", "lbfgs", "mlp") for b in ("", "_top5")}
    assert found["labels_0.5"].keys() == {a + b for a in ("pixels", "frozen", "tuned") for b in ("", "_top5")}
    assert found["chance"]["linear"][0] == pytest.approx(1 / 3)
    assert found["throughput"]["encoder_share"] > 0 and found["throughput"]["images_per_second"] > 0
    assert len(found["per_offset"]["win_rate"]) == 2
    assert found["per_offset"]["chance"][0] == pytest.approx(1 / 16, rel=1e-4)  # --negatives.pool sequence
    assert not (finished / "scratch").exists()


def test_resuming_a_finished_run_computes_nothing_anew(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check_nothing_is_computed_anew(main, finished, capsys, "48.7")


def test_a_stopped_run_goes_on_bit_for_bit(finished: Path, toy: list[str], tmp_path: Path) -> None:
    check_a_stopped_run_goes_on("vision", main, toy, finished, tmp_path / "run", ("module", "average"))


@pytest.mark.slow
def test_killed_at_random_moments_it_is_the_run_that_was_never_killed(
    finished: Path, toy: list[str], tmp_path: Path
) -> None:
    check_kills("vision", toy, finished, tmp_path)


def test_few_labels_are_added_to_a_finished_run(finished: Path, tmp_path: Path) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    assert main(["--resume", str(run), "--efficient.fractions", "0.5", "0.2"]) == 0
    before, after = results(finished), results(run)
    assert {name: value for name, value in after.items() if name != "labels_0.2"} == before
    table = (run / "report/table.md").read_text()
    assert "| 20 % of labels |" in table and "| 50 % of labels |" in table
    picture = imread(run / "report/labels.png")
    assert not (finished / "report/labels.png").exists() and np.ptp(picture[..., :3], axis=2).max() > 0.5  # colours


def test_probes_by_passes_and_of_every_block_are_added_to_a_finished_run(finished: Path, tmp_path: Path) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    flags = ["--evaluation.probes", "linear_epochs", "mlp_epochs", "--evaluation.blocks"]
    flags += ["--evaluation.block-probes", "linear", "mlp_epochs"]
    assert main(["--resume", str(run), *flags]) == 0
    before, after = results(finished), results(run)
    kinds = ("", "_mlp_epochs")
    more = {f"{name}_block{i}{kind}" for name in ("trained", "random") for i in (1, 2) for kind in kinds}
    more |= {f"{row}_{kind}_epochs" for row in ("cpc", "random", "pixels") for kind in ("linear", "mlp")}
    assert after.keys() - before.keys() == more and before.items() <= after.items()
    curve = after["cpc_linear_epochs"]
    assert curve["linear_epochs"] == curve["linear_epochs_after_3"] and "linear_epochs_after_1" in curve
    table = (run / "report/table.md").read_text()
    assert "Blocks of the encoder, max-pooled, SGD, " in table and "max-pooled, MLP by passes" in table
    assert "| block 1 |" in table and "| block 2 |" in table and "| mean of the grid, MLP by passes |" in table
    assert "| 1 pass |" in table and "| 3 passes |" in table
    assert "Blocks" not in (finished / "report/table.md").read_text()
    assert np.ptp(imread(run / "report/passes.png")[..., :3], axis=2).max() > 0.5  # colours
    assert not (run / "scratch").exists()


def test_ablation_and_seeds(toy: list[str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    flags = ["--ablation", "directions", "--seeds", "2", "--updates", "2", "--efficient.fractions"]
    assert main([*toy, "--run", str(run), *flags[:-1]]) == 0
    table = (run / "report/table.md").read_text()
    assert all(f"| {row} |" in table for row in ("1 direction", "2 directions", "4 directions"))
    assert "±" in table and "2 seeds" in table
    assert len(list(run.glob("*/checkpoint-2.pt"))) == 6
    with pytest.raises(UsageError, match="holds several runs"):
        load(run)


def test_encode_gives_what_was_probed(finished: Path, toy: list[str]) -> None:
    sight = load(finished)
    test = open_pictures("folder", Path(toy[1])).test
    pictures = test.pictures(range(5))
    z = sight.encode(pictures)
    assert z.shape == (5, 4, 4, 8) and z.dtype == torch.float32 and z.isfinite().all()
    torch.testing.assert_close(sight.encode(torch.stack(pictures), chunk=2), z)
    wide = sight.encode([torch.zeros(3, 50, 90, dtype=torch.uint8), pictures[0]])
    torch.testing.assert_close(wide[1], z[0])
    # The mean of the weights is what is loaded, not the last ones.
    saved = newest(finished)
    stem = sight.model.encoder.stem.weight
    assert torch.equal(stem, saved["average"]["model.encoder.stem.weight"])
    assert not torch.equal(stem, saved["module"]["model.encoder.stem.weight"])
    expected = sight.model(plain_patches(crops(pictures, sight.view), sight.view))
    torch.testing.assert_close(z, expected)
    for wrong in (torch.zeros(2, 3, 8, 8), torch.zeros(1, 1, 8, 8, dtype=torch.uint8)):
        with pytest.raises(ValueError, match=r"uint8 \[3, h, w\]"):
            sight.encode(wrong)
    assert sight.encode([]).shape == (0, 4, 4, 8)


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--offsetz", "3"], "did you mean --offsets"),
        (["--data", "/no/such/folder"], "/no/such/folder"),
        (["--smoke", "--cache", "/dev/null/cache"], "/dev/null/cache: generated data cannot be kept there"),
        (["--resume", "/no/such/run"], "not a run directory"),
        (["--jitter", "100"], "--jitter, --patch"),
        (["--smoke", "--encoder", "alexnet"], "--encoder alexnet: there are resnet, resnet18"),
        (["--smoke", "--widen", "8"], "--widen 8: --encoder resnet is as wide as"),
        (["--smoke", "--offsets", "7"], "--offsets 7: a grid of 7 rows has offsets up to 6"),
        (["--smoke", "--batch-size", "1", "--negatives.exclude", "own"], "leaves no negative"),
        (["--smoke", "--batch-size", "1", "--negatives.pool", "time"], "leaves no negative"),
        (
            ["--smoke", "--method", "rotation", "--offsets", "3"],
            "--offsets: --method rotation does not read it; cpc, gim do",
        ),
        (["--smoke", "--ablation", "directions", "--directions", "2"], "--directions: --ablation directions sets it"),
    ],
)
def test_wrong_flags_end_in_one_line(
    flags: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check_one_line(main, flags, words, tmp_path / "run", capsys)


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    check_help(main, ("--ablation", "--directions", "--augment.drop", "--offsets"), capsys)
