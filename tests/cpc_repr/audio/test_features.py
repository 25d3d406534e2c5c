"""Rows for probes, the MFCC baseline, and what probes find in toy speech."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cpc_repr.audio.corpus import SpeechCorpus
from cpc_repr.audio.data import Waveforms
from cpc_repr.audio.features import cepstra, collect, context_features
from cpc_repr.audio.greedy import conv_features
from cpc_repr.audio.mfcc import delta, mfcc
from cpc_repr.audio.model import KERNELS, SpeechModel, SpeechModelConfig, frames
from cpc_repr.probes import ProbeConfig, fit_probe, score
from tests.cpc_repr.audio.toy import toy_corpus

FAST = ProbeConfig(epochs=30, learning_rates=(2e-2,), batch_rows=128)

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> SpeechCorpus:
    return toy_corpus(tmp_path_factory.mktemp("toy"), speakers=3, utterances=4)


def numbered(waveform: np.ndarray) -> torch.Tensor:
    """The frame's number as its only feature."""
    return torch.arange(frames(len(waveform))).float()[:, None]


def test_rows_carry_their_labels(corpus: SpeechCorpus, tmp_path: Path) -> None:
    rows = collect(numbered, Waveforms(corpus), corpus.train, 1, tmp_path / "x")
    assert len(rows.x) == len(rows.phone) == 9 * 90  # every label has its frame
    for i, utterance in enumerate(corpus.train):
        mine = rows.utterance == i
        labels = corpus.phones(utterance)
        np.testing.assert_array_equal(rows.phone[mine].numpy(), labels)
        np.testing.assert_array_equal(rows.x[mine, 0].numpy(), np.arange(len(labels)) + 1)
        assert set(rows.speaker[mine].tolist()) == {corpus.speakers.index(utterance.speaker)}


def test_rows_too_large_for_memory_lie_in_a_file(corpus: SpeechCorpus, tmp_path: Path) -> None:
    scratch = tmp_path / "deep" / "x"
    filed = collect(numbered, Waveforms(corpus), corpus.train, 1, scratch, limit=0)
    assert scratch.stat().st_size == 4 * 9 * 90
    assert torch.equal(filed.x, collect(numbered, Waveforms(corpus), corpus.train, 1, tmp_path / "y").x)


@pytest.mark.parametrize("samples", [400, 559, 560, 8_000])
def test_mfcc_has_the_frames_of_the_labels(samples: int) -> None:
    x = np.random.default_rng(0).normal(size=samples).astype(np.float32) * 0.1
    count = (samples - 400) // 160 + 1
    assert mfcc(x).shape == (count, 13) and mfcc(x, deltas=True).shape == (count, 39)
    np.testing.assert_array_equal(mfcc(x, deltas=True)[:, :13], mfcc(x))
    np.testing.assert_array_equal(mfcc(x), mfcc(x))  # no dither


def test_mfcc_ignores_loudness_but_for_the_first() -> None:
    x = np.random.default_rng(0).normal(size=4_000).astype(np.float32) * 1e-5  # in 16 bit units: 0.3
    difference = mfcc(1_000 * x) - mfcc(x)
    assert np.abs(difference[:, 1:]).max() < 0.05 and difference[:, 0].min() > 1


def test_delta_is_the_slope() -> None:
    ramp = np.arange(20.0)[:, None] * np.array([1.0, -3.0])
    np.testing.assert_allclose(delta(ramp)[2:-2], np.tile([1.0, -3.0], (16, 1)))
    np.testing.assert_allclose(delta(ramp**2)[4, 0], 8.0)


def test_mfcc_of_tones_tell_phones_at_their_own_frame(corpus: SpeechCorpus, tmp_path: Path) -> None:
    """Tones are easy, so that what is missed is at the joints: a label shifted by one frame costs more."""
    found = []
    for shift in (0, 1, 3):
        train, test = (
            collect(cepstra(deltas=False), Waveforms(corpus), part, shift, tmp_path / "x")
            for part in (corpus.train, corpus.test)
        )
        probe = fit_probe(train.x, train.phone, 4, FAST)
        found.append(score(probe, test.x, test.phone, test.utterance).accuracy)
    assert found[0] > 0.93 and found[0] > found[1] > found[2]


def test_features_of_a_network(corpus: SpeechCorpus) -> None:
    torch.manual_seed(0)
    model = SpeechModel(SpeechModelConfig(channels=6, context=5, norm="batch")).train()
    sound = corpus.waveform(corpus.test[0])
    c = context_features(model, CPU)(sound)
    assert not model.training and not c.requires_grad
    assert torch.equal(c, model(torch.from_numpy(sound)[None]).c[0])
    for index in range(len(KERNELS)):
        assert conv_features(model, CPU, index)(sound).shape == (len(c), 6)
    z = model.encoder(torch.from_numpy(sound)[None])[0]
    assert torch.equal(conv_features(model, CPU, 4)(sound), z)
