from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
from pydantic import ValidationError

from cpc_repr import cache
from cpc_repr.audio import synthetic
from cpc_repr.audio.corpus import SpeechCorpus, open_corpus
from cpc_repr.audio.phones import PHONES
from cpc_repr.audio.synthetic import SyntheticSpeechConfig, make_corpus
from cpc_repr.cache import build_once

pytest.importorskip("espeakng_loader")
TINY = SyntheticSpeechConfig(speakers=3, utterances=5, seed=3)  # two of the voices breathe, which takes random numbers
VOWELS = [PHONES.index(name) for name in ("AA", "AE", "AO", "AW", "AY", "EH", "EY", "OW", "OY")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("speech")


@pytest.fixture(scope="module")
def corpus(folder) -> SpeechCorpus:
    return make_corpus(folder, TINY)


@pytest.fixture(scope="module")
def clean(folder) -> SpeechCorpus:
    return make_corpus(folder, SyntheticSpeechConfig(speakers=4, utterances=8, snr=60, channel=0))


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def utterances(corpus: SpeechCorpus):
    return [*corpus.train, *corpus.test]


def frames(corpus: SpeechCorpus) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Power spectra [n, 201] of all labelled frames, their labels [n], and the utterance of each [n]."""
    spectra, labels, owner = [], [], []
    for i, utterance in enumerate(utterances(corpus)):
        windows = np.lib.stride_tricks.sliding_window_view(corpus.waveform(utterance), 400)[::160]
        spectra.append(np.abs(np.fft.rfft(windows * np.hanning(400))) ** 2)
        labels.append(corpus.phones(utterance))
        owner.append(np.full(len(windows), i))
    return np.concatenate(spectra), np.concatenate(labels), np.concatenate(owner)


def test_the_layout_is_librispeech_s(corpus):
    assert corpus.speakers == ("1001", "1002", "1003")
    assert corpus.skipped == ()
    for utterance in utterances(corpus):
        speaker, chapter, _ = utterance.id.split("-")
        assert utterance.path == corpus.root / speaker / chapter / f"{utterance.id}.flac"
        info = soundfile.info(utterance.path)
        assert (info.samplerate, info.channels, info.subtype) == (16_000, 1, "PCM_16")
        transcript = (utterance.path.parent / f"{speaker}-{chapter}.trans.txt").read_text()
        assert f"{utterance.id} " in transcript


def test_it_opens_anywhere_as_any_corpus_does(corpus, tmp_path):
    shutil.copytree(corpus.root, tmp_path / "export")
    exported = open_corpus(tmp_path / "export")
    assert [u.id for u in utterances(exported)] == [u.id for u in utterances(corpus)]
    first = corpus.train[0]
    np.testing.assert_array_equal(corpus.waveform(first), exported.waveform(exported.train[0]))
    np.testing.assert_array_equal(corpus.phones(first), exported.phones(exported.train[0]))


def test_every_speaker_is_in_both_splits_and_in_two_chapters(corpus):
    for part, each in ((corpus.train, 4), (corpus.test, 1)):
        assert [sum(u.speaker == speaker for u in part) for speaker in corpus.speakers] == [each] * 3
    assert [u.id for u in corpus.test] == ["1001-2-0004", "1002-2-0004", "1003-2-0004"]
    assert all(len(list((corpus.root / speaker).iterdir())) == 2 for speaker in corpus.speakers)


def test_no_two_utterances_say_the_same(corpus):
    said = [line.partition(" ")[2] for file in corpus.root.rglob("*.trans.txt") for line in file.open()]
    assert len(said) == len(set(said)) == 15


def test_the_same_bytes_every_time(corpus, tmp_path):
    again = make_corpus(tmp_path, TINY)
    assert files(again.root) == files(corpus.root)


def test_another_seed_gives_other_speech(corpus, tmp_path):
    other = make_corpus(tmp_path, TINY.model_copy(update={"seed": 1}))
    assert other.root.name != corpus.root.name
    theirs, ours = ({u.path.read_bytes() for u in utterances(one)} for one in (other, corpus))
    assert not theirs & ours


def test_the_manifest_tells_how_it_was_made(corpus):
    manifest = json.loads((corpus.root / "manifest.json").read_text())
    assert SyntheticSpeechConfig(**manifest["config"]) == TINY
    assert manifest["phones"] == list(PHONES)
    assert manifest["made_with"]["espeakng-loader"]
    assert [speaker["id"] for speaker in manifest["speakers"]] == list(corpus.speakers)
    assert len({speaker["variant"] for speaker in manifest["speakers"]}) == 3
    assert set(manifest["sha256"]) == set(files(corpus.root)) - {"manifest.json"}


def test_it_is_made_once_and_needs_no_synthesiser_then(corpus, folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    calls: list[int] = []
    again = make_corpus(folder, TINY, lambda done, total: calls.append(done))
    assert not calls
    assert again.root == corpus.root
    with pytest.raises(ValueError, match=r"espeakng_loader cannot be imported .*pip install 'cpc-rl\[audio\]'"):
        make_corpus(folder, TINY.model_copy(update={"seed": 2}))
    assert not list(folder.glob("*.tmp"))


def test_progress_counts_speakers(tmp_path):
    calls: list[tuple[int, int]] = []
    make_corpus(tmp_path, SyntheticSpeechConfig(speakers=2, utterances=5), lambda *call: calls.append(call))
    assert calls == [(1, 2), (2, 2)]


@pytest.mark.parametrize("name", ["manifest.json", "test_split.txt", "1001/1/1001-1-0000.flac"])
@pytest.mark.parametrize("what", ["changed", "gone"])
def test_a_cache_that_is_no_longer_whole_is_refused(corpus, tmp_path, name, what):
    root = tmp_path / corpus.root.name
    shutil.copytree(corpus.root, root)
    if what == "gone":
        (root / name).unlink()
    else:
        (root / name).write_bytes((root / name).read_bytes()[:-5])
    with pytest.raises(ValueError, match=rf"{name} .*: delete .*{corpus.root.name}"):
        make_corpus(tmp_path, TINY)


def test_a_failure_leaves_nothing_behind(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("no voice")

    monkeypatch.setattr(synthetic, "speak", fail)
    with pytest.raises(RuntimeError, match="no voice"):
        make_corpus(tmp_path, TINY)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


BUILD_AND_DIE = """
import os, runpy, signal, sys
from pathlib import Path

def build(new):
    (new / "half").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)

runpy.run_path(sys.argv[1])["build_once"](Path(sys.argv[2]), build)
"""


def test_what_a_killed_process_left_is_not_taken_for_whole(tmp_path):
    died = subprocess.run([sys.executable, "-c", BUILD_AND_DIE, cache.__file__, str(tmp_path / "corpus")], check=False)
    assert died.returncode == -signal.SIGKILL
    assert not (tmp_path / "corpus").exists()
    assert (tmp_path / "corpus.tmp" / "half").exists()
    build_once(tmp_path / "corpus", lambda new: (new / "whole").touch())
    assert files(tmp_path / "corpus") == {"whole": b""}
    assert not (tmp_path / "corpus.tmp").exists()


def test_two_who_build_at_once_build_once(tmp_path):
    built: list[Path] = []
    second_may_start, finish = threading.Event(), threading.Event()

    def build(new: Path) -> None:
        built.append(new)
        second_may_start.set()
        finish.wait(30)
        (new / "whole").touch()

    threads = [threading.Thread(target=build_once, args=(tmp_path / "corpus", build)) for _ in range(2)]
    threads[0].start()
    assert second_may_start.wait(30)
    threads[1].start()
    threads[1].join(0.2)
    assert threads[1].is_alive()  # waits for the first
    finish.set()
    for thread in threads:
        thread.join(30)
    assert len(built) == 1
    assert files(tmp_path / "corpus") == {"whole": b""}


def test_silence_is_quiet_and_vowels_are_loud(corpus):
    spectra, labels, owner = frames(corpus)
    energy = 10 * np.log10(spectra.sum(1))
    for i in range(len(utterances(corpus))):
        here = owner == i
        quiet, loud = energy[here & (labels == 0)], energy[here & np.isin(labels, VOWELS)]
        assert np.median(loud) > np.median(quiet) + 15


def test_hissing_is_high_and_vowels_are_low(clean):
    spectra, labels, _ = frames(clean)
    centroid = spectra @ np.linspace(0, 8_000, 201) / spectra.sum(1)
    vowels = np.median(centroid[np.isin(labels, VOWELS)])
    for name in ("S", "SH", "CH"):
        assert np.median(centroid[labels == PHONES.index(name)]) > vowels + 1_000


def steepest(corpus: SpeechCorpus, before: list[int], after: list[int], band: slice) -> float:
    """Where the power in `band` (of 200 Hz) rises most, in ms from the boundaries between phones of the two kinds."""
    contours = []
    for utterance in utterances(corpus):
        windows = np.lib.stride_tricks.sliding_window_view(corpus.waveform(utterance), 80)[::40] * np.hanning(80)
        power = 10 * np.log10((np.abs(np.fft.rfft(windows)) ** 2)[:, band].sum(1) + 1e-9)  # centred on 40 i + 40
        phones = corpus.phones(utterance)
        for i in np.flatnonzero(np.isin(phones[:-1], before) & np.isin(phones[1:], after)):
            boundary = (160 * int(i) + 280) // 40 - 1  # halfway between the centres of two labels
            if boundary > 24 and boundary + 24 < len(power):
                contours.append(power[boundary - 24 : boundary + 25])
    mean = np.mean(contours, 0)
    rise = [mean[i : i + 4].mean() - mean[i - 4 : i].mean() for i in range(4, len(mean) - 3)]
    assert len(contours) >= 10
    return 2.5 * (int(np.argmax(rise)) + 4 - 0.5 - 24)


def test_phones_begin_and_end_where_the_labels_say(clean):
    low, high = slice(1, 8), slice(15, None)
    voiced = [*VOWELS, *(PHONES.index(name) for name in ("L", "M", "N", "R", "W", "Y"))]
    voiceless = [PHONES.index(name) for name in ("F", "K", "P", "S", "T")]
    assert abs(steepest(clean, [0], voiced, low)) < 5
    assert abs(steepest(clean, voiceless, VOWELS, low)) < 5
    assert abs(steepest(clean, VOWELS, [PHONES.index("S")], high)) < 5


@pytest.mark.parametrize(
    ("change", "name"), [({"snr": 0.0}, "snr"), ({"channel": 12.0}, "channel"), ({"tempo": 0.0}, "tempo")]
)
def test_dials_change_the_speech(corpus, tmp_path, change, name):
    other = make_corpus(tmp_path, TINY.model_copy(update=change))
    (ours, labels, _), (theirs, their_labels, _) = both = frames(corpus), frames(other)
    if name == "snr":
        quiet = [np.median(power[k == 0].sum(1)) / np.median(power[k != 0].sum(1)) for power, k, _ in both]
        assert quiet[1] > 30 * quiet[0]
    elif name == "channel":
        assert [u.samples for u in utterances(other)] == [u.samples for u in utterances(corpus)]
        np.testing.assert_array_equal(labels, their_labels)
        assert np.std(10 * np.log10(theirs.mean(0) / ours.mean(0))) > 2
    else:
        rates = {s["rate"] for s in json.loads((other.root / "manifest.json").read_text())["speakers"]}
        assert rates == {175}


@pytest.mark.parametrize("bad", [{"speakers": 1}, {"utterances": 4}, {"tempo": -0.1}, {"seed": -1}, {"voices": 3}])
def test_the_configuration_is_checked(bad):
    with pytest.raises(ValidationError, match=next(iter(bad))):
        SyntheticSpeechConfig(**bad)
