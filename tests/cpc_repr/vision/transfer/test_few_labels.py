"""Classification from few labels."""

from __future__ import annotations

import pytest
import torch

from configs import UsageError
from cpc_repr.vision.data.batches import PictureBatches
from cpc_repr.vision.data.grid import ViewConfig
from cpc_repr.vision.encoders.config import EncoderConfig
from cpc_repr.vision.encoders.resnet import ResNet
from cpc_repr.vision.supervised import PictureClassifier
from cpc_repr.vision.transfer.few_labels import FewLabelsConfig, TransferClassifier, apart, fit, labelled, optimisers
from cpc_repr.vision.transfer.linear import top
from tests.cpc_repr.vision.toy import SIDE, toy_split

VIEW = ViewConfig(resize=SIDE, crop=16, patch=8, stride=4, jitter=7)
TINY = EncoderConfig(stem=(4, 3, 2), pool=False, blocks=(1, 1), bottlenecks=(4, 4), maps=(8, 8))
REST = (torch.device("cpu"), lambda done, total: None)
SMALL = FewLabelsConfig(blocks=2, maps=8, bottleneck=4, batch_size=6, updates=40, every=10, learning_rate=0.02)


def test_the_papers_head() -> None:
    with torch.device("meta"):
        net = TransferClassifier(ResNet(TINY.model_copy(update={"maps": (8, 4096)})), 4096, 1000, FewLabelsConfig())
    blocks = sum(p.numel() for p in net.blocks.parameters())
    assert len(net.blocks) == 11 and 196e6 < blocks < 197e6


def test_labels_are_shared_out_evenly_and_nested() -> None:
    labels = torch.tensor([0] * 50 + [1] * 30 + [2] * 2)[torch.randperm(82, generator=torch.Generator().manual_seed(0))]
    small, large = labelled(labels, 0.1), labelled(labels, 0.5)
    assert torch.bincount(labels[small]).tolist() == [5, 3, 1] and torch.bincount(labels[large]).tolist() == [25, 15, 1]
    assert set(small.tolist()) < set(large.tolist())
    assert labelled(labels, 1.0).tolist() == list(range(82))


def test_validation_pictures_are_kept_apart() -> None:
    rest, kept = apart(50, 0.2, 1)
    assert len(kept) == 10 and sorted([*rest.tolist(), *kept.tolist()]) == list(range(50))
    assert not torch.equal(kept, apart(50, 0.2, 2)[1])
    with pytest.raises(UsageError, match="too few"):
        apart(1, 0.2, 0)


def toy(net: torch.nn.Module) -> tuple[PictureBatches, callable]:
    test = toy_split(15, 5)
    images = torch.stack([test.picture(i)[:, 4:20, 4:20] for i in range(15)])

    @torch.no_grad()
    def validate(net: torch.nn.Module) -> float:
        return float(top(net.eval()(images), test.labels, 1).float().mean())

    return PictureBatches(toy_split(30, 0), VIEW, 6, 0), validate


def test_a_frozen_encoder_stays_and_a_tuned_one_moves() -> None:
    torch.manual_seed(0)
    net = TransferClassifier(
        ResNet(TINY.model_copy(update={"norm": "batch"})), 8, 3, SMALL
    )  # statistics must stay, too
    batches, validate = toy(net)
    before = {name: p.clone() for name, p in net.state_dict().items()}
    frozen = fit(
        net, optimisers(net, "frozen", SMALL), batches, validate, SMALL, torch.device("cpu"), lambda a, b: None
    )
    after = {name: p.clone() for name, p in net.state_dict().items()}
    assert not any(p.requires_grad for p in net.encoder.parameters())
    assert all(torch.equal(after[n], before[n]) for n in after if n.startswith("encoder."))
    assert any(not torch.equal(after[n], before[n]) for n in after if not n.startswith("encoder."))
    assert frozen > 0.6
    every = SMALL.model_copy(update={"encoder_learning_rate": 1e-3, "learning_rate": 1e-3})
    tuned = fit(net, optimisers(net, "tuned", every), batches, validate, every, *REST)
    assert tuned >= frozen == pytest.approx(frozen)  # it begins where the frozen one ended
    optimiser = optimisers(net, "tuned", every)
    names = {id(p) for o in optimiser for g in o.param_groups for p in g["params"]}
    assert names == {id(p) for p in net.parameters()} and all(p.requires_grad for p in net.parameters())


def test_training_on_pixels_learns() -> None:
    torch.manual_seed(0)
    net = PictureClassifier(TINY, 3)
    batches, validate = toy(net)
    config = SMALL.model_copy(update={"pixels_learning_rate": 5e-3})
    assert fit(net, optimisers(net, "pixels", config), batches, validate, config, *REST) > 0.6


def test_it_stops_early_and_goes_back_to_the_best() -> None:
    torch.manual_seed(0)
    net = PictureClassifier(TINY, 3)
    batches, _ = toy(net)
    looks: list[dict[str, torch.Tensor]] = []
    values = iter([0.1, 0.5, 0.9, 0.2, 0.3, 0.4, 0.99])

    def validate(net: torch.nn.Module) -> float:
        looks.append({name: p.clone() for name, p in net.state_dict().items()})
        return next(values)

    config = SMALL.model_copy(update={"every": 1, "patience": 3})
    assert fit(net, optimisers(net, "pixels", config), batches, validate, config, *REST) == 0.9
    assert len(looks) == 6
    assert all(torch.equal(p, looks[2][name]) for name, p in net.state_dict().items())


def test_fractions_are_shares() -> None:
    with pytest.raises(ValueError, match="less than or equal to 1"):
        FewLabelsConfig(fractions=(0.1, 2.0))
