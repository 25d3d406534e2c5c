"""Scores, tables, presets and what a resumed run may change."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from configs import UsageError, changeable_keys, load, preset_names
from cpc_repr.config import arms
from cpc_repr.context import Context
from cpc_repr.probes import Score
from cpc_repr.text import experiment, logistic
from cpc_repr.text.config import TextConfig
from cpc_repr.text.corpus import open_corpus, task_words
from cpc_repr.text.encode import TextEncoder
from cpc_repr.text.evaluate import (
    bag_of_vectors,
    bag_of_words,
    chance,
    neighbours,
    random_vectors,
    score_tasks,
    supervised,
)
from cpc_repr.text.logistic import LogisticConfig, _best, predict, splits
from cpc_repr.text.model import TextModel, TextModelConfig
from cpc_repr.text.senteval import Task
from cpc_repr.text.tables import PAPER, intervals, table_5, table_expansion
from cpc_repr.text.words import Vocabulary
from tests.cpc_repr.contexts import context
from tests.cpc_repr.text.toy import write_books, write_toy_tasks

QUIET = lambda *_: None  # noqa: E731
FAST = LogisticConfig(folds=3, inner=3, c_powers=(-6, 0))


def config(*argv: str) -> TextConfig:
    return load(TextConfig, argv, prog="x", description="", default_preset=lambda _: "small", family="text")


def task(n: int = 60, train: int | None = None, classes: int = 2) -> tuple[np.ndarray, Task]:
    rng = np.random.default_rng(0)
    labels = np.arange(n) % classes
    x = rng.normal(size=(n, 4)) * (1, 100, 1, 1)
    x[:, 0] += 8 * labels
    return x.astype(np.float32), Task("T", tuple(("a",) for _ in range(n)), labels, train)


@pytest.mark.parametrize("classes, train", [(2, None), (2, 40), (3, 40)])
def test_regression_finds_what_is_there(classes: int, train: int | None) -> None:
    x, t = task(classes=classes, train=train)
    said = predict(x, t, FAST, QUIET)
    assert (said >= 0).sum() == (60 if train is None else 20) and (train is None or (said[:train] == -1).all())
    tested = said >= 0
    assert (said == t.labels)[tested].mean() >= 0.85  # the wide second feature is scaled down


def test_a_sentence_is_never_in_its_own_training() -> None:
    """Features that name the sentence, and labels that are coin flips: nothing to be learnt from others."""
    x, t = np.eye(60, dtype=np.float32), Task("T", (("a",),) * 60, np.random.default_rng(1).permutation(60) % 2)
    assert (predict(x, t, FAST, QUIET) == t.labels).mean() < 0.7
    parts = list(splits(t, 5))
    assert sorted(np.concatenate([test for _, test in parts])) == list(range(60))
    assert not any(set(a) & set(b) for a, b in parts)
    assert [list(b) for _, b in parts] == [list(b) for _, b in splits(t, 5)]


def test_the_penalty_is_chosen_by_what_it_does() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(80) % 2
    noisy = np.concatenate([rng.normal(size=(80, 1)) * 0.9 + y[:, None], rng.normal(size=(80, 60))], axis=1)
    exact = 0.02 * y[:, None] * np.ones((80, 1))
    assert _best(noisy, y, (-8, 10), 5, "T") == 2.0**-8
    assert _best(exact - exact.mean(), y, (-20, 10), 5, "T") in (2.0**-20, 2.0**10)
    flip = np.concatenate([3 * rng.normal(size=(80, 1)), y[:, None] * 0.01], axis=1)
    assert _best(flip, y, (-10, 14), 5, "T") == 2.0**14
    assert _best(noisy, y, (3,), 5, "T") == 8


def test_features_are_standardised() -> None:
    """A weak penalty on wide noise would drown a narrow feature that knows."""
    rng = np.random.default_rng(0)
    x, t = task(200)
    x = np.concatenate([x[:, :1] / 100, 1000 * rng.normal(size=(200, 40))], axis=1)
    fixed = FAST.model_copy(update={"c_powers": (-6,)})
    assert (predict(x, t, fixed, QUIET) == t.labels).mean() > 0.95


def test_the_penalty_is_chosen_without_the_test_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(logistic, "_best", lambda x, y, *_: seen.append((len(x), len(y))) or 1.0)
    predict(*task(60), FAST, QUIET)
    predict(*task(60, train=45), FAST, QUIET)
    assert seen == [(40, 40)] * 3 + [(45, 45)]


def test_too_few_sentences_for_the_folds() -> None:
    x, t = task(6)
    with pytest.raises(ValueError, match="T: a class has 3 sentences, too few for 10 folds"):
        predict(x, t, LogisticConfig(), QUIET)


def test_bags() -> None:
    sentences = [("a", "b", "a"), ("c", "x")]
    assert bag_of_words(sentences).toarray().tolist() == [[2, 1, 0, 0], [0, 0, 1, 1]]
    vectors = {"a": np.array([1.0, 0]), "b": np.array([4.0, 3])}
    assert bag_of_vectors(vectors.get, 2)(sentences).tolist() == [[2, 1], [0, 0]]
    vector = random_vectors(5, seed=1)
    assert (vector("a") == vector("a")).all() and (vector("a") != vector("b")).any()
    assert (vector("a") == random_vectors(5, seed=1)("a")).all()


@pytest.mark.parametrize("classes", [2, 3])
def test_sparse_features_are_scored_as_dense_ones(classes: int) -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(classes), 40)
    x = rng.poisson(0.3 + (np.arange(12) % classes == labels[:, None]), (len(labels), 12)).astype(np.float64)
    task = Task("T", tuple(("a",) for _ in labels), labels)
    dense, thin = (predict(features, task, LogisticConfig(folds=3, inner=2), QUIET) for features in (x, csr_array(x)))
    assert (dense == thin).mean() > 0.98 and (dense == labels).mean() > 0.6


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Context:
    folder = tmp_path_factory.mktemp("data")
    c = config("--data", str(write_books(folder / "books")), "--tasks", str(write_toy_tasks(folder / "tasks")))
    c = c.model_copy(update={"logistic": FAST, "corpus": c.corpus.model_copy(update={"hold_out": 4, "vocabulary": 12})})
    return context(c, open_corpus(c.corpus, c.stories))


def test_corpus(bench: Context) -> None:
    corpus = bench.data
    assert (len(corpus.train), len(corpus.test), corpus.vectors) == (9, 3, None)
    assert len(corpus.samples) == 3 and len(corpus.vocabulary) == 12 and "no word vectors" in corpus.describe()
    assert set(task_words(corpus.tasks)) >= {"sea", "farm", "the", "."}


def test_a_run_goes_on_with_its_own_vocabulary_only(bench: Context, tmp_path: Path) -> None:
    text, run = experiment.TextExperiment(), context(bench.config, bench.data, tmp_path)
    text.prepare(run)
    text.prepare(run)
    (tmp_path / "vocabulary.txt").write_text("x\n")
    with pytest.raises(UsageError, match="cannot resume: the books are not those"):
        text.prepare(run)


def test_the_vocabulary_is_that_of_training_books(tmp_path: Path) -> None:
    for name, text in (("a.txt", "seen words\n"), ("b.txt", "unseen words\n")):
        (tmp_path / name).write_text(text * 10)
    c = config("--data", str(tmp_path), "--tasks", str(write_toy_tasks(tmp_path / "tasks")))
    assert sorted(open_corpus(c.corpus, c.stories).vocabulary.words) == ["seen", "words"]


def test_stand_in_vectors_go_with_generated_books_only(tmp_path: Path) -> None:
    flags = ["--preset", "smoke", "--corpora", str(tmp_path / "corpora")]
    for more, there in (((), True), (("--data", str(write_books(tmp_path / "books"))), False)):
        c = config(*flags, *more)
        assert bool(open_corpus(c.corpus, c.stories).vectors) == there


def test_scores(bench: Context) -> None:
    found = score_tasks(bench, "words", bag_of_words)
    assert all(found[name].accuracy > 0.95 for name in ("MR", "CR", "SUBJ", "MPQA")) and found["TREC"].accuracy < 0.7
    assert found["MR"].low <= found["MR"].accuracy <= found["MR"].high
    assert found.keys() == {"MR", "CR", "SUBJ", "MPQA", "TREC"} | {
        f"{n}_new" for n in ("MR", "CR", "SUBJ", "MPQA", "TREC")
    }
    assert 0.4 < chance(bench)["MR"].accuracy < 0.6
    new = [any(w not in bench.data.vocabulary.row for w in s) for s in bench.data.tasks["MR"].sentences]
    assert 0 < sum(new) < len(new)
    low = np.where(new, 0, bench.data.tasks["MR"].labels)[:, None].astype(
        np.float32
    )  # nothing of sentences with new words
    assert (
        score_tasks(bench, "x", lambda s: low[: len(s)] if len(s) == 60 else np.zeros((len(s), 1)))["MR_new"].accuracy
        < 0.7
    )


def test_supervised_score(bench: Context) -> None:
    c = bench.config.model_copy(update={"train": bench.config.train.model_copy(update={"supervised_epochs": 8})})
    found = supervised(context(c, bench.data), bench.data.tasks["SUBJ"])
    assert found["SUBJ"].accuracy > 0.9 and set(found) == {"SUBJ", "SUBJ_new"}


def test_neighbours() -> None:
    torch.manual_seed(0)
    encoder = TextEncoder(
        TextModel(3, TextModelConfig(embedding=4, channels=6, context=2)), Vocabulary(["a", "b", "c"])
    )
    books = [[("a", "a", "b"), ("a", "b")], [("c", "c"), ("a", "b", "a")], [("b", "a", "a"), ("c",)]]
    ((query, near),) = neighbours(encoder, books, queries=1, count=2)
    assert query in ("a b", "c c", "a b a", "b a a")
    best = {"a b": {"a b a", "b a a"}, "c c": {"c"}, "a b a": {"b a a", "a a b"}, "b a a": {"a b a", "a a b"}}
    assert near[0] in best[query] and query not in near and len(near) == 2


def test_neighbours_of_a_single_book_are_its_own_sentences() -> None:
    encoder = TextEncoder(
        TextModel(3, TextModelConfig(embedding=4, channels=6, context=2)), Vocabulary(["a", "b", "c"])
    )
    book = [("a",), ("c", "b"), ("a", "b"), ("c", "b"), ("b",)]
    for query, near in neighbours(encoder, [book], queries=3, count=2):
        assert len(near) == 2 and query not in near and {query, *near} <= {"a", "b", "a b", "c b"}


def test_presets() -> None:
    assert preset_names("text") == ["paper", "real", "small", "smoke"]
    paper, small = config("--preset", "paper"), config()
    model = paper.model
    assert (model.embedding, model.channels, model.context, model.kernel, model.norm) == (620, 2400, 2400, 1, "none")
    assert (model.embedding_std, model.word_dropout, paper.cpc.temperature) == (0.1, 0, 1)
    assert (paper.corpus.vocabulary, paper.corpus.max_tokens, paper.cpc.steps) == (20_000, 32, 3)
    assert (paper.batches.batch_size, paper.train.accumulate, paper.optimiser.learning_rate) == (64, 8, 2e-4)
    assert (paper.logistic.folds, paper.logistic.inner) == (10, 10) == (small.logistic.folds, 10)
    assert small.run.preset == "small" and small.model.kernel == 3


def test_arms() -> None:
    (arm,) = arms(config("--seed", "4"))
    assert arm.folder == "" and arm.config == config("--seed", "4")
    found = arms(config("--seeds", "3", "--seed", "4"))
    assert [(a.folder, a.config.run.seed) for a in found] == [("s4", 4), ("s5", 5), ("s6", 6)]


def test_a_resumed_run_may_change_no_weights() -> None:
    free = (
        "run.threads",
        "run.wandb",
        "train.updates",
        "train.supervised_epochs",
        "logistic.inner",
        "seeds",
        "corpus.tasks",
    )
    bound = (
        "run.seed",
        "cpc.steps",
        "model.kernel",
        "batches.window",
        "stories.seed",
        "corpus.layout",
        "train.accumulate",
    )
    assert set(free) <= changeable_keys(TextConfig) and not set(bound) & changeable_keys(TextConfig)


def scores(x: float, *names: str) -> dict[str, Score]:
    return {name: Score(x, x - 0.01, x + 0.01) for name in names}


def test_tables() -> None:
    assert " ".join(PAPER["CPC"]) == "76.9 80.1 91.2 87.7 96.8"
    assert " ".join(PAPER["skip-thought"]) == "75.5 79.3 92.1 86.9 91.4"
    assert " ".join(PAPER["skip-thought + LN"]) == "79.5 82.6 93.4 89.0 -"
    assert " ".join(PAPER["paragraph vector"]) == "74.8 78.1 90.5 74.2 91.8"
    seed = {
        "cpc": scores(0.6, "MR", "MR_new", "TREC"),
        "cpc_plain": scores(0.5, "MR", "MR_new"),
        "chance": scores(0.4, "MR"),
    }
    table = table_5([seed], "toy tasks", "toy books")
    assert [row[0] for row in table.rows][:3] == ["most frequent class", "CPC, z, books' words only", "CPC, z"]
    assert table.rows[2] == ("CPC, z", "60.0 [59.0, 61.0]", "-", "-", "-", "60.0 [59.0, 61.0]")
    assert len(table.rows) == 7 and "toy tasks" in table.note and "toy books" in table.note and "one seed" in table.note
    expansion = table_expansion([seed, seed])
    assert expansion is not None and "2 seeds" in expansion.note
    assert expansion.rows == (
        ("CPC, z, not expanded", "50.0 ± 0.0", *["-"] * 4),
        ("CPC, z, expanded", "60.0 ± 0.0", *["-"] * 4),
    )
    assert table_expansion([{"cpc": seed["cpc"]}]) is None
    found = intervals([seed, {"cpc": scores(0.8, "MR")}])["CPC, z"][0]
    assert found.accuracy == pytest.approx(0.7) and found.high - found.accuracy == pytest.approx(1.27, abs=0.01)


def test_each_row_is_of_its_own_network(bench: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """`random` is the network before training, `cpc` the one given; the words of books are the same to all of them."""
    features = {}
    monkeypatch.setattr(experiment, "score_tasks", lambda bench, name, found: features.update({name: found}) or {})
    text = experiment.TextExperiment()
    other = bench.config.model_copy(update={"run": bench.config.run.model_copy(update={"seed": 9})})
    objective = text.objective(context(other, bench.data))
    trained = objective.module.model
    for stage in text.stages(bench, objective, {}):
        if stage.name in ("bow", "bag", "random", "cpc", "cpc_c"):
            stage.compute()
    known = [tuple(bench.data.vocabulary.words[:4])]
    before = TextEncoder(text.objective(bench).module.model, bench.data.vocabulary).encode_words(known)
    after = TextEncoder(trained, bench.data.vocabulary).encode_words(known)
    np.testing.assert_allclose(features["random weights, z"](known), before.z, atol=1e-6)
    np.testing.assert_allclose(features["CPC, z"](known), after.z, atol=1e-6)
    np.testing.assert_allclose(features["CPC, c"](known), after.c, atol=1e-6)
    assert (features["bag of random embeddings"](known).shape[1], len(features)) == (128, 5)
