"""Faster R-CNN on an encoder's maps."""

from __future__ import annotations

import sys

import pytest
import torch

from cpc_repr.training import Learner, drawing, seeded
from cpc_repr.vision.data.boxed import BoxedBatches, SizedPictures
from cpc_repr.vision.data.grid import normalised
from cpc_repr.vision.encoders import ENCODERS, make_encoder
from cpc_repr.vision.encoders.base import Encoder
from cpc_repr.vision.encoders.config import EncoderConfig
from cpc_repr.vision.transfer.average_precision import Found
from cpc_repr.vision.transfer.detection import Backbone, Detector, DetectorConfig, precisions, stride_of
from cpc_rl.optim import OptimiserConfig
from tests.cpc_repr.vision.toy import ToyBoxes

TINY = EncoderConfig(stem=(8, 3, 2), pool=False, blocks=(1, 1), bottlenecks=(8, 8), maps=(16, 16), norm="batch")
SMALL = DetectorConfig(side=48, anchors=(3, 5), aspects=(1,), proposals=30, regions=16, hidden=32, detections=10)


def encoder(seed: int = 0, config: EncoderConfig = TINY) -> Encoder:
    return seeded(seed, lambda: make_encoder(config))


def detector(frozen: bool, of: Encoder | None = None, config: DetectorConfig = SMALL) -> Detector:
    return seeded(0, lambda: Detector(of or encoder(), 2, config, frozen))


def trained(net: Detector, pictures: SizedPictures, updates: int) -> Detector:
    batches = BoxedBatches(pictures, 2, 0.0, seed=1)

    def loss(number: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        with drawing(torch.Generator().manual_seed(number), torch.device("cpu")):
            return net.loss(batches(number))

    learner = Learner(net, loss, OptimiserConfig(learning_rate=3e-3, schedule="linear", clip_norm=10.0), updates)
    while learner.updates < learner.total:
        learner.update()
    learner.freeze()
    return net


@pytest.mark.parametrize("frozen", [True, False])
def test_two_pictures_are_learnt_by_heart_and_only_a_tuned_encoder_moves(frozen: bool) -> None:
    pictures = SizedPictures(ToyBoxes(2), SMALL.side)
    net = detector(frozen)
    before = {name: x.clone() for name, x in net.net.backbone.state_dict().items()}
    assert any("running_var" in name for name in before)  # statistics must stay too
    trained(net, pictures, 300)
    moved = {name for name, x in net.net.backbone.state_dict().items() if not torch.equal(x, before[name])}
    if frozen:
        assert not moved
    else:
        assert {name for name in before if "running" in name or name.endswith("weight")} <= moved
    samples = [pictures[i] for i in range(2)]
    found = net.detect([sample.image for sample in samples])
    judged = precisions(found, [sample.boxes for sample in samples], pictures.classes)
    assert judged["voc07"] > 0.95 and judged["area"] > 0.95, judged
    assert judged["classes"].keys() == {"bright", "red"} and min(judged["classes"].values()) > 0.9


def test_the_head_is_the_same_on_whatever_encoder() -> None:
    one, two = detector(True, encoder(1)), detector(False, encoder(2))
    for name, x in one.net.state_dict().items():
        assert torch.equal(x, two.net.state_dict()[name]) != (name.startswith("backbone") and x.ndim == 4), name


def test_the_encoder_sees_pictures_as_it_was_trained_on_them() -> None:
    net = detector(True)
    image = torch.randint(256, (3, 48, 64), dtype=torch.uint8)
    seen, _ = net.net.transform([image.float() / 255])
    torch.testing.assert_close(seen.tensors[0, :, :48], normalised(image))  # in its size
    assert seen.tensors.shape == (1, 3, 64, 64) and not seen.tensors[0, :, 48:].any()  # padded with mid grey


def test_a_picture_without_objects_is_trained_on_and_detections_are_at_most_as_many_as_asked_for() -> None:
    split = ToyBoxes(2)
    pictures = SizedPictures(split, SMALL.side)
    samples = [pictures[0], pictures[1]._replace(boxes=type(split.boxes[1])(*(x[:0] for x in split.boxes[1])))]
    loss, parts = detector(False).loss(samples)
    assert loss.isfinite() and set(parts) == {"loss/class", "loss/box", "loss/objectness", "loss/proposal"}
    torch.testing.assert_close(loss.detach(), torch.stack([*parts.values()]).sum())
    found = detector(False).detect([samples[0].image, torch.zeros(3, 48, 80, dtype=torch.uint8)])
    assert all(len(one.labels) <= 10 and set(one.labels.tolist()) <= {0, 1} for one in found)
    assert all((one.scores.diff() <= 0).all() for one in found)


@pytest.mark.parametrize("name", ENCODERS)
def test_every_encoder_can_be_the_backbone(name: str) -> None:
    config = EncoderConfig(encoder=name, inputs="small") if name != "resnet" else TINY
    net = detector(False, encoder(0, config), SMALL.model_copy(update={"side": 96, "block": 2}))
    loss, _ = net.train().loss([SizedPictures(ToyBoxes(1), 96)[0]])
    loss.backward()
    assert all(p.grad is not None for p in net.net.backbone.parameters())


def test_strides_are_those_of_the_blocks() -> None:
    whole = encoder()
    assert [stride_of(Backbone(whole, blocks), 48) for blocks in (1, 2)] == [2, 4]
    sizes = [
        detector(True, config=SMALL.model_copy(update={"block": b})).net.rpn.anchor_generator.sizes for b in (1, 2, 0)
    ]
    assert sizes == [((6, 10),), ((12, 20),), ((12, 20),)]
    with pytest.raises(ValueError, match=r"--detector.block 3: the encoder has 2"):
        detector(True, config=SMALL.model_copy(update={"block": 3}))


def test_nothing_found_is_a_precision_of_nothing_and_a_class_without_objects_has_none() -> None:
    truth = ToyBoxes(1).boxes
    nothing = Found(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), torch.zeros(0))
    assert precisions([nothing], truth, ("bright", "red")) == {
        "voc07": 0.0,
        "area": 0.0,
        "classes": {"bright": 0.0, "red": None},
    }


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.models.detection", None)
    with pytest.raises(ValueError, match=r"pip install 'cpc-rl\[vision\]'"):
        detector(True)
