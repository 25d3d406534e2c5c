from __future__ import annotations

import hashlib
import time
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from configs import RunFailure
from cpc_repr.audio import words
from cpc_repr.audio.channel import Channel, to_16k
from cpc_repr.audio.grammar import texts
from cpc_repr.audio.phones import PHONES, labels_of, phone_class
from cpc_repr.audio.voices import ACCENTS, VARIANTS, Speaker, draw_speakers, speak

LISTS = ("ADJECTIVES", "NOUNS", "TRANSITIVE", "INTRANSITIVE", "ADVERBS", "PREPOSITIONS", "NAMES", "NUMBERS")
loader = pytest.importorskip("espeakng_loader")


def speaker(accent: str = "en", variant: str = "m3", **changes: int) -> Speaker:
    return Speaker("1", accent, variant, **({"pitch": 50, "range": 50, "rate": 175} | changes))


def say(who: Speaker, said: list[str], seed: int = 5):
    return speak(who, said, [who.rate] * len(said), seed)


def test_41_classes():
    assert len(PHONES) == len(set(PHONES)) == 41
    assert PHONES[0] == "SIL"


@pytest.mark.parametrize("accent", ACCENTS)
def test_every_phoneme_of_every_accent_has_a_class(accent):
    vocabulary = [word for name in LISTS for word in getattr(words, name)]
    said = [" ".join(vocabulary[i : i + 12]) + "." for i in range(0, len(vocabulary), 12)]
    said += islice(texts(ACCENTS.index(accent) + 100), 100)
    mnemonics = {mnemonic for speech in say(speaker(accent), said) for _, mnemonic in speech.phonemes}
    classes = {phone_class(mnemonic, accent) for mnemonic in mnemonics}
    lacks = {"en-029": {"DH", "TH"}, "en-GB-x-gbclan": {"AH"}, "en-GB-x-gbcwmd": {"AH", "HH"}}.get(accent, set())
    assert {name for i, name in enumerate(PHONES) if i not in classes} <= lacks | {"AE", "AH", "ER", "UH"}


@pytest.mark.parametrize(
    ("mnemonic", "accent", "phone"),
    [
        ("'OI", "en", "OY"), (",aU", "en-US", "AW"), ("Z", "en", "ZH"), ("_:", "en", "SIL"), ("_", "en-US", "SIL"),
        ("3", "en", "AX"), ("3", "en-US", "ER"), ("'aa", "en-GB-x-rp", "AA"), ("aa", "en", "AE"),
        ("V", "en-GB-x-gbclan", "UH"), ("V", "en", "AH"), ("t#", "en-US", "T"), ("D", "en", "DH"), ("d", "en", "D"),
    ],
)  # fmt: skip
def test_classes_of_phonemes(mnemonic, accent, phone):
    assert PHONES[phone_class(mnemonic, accent)] == phone


def test_an_unknown_phoneme_is_named():
    with pytest.raises(ValueError, match=r"phoneme '!x' \(en-US\) has no class"):
        phone_class("!x", "en-US")


def test_labels_are_what_sounds_at_the_centre_of_the_frame():
    starts = np.array([200.0, 360.5, 680.0, 680.0])
    assert labels_of(starts, [1, 2, 3, 4], 1_360).tolist() == [1, 1, 2, 4, 4, 4, 4]  # centres 200, 360, 520, ..., 1160
    assert labels_of(np.array([201.0]), [7], 720).tolist() == [0, 7, 7]
    assert labels_of(starts, [1, 2, 3, 4], 399).tolist() == []


def test_words_come_out_as_they_are_pronounced():
    (speech,) = say(speaker("en-US"), ["She measured the noisy church."])
    heard = [PHONES[phone_class(mnemonic, "en-US")] for _, mnemonic in speech.phonemes]
    assert " ".join(phone for phone in heard if phone != "SIL") == "SH IY M EH ZH ER D DH AX N OY Z IY CH ER CH"
    starts = [start for start, _ in speech.phonemes]
    assert starts == sorted(starts)
    assert starts[-1] <= len(speech.pcm)


def test_a_fresh_process_says_the_same_and_the_seed_matters():
    said = list(islice(texts(0), 3))

    def digests(seed: int) -> list[str]:
        breathy = speaker(variant="f2")  # which takes random numbers
        return [hashlib.sha256(speech.pcm.tobytes()).hexdigest() for speech in say(breathy, said, seed)]

    one, other = digests(5), digests(6)
    time.sleep(1.1)  # unless told otherwise, the library takes the second as its seed
    assert digests(5) == one != other


def test_rate_pitch_and_variant_are_heard():
    said = ["The quick engineer found twenty yellow boats."]
    normal = say(speaker(), said)[0]
    assert len(say(speaker(rate=260), said)[0].pcm) < 0.8 * len(normal.pcm)
    others = [speaker(pitch=65), speaker(range=65), speaker(variant="f2"), speaker("en-US")]
    heard = {say(one, said)[0].pcm.tobytes() for one in (speaker(), *others)}
    assert len(heard) == 5


def test_every_voice_exists():
    for variant in VARIANTS:
        assert Path(loader.get_data_path(), "voices", "!v", variant).is_file(), variant
    for accent in ACCENTS:
        assert Path(loader.get_data_path(), "lang", "gmw", accent).is_file(), accent
    assert not {"whisper", "whisperf", "croak", "robosoft", "Demonic", "UniRobot"} & set(VARIANTS)


def test_a_voice_that_does_not_exist_is_refused():
    with pytest.raises(RunFailure, match="no variant nobody"):
        say(speaker(variant="nobody"), ["Hello."])
    with pytest.raises(RunFailure, match=r"espeak-ng failed for .*xx.* refuses the voice gmw/xx\+m3"):
        say(speaker("xx"), ["Hello."])


def test_a_text_of_which_nothing_is_heard_is_an_error():
    with pytest.raises(RunFailure, match="said nothing for text 1"):
        say(speaker(), ["Hello.", ""])


def test_speakers_differ():
    speakers = draw_speakers(len(VARIANTS) + 20, tempo=0.1, seed=0)
    assert len({one.id for one in speakers}) == len(speakers)
    assert len({one.variant for one in speakers[: len(VARIANTS)]}) == len(VARIANTS)
    assert len({(one.accent, one.variant) for one in speakers}) == len(speakers)
    assert {one.accent for one in speakers} == set(ACCENTS)
    assert speakers == draw_speakers(len(VARIANTS) + 20, tempo=0.1, seed=0)
    assert speakers != draw_speakers(len(VARIANTS) + 20, tempo=0.1, seed=1)
    assert 8 < np.std([one.rate for one in speakers]) < 30
    assert {one.rate for one in draw_speakers(10, tempo=0, seed=0)} == {175}
    most = draw_speakers(len(VARIANTS) * len(ACCENTS), tempo=0.1, seed=0)
    assert len({(one.accent, one.variant) for one in most}) == len(VARIANTS) * len(ACCENTS)


def test_sentences_never_repeat_and_depend_on_the_seed():
    first = list(islice(texts(0), 8_000))
    assert first == list(islice(texts(0), 8_000))
    assert first[:10] != list(islice(texts(1), 10))
    sentences = [part for text in first for part in text.replace("?", ".").split(". ")]
    assert len({part.rstrip(".") for part in sentences}) == len(sentences) == 16_000
    assert len({word.strip(".,?").lower() for text in first for word in text.split()}) > 1_000
    assert all(text[0].isupper() and text[-1] in ".?" for text in first)


def test_resampling_keeps_tones_and_times():
    pcm = np.zeros(22_050, np.int16)
    pcm[11_025:] = (16_384 * np.sin(2 * np.pi * 1_000 * np.arange(11_025) / 22_050)).astype(np.int16)
    speech = to_16k(pcm, lead=300, tail=200)
    assert len(speech) == 300 + 16_000 + 200
    assert not speech[:300].any()
    assert not speech[-200:].any()
    assert np.abs(speech[300 : 300 + 7_960]).max() < 0.01
    tone = speech[300 + 9_000 : 300 + 15_000]
    assert np.abs(tone).max() == pytest.approx(0.5, rel=0.02)
    assert np.abs(np.fft.rfft(tone)).argmax() * 16_000 / 6_000 == pytest.approx(1_000, abs=3)


def recorded(spread: float, snr: float, level: float = 20.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    speech = np.zeros(32_000)
    speech[16_000:] = 0.1 * rng.standard_normal(16_000)
    return speech, Channel(rng, spread).record(speech, snr, level, rng) / 32_768


@pytest.mark.parametrize("snr", [0.0, 20.0])
def test_noise_is_as_loud_as_asked_for(snr):
    speech, recording = recorded(0.0, snr)
    whole = np.sqrt(np.mean(speech**2))
    noise, gain = recording[:15_900], np.std(recording[16_100:]) / np.std(speech[16_100:])
    if snr == 0.0:
        gain /= np.sqrt(1.5)  # in the second half the noise has half the speech's power
    assert 20 * np.log10(gain * whole / np.std(noise)) == pytest.approx(snr, abs=0.3)


def test_level():
    _, recording = recorded(0.0, 60.0, level=30.0)
    assert 10 * np.log10(np.mean(recording**2)) == pytest.approx(-30, abs=0.1)
    _, loud = recorded(0.0, 60.0, level=-40.0)
    assert np.abs(loud).max() == pytest.approx(1, abs=1e-4)
    clear = np.abs(recording) > 0.001
    np.testing.assert_array_equal(np.sign(loud[clear]), np.sign(recording[clear]))  # clipped, not wrapped


@pytest.mark.parametrize("spread", [0.0, 6.0])
def test_a_channel_colours_and_does_not_delay(spread):
    speech, recording = recorded(spread, 80.0)
    lags = range(-3, 4)
    fit = [np.dot(recording[20_000:30_000], speech[20_000 - lag : 30_000 - lag]) for lag in lags]
    assert lags[int(np.argmax(fit))] == 0
    spectra = [np.abs(np.fft.rfft(x[16_000:].reshape(40, 400) * np.hanning(400))) ** 2 for x in (recording, speech)]
    response = 10 * np.log10(spectra[0].mean(0) / spectra[1].mean(0))[2:-2]
    assert (np.std(response) < 0.1) == (spread == 0.0)
    if spread:
        assert np.std(response) > 1.5
