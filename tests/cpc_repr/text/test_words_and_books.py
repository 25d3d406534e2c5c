"""Words, books, and the windows training draws from them."""

from __future__ import annotations

import textwrap
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from configs import UsageError
from cpc_repr.text.books import (
    BookBatchConfig,
    SentenceWindows,
    book_files,
    count_words,
    hold_out,
    read_book,
    read_library,
)
from cpc_repr.text.words import PAD, UNKNOWN, Vocabulary, split


@pytest.mark.parametrize(
    "text, words",
    [
        ("He didn't.", "he did n't ."),
        ("He didn\u2019t", "he did n't"),
        ("he don 't , ca n't", "he do n't , ca n't"),
        ("It\u2019s John's; they've, I'll", "it 's john 's ; they 've , i 'll"),
        ("\u2018I saw \u2019em at five o\u2019clock\u2019", "' i saw 'em at five o'clock '"),
        ("``so'' \u201csaid\u201d _he_", '" so " " said " he'),
        ("it 's n't , well-known !", "it 's n't , well-known !"),
        ('"Stop," SHE said', '" stop , " she said'),
        ("caf\u00e9 42", "caf\u00e9 42"),
        ("  \t ", ""),
    ],
)
def test_split(text: str, words: str) -> None:
    assert " ".join(split(text)) == words


def test_vocabulary(tmp_path: Path) -> None:
    words = Vocabulary.of(Counter("bbbaaccd"), 3)
    assert words.words == ("b", "a", "c") and len(words) == 3  # frequency, then the alphabet
    assert words.rows("bd") == [2, UNKNOWN]
    assert words.pad([("b", "c", "a"), ("d",)], most=2).tolist() == [[2, 4], [UNKNOWN, PAD]]
    words.write(tmp_path / "v.txt")
    assert Vocabulary.read(tmp_path / "v.txt").words == words.words
    with pytest.raises(UsageError, match="missing"):
        Vocabulary.read(tmp_path / "none.txt")


def test_lines_and_prose(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text('One is here. Two\nis too! "Three?" Four\n\nFive at 3.5 p.m. today\n')
    lines = [" ".join(words) for words in read_book(path, "lines")]
    prose = [" ".join(words) for words in read_book(path, "prose")]
    assert lines == ["one is here . two", 'is too ! " three ? " four', "five at 3 . 5 p . m . today"]
    assert prose == ["one is here .", "two is too !", '" three ?', "four", "five at 3 . 5 p . m . today"]


def test_titles_and_initials_end_no_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("Mr. Smith met Mrs. J. B. Jones. It was late. (Dr. No was in.) Was it? Vitamin pills.\nSt. Ives\n")
    assert [" ".join(words) for words in read_book(path, "prose")] == [
        "mr . smith met mrs . j . b . jones .",
        "it was late .",
        "( dr . no was in .",
        "was it ?",
        "vitamin pills .",
        "st . ives",
    ]


def test_frames_and_byte_order_marks_are_no_book(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    name = "OF THE PROJECT GUTENBERG EBOOK A ***"
    frame = f"\ufeffThe eBook\n\n*** START {name}\n{{}}\n*** END {name}\nLicence\n"
    path.write_text(frame.format("She _is_ here."), encoding="utf-8")
    assert list(read_book(path, "prose")) == list(read_book(path, "lines")) == [("she", "is", "here", ".")]
    path.write_text("\ufeffHere", encoding="utf-8")
    assert list(read_book(path, "lines")) == [("here",)]


def test_wrapped_prose_is_no_sentence_a_line(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    sentences = ["It was late, and nobody came to the door of the house by the river.", "He waited."] * 40
    path.write_text("\n".join(sentences))
    assert len(list(read_book(path, "lines"))) == 80
    path.write_text("\n".join(sentence.strip(".").lower() for sentence in sentences))  # no punctuation: who knows
    assert len(list(read_book(path, "lines"))) == 80
    path.write_text(textwrap.fill(" ".join(sentences), 50))
    with pytest.raises(ValueError, match=r"a\.txt: \d+% of its lines break off .*--layout prose"):
        read_book(path, "lines")
    assert len(list(read_book(path, "prose"))) == 80


def test_vocabularies_of_older_runs_have_contractions_whole() -> None:
    old = Vocabulary(["didn't", "did", "it's", "she"])
    assert old.rows(split("She didn't; did it's")) == [5, 2, UNKNOWN, 3, 4]
    new = Vocabulary(["did", "n't", "she"])
    assert new.rows(split("she didn't")) == [4, 2, 3]


def test_a_batch_of_one_book(tmp_path: Path) -> None:
    found, _ = library(tmp_path, (30, 2, 10))
    windows = SentenceWindows(found, BookBatchConfig(window=3, batch_size=40, batch="same_book"), 32, 1)
    owners = [set(np.searchsorted(found.books, windows.choose(i).ravel(), side="right") - 1) for i in range(200)]
    assert all(len(owner) == 1 for owner in owners)
    share = sum(owner == {0} for owner in owners) / 200
    assert {*map(min, owners)} == {0, 2} and abs(share - 28 / 36) < 0.12  # four deviations; by places where to begin


def test_what_is_wrong_with_books(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such folder"):
        book_files(tmp_path / "none")
    (tmp_path / "a.txt").write_bytes(b"ab\xff")
    with pytest.raises(ValueError, match="1 books .*at least two"):
        book_files(tmp_path)
    with pytest.raises(ValueError, match=r"a\.txt is not UTF-8 \(byte 2\)"):
        list(read_book(tmp_path / "a.txt", "lines"))
    (tmp_path / "deep").mkdir()
    for name in ("b.txt", "deep/c.txt"):
        (tmp_path / name).write_text("\n \n")
    files = book_files(tmp_path)[1:]
    assert [file.name for file in files] == ["b.txt", "c.txt"]
    with pytest.raises(ValueError, match="no sentence in 2 books"):
        read_library(files, "lines", Vocabulary(["x"]))


def test_hold_out() -> None:
    files = [Path(str(i)) for i in range(7)]
    assert [p.name for p in hold_out(files, 3)[1]] == ["2", "5"]
    assert [[p.name for p in part] for part in hold_out(files[:2], 20)] == [["0"], ["1"]]


def library(tmp_path: Path, sizes: tuple[int, ...]):
    """Book i's sentence j is `i j` and then j more words."""
    files = []
    for i, size in enumerate(sizes):
        path = tmp_path / f"{i}.txt"
        path.write_text("".join(f"b{i} s{j}{' more' * j}\n" for j in range(size)))
        files.append(path)
    counts = count_words(files, "lines")
    assert counts["b0"] == sizes[0]
    vocabulary = Vocabulary.of(counts, 100)
    return read_library(files, "lines", vocabulary), vocabulary


def test_windows_are_whole_stretches_of_one_book(tmp_path: Path) -> None:
    found, vocabulary = library(tmp_path, (5, 2, 3))
    assert (len(found), found.sentences) == (3, 10)
    windows = SentenceWindows(found, BookBatchConfig(window=3, batch_size=200), most=4, seed=1)
    chosen = windows.choose(0)
    assert {tuple(row) for row in chosen.tolist()} == {
        (0, 1, 2),
        (1, 2, 3),
        (2, 3, 4),
        (7, 8, 9),
    }  # book 1 is too short
    tokens = windows.tokens(0)
    assert tokens.shape == (200, 3, 4)  # cut at four words
    first = int(np.flatnonzero(chosen[:, 0] == 7)[0])
    row = vocabulary.row
    want = [[row["b2"], row[f"s{j}"], *[row["more"]] * j] for j in range(3)]
    assert tokens[first].tolist() == [line + [PAD] * (4 - len(line)) for line in want]


def test_a_batch_is_a_function_of_seed_and_number(tmp_path: Path) -> None:
    found, _ = library(tmp_path, (50, 50))
    draw = lambda seed, number: SentenceWindows(found, BookBatchConfig(), 32, seed).choose(number)  # noqa: E731
    assert (draw(1, 5) == draw(1, 5)).all()
    assert (draw(1, 5) != draw(1, 6)).any() and (draw(1, 5) != draw(2, 5)).any()
    with pytest.raises(UsageError, match="--window 51: the longest of 2 books has 50"):
        SentenceWindows(found, BookBatchConfig(window=51), 32, 1)


def test_large_vocabularies_fit(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("w69999 w0\n")
    vocabulary = Vocabulary([f"w{i}" for i in range(70_000)])
    found = read_library([path], "lines", vocabulary)
    assert found.tokens(np.array([0]), 9).tolist() == [[70_001, 2]]
