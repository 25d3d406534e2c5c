"""Who is in a batch, where windows lie, and which label belongs to which frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from configs import RunFailure, UsageError
from cpc_repr.audio.corpus import SpeechCorpus
from cpc_repr.audio.data import SpeechBatchConfig, SpeechWindows, Waveforms, align
from cpc_repr.audio.model import WaveformEncoder, frames
from cpc_repr.prefetch import Prefetcher
from tests.cpc_repr.audio.toy import toy_corpus

WINDOW = 4_800


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> SpeechCorpus:
    return toy_corpus(tmp_path_factory.mktemp("toy"), speakers=3, utterances=5, frames=60)


def windows(corpus: SpeechCorpus, **settings) -> SpeechWindows:
    grid = settings.pop("grid", 1)
    config = SpeechBatchConfig(window=WINDOW, batch_size=4, **settings)
    return SpeechWindows(Waveforms(corpus), corpus.train, config, seed=3, grid=grid)


def test_a_batch_is_a_function_of_seed_and_number(corpus: SpeechCorpus) -> None:
    one, two = windows(corpus), windows(corpus)
    two.samples(0)
    assert torch.equal(one.samples(7), two.samples(7))
    assert not torch.equal(one.samples(7), one.samples(8))
    other = SpeechWindows(one.waveforms, corpus.train, one.config, seed=4)
    assert not torch.equal(one.samples(7), other.samples(7))


def test_windows_are_pieces_of_their_utterances(corpus: SpeechCorpus) -> None:
    w = windows(corpus)
    utterances, starts = w.choose(5)
    for row, utterance, start in zip(w.samples(5), utterances, starts, strict=True):
        np.testing.assert_array_equal(row.numpy(), corpus.waveform(utterance)[start : start + WINDOW])
    drawn = [start for number in range(50) for start in w.choose(number)[1]]
    most = max(u.samples for u in corpus.train) - WINDOW
    assert min(drawn) < 0.1 * most and max(drawn) > 0.9 * most


def test_only_training_utterances_and_no_two_windows_of_one(corpus: SpeechCorpus) -> None:
    w = windows(corpus)
    for number in range(20):
        chosen, _ = w.choose(number)
        assert len(set(chosen)) == 4 and set(chosen) <= set(corpus.train)


def test_same_speaker_batches_have_one_speaker_and_mixed_ones_several(corpus: SpeechCorpus) -> None:
    same = windows(corpus, batch="same_speaker", grid=160)
    found = [same.batch(number, 30).speaker.unique() for number in range(30)]
    assert all(len(s) == 1 for s in found)
    assert len(torch.cat(found).unique()) == 3
    for number in range(30):
        assert len({u.speaker for u in same.choose(number)[0]}) == 1
    assert any(len({u.speaker for u in windows(corpus).choose(n)[0]}) > 1 for n in range(5))


def test_a_speaker_with_few_utterances_repeats_them(corpus: SpeechCorpus) -> None:
    config = SpeechBatchConfig(window=WINDOW, batch_size=9, batch="same_speaker")
    assert SpeechWindows(Waveforms(corpus), corpus.train, config, seed=0).samples(0).shape == (9, WINDOW)


def test_too_short_utterances_are_named(corpus: SpeechCorpus) -> None:
    config = SpeechBatchConfig(window=1_000_000)
    with pytest.raises(UsageError, match=r"--window 1000000: the longest of 12 utterances has \d+"):
        SpeechWindows(Waveforms(corpus), corpus.train, config, seed=0)


def test_label_i_goes_to_frame_i_plus_1() -> None:
    labels = np.arange(10)
    np.testing.assert_array_equal(align(labels, 0, 12, 1), [-1, *range(10), -1])
    np.testing.assert_array_equal(align(labels, 0, 5, 0), [0, 1, 2, 3, 4])
    np.testing.assert_array_equal(align(labels, 4, 3, 1), [3, 4, 5])


@pytest.mark.parametrize("label", [5, 6, 20])
def test_the_frame_an_impulse_excites_most_is_the_one_its_label_is_given_to(label: int) -> None:
    """An impulse in the middle of label i's 25 ms lies nearest to the centre of frame i + 1."""
    sound = torch.zeros(1, 8_000)
    middle = 160 * label + 200
    sound[0, middle] = 1.0
    torch.manual_seed(0)
    encoder = WaveformEncoder(32)
    change = (encoder(sound) - encoder(torch.zeros_like(sound)))[0].abs().sum(-1)
    seeing = change.nonzero()[:, 0]
    centres = 160 * seeing + 79
    nearest = int(seeing[(centres - middle).abs().argmin()])
    given = align(np.arange(48), 0, frames(8_000), 1)
    assert given[nearest] == label and nearest == label + 1
    assert abs(160 * nearest + 79 - middle) == 39
    assert seeing.min() <= nearest <= seeing.max()


def test_labels_of_windows_follow_their_start(corpus: SpeechCorpus) -> None:
    w = windows(corpus, grid=160)
    utterances, starts = w.choose(2)
    batch = w.batch(2, frames(WINDOW))
    assert batch.phones.shape == (4, 30)
    for row, utterance, start in zip(batch.phones, utterances, starts, strict=True):
        assert start % 160 == 0
        labels = corpus.phones(utterance)
        for t, label in enumerate(row.tolist()):
            i = start // 160 + t - 1
            assert label == (labels[i] if 0 <= i < len(labels) else -1)


def test_sound_stays_in_memory_below_the_limit_only(corpus: SpeechCorpus) -> None:
    utterance = corpus.train[0]
    keeps, forgets = Waveforms(corpus), Waveforms(corpus, limit=10)
    np.testing.assert_array_equal(keeps.piece(utterance, 77, 500), forgets.piece(utterance, 77, 500))
    assert not forgets._known
    assert keeps(utterance) is keeps(utterance)
    assert forgets(utterance) is not forgets(utterance)
    np.testing.assert_array_equal(keeps(utterance), forgets(utterance))


def test_damaged_sound_ends_the_run_with_its_name(tmp_path: Path) -> None:
    corpus = toy_corpus(tmp_path, speakers=1, utterances=2, frames=60)
    utterance = corpus.train[0]
    sound = utterance.path.read_bytes()
    utterance.path.write_bytes(sound[: len(sound) // 2] + bytes(len(sound) // 2))
    for limit in (10, 10**9):
        with pytest.raises(RunFailure, match=utterance.path.name):
            Waveforms(corpus, limit)(utterance)
    with pytest.raises(RunFailure, match=utterance.path.name):
        Waveforms(corpus, limit=10).piece(utterance, 8_000, 1_000)


def test_labels_need_the_grid(corpus: SpeechCorpus) -> None:
    with pytest.raises(ValueError, match="grid of 160 samples, this one is of 1"):
        windows(corpus).batch(0, 30)


def test_reading_ahead_changes_nothing_but_the_time() -> None:
    asked: list[int] = []

    def square(n: int) -> int:
        asked.append(n)
        if n == 20:
            raise RunFailure("twenty")
        return n * n

    ahead = Prefetcher(square, workers=2, depth=3)
    assert [ahead(n) for n in (0, 1, 2, 3, 10, 11, 5)] == [0, 1, 4, 9, 100, 121, 25]
    assert ahead(12) == 144 and set(asked) <= set(range(17))
    with pytest.raises(RunFailure, match="twenty"):
        ahead(20)
