from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from cpc_repr.audio.corpus import open_corpus
from cpc_repr.audio.data import Waveforms
from cpc_repr.audio.labels import num_labels

IDS = ["84-121123-0000", "84-121123-0001", "19-198-0000", "19-227-0003", "103-1240-0000"]
SAMPLES = {name: 9_000 + 37 * i for i, name in enumerate(IDS)}


def labels_of(name: str) -> np.ndarray:
    return np.random.default_rng(len(name) + int(name[-1])).integers(0, 41, num_labels(SAMPLES[name]))


def path_of(root: Path, name: str) -> Path:
    speaker, chapter, _ = name.split("-")
    return root / speaker / chapter / f"{name}.flac"


def write_audio(root: Path, name: str, rate: int = 16_000, channels: int = 1) -> np.ndarray:
    path = path_of(root, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    audio = np.random.default_rng(SAMPLES[name]).uniform(-1, 1, (SAMPLES[name], channels)).squeeze()
    soundfile.write(path, audio, rate, subtype="PCM_16")
    return audio


def write_labels(file: Path, **changes: str) -> None:
    lines = {name: " ".join(map(str, labels_of(name))) for name in IDS} | changes
    file.write_text("".join(f"{name} {line}\n" for name, line in lines.items()))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "train-clean-100"
    for name in IDS:
        write_audio(root, name)
    write_labels(root / "converted_aligned_phones.txt")
    (root / "train_split.txt").write_text("84-121123-0001\n19-198-0000\n103-1240-0000\n")
    (root / "test_split.txt").write_text("19-227-0003\n84-121123-0000\n")
    return root


def test_the_layout_of_librispeech(root):
    corpus = open_corpus(root)
    assert corpus.speakers == ("103", "19", "84")
    assert [u.id for u in corpus.train] == ["84-121123-0001", "19-198-0000", "103-1240-0000"]
    assert [u.id for u in corpus.test] == ["19-227-0003", "84-121123-0000"]
    assert [u.speaker for u in corpus.train] == ["84", "19", "103"]
    assert corpus.num_phones == 41
    assert corpus.skipped == ()
    for utterance in (*corpus.train, *corpus.test):
        assert utterance.samples == SAMPLES[utterance.id]
        phones = corpus.phones(utterance)
        assert phones.dtype == np.int64
        np.testing.assert_array_equal(phones, labels_of(utterance.id))


def test_a_waveform_is_what_was_recorded(root):
    audio = write_audio(root, IDS[0])
    corpus = open_corpus(root)
    found = corpus.waveform(next(u for u in corpus.test if u.id == IDS[0]))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, audio, atol=1 / 2**15)


@pytest.mark.parametrize(
    ("samples", "labels"), [(0, 0), (399, 0), (400, 1), (559, 1), (560, 2), (20_480, 126), (225_360, 1_407)]
)
def test_number_of_labels(samples, labels):
    assert num_labels(samples) == labels


def test_labels_and_lists_may_lie_elsewhere(root, tmp_path):
    for name in ("converted_aligned_phones.txt", "train_split.txt", "test_split.txt"):
        (root / name).rename(tmp_path / f"my_{name}")
    mine = [tmp_path / f"my_{name}.txt" for name in ("converted_aligned_phones", "train_split", "test_split")]
    corpus = open_corpus(root, *mine)
    assert (len(corpus.train), len(corpus.test)) == (3, 2)


def test_what_no_list_names_does_not_matter(root):
    write_labels(root / "converted_aligned_phones.txt", **{"103-1240-0000": "nonsense", "8-8-8888": "1 2 3"})
    write_audio(root, "103-1240-0000", rate=8_000)
    (root / "train_split.txt").write_text("84-121123-0001\n")
    corpus = open_corpus(root)
    assert corpus.speakers == ("19", "84")


def with_labels(name: str, line: str):
    return lambda root: write_labels(root / "converted_aligned_phones.txt", **{name: line})


def zeros(count: int, other: str = "0") -> str:
    return " ".join(["0"] * (count - 1) + [other])


def gone(name: str):
    return lambda root: (root / name).unlink()


def pipe(name: str):
    def spoil(root: Path) -> None:
        (root / name).unlink()
        os.mkfifo(root / name)

    return spoil


def not_finite(root: Path) -> None:
    """A WAV of floats by another name: libsndfile reads what is in it."""
    sound = np.full(9_074, np.nan, np.float32)
    soundfile.write(path_of(root, "19-227-0003"), sound, 16_000, format="WAV", subtype="FLOAT")


def text(name: str, content: str):
    return lambda root: (root / name).write_text(content)


def no_recordings(root: Path) -> None:
    for path in root.rglob("*.flac"):
        path.unlink()


def without_line(root: Path) -> None:
    file = root / "converted_aligned_phones.txt"
    file.write_text("".join(line for line in file.open() if not line.startswith("19-198-0000")))


def twice(root: Path) -> None:
    (root / "7").mkdir()
    (root / "7" / "19-198-0000.flac").write_bytes(path_of(root, "19-198-0000").read_bytes())


def repeated_line(root: Path) -> None:
    with (root / "converted_aligned_phones.txt").open("a") as file:
        file.write("19-198-0000 1 2 3\n")


N = num_labels(SAMPLES["19-198-0000"])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda root: write_audio(root, "19-198-0000", rate=22_050), r"19-198-0000\.flac has 22050 samples a second"),
        (lambda root: write_audio(root, "19-227-0003", channels=2), r"19-227-0003\.flac has 2 channels"),
        (
            lambda root: path_of(root, "19-198-0000").unlink(),
            r"train_split\.txt names .* no \.flac,.* .*: 19-198-0000$",
        ),
        (
            lambda root: path_of(root, "19-227-0003").unlink(),
            r"test_split\.txt names .* no \.flac,.* .*: 19-227-0003$",
        ),
        (no_recordings, r"no \.flac,.* in "),
        (gone("train_split.txt"), r"split list .*train_split\.txt"),
        (gone("test_split.txt"), r"split list .*test_split\.txt"),
        (text("test_split.txt", "\n"), r"test_split\.txt is empty"),
        (text("test_split.txt", "19-198-0000\n"), r"both .*train_split.* and .*test_split.* name 19-198-0000"),
        (text("test_split.txt", "19-227-0003\n19-227-0003\n"), r"test_split\.txt repeats 19-227-0003"),
        (text("test_split.txt", "a\nb\nc\nd\ne\n"), r": a, b, c and 2 more$"),
        (without_line, r"no line for 19-198-0000$"),
        (repeated_line, r"two lines for 19-198-0000$"),
        (twice, r"two files are called 19-198-0000: .*19-198-0000\.flac and .*19-198-0000\.flac"),
        (with_labels("19-198-0000", zeros(N - 1)), rf"19-198-0000: {N - 1} labels, but 9074 samples have {N} frames"),
        (with_labels("19-198-0000", zeros(N + 1)), rf"19-198-0000: {N + 1} labels"),
        (with_labels("19-198-0000", ""), r"19-198-0000: 0 labels"),
        (with_labels("19-198-0000", zeros(N, "41")), r"19-198-0000: label 41; allowed: 0 to 40$"),
        (with_labels("19-198-0000", zeros(N, "-1")), r"19-198-0000: label -1; allowed: 0 to 40$"),
        (with_labels("19-198-0000", zeros(N, "2.5")), r"19-198-0000: labels must be whole numbers"),
        (with_labels("19-198-0000", zeros(N, "SIL")), r"19-198-0000: labels must be whole numbers"),
        (not_finite, r"19-227-0003\.flac has samples that are not finite"),
        (pipe("converted_aligned_phones.txt"), r"converted_aligned_phones\.txt is not a regular file"),
        (pipe("train_split.txt"), r"train_split\.txt is not a regular file"),
        (with_labels("19-198-0000", zeros(N, "9" * 30)), r"19-198-0000: labels must be whole numbers"),
    ],
)
def test_what_does_not_fit_is_named(root, spoil, message):
    spoil(root)
    with pytest.raises(ValueError, match=message):
        open_corpus(root)


def test_without_phone_labels_there_are_speakers(root):
    gone("converted_aligned_phones.txt")(root)
    corpus = open_corpus(root)
    assert corpus.tasks == ("speaker",) and corpus.speakers == ("103", "19", "84")
    assert corpus.phones(corpus.train[1]).tolist() == [-1] * N
    with pytest.raises(ValueError, match=r"phone labels .*elsewhere\.txt"):
        open_corpus(root, labels=root / "elsewhere.txt")


@pytest.mark.parametrize(("kind", "tolerance"), [("wav", 1e-4), ("ogg", 0.2)])
def test_wav_and_ogg_are_read_too(root, kind, tolerance):
    path = path_of(root, "19-198-0000")
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(9_074) / 16_000)
    path.unlink()
    soundfile.write(path.with_suffix(f".{kind}"), tone, 16_000)
    corpus = open_corpus(root)
    assert corpus.train[1].samples == 9_074
    np.testing.assert_allclose(corpus.waveform(corpus.train[1]), tone, atol=tolerance)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_other_rates_and_channels_are_converted_when_asked(root, rate):
    """A tone of 440 Hz in one channel of two is, at 16 kHz, the same tone at half its height."""
    samples = round(9_074 * rate / 16_000)
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(samples) / rate)
    soundfile.write(path_of(root, "19-198-0000"), np.stack([tone, 0 * tone], 1), rate)
    gone("converted_aligned_phones.txt")(root)
    with pytest.raises(ValueError, match=r"needed .* \(or --convert\)"):
        open_corpus(root)
    corpus = open_corpus(root, convert=True)
    utterance = corpus.train[1]
    assert abs(utterance.samples - 9_074) <= 1
    sound = corpus.waveform(utterance)
    want = 0.25 * np.sin(2 * np.pi * 440 * np.arange(len(sound)) / 16_000)
    np.testing.assert_allclose(sound[200:-200], want[200:-200], atol=2e-3)  # a filter sees zeros beyond the ends
    np.testing.assert_array_equal(Waveforms(corpus, limit=0).piece(utterance, 300, 500), sound[300:800])


def test_mp3_is_named(root):
    path = path_of(root, "19-198-0000")
    path.rename(path.with_suffix(".mp3"))
    with pytest.raises(ValueError, match=r"19-198-0000; .*19-198-0000\.mp3 is mp3, which is not read: .*ffmpeg"):
        open_corpus(root)


def test_no_folder(tmp_path):
    with pytest.raises(ValueError, match=r"no folder .*LibriSpeech"):
        open_corpus(tmp_path / "nothing")


def test_forty_is_a_label(root):
    with_labels("19-198-0000", zeros(N, "40"))(root)
    corpus = open_corpus(root)
    assert corpus.phones(corpus.train[1])[-1] == 40


def cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize(
    "spoil", [cut, lambda path: path.write_bytes(b""), lambda path: path.write_bytes(b"no flac" * 100)]
)
def test_broken_files_are_left_out_and_named(root, spoil):
    spoil(path_of(root, "103-1240-0000"))
    spoil(path_of(root, "19-227-0003"))
    corpus = open_corpus(root)
    assert corpus.skipped == ("103/1240/103-1240-0000.flac", "19/227/19-227-0003.flac")
    assert [u.id for u in corpus.train] == ["84-121123-0001", "19-198-0000"]
    assert [u.id for u in corpus.test] == ["84-121123-0000"]
    assert corpus.speakers == ("19", "84")


def test_a_list_of_broken_files_only(root):
    for name in ("19-227-0003", "84-121123-0000"):
        cut(path_of(root, name))
    with pytest.raises(ValueError, match=r"every file that .*test_split\.txt names is broken, .*19-227-0003\.flac"):
        open_corpus(root)


def test_damage_in_the_middle_shows_when_it_is_read(root):
    path = path_of(root, "19-198-0000")
    content = path.read_bytes()
    half = len(content) // 2
    path.write_bytes(content[:half] + bytes(1_000) + content[half + 1_000 :])
    corpus = open_corpus(root)
    with pytest.raises(ValueError, match=r"19-198-0000\.flac"):
        corpus.waveform(corpus.train[1])


def test_a_file_that_changed_or_went_after_opening(root):
    corpus = open_corpus(root)
    path_of(root, "19-198-0000").write_bytes(path_of(root, "84-121123-0000").read_bytes())
    with pytest.raises(ValueError, match=r"19-198-0000\.flac had 9074 samples and now has \[9000\]"):
        corpus.waveform(corpus.train[1])
    path_of(root, "19-198-0000").unlink()
    with pytest.raises(ValueError, match=r"19-198-0000\.flac cannot be read"):
        corpus.waveform(corpus.train[1])


def test_without_soundfile_the_extra_is_named(root, monkeypatch):
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(ValueError, match=r"soundfile cannot be imported .*pip install 'cpc-rl\[audio\]'"):
        open_corpus(root)
