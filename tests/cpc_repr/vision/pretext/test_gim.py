"""Greedy InfoMax: no module's loss moves another one; sizes, the loss as CPC's, and the command."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from configs import UsageError, load
from cpc_repr import cpc_loss
from cpc_repr.experiment import plain_learner
from cpc_repr.training import seeded
from cpc_repr.vision import load as load_run
from cpc_repr.vision.__main__ import main
from cpc_repr.vision.config import VisionConfig, VisionTrainConfig
from cpc_repr.vision.data.grid import ViewConfig
from cpc_repr.vision.data.pictures import open_pictures
from cpc_repr.vision.encoders.config import EncoderConfig
from cpc_repr.vision.evaluate import pooled
from cpc_repr.vision.pretext.cpc import VisionCPCConfig
from cpc_repr.vision.pretext.gim import NAMES, VisionGreedyInfoMax, VisionGreedyNetwork
from cpc_rl.negatives import Negatives
from cpc_rl.optim import OptimiserConfig
from cpc_rl.runs import read_metrics
from tests.cpc_repr.commands import check_a_stopped_run_goes_on, check_kills, check_one_line, finish, results, start
from tests.cpc_repr.contexts import context
from tests.cpc_repr.vision.test_command import TINY
from tests.cpc_repr.vision.toy import SIDE, toy_pictures, write_toy

ENCODER = EncoderConfig(stem=(8, 5, 1), pool=False, blocks=(1, 2, 1), bottlenecks=(8, 8, 8), maps=(8, 16, 24))
TASK = VisionCPCConfig(offsets=(1, 2), negatives=Negatives(count=16))


def network() -> VisionGreedyNetwork:
    made = seeded(0, lambda: VisionGreedyNetwork(ENCODER, TASK))
    assert isinstance(made, VisionGreedyNetwork)
    for p in made.tasks.parameters():
        nn.init.normal_(p, std=0.3, generator=torch.Generator().manual_seed(1))
    return made


def modules(of: VisionGreedyNetwork) -> list[list[Tensor]]:
    """Weights of each block and of its heads."""
    parts = zip(of.model.encoder.parts(), of.tasks, strict=True)
    return [[*part.parameters(), *task.parameters()] for part, task in parts]


def test_the_papers_sizes() -> None:
    """Table 5: 7 x 7 patches of 16 pixels, maps of 256 x 16 x 16, 512 x 8 x 8 and 1024 x 4 x 4."""
    config = load(VisionConfig, ["--preset", "paper-gim"], prog="x", description="", family="vision")
    VisionGreedyInfoMax.check(config)
    assert (config.view.crop, config.view.patch, config.view.cells) == (64, 16, 7)
    assert config.cpc.offsets == (1, 2, 3, 4, 5) and config.cpc.negatives.count == 16
    assert config.train.batch_size * config.train.accumulate == 128
    assert config.train.updates == 300 * (100_000 // 128)
    with torch.device("meta"):
        model = VisionGreedyNetwork(config.model, config.cpc)
        maps = model.model.encoder.maps(torch.empty(49, 3, 16, 16))
        assert [tuple(m.shape[1:]) for m in maps] == [(256, 16, 16), (512, 8, 8), (1024, 4, 4)]
        grid = model.model.blocks(torch.empty(2, 7, 7, 3, 16, 16))
        assert [tuple(z.shape) for z in grid] == [(2, 7, 7, d) for d in (256, 512, 1024)]
    stem = model.model.encoder.stem
    assert (stem.kernel_size, stem.stride, stem.padding) == ((5, 5), (1, 1), (2, 2))
    assert not any("Norm" in type(m).__name__ or "Pool" in type(m).__name__ for m in model.modules())
    assert all(len(task.heads) == 5 and isinstance(task.context, nn.Identity) for task in model.tasks)


@pytest.mark.parametrize("module", range(len(NAMES)))
def test_each_loss_reaches_its_own_module_and_no_other(module: int) -> None:
    model = network()
    losses = model(torch.randn(2, 4, 4, 3, 8, 8), torch.Generator().manual_seed(0))
    assert len(losses) == len(NAMES)
    for i, weights in enumerate(modules(model)):
        slopes = torch.autograd.grad(losses[module].loss, weights, retain_graph=True, allow_unused=True)
        if i == module:
            assert sum(float(s.abs().sum()) > 0 for s in slopes if s is not None) >= len(weights) - 1
        else:
            assert all(slope is None for slope in slopes), f"loss of {NAMES[module]}, {NAMES[i]}"


def test_the_sum_trains_each_module_as_if_it_were_alone() -> None:
    model, x = network(), torch.randn(2, 4, 4, 3, 8, 8)
    losses = model(x, torch.Generator().manual_seed(0))
    torch.stack([result.loss for result in losses]).sum().backward()
    together = [[p.grad.clone() for p in weights] for weights in modules(model)]
    for i, weights in enumerate(modules(model)):
        alone = model(x, torch.Generator().manual_seed(0))[i].loss
        for a, b in zip(together[i], torch.autograd.grad(alone, weights), strict=True):
            torch.testing.assert_close(a, b)


def test_a_modules_loss_is_the_librarys_on_its_mean_maps() -> None:
    model, x = network(), torch.randn(2, 4, 4, 3, 8, 8)
    draws = torch.Generator().manual_seed(0)
    found = [result.loss for result in model(x, torch.Generator().manual_seed(0))]
    maps = x.flatten(0, 2)
    for part, task, loss in zip(model.model.encoder.parts(), model.tasks, found, strict=True):
        maps = part(maps)
        z = maps.mean((2, 3)).view(2, 16, -1)  # four rows of four
        expected = cpc_loss(z, z, task.heads, [4, 8], generator=draws, pool="batch", num_negatives=16).loss
        torch.testing.assert_close(loss, expected)


CONFIG = VisionConfig(
    method="gim",
    view=ViewConfig(resize=SIDE, crop=16, patch=8, stride=4, jitter=0),
    model=ENCODER,
    cpc=TASK,
    train=VisionTrainConfig(batch_size=6, accumulate=1, updates=40),
    optimiser=OptimiserConfig(learning_rate=3e-3, warmup=1),
)


def test_every_modules_loss_falls() -> None:
    learner = plain_learner(VisionGreedyInfoMax(context(CONFIG, toy_pictures())))
    rows = [learner.update() for _ in range(40)]
    for name in NAMES:
        losses = [row[f"loss/{name}"] for row in rows]
        assert sum(losses[-8:]) < sum(losses[:8]), name
        assert {f"{name}/accuracy_1", f"{name}/bound_2", f"{name}/log_n"} <= rows[0].keys()
    assert abs(rows[0]["loss/total"] - sum(rows[0][f"loss/{name}"] for name in NAMES)) < 1e-4


def test_probes_see_the_mean_maps_of_each_module() -> None:
    objective = VisionGreedyInfoMax(context(CONFIG, toy_pictures()))
    images = torch.randint(256, (2, 3, 16, 16), dtype=torch.uint8)
    found = objective.representations()
    assert [*found] == [*objective.rows] and [r.size for r in found.values()] == [8, 16, 24]
    cells = [((images[:, :, y : y + 8, x : x + 8].float() - 127.5) / 63.75) for y in (0, 4, 8) for x in (0, 4, 8)]
    encoder = objective.module.model.encoder
    for i, representation in enumerate(found.values()):
        expected = torch.stack([encoder.maps(cell)[i].mean((2, 3)) for cell in cells]).mean(0)
        torch.testing.assert_close(pooled(representation)(images), expected, atol=1e-5, rtol=1e-4)
        assert representation.encoder(cells[0]).shape[1] == representation.size


@pytest.fixture(scope="module")
def flags(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("data")
    (folder / "tiny.yaml").write_text(TINY)
    sizes = ["--blocks", "1", "1", "1", "--bottlenecks", "4", "4", "4", "--maps", "8", "8", "8", "--directions", "1"]
    data = ["--data", str(write_toy(folder / "toy")), "--config", str(folder / "tiny.yaml")]
    return [*data, "--method", "gim", "--supervised-updates", "0", "--negatives.count", "4", *sizes]


@pytest.fixture(scope="module")
def finished(flags: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "run"
    assert main([*flags, "--run", str(run)]) == 0
    return run


def test_what_a_run_leaves(finished: Path, flags: list[str]) -> None:
    rows, found = read_metrics(finished / "metrics.jsonl"), results(finished)
    assert [row["updates"] for row in rows] == [2, 4, 6, 8] and {f"loss/{name}" for name in NAMES} <= rows[0].keys()
    stages = {stage for name in NAMES for stage in (name, f"{name}_grid", f"per_offset_{name}")}
    assert {*stages, "random", "pixels", "labels_0.5"} <= found.keys()
    table = (finished / "report/table.md").read_text()
    assert all(f"| Greedy InfoMax, module {i} |" in table for i in (1, 2, 3))
    sight = load_run(finished)
    z = sight.encode(open_pictures("folder", Path(flags[1])).test.pictures(range(3)))
    assert z.shape == (3, 4, 4, 8) and z.isfinite().all()


def test_a_killed_run_goes_on_bit_for_bit(finished: Path, flags: list[str], tmp_path: Path) -> None:
    parts = ("module", "average")
    check_a_stopped_run_goes_on("vision", main, flags, finished, tmp_path / "run", parts, by=signal.SIGKILL)


@pytest.mark.slow
def test_killed_at_random_moments_it_is_the_run_that_was_never_killed(
    finished: Path, flags: list[str], tmp_path: Path
) -> None:
    check_kills("vision", flags, finished, tmp_path)


def test_smoke(tmp_path: Path) -> None:
    out = finish(
        start("vision", "--method", "gim", "--smoke", "--run", tmp_path / "run", "--cache", tmp_path / "cache")
    )
    assert "6 updates (100%)" in out and "Greedy InfoMax" in out
    table = (tmp_path / "run/report/table.md").read_text()
    for row in ("chance", "pixels", "random encoder", "Greedy InfoMax, module 3", "supervised, end to end", "50 % of"):
        assert f"| {row}" in table, row


@pytest.mark.parametrize(
    "more, words",
    [
        (["--encoder", "resnet18"], "--method gim: 3 modules, and --encoder resnet18 has 4 blocks"),
        (["--directions", "2"], "--directions 2: --method gim predicts downwards only"),
        (["--offsets", "7"], "--offsets 7: a grid of 7 rows has offsets up to 6"),
        (["--ablation", "directions"], "--ablation directions: --method gim allows none, augmentation"),
    ],
)
def test_what_does_not_fit_is_refused(
    more: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check_one_line(main, ["--method", "gim", "--smoke", *more], words, tmp_path / "run", capsys)


def test_two_stacks_are_refused() -> None:
    two = EncoderConfig(blocks=(1, 1), bottlenecks=(4, 4), maps=(8, 8))
    with pytest.raises(UsageError, match="3 modules, and --encoder resnet has 2 blocks"):
        VisionGreedyInfoMax.check(CONFIG.model_copy(update={"model": two}))
