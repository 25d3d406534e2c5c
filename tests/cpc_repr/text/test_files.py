"""SentEval's folders and word2vec's files, as published and damaged."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from cpc_repr.text.senteval import BINARY, TASKS, TREC, read_tasks, write_tasks
from cpc_repr.text.vectors import ppmi_vectors, read_vectors, write_vectors
from tests.cpc_repr.text.toy import write_toy_tasks

ALL = {"a", "b", "c", "caf\u00e9"}


def test_names_are_senteval_s() -> None:
    names = {name for pair in BINARY.values() for name in pair} | set(TREC)
    assert names == {
        "MR/rt-polarity.neg", "MR/rt-polarity.pos", "CR/custrev.neg", "CR/custrev.pos",
        "SUBJ/subj.objective", "SUBJ/subj.subjective", "MPQA/mpqa.neg", "MPQA/mpqa.pos",
        "TREC/train_5500.label", "TREC/TREC_10.label",
    }  # fmt: skip
    assert TASKS == ("MR", "CR", "SUBJ", "MPQA", "TREC")  # the order of Table 5


def test_reading(tmp_path: Path) -> None:
    folder = write_toy_tasks(tmp_path)
    (folder / "MR/rt-polarity.pos").write_bytes("un caf\u00e9 tr\u00e8s bon\n\nodd \x85 byte\n".encode("latin-1"))
    (folder / "TREC/TREC_10.label").write_bytes(b"NUM:dist How far is it ?\nABBR:exp What is B.C. ?\n")
    tasks = read_tasks(folder)
    assert list(tasks) == list(TASKS)
    mr = tasks["MR"]
    assert mr.labels.tolist() == [0] * 30 + [1] * 2 and mr.train is None and mr.classes == 2
    assert mr.sentences[30] == ("un", "caf\u00e9", "tr\u00e8s", "bon") and len(mr.sentences[31]) == 2
    trec = tasks["TREC"]
    assert trec.train == 60 and len(trec.labels) == 62 and trec.classes == 6
    assert trec.labels[60:].tolist() == [5, 0] and trec.sentences[60] == ("how", "far", "is", "it", "?")
    assert tasks["SUBJ"].labels.tolist() == [0] * 30 + [1] * 30


def test_objective_is_class_one(tmp_path: Path) -> None:
    folder = write_toy_tasks(tmp_path)
    (folder / "SUBJ/subj.objective").write_text("it is so\n")
    assert read_tasks(folder)["SUBJ"].labels.tolist() == [0] * 30 + [1]


@pytest.mark.parametrize(
    "name, text, words",
    [
        ("CR/custrev.pos", None, "CR/custrev.pos is missing .1 of 10"),
        ("MPQA/mpqa.neg", "\n  \n", "mpqa.neg has no sentence"),
        ("TREC/TREC_10.label", "", "TREC_10.label has no question"),
        ("TREC/TREC_10.label", "NUM:x how far\nFOO:x why\n", "line 2: 'FOO:x why' .*ABBR, DESC"),
        ("TREC/train_5500.label", "NUM how far\n", "line 1"),
        ("TREC/train_5500.label", "NUM:x\n", "line 1"),
    ],
)
def test_damaged_tasks(name: str, text: str | None, words: str, tmp_path: Path) -> None:
    folder = write_toy_tasks(tmp_path)
    (folder / name).unlink() if text is None else (folder / name).write_text(text)
    with pytest.raises(ValueError, match=words):
        read_tasks(folder)


def test_tasks_are_written_in_latin_1(tmp_path: Path) -> None:
    write_tasks(tmp_path, {"X/a": ["caf\u00e9"]})
    assert (tmp_path / "X/a").read_bytes() == b"caf\xe9\n"


def test_text_vectors(tmp_path: Path) -> None:
    path = tmp_path / "v.txt"
    vectors = {"a": np.array([1.0, -2.5]), "caf\u00e9": np.array([0.25, 3.0])}
    write_vectors(path, vectors)
    assert path.read_text(encoding="utf-8").splitlines()[0] == "2 2"
    found = read_vectors(path, ALL)
    assert {word: x.tolist() for word, x in found.items()} == {"a": [1.0, -2.5], "caf\u00e9": [0.25, 3.0]}
    assert found["a"].dtype == np.float32
    assert list(read_vectors(path, {"a"})) == ["a"]
    path.write_text("a 1 2\nb 3 4 \n")  # no header, a space at the end
    assert read_vectors(path, ALL)["b"].tolist() == [3, 4]


def test_words_with_spaces_are_passed_over_as_in_glove(tmp_path: Path) -> None:
    path = tmp_path / "glove.txt"
    path.write_text("a 1 2\n. . . 3 4\nat name@domain.com 5 6\nb 7 8\n")
    assert {word: x.tolist() for word, x in read_vectors(path, ALL).items()} == {"a": [1, 2], "b": [7, 8]}
    path.write_text("a 1 2\nb 3 4 5\n")
    with pytest.raises(ValueError, match="line 2: 'b' has 3 numbers, not 2"):
        read_vectors(path, ALL)


def test_vectors_have_one_apostrophe(tmp_path: Path) -> None:
    path = tmp_path / "v.txt"
    path.write_text("o\u2019clock 1 2\nn\u2019t 3 4\nn't 5 6\n\u2019s 7 8\n", encoding="utf-8")
    found = read_vectors(path, {"o'clock", "n't", "'s"})
    assert {word: x.tolist() for word, x in found.items()} == {"o'clock": [1, 2], "n't": [5, 6], "'s": [7, 8]}


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_binary_vectors(end: bytes, tmp_path: Path) -> None:
    path = tmp_path / "v.bin"
    rows = [
        word.encode() + b" " + struct.pack("<3f", *x) + end for word, x in (("a", (1, 2, 3)), ("caf\u00e9", (4, 5, 6)))
    ]
    path.write_bytes(b"2 3\n" + b"".join(rows))
    assert {word: x.tolist() for word, x in read_vectors(path, ALL).items()} == {"a": [1, 2, 3], "caf\u00e9": [4, 5, 6]}
    path.write_bytes(path.read_bytes()[: -1 - len(end)])
    with pytest.raises(ValueError, match="cut short: 1 of 2"):
        read_vectors(path, ALL)


@pytest.mark.parametrize(
    "text, words",
    [
        ("2 2\na 1 2\nb 1\n", "line 3: 'b' has 1 numbers, not 2"),
        ("a 1 x\n", "line 1: .*'x'"),
        ("a 1 nan\n", "line 1"),
        ("0 300\n", "no vectors"),
        ("", "no vectors"),
    ],
)
def test_damaged_vectors(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "v.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match=words):
        read_vectors(path, ALL)
    with pytest.raises(ValueError, match="no such file"):
        read_vectors(tmp_path / "none.txt", ALL)
    (tmp_path / "v.bin").write_bytes(b"not vectors\n")
    with pytest.raises(ValueError, match="does not begin"):
        read_vectors(tmp_path / "v.bin", ALL)


def test_binary_vectors_are_finite(tmp_path: Path) -> None:
    path = tmp_path / "v.bin"
    path.write_bytes(b"1 2\nsea " + np.array([1, np.inf], "<f4").tobytes())
    with pytest.raises(ValueError, match="the vector of 'sea' has numbers that are not finite"):
        read_vectors(path, {"sea"})


def test_ppmi_gives_words_of_one_company_one_direction() -> None:
    texts = [[("cat", "dog", "purr", "bark")] * 5, [("sun", "moon", "shine", "glow")] * 5, [("rare",)]]
    vectors = ppmi_vectors(texts, size=2, span=3, least=5)
    assert "rare" not in vectors and len(vectors) == 8
    unit = {word: x / np.linalg.norm(x) for word, x in vectors.items()}
    assert unit["cat"] @ unit["bark"] > 0.9 and abs(unit["cat"] @ unit["moon"]) < 0.1
    with pytest.raises(ValueError, match="too few for 8 dimensions"):
        ppmi_vectors(texts, size=8, span=3, least=5)


def test_ppmi_values() -> None:
    """At full size the products of the vectors are the PPMI matrix itself, where that has no negative direction."""
    vectors = ppmi_vectors([[("a", "b", "a", "b", "c", "c")] * 3], size=2, span=1, least=1)
    pairs = {("a", "b"): 9, ("b", "c"): 3, ("c", "c"): 3, ("c", "a"): 2}  # neighbours in either order, 17 in all
    total = sum(pairs.values())
    joint = {
        (x, y): sum(n for p, n in pairs.items() if p in ((x, y), (y, x))) / total / (1 if x == y else 2)
        for x in "abc"
        for y in "abc"
    }
    alone = {x: sum(joint[x, y] for y in "abc") for x in "abc"}
    ppmi = np.array([[max(0, np.log(max(1e-300, joint[x, y]) / alone[x] / alone[y])) for y in "abc"] for x in "abc"])
    values, basis = np.linalg.eigh(ppmi)
    top = np.argsort(-np.abs(values))[:2]
    want = basis[:, top] * np.sqrt(np.abs(values[top]))
    got = np.stack([vectors[x] for x in "abc"])
    np.testing.assert_allclose(np.abs(got), np.abs(want), atol=1e-5)
