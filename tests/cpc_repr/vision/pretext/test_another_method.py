"""A method that is nothing like CPC is one class: training, probes, tables, resuming and ablations take it as it is.

It has no negatives, makes four views of each picture, reads labels off them, and has an optimiser of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from configs import Frozen
from cpc_repr.context import Context
from cpc_repr.objective import Losses
from cpc_repr.vision.__main__ import main
from cpc_repr.vision.data.grid import normalised
from cpc_repr.vision.encoders.patches import PatchEncoder
from cpc_repr.vision.pretext import METHODS
from cpc_repr.vision.pretext.base import PictureObjective, PictureRepresentation
from cpc_rl.optim import OptimiserConfig
from cpc_rl.runs import read_metrics
from tests.cpc_repr.commands import newest, results
from tests.cpc_repr.vision.test_command import TINY
from tests.cpc_repr.vision.toy import write_toy


class TurnConfig(Frozen):
    """Settings of the method that tells turns."""

    views: Literal[2, 4] = Field(default=4, description="Turns of each picture.")


class TurnNetwork(nn.Module):
    def __init__(self, config: Any) -> None:
        super().__init__()
        self.model = PatchEncoder(config)
        self.classify = nn.Linear(self.model.size, 4)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.classify(self.model.encoder(normalised(pictures)).mean((-2, -1)))


class Turns(PictureObjective[Tensor]):
    """Tell by which quarter turn a picture was turned."""

    Config = TurnConfig
    title = "Turns"
    rows: ClassVar = {"turns": "quarter turns"}
    live: ClassVar = {"loss": "loss/total", "accuracy": "accuracy"}

    def __init__(self, context: Context) -> None:
        own = OptimiserConfig(name="rmsprop", learning_rate=1e-3, epsilon=1e-3)
        super().__init__(context, lambda: TurnNetwork(context.config.model), own)
        self.views = context.config.turns.views

    def batch(self, number: int) -> Tensor:
        images = self.pictures(number).images
        return torch.cat([images.rot90(turn, (-2, -1)) for turn in range(self.views)])

    def loss(self, batch: Tensor, number: int) -> Losses:
        logits, turns = self.module(batch), torch.arange(self.views).repeat_interleave(len(batch) // self.views)
        return F.cross_entropy(logits, turns), {"accuracy": (logits.argmax(1) == turns).float().mean()}

    def representations(self) -> Mapping[str, PictureRepresentation]:
        model = self.module.model

        def cells(images: Tensor, draws: torch.Generator | None) -> Tensor:
            return model.encoder(normalised(images)).permute(0, 2, 3, 1)

        return {"turns": PictureRepresentation(model.encoder, model.size, cells)}


@pytest.fixture
def flags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setitem(METHODS, "turns", Turns)
    (tmp_path / "tiny.yaml").write_text(TINY)
    return ["--data", str(write_toy(tmp_path / "toy")), "--config", str(tmp_path / "tiny.yaml"), "--method", "turns"]


def test_it_is_trained_probed_and_tabled(flags: list[str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert main([*flags, "--run", str(run)]) == 0
    found, table = results(run), (run / "report/table.md").read_text()
    assert {"turns", "turns_grid", "random", "random_grid", "pixels", "supervised", "labels_0.5"} <= found.keys()
    assert "per_offset" not in found
    assert (
        all(f"| {row} |" in table for row in ("quarter turns", "random encoder", "pixels")) and "| CPC |" not in table
    )
    assert "Turns, frozen" in table and "quarter turns" in table.split("Ways of probing")[1]
    assert "turns:\n  views: 4\n" in (run / "config.yaml").read_text()
    assert {"loss/total", "accuracy"} <= read_metrics(run / "metrics.jsonl")[0].keys()


def test_it_resumes_bit_for_bit(flags: list[str], tmp_path: Path) -> None:
    short = [*flags, "--supervised-updates", "0", "--turns.views", "2"]
    straight, halves = tmp_path / "straight", tmp_path / "halves"
    assert main([*short, "--run", str(straight)]) == 0
    assert main([*short, "--run", str(halves), "--updates", "4"]) == 0
    assert newest(halves)["updates"] == 4
    assert main(["--resume", str(halves), "--updates", "8"]) == 0
    one, two = newest(straight), newest(halves)
    assert one["updates"] == two["updates"] == 8
    assert all(torch.equal(value, two["module"][name]) for name, value in one["module"].items())


def test_it_has_ablations_and_seeds(flags: list[str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    ablation = ["--ablation", "augmentation", "--seeds", "2", "--updates", "2", "--efficient.fractions"]
    assert main([*flags, "--run", str(run), *ablation]) == 0
    table = (run / "report/table.md").read_text()
    assert "### quarter turns, linear" in table and "| colour dropping |" in table and "2 seeds" in table
