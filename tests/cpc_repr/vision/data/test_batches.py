"""PictureBatches as functions of seed and number."""

from __future__ import annotations

import pytest
import torch

from configs import RunFailure, UsageError
from cpc_repr.objective import generator
from cpc_repr.vision.data.augment import AugmentConfig
from cpc_repr.vision.data.batches import PictureBatches, patches, plain_patches
from cpc_repr.vision.data.grid import ViewConfig
from tests.cpc_repr.vision.toy import SIDE, toy_split

VIEW = ViewConfig(resize=SIDE, crop=16, patch=8, stride=4, jitter=7)


def test_a_batch_is_a_function_of_seed_and_number() -> None:
    split = toy_split(20, 0)
    one, two, other = (PictureBatches(split, VIEW, 6, seed) for seed in (1, 1, 2))
    later = two(7)  # asked for out of turn
    for number in (0, 3, 7):
        batch = one(number)
        assert batch.images.shape == (6, 3, 16, 16) and batch.images.dtype == torch.uint8
    assert torch.equal(batch.images, later.images) and torch.equal(batch.labels, later.labels)
    assert not torch.equal(one(3).images, other(3).images)


def test_every_picture_once_an_epoch_in_another_order() -> None:
    split = toy_split(12, 0, classes=12)
    batches = PictureBatches(split, VIEW, 5, 0)
    seen = torch.cat([batches(number).labels for number in range(12)])  # 60 pictures, 5 epochs
    epochs = seen.view(5, 12)
    assert all(sorted(epoch.tolist()) == list(range(12)) for epoch in epochs)
    assert len({tuple(epoch.tolist()) for epoch in epochs}) == 5


def test_chosen_pictures_alone() -> None:
    split = toy_split(12, 0, classes=12)
    batches = PictureBatches(split, VIEW, 4, 0, torch.tensor([3, 8, 9]))
    assert set(torch.cat([batches(n).labels for n in range(5)]).tolist()) == {3, 8, 9}
    with pytest.raises(UsageError, match="no pictures"):
        PictureBatches(split, VIEW, 4, 0, torch.tensor([], dtype=torch.long))


def test_a_damaged_file_ends_the_run() -> None:
    class Broken:
        labels = torch.zeros(3)

        def __len__(self) -> int:
            return 3

        def pictures(self, indices: object) -> list[torch.Tensor]:
            raise ValueError("x.png cannot be read")

    with pytest.raises(RunFailure, match="x.png"):
        PictureBatches(Broken(), VIEW, 2, 0)(0)


def test_patches_to_train_on_and_to_evaluate() -> None:
    images = PictureBatches(toy_split(6, 0), VIEW, 6, 0)(0).images
    plain, jittered = plain_patches(images, VIEW), patches(images, VIEW, AugmentConfig(), generator(0, 0, 2))
    assert plain.shape == jittered.shape == (6, 3, 3, 3, 8, 8)
    assert plain.abs().max() <= 2 and not torch.equal(plain, jittered)
    dropped = patches(images, VIEW, AugmentConfig(drop=1.0), generator(0, 0, 2))
    assert not torch.equal(dropped, jittered)
    assert torch.equal(dropped, patches(images, VIEW, AugmentConfig(drop=1.0), generator(0, 0, 2)))


def test_purposes_draw_apart() -> None:
    drawn = {generator(s, n, p).initial_seed() for s in range(3) for n in range(3) for p in range(5)}
    assert len(drawn) == 45
