"""Greedy InfoMax: no module's loss moves another one."""

from __future__ import annotations

import pytest
import torch

from cpc_repr.audio.greedy import NAMES, GreedyNetwork, every_10_ms, greedy_loss
from cpc_repr.audio.model import SpeechModel, SpeechModelConfig, WaveformEncoder
from cpc_repr.sequences import SequenceCPCConfig
from cpc_rl.infonce import linear_heads
from cpc_rl.negatives import Negatives

CONFIG = SequenceCPCConfig(steps=3, negatives=Negatives(count=10))


@pytest.fixture(scope="module")
def model() -> GreedyNetwork:
    torch.manual_seed(0)
    model = GreedyNetwork(SpeechModelConfig(channels=6, context=5), CONFIG.steps)
    for p in model.heads.parameters():
        torch.nn.init.normal_(p, std=0.3)
    return model


@pytest.mark.parametrize("module", range(6))
def test_each_loss_reaches_its_own_module_and_no_other(model: GreedyNetwork, module: int) -> None:
    torch.manual_seed(1)
    model.zero_grad()
    losses = greedy_loss(model, torch.randn(3, 6_400), CONFIG, torch.Generator().manual_seed(0))
    assert len(losses) == len(NAMES) == 6
    losses[module].loss.backward()
    parts = [*model.model.encoder.blocks, model.model.gru]
    for i, part in enumerate(parts):
        moved = any(p.grad is not None and p.grad.abs().max() > 0 for p in part.parameters())
        assert moved == (i == module), f"loss of {NAMES[module]}, {NAMES[i]}"
    for i, heads in enumerate(model.heads):
        assert any(p.grad is not None and p.grad.abs().max() > 0 for p in heads.parameters()) == (i == module)


def test_values_are_those_of_the_network_end_to_end(model: GreedyNetwork) -> None:
    x = torch.randn(2, 6_400)
    isolated, whole = model.isolated(x), model.model(x)
    assert torch.equal(isolated[-2].z, whole.z) and torch.equal(isolated[-1].c, whole.c)
    assert torch.equal(isolated[-1].z, whole.z)


def test_features_have_the_frames_of_the_network(model: GreedyNetwork) -> None:
    x = torch.randn(1, 5_003)
    outputs = model.model.encoder.layers(x)
    for index, output in enumerate(outputs):
        assert every_10_ms(output, index).shape[1] >= outputs[-1].shape[1]
    assert torch.equal(every_10_ms(outputs[4], 4), outputs[4])
    torch.testing.assert_close(every_10_ms(outputs[0], 0)[0, 3], outputs[0][0, 96:128].mean(0))


def test_each_module_learns_by_itself() -> None:
    """On tones every module's loss falls well below that of guessing."""
    torch.manual_seed(0)
    model = GreedyNetwork(SpeechModelConfig(channels=8, context=8, norm="batch"), 2)
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-3)
    time = torch.arange(6_400) / 16_000
    first: list[float] = []
    for step in range(40):
        tones = torch.sin(2 * torch.pi * torch.tensor([[200.0], [900.0], [2_500.0], [5_000.0]]) * time)
        losses = [x.loss for x in greedy_loss(model, tones, CONFIG, torch.Generator().manual_seed(step))]
        first = first or [x.item() for x in losses]
        optimiser.zero_grad()
        torch.stack(losses).sum().backward()
        optimiser.step()
    assert all(now.item() < 0.8 * then for now, then in zip(losses, first, strict=True)), (first, losses)


def test_sizes() -> None:
    model = GreedyNetwork(SpeechModelConfig(channels=6, context=5), 3)
    assert isinstance(model.model, SpeechModel) and isinstance(model.model.encoder, WaveformEncoder)
    assert [p.shape for p in model.heads[5].parameters()] == [p.shape for p in linear_heads(5, 6, 3).parameters()]
