"""`python -m cpc_repr.text` as a user meets it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from configs import UsageError
from cpc_repr.text import load
from cpc_repr.text.__main__ import main
from cpc_repr.text.vectors import write_vectors
from cpc_rl.runs import read_metrics
from tests.cpc_repr.commands import (
    TWO,
    check_a_stopped_run_goes_on,
    check_help,
    check_kills,
    check_nothing_is_computed_anew,
    check_one_line,
    check_the_mean_of_weights_is_used,
    finish,
    newest,
    results,
    start,
)
from tests.cpc_repr.text.toy import FILLERS, TOPICS, write_books, write_toy_tasks

TINY = """
corpus: {hold_out: 4, vocabulary: 12}
train: {updates: 8, supervised_epochs: 1}
batches: {window: 4, batch_size: 4}
model: {embedding: 8, channels: 8, context: 8, kernel: 3, norm: batch}
logistic: {folds: 3, inner: 2, c_powers: [-4, 0]}
evaluation: {batches: 1, neighbours: 2}
run: {threads: 1, device: cpu, log_updates: 2, checkpoint_minutes: 1.0e-9}
"""


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("data")
    (folder / "tiny.yaml").write_text(TINY)
    rng = np.random.default_rng(0)
    write_vectors(folder / "v.txt", {word: rng.normal(size=3) for word in (*TOPICS[0], *TOPICS[1], *FILLERS, ".")})
    flags = ["--data", write_books(folder / "books"), "--tasks", write_toy_tasks(folder / "tasks")]
    return [*map(str, flags), "--vectors", str(folder / "v.txt"), "--config", str(folder / "tiny.yaml")]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, toy: list[str]) -> Path:
    run = tmp_path_factory.mktemp("runs") / "run"
    assert main([*toy, "--run", str(run)]) == 0
    return run


def test_smoke(tmp_path: Path) -> None:
    """With nothing given but --smoke: generated text, all stages, tables and pictures."""
    out = finish(start("text", "--smoke", "--run", tmp_path / "run", "--corpora", tmp_path / "corpora"))
    table = (tmp_path / "run/report/table.md").read_text()
    for row in (
        "most frequent class", "bag of words", "bag of random embeddings", "bag of word vectors", "random weights, z",
        "CPC, z, books' words only", "CPC, z", "CPC, c", "supervised", "paper: CPC | 76.9 | 80.1 | 91.2 | 87.7 | 96.8",
        "CPC, z, not expanded", "CPC, z, expanded",
    ):  # fmt: skip
        assert f"| {row} |" in table, row
    assert "generated tasks, trained on generated stories" in table
    assert "12 updates (100%)" in out and "sentences/s" in out and "nearest neighbours" in out and "done:" in out
    names = {"table.md", "results.json", "neighbours.txt", "accuracy_per_step.png", "tasks.png"}
    assert {path.name for path in (tmp_path / "run/report").iterdir()} == names


def test_what_a_run_leaves(finished: Path) -> None:
    rows = read_metrics(finished / "metrics.jsonl")
    assert [row["updates"] for row in rows] == [2, 4, 6, 8]
    assert {"loss/total", "cpc/accuracy_1", "cpc/bound_3", "cpc/log_n", "updates_per_second"} <= rows[0].keys()
    found = results(finished)
    supervised = {f"supervised_{task}" for task in ("MR", "CR", "SUBJ", "MPQA", "TREC")}
    rows = {"chance", "bow", "bag", "vectors", "random", "cpc_plain", "cpc", "cpc_c"}
    assert found.keys() == rows | supervised | {"per_offset", "neighbours"}
    assert found["cpc"].keys() == {
        f"{task}{new}" for task in ("MR", "CR", "SUBJ", "MPQA", "TREC") for new in ("", "_new")
    }
    assert found["cpc"] != found["cpc_plain"] and found["cpc"] != found["cpc_c"] and found["cpc"] != found["random"]
    assert len(found["per_offset"]["win_rate"]) == 3 and found["per_offset"]["chance"][0] == pytest.approx(1 / 16)
    assert len((finished / "vocabulary.txt").read_text().split()) == 12
    assert "books in books" in (finished / "report/table.md").read_text()


def test_resuming_a_finished_run_computes_nothing_anew(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check_nothing_is_computed_anew(main, finished, capsys, "76.9")


def test_a_stopped_run_goes_on_bit_for_bit(finished: Path, toy: list[str], tmp_path: Path) -> None:
    check_a_stopped_run_goes_on("text", main, toy, finished, tmp_path / "run")


@pytest.mark.slow
def test_killed_at_random_moments_it_is_the_run_that_was_never_killed(
    finished: Path, toy: list[str], tmp_path: Path
) -> None:
    check_kills("text", toy, finished, tmp_path)


def test_two_ranks_are_one(toy: list[str], tmp_path: Path) -> None:
    flags = [*toy, "--updates", "4", "--accumulate", "2", "--norm", "none", "--supervised-epochs", "0"]
    out = finish(start("text", *flags, "--run", tmp_path / "two", launcher=TWO))
    assert out.count("done:") == 1 and main([*flags, "--run", str(tmp_path / "one")]) == 0
    one, two = (newest(tmp_path / name)["module"] for name in ("one", "two"))
    assert all(torch.allclose(value, two[name], atol=1e-5) for name, value in one.items())
    assert results(tmp_path / "one").keys() == results(tmp_path / "two").keys()


def test_the_mean_of_weights_is_what_is_evaluated(finished: Path, toy: list[str], tmp_path: Path) -> None:
    check_the_mean_of_weights_is_used(main, toy, load, finished, tmp_path / "run")


def test_seeds(toy: list[str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert main([*toy, "--run", str(run), "--seeds", "2", "--updates", "2", "--supervised-epochs", "0"]) == 0
    table = (run / "report/table.md").read_text()
    assert "±" in table and "2 seeds" in table and "| supervised |" not in table
    assert {p.parent.name for p in run.glob("*/checkpoint-2.pt")} == {"s1", "s2"}
    assert results(run / "s1")["cpc"] != results(run / "s2")["cpc"]
    with pytest.raises(UsageError, match="several runs: .*s1"):
        load(run)
    assert load(run / "s2").encode(["the sea ."]).z.shape == (1, 8)


def test_without_vectors_nothing_is_expanded(toy: list[str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    flags = [flag for i, flag in enumerate(toy) if "--vectors" not in toy[max(0, i - 1) : i + 1]]
    assert main([*flags, "--run", str(run), "--updates", "1", "--supervised-epochs", "0"]) == 0
    assert not {"vectors", "cpc_plain"} & results(run).keys()
    assert "expansion" not in (run / "report/table.md").read_text()


def test_encode_as_a_library(finished: Path, toy: list[str]) -> None:
    vectors = toy[toy.index("--vectors") + 1]
    plain, wider = load(finished), load(finished, vectors=vectors)
    known = set(plain.vocabulary.words)
    new = next(word for word in (*TOPICS[0], *TOPICS[1]) if word not in known)
    torch.testing.assert_close(plain.encode([f"the {new} ."]).z, plain.encode(["the quux ."]).z)
    assert (wider.encode([f"the {new} ."]).z - wider.encode(["the quux ."]).z).abs().max() > 1e-4
    torch.testing.assert_close(plain.encode(["the ."]).c, wider.encode(["the ."]).c)


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--stepz", "3"], "did you mean --steps"),
        (["--data", "/no/such/folder"], "/no/such/folder"),
        (["--kernel", "2"], "odd"),
        (["--batch-size", "1", "--negatives.exclude", "own"], "leaves no negative"),
        (["--steps", "6"], "--steps 6: windows of 6 steps allow at most 5"),
        (["--resume", "/no/such/run"], "not a run directory"),
    ],
)
def test_wrong_flags_end_in_one_line(
    flags: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check_one_line(main, ["--smoke", "--corpora", str(tmp_path / "corpora"), *flags], words, tmp_path / "run", capsys)


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--window", "21"], "--window 21: the longest of 9 books has 20"),
        (["--tasks", "/tmp"], "MR/rt-polarity.neg is missing"),
        (["--vectors", "/no/such/file"], "/no/such/file: no such file"),
        (["--logistic.folds", "40"], "too few for 40 folds"),
        (["--logistic.inner", "40"], "too few for 40 folds"),
        (["--tasks", "/no/such/folder"], "MR/rt-polarity.neg is missing"),
    ],
)
def test_files_that_do_not_fit_end_in_one_line(
    flags: list[str], words: str, toy: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check_one_line(main, [*toy, "--updates", "1", *flags], words, tmp_path / "run", capsys)


def test_other_books_cannot_go_on(toy: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    books = write_books(tmp_path / "books")
    flags = [str(books) if i == 1 else flag for i, flag in enumerate(toy)]
    assert main([*flags, "--run", str(tmp_path / "run"), "--updates", "1", "--supervised-epochs", "0"]) == 0
    (books / "00.txt").write_text("quite another book .\n" * 50)
    assert main(["--resume", str(tmp_path / "run"), "--updates", "2"]) == 2
    assert "not those the run was begun with" in capsys.readouterr().err


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    check_help(main, ("--tasks", "--vectors", "--stories.negation", "--steps", "--kernel"), capsys)
