"""Sizes of the papers, causality, the loss against the papers' listing, and that nothing leaks."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from configs import load
from cpc_repr.objective import count_parameters
from cpc_repr.vision.config import VisionConfig
from cpc_repr.vision.data.batches import plain_patches
from cpc_repr.vision.encoders.config import EncoderConfig
from cpc_repr.vision.encoders.patches import PatchEncoder
from cpc_repr.vision.encoders.pixelcnn import PixelCNN
from cpc_repr.vision.encoders.resnet import Bottleneck
from cpc_repr.vision.pretext.cpc import DIRECTIONS, Direction, VisionCPCConfig, VisionCPCNetwork
from cpc_rl.infonce import cpc_loss
from cpc_rl.negatives import Negatives

TINY = EncoderConfig(stem=(4, 3, 2), pool=False, blocks=(1, 1), bottlenecks=(4, 4), maps=(8, 8))


def preset(name: str) -> VisionConfig:
    return load(VisionConfig, ["--preset", name], prog="x", description="", family="vision")


def test_v1_has_the_papers_sizes() -> None:
    config = preset("paper")
    with torch.device("meta"):
        model = VisionCPCNetwork(config.model, config.cpc)
        assert count_parameters(model.model) == 27_494_016
        assert model.model.encoder(torch.empty(49, 3, 64, 64)).shape == (49, 1024, 4, 4)
    patches = plain_patches(torch.zeros(2, 3, 256, 256, dtype=torch.uint8), config.view)
    assert patches.shape == (2, 7, 7, 3, 64, 64) and model.model(patches.to("meta")).shape == (2, 7, 7, 1024)
    assert config.cpc.offsets == (1, 2, 3, 4, 5) and list(model.directions) == ["down"]
    assert sum(isinstance(m, Bottleneck) for m in model.modules()) == 30
    assert not any("norm" in type(m).__name__.lower() for m in model.modules())
    assert (config.train.batch_size, config.train.accumulate, config.optimiser.learning_rate) == (16, 32, 2e-4)


def test_v2_has_the_papers_sizes() -> None:
    config = preset("paper-v2")
    with torch.device("meta"):
        model = VisionCPCNetwork(config.model, config.cpc)
        assert count_parameters(model.model) == 303_838_336
        assert model.model.encoder(torch.empty(36, 3, 80, 80)).shape == (36, 4096, 5, 5)
        assert model.model.encoder(torch.empty(1, 3, 224, 224)).shape == (1, 4096, 14, 14)
    convolutions = sum(isinstance(m, nn.Conv2d) for m in model.model.modules())
    shortcuts = sum(m.shortcut is not None for m in model.modules() if isinstance(m, Bottleneck))
    assert convolutions - shortcuts + 1 == 161  # the paper counts a classifier, or the pooling, among ResNet-161's
    assert list(model.directions) == ["down", "up", "right", "left"]
    assert (config.view.cells, config.cpc.target, config.cpc.scale, config.cpc.offsets) == (6, 64, 0.1, (3,))
    assert (config.optimiser.beta1, config.optimiser.clip_norm, config.optimiser.average) == (0.8, 0.01, 0.9999)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in model.modules())


def test_pixelcnn_has_the_listings_sizes() -> None:
    with torch.device("meta"):
        block = PixelCNN(4096).blocks[0]
        assert [tuple(p.shape) for p in block.parameters() if p.ndim > 1] == [
            (256, 4096, 1, 1),
            (256, 256, 1, 3),
            (256, 256, 2, 1),
            (4096, 256, 1, 1),
        ]
    assert len(PixelCNN(4).blocks) == 5


def test_pixelcnn_is_the_listings() -> None:
    """Line by line: where there is a ReLU, and where there is none."""
    torch.manual_seed(0)
    net = PixelCNN(6, 10).double()
    z = torch.randn(2, 6, 6, 6, dtype=torch.float64)
    cres = z.permute(0, 3, 1, 2)
    for block in net.blocks:
        c = F.relu(F.conv2d(cres, block.reduce.weight, block.reduce.bias))
        c = F.conv2d(c, block.sideways.weight, block.sideways.bias, padding="same")
        c = torch.cat([torch.zeros(2, 10, 1, 6, dtype=torch.float64), c], 2)
        c = F.relu(F.conv2d(c, block.down.weight, block.down.bias))
        cres = cres + F.conv2d(c, block.expand.weight, block.expand.bias)
    torch.testing.assert_close(net(z), F.relu(cres).permute(0, 2, 3, 1))


@pytest.mark.parametrize("blocks", [1, 5])
def test_a_context_row_sees_rows_above_it_and_no_other(blocks: int) -> None:
    """The leak detector: gradients of row i are exactly zero for rows below i and above i - blocks."""
    torch.manual_seed(0)
    net = PixelCNN(12, 16, blocks).double()
    z = torch.randn(2, 9, 4, 12, dtype=torch.float64, requires_grad=True)
    for i in range(9):
        (slope,) = torch.autograd.grad(net(z)[0, i].sum(), z)
        seen = slope.abs().sum((2, 3))  # [B, H]
        assert seen[1].eq(0).all()
        expected = torch.tensor([max(0, i - blocks) <= row <= i for row in range(9)])
        assert torch.equal(seen[0] != 0, expected), i
    (slope,) = torch.autograd.grad(net(z)[0, 8, 2].sum(), z)
    columns = slope[0].abs().sum((0, 2)) != 0
    assert columns.tolist() == [abs(column - 2) <= blocks for column in range(4)]  # to both sides


@pytest.mark.parametrize("name", DIRECTIONS)
def test_each_direction_looks_away_from_what_it_predicts(name: str) -> None:
    torch.manual_seed(0)
    direction = Direction(3, VisionCPCConfig(context_width=16, offsets=(1,))).double()
    z = torch.randn(1, 6, 6, 3, dtype=torch.float64, requires_grad=True)
    turned = direction.context(DIRECTIONS[name](z))
    for i in range(6):
        (slope,) = torch.autograd.grad(turned[0, i].sum(), z, retain_graph=True)
        seen = slope[0].abs().sum(-1)  # [H, W]
        lines = seen.sum(1) if name in ("down", "up") else seen.sum(0)
        allowed = torch.arange(6) <= i if name in ("down", "right") else torch.arange(6) >= 5 - i
        assert torch.equal(lines != 0, allowed), (name, i)


def literal(context: Tensor, targets: Tensor, heads: nn.ModuleList, steps: range, scale: float) -> list[Tensor]:
    """The listing of CPC v2 as it stands, with the minus of its slice and whole-number division."""
    batch_dim, col_dim, rows, size = targets.shape
    losses = []
    targets = targets.reshape(-1, size)
    for head, i in zip(heads, steps, strict=True):
        col_dim_i = col_dim - i - 1
        total_elements = batch_dim * col_dim_i * rows
        preds_i = head(context)[:, : -(i + 1), :, :] * scale
        logits = preds_i.reshape(-1, size) @ targets.t()
        element = torch.arange(total_elements)
        b = element // (col_dim_i * rows)
        col = element % (col_dim_i * rows)
        labels = b * col_dim * rows + (i + 1) * rows + col
        losses.append(F.cross_entropy(logits, labels))
    return losses


@pytest.mark.parametrize("name", DIRECTIONS)
@pytest.mark.parametrize("steps", [range(i, i + 1) for i in range(5)] + [range(0, 5), range(2, 5)], ids=str)
def test_the_loss_is_the_listings(name: str, steps: range) -> None:
    """Offsets, labels, scale, biases and gradients; i of the listing is offset i + 1."""
    torch.manual_seed(1)
    config = VisionCPCConfig(offsets=tuple(i + 1 for i in steps), context_width=8, target=5, scale=0.1, bias=True)
    direction = Direction(7, config).double()
    for p in direction.parameters():
        nn.init.normal_(p, std=0.5)
    z = torch.randn(3, 6, 6, 7, dtype=torch.float64, requires_grad=True)
    turned = DIRECTIONS[name](z)
    found = direction(turned)
    expected = literal(direction.context(turned), direction.target(turned), direction.heads, steps, 0.1)
    torch.testing.assert_close(found.per_offset.loss, torch.stack(expected).detach())
    torch.testing.assert_close(found.loss, torch.stack(expected).mean())
    inputs = [z, *direction.parameters()]
    slopes = [torch.autograd.grad(x, inputs, retain_graph=True) for x in (found.loss, torch.stack(expected).mean())]
    for one, two in zip(*slopes, strict=True):
        torch.testing.assert_close(one, two)


def test_directions_turn_the_grid() -> None:
    grid = torch.arange(12).view(1, 3, 4, 1)
    turned = {name: turn(grid)[0, ..., 0] for name, turn in DIRECTIONS.items()}
    assert turned["down"][0].tolist() == [0, 1, 2, 3] and turned["up"][0].tolist() == [8, 9, 10, 11]
    assert turned["right"][0].tolist() == [0, 4, 8] and turned["left"][0].tolist() == [3, 7, 11]


def test_directions_have_networks_of_their_own_and_their_losses_are_summed() -> None:
    torch.manual_seed(0)
    config = VisionCPCConfig(offsets=(1, 2), directions=4, context_width=8, target=4, bias=True)
    model = VisionCPCNetwork(TINY, config)
    z = torch.randn(2, 4, 4, 8)
    found = model.contrast(z)
    alone = [model.directions[name](turn(z)) for name, turn in DIRECTIONS.items()]
    torch.testing.assert_close(found.loss, sum(x.loss for x in alone))
    torch.testing.assert_close(found.per_offset.loss, torch.stack([x.per_offset.loss for x in alone]).mean(0))
    assert len({round(x.loss.item(), 6) for x in alone}) == 4
    own = [{p.data_ptr() for p in direction.parameters()} for direction in model.directions.values()]
    assert len(set.union(*own)) == sum(map(len, own))


def test_negatives_are_all_patches_of_the_batch_or_those_of_other_pictures_or_of_the_same() -> None:
    torch.manual_seed(0)
    z = torch.randn(3, 4, 4, 8)
    count = {}
    pools = {"all": Negatives(), "exclude_own": Negatives(exclude="own"), "own": Negatives(pool="sequence")}
    for name, negatives in pools.items():
        direction = Direction(8, VisionCPCConfig(offsets=(1,), context_width=8, negatives=negatives))
        count[name] = round(direction(z).per_offset.log_n.exp().item())
    assert count == {"all": 3 * 16, "exclude_own": 2 * 16 + 1, "own": 16}
    some = Direction(8, VisionCPCConfig(offsets=(1,), context_width=8, negatives=Negatives(count=10)))
    assert some(z, torch.Generator().manual_seed(0)).per_offset.log_n.exp().item() <= 11.01


@pytest.mark.parametrize("negatives", [Negatives(exclude="own"), Negatives(pool="sequence")], ids=str)
def test_negatives_of_the_same_picture_are_those(negatives: Negatives) -> None:
    torch.manual_seed(0)
    direction = Direction(5, VisionCPCConfig(offsets=(1,), context_width=8, negatives=negatives)).double()
    nn.init.normal_(direction.heads[0].weight)
    z = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    logits = direction.heads[0](direction.context(z))[:, :-1].flatten(0, 2) @ z.flatten(0, 2).t()  # [16, 24]
    positive = torch.tensor([12 * b + 4 * (row + 1) + w for b in range(2) for row in range(2) for w in range(4)])
    own = torch.arange(16)[:, None] // 8 == torch.arange(24) // 12
    left_out = own if negatives.exclude == "own" else ~own
    left_out[torch.arange(16), positive] = False
    expected = F.cross_entropy(logits.masked_fill(left_out, -torch.inf), positive)
    torch.testing.assert_close(direction(z).loss, expected)


def test_gradients_reach_the_encoder_through_targets_and_contexts() -> None:
    torch.manual_seed(0)
    model = VisionCPCNetwork(TINY, VisionCPCConfig(offsets=(1,), context_width=8))
    model(torch.randn(2, 3, 3, 3, 8, 8)).loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert model.model.encoder.stem.weight.grad.abs().sum() > 0


def test_patches_are_encoded_one_by_one() -> None:
    """No normalisation looks across patches: another patch changes nothing."""
    torch.manual_seed(0)
    for norm in ("none", "layer"):
        model = PatchEncoder(TINY.model_copy(update={"norm": norm})).double()
        x = torch.randn(2, 3, 3, 3, 8, 8, dtype=torch.float64)
        other = x.clone()
        other[0, 1, 1] += 1
        changed = (model(x) - model(other)).abs().sum(-1) > 1e-9
        assert changed.sum() == 1 and changed[0, 1, 1], norm


def test_deep_networks_without_normalisation_start_at_a_sane_scale() -> None:
    torch.manual_seed(0)
    deep = EncoderConfig(stem=(8, 3, 1), pool=False, blocks=(3, 4, 23), bottlenecks=(8, 8, 8), maps=(16, 16, 16))
    z = PatchEncoder(deep)(torch.randn(4, 1, 1, 3, 8, 8))
    assert 0.1 < z.std() < 30


def held_out_loss(rows: int, leak: bool) -> float:
    """Loss on new noise, after training on noise; `leak` lets every row of z tell what the next one is."""
    torch.manual_seed(0)

    def sample() -> Tensor:
        z = torch.randn(8, rows, 3, 8)
        if leak:
            z[:, 1:, :, :4] = z[:, :-1, :, 4:]
        return z

    direction = Direction(8, VisionCPCConfig(offsets=(1, 2) if rows > 2 else (1,), context_width=32, target=8))
    optimiser = torch.optim.Adam(direction.parameters(), lr=3e-3)
    for _ in range(120):
        optimiser.zero_grad()
        direction(sample()).loss.backward()
        optimiser.step()
    with torch.no_grad():
        return float(torch.stack([direction(sample()).per_offset.loss[0] for _ in range(20)]).mean())


def test_nothing_is_to_be_learnt_from_noise() -> None:
    """Context, padding and normalisation give nothing away: the held-out loss stays at log N; a true leak is found."""
    log_n = math.log(8 * 4 * 3)
    assert held_out_loss(4, leak=False) > log_n - 0.02
    assert held_out_loss(4, leak=True) < log_n - 0.5


def test_the_loss_is_the_libraries() -> None:
    import cpc_repr.vision.pretext.cpc as module

    assert module.cpc_loss is cpc_loss


@pytest.mark.parametrize(
    "kind, values, words",
    [
        (VisionCPCConfig, {"offsets": ()}, "--offsets"),
        (VisionCPCConfig, {"offsets": (0, 1)}, "greater than or equal to 1"),
        (VisionCPCConfig, {"offsets": (1, 1)}, "different"),
        (EncoderConfig, {"blocks": (1, 1)}, "one number for each stack"),
        (EncoderConfig, {"stem": (0, 3, 1)}, "greater than or equal to 1"),
    ],
)
def test_what_does_not_fit_is_refused(kind: type, values: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        kind(**values)
