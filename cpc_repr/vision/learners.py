"""What is trained: CPC, and the encoder end to end on labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cpc_repr.prefetch import Prefetcher
from cpc_repr.training import Learner, seeded
from cpc_repr.vision.batches import Batch, Batches, generator, patches
from cpc_repr.vision.config import Config
from cpc_repr.vision.grid import normalised
from cpc_repr.vision.model import CPCModel
from cpc_repr.vision.pictures import Pictures
from cpc_repr.vision.resnet import Encoder, EncoderConfig
from cpc_rl.distributed import SINGLE, ProcessGroup
from cpc_rl.infonce import PerOffset
from cpc_rl.optim import OptimiserConfig


class Supervised(nn.Module):
    """The encoder on whole pictures with a linear classifier on its mean: training on pixels.

    It has batch normalisation, whatever CPC's has: supervised networks do best with it, and an upper bound should.
    """

    def __init__(self, config: EncoderConfig, classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.encoder = Encoder(config.model_copy(update={"norm": "batch"}))
        self.dropout = nn.Dropout(dropout)
        self.classify = nn.Linear(config.maps[-1], classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [B, classes] of images uint8 [B, 3, S, S]."""
        return self.classify(self.dropout(self.encoder(normalised(images)).mean((-2, -1))))


def build(config: Config) -> CPCModel:
    """The networks of CPC, with the seed's initial weights."""
    return cast(CPCModel, seeded(config.run.seed, lambda: CPCModel(config.model, config.cpc)))


def reader(config: Config, batches: Batches) -> Callable[[int], Batch]:
    """`batches`, read ahead in threads if they come from a disk."""
    return batches if config.data.data is None else Prefetcher(batches)


def cpc_learner(config: Config, pictures: Pictures, device: torch.device, group: ProcessGroup = SINGLE) -> Learner:
    """CPC on the pictures without labels, where there are any, else on the training pictures."""
    model, seed = build(config).to(device), config.run.seed
    split = pictures.unlabeled or pictures.train
    read = reader(config, Batches(split, config.view, config.train.batch_size, seed))

    def loss(number: int) -> tuple[Tensor, dict[str, Tensor]]:
        images = read(number).images.to(device)
        x = patches(images, config.view, config.augment, generator(seed, number, 2))
        result = model(x, generator(seed, number, 3))
        return result.loss, by_offset(result.per_offset, config.cpc.offsets)

    return Learner(model, loss, config.optimiser, config.train.updates, config.train.accumulate, group)


def by_offset(found: PerOffset, offsets: tuple[int, ...]) -> dict[str, Tensor]:
    """Accuracy and bound of each offset, and log N (of the last), named as metrics."""
    named = {"cpc/log_n": found.log_n[-1]}
    for i, k in enumerate(offsets):
        named[f"cpc/accuracy_{k}"] = found.accuracy[i]
        named[f"cpc/bound_{k}"] = found.bound[i]
    return named


def supervised_learner(
    config: Config, pictures: Pictures, device: torch.device, group: ProcessGroup = SINGLE
) -> Learner:
    """The encoder on all labels, with random crops and mirror images."""
    model = seeded(config.run.seed, lambda: Supervised(config.model, len(pictures.classes))).to(device)
    read = reader(config, Batches(pictures.train, config.view, config.train.batch_size, config.run.seed))

    def loss(number: int) -> tuple[Tensor, dict[str, Tensor]]:
        batch = read(number)
        logits, wanted = model(batch.images.to(device)), batch.labels.to(device)
        return F.cross_entropy(logits, wanted), {"accuracy": (logits.argmax(-1) == wanted).float().mean()}

    rate, updates = config.train.supervised_learning_rate, config.train.supervised_updates
    optimiser = OptimiserConfig(learning_rate=rate, warmup=config.optimiser.warmup, schedule="linear")
    return Learner(model, loss, optimiser, updates, config.train.accumulate, group)
