"""Pictures with boxes in one size, and their batches."""

from __future__ import annotations

import pytest
import torch

from configs import RunFailure
from cpc_repr.vision.data.boxed import BoxedBatches, BoxedPicture, DrawnSplit, SizedPictures, mirrored
from cpc_repr.vision.data.boxes import with_boxes
from cpc_repr.vision.data.synthetic import SyntheticPicturesConfig
from cpc_repr.vision.data.voc import Boxes
from tests.cpc_repr.vision.toy import ToyBoxes


def boxes(*corners: list[float], difficult: bool = False) -> Boxes:
    n = len(corners)
    return Boxes(torch.tensor(corners).reshape(n, 4), torch.zeros(n, dtype=torch.int64), torch.tensor([difficult] * n))


def test_the_shorter_side_is_as_asked_for_and_boxes_follow() -> None:
    split = ToyBoxes(3, size=(40, 60))
    sized = SizedPictures(split, 80)
    for i in range(3):
        image, found = sized[i]
        assert image.shape == (3, 80, 120) and image.dtype == torch.uint8
        torch.testing.assert_close(found.corners, split.boxes[i].corners * 2)
        left, top, right, bottom = found.corners[0].int().tolist()
        assert image[0, top + 3 : bottom - 3, left + 3 : right - 3].float().mean() > 200  # there it is
        assert image[0].float().mean() < 128
    same = SizedPictures(split, 40)
    assert torch.equal(same[0].image, split.picture(0))


def test_grey_pictures_have_no_colours() -> None:
    split = DrawnSplit(SyntheticPicturesConfig(size=32, train=10, test=10), "test")
    grey, colours = SizedPictures(split, 32, grey=True), SizedPictures(split, 32)
    assert torch.equal(grey[0].image[0], grey[0].image[2])
    assert not torch.equal(colours[0].image[0], colours[0].image[2])


def test_drawn_pictures_are_those_of_the_world() -> None:
    config = SyntheticPicturesConfig(size=32, train=10, test=10, strangers=0.5)
    ticks: list[tuple[int, int]] = []
    split = DrawnSplit(config, "train", lambda done, total: ticks.append((done, total)))
    for i, (picture, truth) in enumerate(with_boxes(config, "train")):
        assert torch.equal(split.picture(i), picture) and torch.equal(split.boxes[i].corners, truth.corners)
    assert len(split) == 10 and ticks[-1] == (10, 10)


def test_what_does_not_fit_into_memory_is_read_again() -> None:
    split = ToyBoxes(4)
    one = split.picture(0).numel()
    sized = SizedPictures(split, 32, kept=2 * one)
    assert not sized.in_memory and SizedPictures(split, 32).in_memory
    before = split.reads
    assert all(torch.equal(sized[i].image, SizedPictures(ToyBoxes(4), 32)[i].image) for i in range(4))
    assert split.reads == before + 2


def test_a_mirror_image_twice_is_the_picture() -> None:
    image = torch.arange(3 * 4 * 10, dtype=torch.uint8).view(3, 4, 10)
    sample = BoxedPicture(image, boxes([1.0, 0.0, 4.0, 2.0]))
    turned = mirrored(sample)
    assert turned.boxes.corners.tolist() == [[6, 0, 9, 2]]
    assert torch.equal(turned.image[:, 0:2, 6:9].flip(-1), image[:, 0:2, 1:4])
    assert torch.equal(mirrored(turned).boxes.corners, sample.boxes.corners)


def test_every_picture_comes_once_in_an_epoch_and_batches_are_functions_of_their_number() -> None:
    pictures = SizedPictures(ToyBoxes(6), 32)
    batches = BoxedBatches(pictures, 4, 0.0, seed=1)
    drawn = [int(sample.image.long().sum()) for number in range(3) for sample in batches(number)]
    each = sorted(int(pictures[i].image.long().sum()) for i in range(6))
    assert sorted(drawn[:6]) == sorted(drawn[6:]) == each and drawn[:6] != drawn[6:]
    again = BoxedBatches(pictures, 4, 0.0, seed=1)(1)
    assert [int(sample.image.long().sum()) for sample in again] == drawn[4:8]
    flips = [
        not torch.equal(a.image, b.image)
        for number in range(10)
        for a, b in zip(batches(number), BoxedBatches(pictures, 4, 0.5, seed=1)(number), strict=True)
    ]
    assert 5 < sum(flips) < 35


def test_difficult_objects_are_not_trained_on_but_stay_to_be_judged() -> None:
    split = ToyBoxes(2)
    split.boxes[0] = split.boxes[0]._replace(difficult=torch.tensor([True]))
    pictures = SizedPictures(split, 32)
    assert sorted(len(sample.boxes.labels) for sample in BoxedBatches(pictures, 2, 0.5, seed=1)(0)) == [0, 1]
    assert len(pictures[0].boxes.labels) == 1
    split.boxes[1] = split.boxes[0]
    with pytest.raises(ValueError, match="no picture has an object that is not marked as difficult"):
        SizedPictures(split, 32)


def test_a_file_that_has_become_damaged_ends_the_training_by_name() -> None:
    split = ToyBoxes(2)
    pictures = SizedPictures(split, 32, kept=0)
    split.broken = True
    with pytest.raises(RunFailure, match="picture [01] is damaged"):
        BoxedBatches(pictures, 2, 0.5, seed=1)(0)
