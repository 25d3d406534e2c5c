"""Turns and their loss, against loops."""

from __future__ import annotations

import math

import pytest
import torch

from configs import load
from cpc_repr.objective import count_parameters
from cpc_repr.vision.config import VisionConfig
from cpc_repr.vision.pretext.rotation import Rotation, rotation_loss, turned
from cpc_repr.vision.pretext.task import HeadedEncoder


def test_every_turn_is_a_quarter_further() -> None:
    pictures = torch.randn(3, 3, 5, 5)
    found = turned(pictures)
    assert found.shape == (4, 3, 3, 5, 5) and torch.equal(found[0], pictures)
    for turn in range(3):
        for y in range(5):
            for x in range(5):
                assert torch.equal(found[turn + 1, :, :, y, x], found[turn, :, :, x, 4 - y])  # anticlockwise


def test_the_loss_is_that_of_a_loop() -> None:
    logits = torch.randn(4, 6, 4, requires_grad=True)
    loss, metrics = rotation_loss(logits)
    total, hits = 0.0, 0
    for turn in range(4):
        for picture in range(6):
            row = logits[turn, picture].tolist()
            total -= math.log(math.exp(row[turn]) / sum(math.exp(value) for value in row))
            hits += row[turn] == max(row)
    torch.testing.assert_close(loss.item(), total / 24, rtol=1e-5, atol=1e-6)
    assert round(24 * metrics["accuracy"].item(), 3) == hits
    (slope,) = torch.autograd.grad(loss, logits)
    wanted = (logits.softmax(-1) - torch.eye(4)[:, None]) / 24
    torch.testing.assert_close(slope, wanted)


def test_chance_is_what_equal_logits_come_to() -> None:
    loss, _ = rotation_loss(torch.zeros(4, 5, 4))
    assert loss.item() == pytest.approx(Rotation.chance.loss) and Rotation.chance.accuracy == 0.25


def test_the_papers_preset() -> None:
    config = load(VisionConfig, ["--preset", "paper-rotation"], prog="x", description="", family="vision")
    optimiser, pictures = config.optimiser, config.train.batch_size * config.train.accumulate
    epoch = 1_281_167 // pictures
    assert pictures == 1024 and optimiser.learning_rate == 0.1 * pictures / 256 and optimiser.momentum == 0.9
    assert optimiser.warmup == 5 * epoch and optimiser.drops == (15 * epoch, 25 * epoch)
    assert config.train.updates == 35 * epoch and config.view.crop == 224 and config.method == "rotation"
    with torch.device("meta"):
        network = HeadedEncoder(config.model, 4)
    assert abs(count_parameters(network) / 1e6 - 23.5) < 0.05  # ResNet50 without its classifier: 23.51 M
