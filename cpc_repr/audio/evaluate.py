"""What a network learnt: probes of its frames for phones and speakers, and its own contrastive accuracy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cpc_repr.audio.config import Config
from cpc_repr.audio.corpus import Utterance
from cpc_repr.audio.data import Waveforms, Windows
from cpc_repr.audio.features import Features, Rows, collect
from cpc_repr.audio.greedy import NAMES, pooled
from cpc_repr.audio.learners import Supervised, Task, generator
from cpc_repr.audio.mfcc import mfcc
from cpc_repr.audio.model import CPCModel, SpeechModel, contrast, frames
from cpc_repr.live import Tick, live
from cpc_repr.offsets import mean_offsets
from cpc_repr.probes import Score, clustered, fit_probe, most_frequent, score
from cpc_rl.infonce import PerOffset
from cpc_rl.runs import StopSignal

TASKS: tuple[Task, ...] = ("phone", "speaker")


@dataclass(frozen=True)
class Bench:
    """What every evaluation needs."""

    config: Config
    waveforms: Waveforms
    device: torch.device
    stop: StopSignal
    scratch: Path  # a folder for features too large for memory
    say: Callable[[str], None]

    def classes(self, task: Task) -> int:
        """How many there are to tell apart."""
        corpus = self.waveforms.corpus
        return corpus.num_phones if task == "phone" else len(corpus.speakers)

    def live(self, what: str) -> AbstractContextManager[Tick]:
        """A live line for one stage; see `cpc_repr.live`."""
        return live(what, self.stop)


def probe(bench: Bench, name: str, features: Features, shift: int, mlp: bool = False) -> dict[str, Score]:
    """Accuracy of linear probes for phones and speakers, and of probes with a hidden layer if `mlp`.

    Fitted on all frames of the training utterances, scored on all of the test utterances; no averaging over time.
    """
    train, test = (_rows(bench, features, shift, part) for part in ("train", "test"))
    found = {}
    for task in TASKS:
        for hidden in [None, bench.config.probe.hidden] if mlp else [None]:
            key = task if hidden is None else f"{task}_mlp"
            with bench.live(f"probing {name}, {task}") as tick:
                fitted = fit_probe(
                    train.x,
                    target(train, task),
                    bench.classes(task),
                    bench.config.probe,
                    hidden=hidden,
                    seed=bench.config.run.seed,
                    device=bench.device,
                    tick=tick,
                )
            found[key] = score(fitted, test.x, target(test, task), test.utterance)
            bench.say(f"{name}: {key.replace('_', ', ')} {found[key]}")
    return found


def target(rows: Rows, task: Task) -> Tensor:
    """Classes of the rows, int64 [F]."""
    return rows.phone if task == "phone" else rows.speaker


def chance(bench: Bench) -> dict[str, Score]:
    """Accuracy of always naming the most frequent class."""

    def nothing(waveform: np.ndarray) -> Tensor:
        return torch.zeros(frames(len(waveform)), 1)

    train, test = (_rows(bench, nothing, bench.config.evaluation.shift, part) for part in ("train", "test"))
    return {task: most_frequent(target(train, task), target(test, task), test.utterance) for task in TASKS}


def supervised(bench: Bench, model: Supervised, task: Task) -> Score:
    """Accuracy of a network trained end to end, on the frames the probes are scored on."""
    model.eval()

    @torch.no_grad()
    def predict(waveform: np.ndarray) -> Tensor:
        return model(_batch(waveform, bench.device))[0].argmax(-1, keepdim=True).float().cpu()  # [T, 1]

    rows = _rows(bench, predict, bench.config.evaluation.shift, "test")
    return clustered(rows.x[:, 0].long() == target(rows, task), rows.utterance)


def context(model: SpeechModel, device: torch.device) -> Features:
    """C of a whole utterance, [T, context]."""
    model.eval()

    @torch.no_grad()
    def compute(waveform: np.ndarray) -> Tensor:
        c: Tensor = model(_batch(waveform, device)).c[0].cpu()
        return c

    return compute


def layer(model: SpeechModel, device: torch.device, name: str) -> Features:
    """Output of one of the modules of `greedy.NAMES` at each 10 ms, [T, channels], or c for the last one."""
    if name == NAMES[-1]:
        return context(model, device)
    model.eval()
    index = NAMES.index(name)

    @torch.no_grad()
    def compute(waveform: np.ndarray) -> Tensor:
        outputs = model.encoder.layers(_batch(waveform, device))
        return pooled(outputs[index], index)[0, : outputs[-1].shape[1]].cpu()

    return compute


def cepstra(deltas: bool) -> Features:
    """MFCC of each label's own frame (shift 0)."""
    return lambda waveform: torch.from_numpy(mfcc(waveform, deltas))


@torch.no_grad()
def contrastive(bench: Bench, model: CPCModel) -> dict[str, list[float]]:
    """Accuracy, win rate, bound, and chance of each step k on batches of test utterances, as training makes them."""
    config = bench.config
    cpc = config.cpc.model_copy(update={"anchors": None})
    windows = Windows(bench.waveforms, bench.waveforms.corpus.test, config.batches, config.run.seed)
    model.eval()
    found: list[PerOffset] = []
    with bench.live("contrastive accuracy") as tick:
        for number in range(config.evaluation.batches):
            samples = windows.samples(number).to(bench.device)
            encoding = model.model(samples)
            found.append(contrast(encoding, model.heads, cpc, generator(config, number)).per_offset)
            tick(number + 1, config.evaluation.batches)
    return mean_offsets(found)


def _rows(bench: Bench, features: Features, shift: int, part: str) -> Rows:
    corpus = bench.waveforms.corpus
    utterances: Sequence[Utterance] = corpus.train if part == "train" else corpus.test
    with bench.live(f"features, {part}") as tick:
        return collect(features, bench.waveforms, utterances, shift, bench.scratch / f"{part}.bin", tick)


def _batch(waveform: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(waveform)[None].to(device)
