"""Probes of frames for phones and speakers, and the accuracy of networks trained on labels."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from cpc_repr.audio.config import AudioConfig
from cpc_repr.audio.corpus import Task
from cpc_repr.audio.data import Waveforms
from cpc_repr.audio.features import Features, Rows, collect, frozen
from cpc_repr.audio.model import frames
from cpc_repr.context import Context
from cpc_repr.probes import Score, clustered, fit_probe, most_frequent, score

AudioContext = Context[AudioConfig, Waveforms]


def probe(context: AudioContext, name: str, features: Features, shift: int, mlp: bool = False) -> dict[str, Score]:
    """Accuracy of linear probes for what the corpus has labels of, and of probes with a hidden layer if `mlp`.

    Fitted on all frames of the training utterances but those that choose learning rate and passes; scored on all frames
    of the test utterances, without averaging over time.
    """
    config = context.config
    train, test = _rows(context, features, shift, "train"), _rows(context, features, shift, "test")
    accuracies = {}
    for task in context.data.corpus.tasks:
        for hidden in [None, config.probe.hidden] if mlp else [None]:
            key = task if hidden is None else f"{task}_mlp"
            with context.live(f"probing {name}, {task}") as tick:
                fitted = fit_probe(
                    train.x,
                    target(train, task),
                    context.data.corpus.classes(task),
                    config.probe,
                    cluster=train.utterance,
                    hidden=hidden,
                    seed=config.run.seed,
                    device=context.device,
                    tick=tick,
                )
            accuracies[key] = score(fitted, test.x, target(test, task), test.utterance)
            context.say(f"{name}: {key.replace('_', ', ')} {accuracies[key]}")
    return accuracies


def target(rows: Rows, task: Task) -> Tensor:
    """Classes of the rows, int64 [F]."""
    return rows.phone if task == "phone" else rows.speaker


def chance(context: AudioContext) -> dict[str, Score]:
    """Accuracy of always naming the most frequent class."""

    def nothing(waveform: np.ndarray) -> Tensor:
        return torch.zeros(frames(len(waveform)), 1)

    shift = context.config.evaluation.shift
    train, test = _rows(context, nothing, shift, "train"), _rows(context, nothing, shift, "test")
    return {
        task: most_frequent(target(train, task), target(test, task), test.utterance)
        for task in context.data.corpus.tasks
    }


def classify(context: AudioContext, network: nn.Module, task: Task) -> Score:
    """Accuracy of a network that gives logits of each frame, on the frames the probes are scored on."""
    predict = frozen(network, context.device, lambda samples: network(samples).argmax(-1, keepdim=True).float())
    rows = _rows(context, predict, context.config.evaluation.shift, "test")
    accuracy = clustered(rows.x[:, 0].long() == target(rows, task), rows.utterance)
    context.say(f"supervised: {task} {accuracy}")
    return accuracy


def _rows(context: AudioContext, features: Features, shift: int, split: Literal["train", "test"]) -> Rows:
    corpus = context.data.corpus
    utterances = corpus.train if split == "train" else corpus.test
    with context.live(f"features, {split}") as tick:
        return collect(features, context.data, utterances, shift, context.scratch / f"{split}.bin", tick)
