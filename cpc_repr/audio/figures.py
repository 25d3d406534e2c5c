"""Figures 2 and 3 of the paper, and the bound on mutual information."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from cpc_repr.audio.evaluate import Bench
from cpc_repr.audio.extra import audio_module
from cpc_repr.audio.features import Features
from cpc_repr.report import plot_curves


def figure_3(path: Path, offsets: Mapping[str, Sequence[float]]) -> None:
    """Accuracy of picking the positive against the step k, and the bound; `offsets` as `evaluate.contrastive` gives it.

    The paper's caption can be read as top-1 or as the share of negatives beaten, so both are drawn.
    """
    steps = [k + 1 for k in range(len(offsets["accuracy"]))]
    panels = [
        ("accuracy (top-1)", {"CPC": offsets["accuracy"], "chance (1/N)": offsets["chance"]}),
        ("negatives beaten", {"CPC": offsets["win_rate"], "chance (1/2)": [0.5] * len(steps)}),
        ("bound on I(x; c), nats", {"log N - L": offsets["bound"], "log N": offsets["log_n"]}),
    ]
    plot_curves(path, panels, steps, "k, steps of 10 ms")


def figure_2(path: Path, bench: Bench, features: Features) -> None:
    """t-SNE of frames of c of some speakers' test utterances, one colour a speaker."""
    manifold = audio_module("sklearn.manifold")
    x, speaker = speaker_frames(bench, features)
    place = manifold.TSNE(perplexity=min(30.0, (len(x) - 1) / 3), init="pca", random_state=0).fit_transform(x)
    figure = Figure(figsize=(5, 5), layout="constrained")
    axis = figure.subplots()
    for name in sorted(set(speaker)):
        here = np.array([s == name for s in speaker])
        axis.scatter(place[here, 0], place[here, 1], s=6, label=name)
    axis.set(title="c, t-SNE, by speaker", xticks=[], yticks=[])
    axis.legend(fontsize="xx-small", markerscale=2, ncols=2)
    figure.savefig(path, dpi=110)


def speaker_frames(bench: Bench, features: Features) -> tuple[np.ndarray, list[str]]:
    """Frames [F, D], scaled to unit variance, of the first speakers of the test list, and whose each is."""
    corpus, evaluation = bench.waveforms.corpus, bench.config.evaluation
    names = sorted({u.speaker for u in corpus.test})[: evaluation.picture_speakers]
    rows, speaker = [], []
    for name in names:
        heard = [u for u in corpus.test if u.speaker == name][:4]
        frames = torch.cat([features(bench.waveforms(u)) for u in heard])  # [F, D]
        chosen = np.linspace(0, len(frames) - 1, min(evaluation.picture_frames, len(frames))).astype(int)
        rows.append(frames[torch.from_numpy(chosen)])
        speaker += [name] * len(chosen)
    x = torch.cat(rows)
    return ((x - x.mean(0)) / x.std(0).clamp(min=1e-6)).numpy(), speaker
