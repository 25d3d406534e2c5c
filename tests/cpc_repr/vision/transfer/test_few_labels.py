"""Classification from few labels."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from configs import UsageError
from cpc_repr.bookmark import Bookmark
from cpc_repr.training import Stopped
from cpc_repr.vision.data.batches import PictureBatches
from cpc_repr.vision.data.grid import ViewConfig
from cpc_repr.vision.encoders.config import EncoderConfig
from cpc_repr.vision.encoders.resnet import ResNet
from cpc_repr.vision.supervised import PictureClassifier
from cpc_repr.vision.transfer.few_labels import (
    FewLabelsConfig,
    TransferClassifier,
    apart,
    few_view,
    fit,
    labelled,
    optimisers,
)
from cpc_repr.vision.transfer.linear import top
from cpc_repr.vision.transfer.search import tried
from cpc_rl.runs import StopSignal
from tests.cpc_repr.vision.toy import SIDE, toy_split

VIEW = ViewConfig(resize=SIDE, crop=16, patch=8, stride=4, jitter=7)
TINY = EncoderConfig(stem=(4, 3, 2), pool=False, blocks=(1, 1), bottlenecks=(4, 4), maps=(8, 8))
CPU = torch.device("cpu")
REST = (CPU, lambda done, total: None)
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


def test_a_stopped_fit_goes_on_bit_for_bit_and_one_that_has_ended_is_not_done_again(tmp_path: Path) -> None:
    config = SMALL.model_copy(update={"dropout": 0.3, "every": 3, "updates": 12, "learning_rate": 0.05})

    def fitted(name: str, stop_at: int = -1) -> tuple[torch.nn.Module, float]:
        torch.manual_seed(0)
        net = TransferClassifier(ResNet(TINY), 8, 3, config)
        batches, validate = toy(net)
        stop = StopSignal()

        def tick(done: int, total: int) -> None:
            if stop.stop:
                raise Stopped
            stop.stop = done == stop_at

        mark = Bookmark(tmp_path / name, {}, 1000, stop)
        found = fit(net, optimisers(net, "tuned", config), batches, validate, config, CPU, tick, mark, seed=1)
        return net, found

    (one, best), (again, same) = fitted("one"), fitted("one", stop_at=0)  # the second one fits nothing
    with pytest.raises(Stopped):
        fitted("two", stop_at=5)
    two, other = fitted("two")
    assert best == same == other
    for name, p in one.state_dict().items():
        assert torch.equal(p, two.state_dict()[name]) and torch.equal(p, again.state_dict()[name]), name


def test_the_encoder_sees_pictures_of_its_own_size() -> None:
    assert few_view(VIEW, FewLabelsConfig()) == VIEW
    view = few_view(VIEW, FewLabelsConfig(resize=256, crop=224, area=(0.1, 1.0)))
    assert (view.resize, view.crop, view.area, view.grey) == (256, 224, (0.1, 1.0), VIEW.grey)


def test_draws_are_those_of_the_papers_search() -> None:
    config = FewLabelsConfig(learning_rate=0.1, trials=200)
    draws = tried(config, seed=3)
    assert {round(draw.learning_rate, 6) for draw in draws} == {0.05, 0.1, 0.2}
    assert {draw.batch_size for draw in draws} == {16, 32}
    assert all(1e-5 <= draw.weight_decay <= 1e-2 and 0 < draw.dropout < 1 for draw in draws)
    logs = sorted(math.log10(draw.weight_decay) for draw in draws)
    assert -3.7 < logs[100] < -3.3 and logs[0] < -4.9 and logs[-1] > -2.1  # even in the logarithm
    assert tried(config.model_copy(update={"trials": 3}), seed=3) == [
        draw.model_copy(update={"trials": 3}) for draw in draws[:3]
    ]
    assert tried(config, seed=4) != draws and tried(FewLabelsConfig(), seed=3) == [FewLabelsConfig()]
