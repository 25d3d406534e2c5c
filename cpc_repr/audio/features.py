"""Features of whole utterances, laid out as rows for probes: one row a frame of 10 ms, with its phone and speaker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from cpc_repr.audio.corpus import Utterance
from cpc_repr.audio.data import Waveforms, align, speakers_of
from cpc_repr.audio.labels import num_labels
from cpc_repr.audio.mfcc import mfcc
from cpc_repr.audio.model import SpeechModel
from cpc_repr.probes import IN_MEMORY, feature_table

Features = Callable[[np.ndarray], Tensor]  # a waveform [n] -> [T, D]


class Rows(NamedTuple):
    """F labelled frames."""

    x: Tensor  # float32 [F, D]
    phone: Tensor  # int64 [F], -1 in a corpus without phone labels
    speaker: Tensor  # int64 [F]
    utterance: Tensor  # int64 [F], which utterance: frames of one hang together


def collect(
    features: Features,
    waveforms: Waveforms,
    utterances: Sequence[Utterance],
    shift: int,
    scratch: Path,
    tick: Callable[[int, int], None] = lambda done, total: None,
    limit: int = IN_MEMORY,
) -> Rows:
    """Compute the features of `utterances`, each from its beginning.

    Args:
        features: What to compute.
        waveforms: Of the corpus.
        utterances: Of the same corpus.
        shift: Row t of the features carries label t - shift: 1 for the encoder, 0 for frames that are the labels' own.
        scratch: A file to lay features in that are larger than `limit` bytes.
        tick: Told how many of how many utterances are done; may raise to stop.
        limit: See `scratch`.
    """
    x: Tensor | None = None
    most = sum(num_labels(u.samples) for u in utterances)
    phone, speaker, which = (torch.empty(most, dtype=torch.int64) for _ in range(3))
    end = 0
    voices = speakers_of(waveforms.corpus, utterances)
    for i, (utterance, voice) in enumerate(zip(utterances, voices, strict=True)):
        rows = features(waveforms(utterance))  # [T, D]
        phones = waveforms.corpus.phones(utterance)  # [labels]
        label = torch.from_numpy(align(np.arange(len(phones)), 0, len(rows), shift))  # [T], which of the labels
        known = label >= 0
        here = slice(end, end + int(known.sum()))
        if x is None:
            x = feature_table(most, rows.shape[1], scratch, limit)
        x[here], phone[here], speaker[here], which[here] = rows[known], torch.from_numpy(phones)[label[known]], voice, i
        end = here.stop
        tick(i + 1, len(utterances))
    assert x is not None
    return Rows(x[:end], phone[:end], speaker[:end], which[:end])


def frozen(network: nn.Module, device: torch.device, encode: Callable[[Tensor], Tensor]) -> Features:
    """What `encode` makes of a whole utterance, samples [1, n] -> [1, T, D], with `network` in evaluation mode."""
    network.eval()

    @torch.no_grad()
    def compute(waveform: np.ndarray) -> Tensor:
        return encode(torch.from_numpy(waveform)[None].to(device))[0].cpu()

    return compute


def context_features(model: SpeechModel, device: torch.device) -> Features:
    """C of a whole utterance, [T, context]."""
    return frozen(model, device, lambda samples: model(samples).c)


def cepstra(deltas: bool) -> Features:
    """MFCC of each label's own frame (shift 0)."""
    return lambda waveform: torch.from_numpy(mfcc(waveform, deltas))
