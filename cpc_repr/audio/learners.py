"""What is trained: CPC, Greedy InfoMax, and the supervised networks they are held against."""

from __future__ import annotations

from typing import Literal, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cpc_repr.audio.config import Config
from cpc_repr.audio.data import Batch, Waveforms, Windows
from cpc_repr.audio.greedy import NAMES, GreedyModel, greedy_loss
from cpc_repr.audio.model import HOP, CPCModel, ModelConfig, SpeechModel, contrast, frames
from cpc_repr.prefetch import Prefetcher
from cpc_repr.training import Learner, seeded
from cpc_rl.infonce import PerOffset
from cpc_rl.optim import OptimiserConfig

Task = Literal["phone", "speaker"]


class Supervised(nn.Module):
    """The same network with a linear classifier on c."""

    def __init__(self, config: ModelConfig, classes: int) -> None:
        super().__init__()
        self.model = SpeechModel(config)
        self.classify = nn.Linear(config.context, classes)

    def forward(self, samples: Tensor) -> Tensor:
        """Logits [B, T, classes] of samples [B, n]."""
        return self.classify(self.model(samples).c)


def build(config: Config) -> CPCModel | GreedyModel:
    """The network with its heads, with the seed's initial weights."""
    kind = GreedyModel if config.greedy else CPCModel
    return cast("CPCModel | GreedyModel", seeded(config.run.seed, lambda: kind(config.model, config.cpc.steps)))


def generator(config: Config, number: int) -> torch.Generator:
    """Of the negatives and anchors of batch `number`."""
    seed = np.random.SeedSequence([config.run.seed, number]).generate_state(1)[0]  # torch reads 32 bits of it
    return torch.Generator().manual_seed(int(seed))


def cpc_learner(config: Config, waveforms: Waveforms, device: torch.device) -> Learner:
    """CPC or Greedy InfoMax on the training utterances."""
    model = build(config).to(device)
    windows = Windows(waveforms, waveforms.corpus.train, config.batches, config.run.seed)
    read = windows.samples if waveforms.keep else Prefetcher(windows.samples)

    def loss(number: int) -> tuple[Tensor, dict[str, Tensor]]:
        samples, draws = read(number).to(device), generator(config, number)
        if isinstance(model, GreedyModel):
            modules = dict(zip(NAMES, greedy_loss(model, samples, config.cpc, draws), strict=True))
            metrics = {f"loss/{name}": result.loss.detach() for name, result in modules.items()}
            for name, result in modules.items():
                metrics |= by_step(result.per_offset, f"{name}/")
            return torch.stack([result.loss for result in modules.values()]).sum(), metrics
        result = contrast(model.model(samples), model.heads, config.cpc, draws)
        return result.loss, by_step(result.per_offset, "cpc/")

    return Learner(model, loss, config.optimiser, config.train.updates, config.train.accumulate)


def by_step(offsets: PerOffset, prefix: str) -> dict[str, Tensor]:
    """Accuracy and bound of each step k, and log N (of the last), named as metrics."""
    named = {f"{prefix}log_n": offsets.log_n[-1]}
    for k in range(len(offsets.loss)):
        named[f"{prefix}accuracy_{k + 1}"] = offsets.accuracy[k]
        named[f"{prefix}bound_{k + 1}"] = offsets.bound[k]
    return named


def supervised_learner(config: Config, task: Task, waveforms: Waveforms, device: torch.device) -> Learner:
    """Encoder, GRU and classifier trained end to end on the labels of each frame."""
    corpus = waveforms.corpus
    classes = corpus.num_phones if task == "phone" else len(corpus.speakers)
    model = seeded(config.run.seed, lambda: Supervised(config.model, classes)).to(device)
    shift = config.evaluation.shift
    windows = Windows(waveforms, corpus.train, config.batches, config.run.seed, grid=HOP, shift=shift)
    length = frames(config.batches.window)

    def labelled(number: int) -> Batch:
        return windows.batch(number, length)

    read = labelled if waveforms.keep else Prefetcher(labelled)

    def loss(number: int) -> tuple[Tensor, dict[str, Tensor]]:
        batch = read(number)
        target = batch.phones if task == "phone" else batch.speaker[:, None].expand(-1, length)
        logits = model(batch.samples.to(device)).flatten(0, 1)  # [B * T, classes]
        wanted = target.reshape(-1).to(device)  # [B * T]
        known = wanted >= 0
        hit = (logits.argmax(-1) == wanted) & known
        return F.cross_entropy(logits, wanted, ignore_index=-1), {"accuracy": hit.sum() / known.sum()}

    rate, updates = config.train.supervised_learning_rate, config.train.supervised_updates
    optimiser = OptimiserConfig(learning_rate=rate, warmup=config.optimiser.warmup, schedule="linear")
    return Learner(model, loss, optimiser, updates, config.train.accumulate)
