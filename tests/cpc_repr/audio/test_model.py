"""Shapes and sizes the paper gives, and what sees what."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from configs.files import load_preset
from cpc_repr.audio.model import PADDING, SpeechModel, SpeechModelConfig, WaveformEncoder, frames
from cpc_repr.objective import count_parameters
from cpc_repr.sequences import Encoding, SequenceCPC, SequenceCPCConfig, contrast
from cpc_rl.infonce import cpc_loss, linear_heads
from cpc_rl.negatives import Negatives

TINY = SpeechModelConfig(channels=8, context=6)


def test_128_frames_of_a_window_and_130_with_the_misprint() -> None:
    lengths = [x.shape[1] for x in WaveformEncoder(4).layers(torch.zeros(1, 20_480))]
    assert lengths == [4096, 1024, 512, 256, 128]
    assert frames(20_480) == 128
    assert frames(20_480, kernels=(10, 8, 4, 4, 1), padding=(2, 2, 2, 2, 1)) == 130  # Table 5 of Greedy InfoMax
    assert frames(20_480, padding=(0,) * 5) == 126


@pytest.mark.parametrize("samples", [465, 466, 4000, 5003, 12_345, 20_479])
def test_frames_is_what_the_encoder_makes(samples: int) -> None:
    assert WaveformEncoder(2)(torch.zeros(1, samples)).shape[1] == frames(samples)


def test_parameters_of_the_paper() -> None:
    preset = load_preset("paper", "audio")
    model = SequenceCPC(SpeechModel(SpeechModelConfig(**preset["model"])), preset["cpc"]["steps"])
    assert count_parameters(model.model.encoder) == 5_250_560
    assert count_parameters(model.model.gru) == 591_360
    assert count_parameters(model.heads) == 1_572_864


def test_frame_looks_at_465_samples_around_160_t_plus_79() -> None:
    samples = torch.randn(1, 4_000, requires_grad=True)
    WaveformEncoder(8)(samples)[0, 10].sum().backward()
    seen = samples.grad[0].nonzero()[:, 0]
    assert (seen.min(), seen.max()) == (160 * 10 + 79 - 232, 160 * 10 + 79 + 232)


def test_context_sees_the_past_only() -> None:
    z = torch.randn(1, 20, 8, requires_grad=True)
    SpeechModel(TINY).gru(z)[0][0, 7].sum().backward()
    seen = z.grad[0].abs().sum(-1)
    assert (seen[:8] > 0).all() and (seen[8:] == 0).all()


@pytest.mark.parametrize("norm", ["none", "channel"])
def test_without_batch_norm_a_sequence_does_not_hang_on_its_neighbours(norm: str) -> None:
    model = SpeechModel(SpeechModelConfig(channels=8, context=6, norm=norm))
    x = torch.randn(3, 3_000)
    torch.testing.assert_close(model(x).c[1], model(x[1:2]).c[0])


def test_channel_norm_normalises_each_frame_by_itself() -> None:
    encoder = WaveformEncoder(16, "channel")
    x = torch.randn(1, 16, 30)
    normed = encoder.blocks[0].norm(x)
    torch.testing.assert_close(normed.mean(1), torch.zeros(1, 30), atol=1e-5, rtol=0)
    torch.testing.assert_close(normed.std(1, unbiased=False), torch.ones(1, 30), atol=1e-3, rtol=0)
    changed = x.clone()
    changed[0, :, 5] = 7.0 * torch.randn(16)
    torch.testing.assert_close(encoder.blocks[0].norm(changed)[0, :, 6], normed[0, :, 6])


@pytest.mark.parametrize("norm, bias", [("none", True), ("channel", True), ("batch", False)])
def test_no_bias_where_batch_norm_would_take_it_out(norm: str, bias: bool) -> None:
    for block in WaveformEncoder(4, norm).blocks:
        assert (block.conv.bias is not None) == bias
        assert isinstance(block.norm, torch.nn.BatchNorm1d) == (norm == "batch")


@pytest.fixture
def encoding() -> Encoding:
    torch.manual_seed(0)
    return Encoding(torch.randn(3, 20, 8), torch.randn(3, 20, 6))


@pytest.mark.parametrize(
    "negatives, count, keywords",
    [
        (Negatives(), 60, {}),
        (Negatives(exclude="own"), 41, {"exclude_own": True}),
        (Negatives(pool="sequence"), 20, {"pool": "sequence"}),
        (Negatives(pool="time"), 3, {"pool": "time"}),
    ],
)
def test_pools(encoding: Encoding, negatives: Negatives, count: int, keywords: dict) -> None:
    heads = linear_heads(6, 8, 4, init_std=0.5)
    found = contrast(encoding, heads, SequenceCPCConfig(negatives=negatives), torch.Generator())
    wanted = cpc_loss(encoding.c, encoding.z, heads, range(1, 5), **keywords)
    assert found.loss == wanted.loss
    torch.testing.assert_close(found.per_offset.log_n, torch.full((4,), math.log(count)))


def test_sampled_negatives_come_from_the_generator(encoding: Encoding) -> None:
    heads, ten = linear_heads(6, 8, 4, init_std=0.5), SequenceCPCConfig(negatives=Negatives(count=10))
    losses = [contrast(encoding, heads, ten, torch.Generator().manual_seed(s)).loss.item() for s in (1, 1, 2)]
    assert losses[0] == losses[1] != losses[2]
    assert contrast(encoding, heads, ten, torch.Generator()).per_offset.log_n.max() <= math.log(11) + 1e-6


def test_drawn_anchors_give_the_full_loss_on_average(encoding: Encoding) -> None:
    heads = linear_heads(6, 8, 4, init_std=0.5)
    full = contrast(encoding, heads, SequenceCPCConfig(), torch.Generator()).loss
    draws = torch.Generator().manual_seed(0)
    some = [contrast(encoding, heads, SequenceCPCConfig(anchors=5), draws).loss for _ in range(400)]
    assert len({loss.item() for loss in some}) > 300
    torch.testing.assert_close(torch.stack(some).mean(), full, rtol=0.02, atol=0)


def test_no_preset_file_is_without_its_padding() -> None:
    assert len(PADDING) == 5 and (Path(__file__).parents[3] / "configs/audio.small.yaml").is_file()
