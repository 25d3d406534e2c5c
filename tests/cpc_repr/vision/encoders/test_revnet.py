"""RevNet: gradients and statistics against plain autograd, memory against depth, sizes."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from cpc_repr.objective import count_parameters
from cpc_repr.training import seeded
from cpc_repr.vision.encoders import make_encoder
from cpc_repr.vision.encoders.config import EncoderConfig, Norm
from cpc_repr.vision.encoders.revnet import Double, ReversibleStage


def stage(units: int, norm: Norm = "batch", channels: int = 16) -> ReversibleStage:
    made = seeded(0, lambda: ReversibleStage(units, channels, norm)).double()
    assert isinstance(made, ReversibleStage)
    return made


@pytest.mark.parametrize("norm", ["none", "layer", "batch"])
@pytest.mark.parametrize("training", [True, False])
def test_gradients_and_statistics_are_those_of_plain_autograd(norm: Norm, training: bool) -> None:
    ours = stage(4, norm).train(training)
    theirs = copy.deepcopy(ours)
    x = torch.randn(5, 16, 6, 6, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(5, 16, 6, 6, dtype=torch.float64)
    y, wanted = ours(x), theirs.plain(x)
    torch.testing.assert_close(y, wanted)
    slopes = torch.autograd.grad((y * weight).sum(), [x, *ours.parameters()])
    expected = torch.autograd.grad((wanted * weight).sum(), [x, *theirs.parameters()])
    for a, b in zip(slopes, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-10)
    for (name, a), b in zip(ours.named_buffers(), theirs.buffers(), strict=True):
        torch.testing.assert_close(a, b, msg=name)
        if name.endswith("num_batches_tracked"):
            assert a == int(training)  # backward has seen the batch too, and does not count
    if training and norm == "batch":
        assert any(name.endswith("running_mean") and a.abs().sum() > 0 for name, a in ours.named_buffers())


def test_a_stage_is_a_loop_over_halves() -> None:
    made = stage(2).eval()
    x = torch.randn(2, 16, 4, 4, dtype=torch.float64)
    a, b = x[:, :8], x[:, 8:]
    a = a + made.branches[0](b)  # what is changed comes second in the next unit
    b = b + made.branches[1](a)
    torch.testing.assert_close(made(x), torch.cat([a, b], 1))


def kept(run: nn.Module, x: Tensor) -> int:
    """Bytes that autograd keeps of `run(x)`, without its weights."""
    weights = {p.data_ptr() for p in run.parameters()}
    found: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if tensor.data_ptr() not in weights:
            found[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        y = run(x)
    del y
    return sum(found.values())


class Plain(nn.Module):
    def __init__(self, inside: ReversibleStage) -> None:
        super().__init__()
        self.inside = inside

    def forward(self, x: Tensor) -> Tensor:
        return self.inside.plain(x)


def test_memory_does_not_grow_with_depth() -> None:
    x = torch.randn(4, 16, 8, 8, dtype=torch.float64, requires_grad=True)
    output = x.nbytes
    assert [kept(stage(units), x) for units in (1, 4, 16)] == [output] * 3
    shallow, deep = (kept(Plain(stage(units)), x) for units in (4, 16))
    assert shallow > 4 * output and deep > 3.5 * shallow


def test_frozen_stages_and_some_frozen_weights() -> None:
    made = stage(3)
    made.branches[1].requires_grad_(False)
    x = torch.randn(3, 16, 4, 4, dtype=torch.float64)
    made(x).square().sum().backward()
    assert [all(p.grad is not None for p in branch.parameters()) for branch in made.branches] == [True, False, True]
    made.requires_grad_(False)
    assert not made(x).requires_grad
    inputs = x.clone().requires_grad_()
    torch.testing.assert_close(
        *(torch.autograd.grad(f(inputs).square().sum(), inputs)[0] for f in (made.eval(), made.plain))
    )


def test_from_stage_to_stage_channels_double_and_pixels_are_averaged() -> None:
    x = torch.arange(2 * 2 * 3 * 3.0).view(2, 2, 3, 3)
    y = Double(2)(x)
    assert y.shape == (2, 4, 2, 2) and (y[:, [0, 3]] == 0).all()
    torch.testing.assert_close(y[:, 1, 0, 0], x[:, 0, :2, :2].mean((1, 2)))
    torch.testing.assert_close(y[:, 2, 1, 1], x[:, 1, 2, 2])
    assert torch.equal(Double(1)(x)[:, 1:3], x)


def test_the_whole_network_is_one_of_plain_layers() -> None:
    encoder = seeded(1, lambda: make_encoder(EncoderConfig(encoder="revnet50", inputs="small", norm="batch"))).double()
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.bias)  # at 0 the padded channels lie where a ReLU has two slopes
    x = torch.randn(4, 3, 24, 24, dtype=torch.float64)
    slopes = torch.autograd.grad(encoder(x).square().mean(), [*encoder.parameters()])
    y = encoder.pool(encoder.stem(x))
    for i, one in enumerate(encoder.stages):
        y = one.plain(y if i == 0 else encoder.doubles[i - 1](y))
    z = encoder.norm(y).clamp(min=0)
    torch.testing.assert_close(encoder(x), z)
    expected = torch.autograd.grad(z.square().mean(), [*encoder.parameters()])
    for a, b in zip(slopes, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-9)


def test_its_size_is_the_sum_over_units() -> None:
    total = 3 * 7 * 7 * 256
    for units, half in zip((3, 4, 6, 3), (128, 256, 512, 1024), strict=True):
        inside = half // 4
        kernels = half * inside + 9 * inside * inside + inside * half
        total += units * (kernels + half + 2 * (half + inside + inside))  # the last kernel's bias; normalisation
    total += 2 * 2048
    with torch.device("meta"):
        for name in ("revnet50", "revnet50_no_relu"):
            assert count_parameters(make_encoder(EncoderConfig(encoder=name, norm="batch"))) == total
