"""Every network: what it maps to what, its blocks, its size against torchvision's or a published one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import get_args

import pytest
import torch
from torch import nn
from torchvision import models

from configs import UsageError, load
from cpc_repr.objective import count_parameters
from cpc_repr.training import seeded
from cpc_repr.vision import load as load_run
from cpc_repr.vision.__main__ import main
from cpc_repr.vision.config import VisionConfig
from cpc_repr.vision.data.pictures import open_pictures
from cpc_repr.vision.encoders import ENCODERS, Encoder, make_encoder
from cpc_repr.vision.encoders.config import EncoderConfig, Norm
from cpc_repr.vision.encoders.patches import PatchEncoder
from cpc_repr.vision.encoders.torchvision_resnet import TorchvisionResNet
from tests.cpc_repr.commands import results
from tests.cpc_repr.vision.test_command import TINY
from tests.cpc_repr.vision.toy import write_toy

OTHERS = [name for name in ENCODERS if name != "resnet"]
WIDTH = {"resnet18": 128, "resnet18_no_skip": 128, "vgg19_bn": 64}  # last channels by widening factor; others: 512
SIDES = {"vgg19_bn": (14, 4)}  # of the maps of 224 and of 64 pixels; others: 7, 8


def small(name: str, norm: Norm = "batch") -> EncoderConfig:
    if name == "resnet":
        sizes = {"blocks": (1, 2, 1), "bottlenecks": (4, 4, 6), "maps": (8, 8, 12)}
        return EncoderConfig(stem=(8, 3, 2), pool=False, norm=norm, **sizes)
    return EncoderConfig(encoder=name, inputs="small", norm=norm)


def size(name: str, **changed: object) -> int:
    with torch.device("meta"):
        return count_parameters(make_encoder(EncoderConfig(encoder=name, norm="batch", **changed)))


@pytest.mark.parametrize("norm", get_args(Norm))
@pytest.mark.parametrize("name", ENCODERS)
def test_maps_come_after_each_block_and_all_weights_are_learnt(name: str, norm: Norm) -> None:
    encoder = seeded(0, lambda: make_encoder(small(name, norm)))
    kinds = {type(m) for m in encoder.modules()} & {nn.BatchNorm2d, nn.GroupNorm}
    assert kinds == {"none": set(), "batch": {nn.BatchNorm2d}, "layer": {nn.GroupNorm}}[norm]
    x = torch.randn(4, 3, 32, 32)
    maps = encoder.maps(x)
    assert [m.shape[1] for m in maps] == [*encoder.sizes] and encoder.size == encoder.sizes[-1]
    sides = [m.shape[-1] for m in maps]
    assert all(m.shape[0] == 4 and m.shape[2] == m.shape[3] for m in maps) and sides == sorted(sides, reverse=True)
    z = encoder.eval()(x)
    torch.testing.assert_close(encoder.maps(x)[-1], z)
    assert 0.01 < z.std() < 20  # a sane scale without normalisation too (padding with zeros takes some of it)
    encoder.train()(x).square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in encoder.parameters())
    again = seeded(0, lambda: make_encoder(small(name, norm)))
    assert all(torch.equal(a, b) for a, b in zip(encoder.parameters(), again.parameters(), strict=True))


@pytest.mark.parametrize("name", ENCODERS)
def test_isolated_blocks_learn_from_nothing_but_their_own_output(name: str) -> None:
    encoder = make_encoder(small(name))
    x = torch.randn(3, 3, 32, 32)
    parts = [[*part.parameters()] for part in encoder.parts()]
    assert sum(map(len, parts)) == len([*encoder.parameters()])
    for i, output in enumerate(encoder.maps(x, isolate=True)):
        for j, parameters in enumerate(parts):
            slopes = torch.autograd.grad(output.square().sum(), parameters, retain_graph=True, allow_unused=True)
            assert all((slope is not None) == (i == j) for slope in slopes), (i, j)
    joint = torch.autograd.grad(encoder.maps(x)[-1].square().sum(), parts[0])
    assert all(slope is not None for slope in joint)
    for a, b in zip(encoder.eval().maps(x), encoder.maps(x, isolate=True), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("name", OTHERS)
def test_width_and_kind_of_input(name: str) -> None:
    with torch.device("meta"):
        for widen in (4, 8, 12, 16):
            config = EncoderConfig(encoder=name, widen=widen)
            encoder = make_encoder(config)
            assert encoder.size == WIDTH.get(name, 512) * widen
            whole, of_patches = SIDES.get(name, (7, 8))
            assert encoder(torch.empty(2, 3, 224, 224)).shape == (2, encoder.size, whole, whole)
        patches = make_encoder(config.model_copy(update={"inputs": "patches"}))
        assert count_parameters(patches) == count_parameters(encoder)
        assert patches(torch.empty(2, 3, 64, 64)).shape == (2, encoder.size, of_patches, of_patches)
        tiny = make_encoder(config.model_copy(update={"inputs": "small"}))
        assert tiny.size == encoder.size // 4 and count_parameters(tiny) < count_parameters(encoder) / 12
        assert tiny(torch.empty(2, 3, 8, 8)).shape == (2, tiny.size, 1, 1)  # patches of --smoke


@pytest.mark.parametrize(
    "name, build, widen, rest",
    [
        ("resnet50_v1", models.resnet50, 4, "fc"),
        ("resnet18", models.resnet18, 4, "fc"),
        ("vgg19_bn", partial(models.vgg19_bn, init_weights=False), 8, "classifier"),
    ],
)
def test_it_is_torchvisions_network(name: str, build: Callable[[], nn.Module], widen: int, rest: str) -> None:
    """Same weights, by the same names: the same maps."""
    their = seeded(1, build).eval()
    ours = make_encoder(EncoderConfig(encoder=name, norm="batch", widen=widen)).eval()
    assert count_parameters(ours) == count_parameters(their) - count_parameters(getattr(their, rest))
    unknown = ours.load_state_dict(their.state_dict(), strict=False)
    assert not unknown.missing_keys and {key.partition(".")[0] for key in unknown.unexpected_keys} == {rest}
    x = torch.randn(2, 3, 64, 64)
    maps = ours(x)
    if rest == "fc":
        their.fc = nn.Identity()
        torch.testing.assert_close(maps.mean((-2, -1)), their(x))
    else:
        torch.testing.assert_close(nn.functional.max_pool2d(maps, 2), their.features(x))


def test_sizes_are_the_published_ones() -> None:
    assert size("resnet50_v1") == 23_508_032 and size("resnet18") == 11_176_512  # torchvision, without classifiers
    assert size("resnet50_v2") == size("resnet50_v2_no_relu") == 23_519_360  # Keras' ResNet50V2, without its top
    assert size("vgg19_bn", widen=8) == 143_678_248 - 123_642_856  # torchvision's figure, less three linear maps
    # Chen et al. 2020, Table 6: ResNet-50 of 24 M at width 1, 94 M at 2, 375 M at 4.
    assert [round(size("resnet50_v1", widen=k) / 1e6) for k in (4, 8, 16)] == [24, 94, 375]
    # Three 1 x 1 convolutions from 64, 128, 256 channels to twice as many, and their batch normalisations.
    skips = sum(c * 2 * c + 2 * (2 * c) for c in (64, 128, 256))
    assert size("resnet18") - size("resnet18_no_skip") == skips


def test_without_skips_a_block_is_its_branch() -> None:
    encoder = seeded(2, lambda: make_encoder(small("resnet18_no_skip"))).eval()
    x = torch.randn(2, 3, 16, 16)
    y = encoder.conv1(x).clamp(min=0)  # normalisation begins as the identity, but for eps
    for part in (encoder.layer1, encoder.layer2, encoder.layer3, encoder.layer4):
        for block in part:
            y = block.conv2(block.conv1(y).clamp(min=0)).clamp(min=0)
    torch.testing.assert_close(encoder(x), y, rtol=1e-3, atol=1e-4)
    assert not any(name.startswith("downsample") for name, _ in encoder.named_parameters())


@pytest.mark.parametrize("name", ["resnet50_v2", "revnet50"])
def test_the_last_relu_is_all_that_no_relu_leaves_out(name: str) -> None:
    with_it, without = (seeded(3, lambda n=name: make_encoder(small(n))).eval() for name in (name, f"{name}_no_relu"))
    x = torch.randn(2, 3, 32, 32)
    z = without(x)
    assert (z < 0).any()
    torch.testing.assert_close(with_it(x), z.clamp(min=0))


def test_weights_of_old_runs_have_their_places() -> None:
    model = PatchEncoder(EncoderConfig(stem=(4, 3, 2), pool=False, blocks=(1, 1), bottlenecks=(4, 4), maps=(8, 8)))
    names = {f"encoder.stacks.{i}.{part}" for i in (0, 1) for part in ("reduce", "conv", "expand", "shortcut")}
    assert {name.rpartition(".")[0] for name in model.state_dict()} == {"encoder.stem", *names}


def test_what_is_not_there_is_refused() -> None:
    def config(*argv: str) -> VisionConfig:
        return load(VisionConfig, ["--preset", "small", *argv], prog="x", description="", family="vision")

    assert config("--encoder", "resnet18", "--widen", "8").model.inputs == "small"
    with pytest.raises(UsageError, match="--encoder alexnet: there are resnet, resnet18"):
        config("--encoder", "alexnet")
    with pytest.raises(UsageError, match="--encoder alexnet: there are"):
        make_encoder(EncoderConfig(encoder="alexnet"))
    with pytest.raises(UsageError, match="--widen 8: --encoder resnet is as wide as --stem"):
        config("--widen", "8")
    with pytest.raises(UsageError, match="--widen"):
        config("--encoder", "resnet18", "--widen", "5")


@pytest.mark.parametrize("method", ["cpc", "rotation"])
def test_a_run_trains_probes_and_loads_another_network(method: str, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY)
    data = write_toy(tmp_path / "toy")
    flags = ["--data", str(data), "--config", str(tmp_path / "tiny.yaml"), "--run", str(tmp_path / "run")]
    assert main([*flags, "--method", method, "--encoder", "resnet18", "--norm", "batch", "--updates", "2"]) == 0
    found = results(tmp_path / "run")
    assert {method, f"{method}_grid", "random", "supervised", "labels_0.5"} <= found.keys()
    sight = load_run(tmp_path / "run")
    z = sight.encode(open_pictures("folder", data).test.pictures(range(3)))
    assert isinstance(sight.model.encoder, TorchvisionResNet) and z.shape[-1] == 128 and z.isfinite().all()


def test_skip_connections_are_compared_block_by_block(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY)
    flags = [
        "--data",
        str(write_toy(tmp_path / "toy")),
        "--config",
        str(tmp_path / "tiny.yaml"),
        "--method",
        "rotation",
    ]
    flags += ["--run", str(tmp_path / "run"), "--ablation", "skip", "--evaluation.blocks", "--updates", "2"]
    assert main(flags) == 0
    table = (tmp_path / "run/report/table.md").read_text()
    assert "| without skip connections |" in table and "| with skip connections |" in table
    assert "| block 1 | block 2 | block 3 | block 4 |" in table


class Halving(Encoder):
    """A network of one's own, as docs/vision.md says."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.sizes = (4, config.widen)
        self.layers = nn.ModuleList([nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, config.widen, 3, 2, 1)])

    def parts(self) -> list[nn.Module]:
        return [*self.layers]


def test_a_network_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENCODERS, "halving", Halving)
    (tmp_path / "tiny.yaml").write_text(TINY)
    flags = ["--data", str(write_toy(tmp_path / "toy")), "--config", str(tmp_path / "tiny.yaml"), "--updates", "2"]
    assert main([*flags, "--run", str(tmp_path / "run"), "--encoder", "halving", "--widen", "8"]) == 0
    assert isinstance(load_run(tmp_path / "run").model.encoder, Halving)
    monkeypatch.delitem(ENCODERS, "halving")
    with pytest.raises(UsageError, match="--encoder halving: there are resnet"):
        load_run(tmp_path / "run")


def test_the_help_names_every_network() -> None:
    text = EncoderConfig.model_fields["encoder"].description
    assert text is not None and all(f"`{name}`" in text for name in ENCODERS)
