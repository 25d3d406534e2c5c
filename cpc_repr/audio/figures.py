"""Figure 2 of the paper: speakers in c."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from cpc_repr.audio.evaluate import AudioContext
from cpc_repr.audio.features import Features
from cpc_repr.packages import optional_module


def figure_2(path: Path, context: AudioContext, features: Features) -> None:
    """t-SNE of frames of c of some speakers' test utterances, one colour a speaker."""
    from matplotlib.figure import Figure  # here: no program needs it to start

    manifold = optional_module("sklearn.manifold", "audio")
    x, speaker = speaker_frames(context, features)
    place = manifold.TSNE(perplexity=min(30.0, (len(x) - 1) / 3), init="pca", random_state=0).fit_transform(x)
    figure = Figure(figsize=(5, 5), layout="constrained")
    axis = figure.subplots()
    for name in sorted(set(speaker)):
        here = np.array([s == name for s in speaker])
        axis.scatter(place[here, 0], place[here, 1], s=6, label=name)
    axis.set(title="c, t-SNE, by speaker", xticks=[], yticks=[])
    axis.legend(fontsize="xx-small", markerscale=2, ncols=2)
    figure.savefig(path, dpi=110)


def speaker_frames(context: AudioContext, features: Features) -> tuple[np.ndarray, list[str]]:
    """Frames [F, D], scaled to unit variance, of the first speakers of the test list, and whose each is."""
    corpus, evaluation = context.data.corpus, context.config.evaluation
    names = sorted({u.speaker for u in corpus.test})[: evaluation.picture_speakers]
    rows, speaker = [], []
    for name in names:
        heard = [u for u in corpus.test if u.speaker == name][:4]
        frames = torch.cat([features(context.data(u)) for u in heard])  # [F, D]
        chosen = np.linspace(0, len(frames) - 1, min(evaluation.picture_frames, len(frames))).astype(int)
        rows.append(frames[torch.from_numpy(chosen)])
        speaker += [name] * len(chosen)
    x = torch.cat(rows)
    return ((x - x.mean(0)) / x.std(0).clamp(min=1e-6)).numpy(), speaker
