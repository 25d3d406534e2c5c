"""One run from beginning to end: train, score, compare, draw; every stage goes on where a stopped run left it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

from configs import as_usage_error
from cpc_repr.command import recorded, settings
from cpc_repr.offsets import plot_offsets
from cpc_repr.probes import Score
from cpc_repr.report import Row
from cpc_repr.results import Results
from cpc_repr.text.config import Config
from cpc_repr.text.corpus import task_words
from cpc_repr.text.encode import VOCABULARY, TextEncoder
from cpc_repr.text.evaluate import (
    Bench,
    bag_of_vectors,
    bag_of_words,
    chance,
    contrastive,
    encoded,
    neighbours,
    random_vectors,
    score_tasks,
    supervised,
)
from cpc_repr.text.expand import expand, with_random_words
from cpc_repr.text.learners import build, cpc_learner
from cpc_repr.text.model import CPCModel, TextModel, parameters
from cpc_repr.text.tables import TITLES
from cpc_repr.text.words import Vocabulary
from cpc_repr.training import fit
from cpc_rl.runs import RunDirectory, read_metrics


def run_arm(bench: Bench, run: RunDirectory) -> dict[str, Row]:
    """Train and evaluate what `bench.config` says, in `run`.

    Returns:
        Accuracies by row of the table, then by task.

    Raises:
        Stopped: A signal came; called again with the same `run` it goes on.
    """
    config, corpus = bench.config, bench.corpus
    if not (run.path / VOCABULARY).is_file():
        corpus.vocabulary.write(run.path / VOCABULARY)
    learner = cpc_learner(config, corpus.train, len(corpus.vocabulary), bench.device)
    model = cast(CPCModel, learner.module)
    bench.say(
        f"{run.path}: CPC, {parameters(model) / 1e6:.2f} M parameters, {config.train.updates:,} updates, "
        f"{config.cpc.steps} sentences ahead"
    )
    fit(run, config.run, recorded(config), learner, bench.stop, _shown(config))
    learner.freeze()
    bench.say(f"{_speed(run, config):,.0f} sentences/s")
    results = Results(run.report / "results.json", settings(config))
    offsets = results.get("per_offset", lambda: contrastive(bench, model))
    plot_offsets(run.report / "accuracy_per_step.png", range(1, config.cpc.steps + 1), offsets, "sentences")
    rows: dict[str, Row] = {}

    def row(name: str, compute: Callable[[], Mapping[str, Any]]) -> None:
        rows[name] = results.scores(name, lambda: dict(compute()))

    with as_usage_error():  # of tasks and vectors that do not fit
        _score_all(bench, model.model, row)
        _supervised(bench, results, rows)
    _look(bench, model.model, results, run)
    return rows


def _score_all(bench: Bench, model: TextModel, row: Callable[[str, Callable[[], Mapping[str, Any]]], None]) -> None:
    """Rows of CPC and of everything it is held against, but for supervised training."""
    config, corpus, vocabulary = bench.config, bench.corpus, bench.corpus.vocabulary
    untrained, size = build(config, len(vocabulary)).model, config.model.channels

    def encoder(model: TextModel, vocabulary: Vocabulary) -> TextEncoder:
        return TextEncoder(model, vocabulary, bench.device, config.corpus.max_tokens)

    def score(name: str, features: Any) -> Callable[[], Mapping[str, Any]]:
        return lambda: score_tasks(bench, TITLES[name], features)

    row("chance", lambda: chance(bench))
    row("bow", score("bow", bag_of_words))
    row("bag", score("bag", bag_of_vectors(random_vectors(size, config.run.seed), size)))
    if corpus.vectors is not None:
        dimensions = len(next(iter(corpus.vectors.values())))
        row("vectors", score("vectors", bag_of_vectors(corpus.vectors.get, dimensions)))
    known = with_random_words(untrained, vocabulary, task_words(corpus.tasks), config.run.seed)
    row("random", score("random", encoded(encoder(*known), "z")))
    plain = encoder(model, vocabulary)
    if corpus.vectors is not None:
        row("cpc_plain", score("cpc_plain", encoded(plain, "z")))
        plain = encoder(*expand(model, vocabulary, corpus.vectors))
    row("cpc", score("cpc", encoded(plain, "z")))
    row("cpc_c", score("cpc_c", encoded(plain, "c")))


def _supervised(bench: Bench, results: Results, rows: dict[str, Row]) -> None:
    if not bench.config.train.supervised_epochs:
        return
    found: dict[str, Score] = {}
    for task in bench.corpus.tasks.values():
        found |= results.scores(f"supervised_{task.name}", partial(supervised, bench, task))
    rows["supervised"] = found


def _look(bench: Bench, model: TextModel, results: Results, run: RunDirectory) -> None:
    """Print and keep the nearest neighbours of some sentences, as a sanity look."""
    encoder = TextEncoder(model, bench.corpus.vocabulary, bench.device, bench.config.corpus.max_tokens)
    samples, queries = bench.corpus.samples, bench.config.evaluation.neighbours
    found = results.get("neighbours", lambda: neighbours(encoder, samples, queries))
    lines = [line for query, near in found for line in (query, *(f"    {text}" for text in near))]
    text = "\n".join(["nearest neighbours (z, cosine, other held-out books):", *lines])
    (run.report / "neighbours.txt").write_text(text + "\n", encoding="utf-8")
    bench.say(text)


def _speed(run: RunDirectory, config: Config) -> float:
    """Sentences trained on per second, over the whole run."""
    rows = read_metrics(run.metrics_path)
    each = config.batches.window * config.batches.batch_size * config.train.accumulate
    last = rows[-1] if rows else {}
    return each * float(last.get("updates") or 0) / max(1e-9, float(last.get("seconds") or 0))


def _shown(config: Config) -> dict[str, str]:
    far = config.cpc.steps
    return {
        "loss": "loss/total",
        "log N": "cpc/log_n",
        "accuracy at 1": "cpc/accuracy_1",
        f"at {far}": f"cpc/accuracy_{far}",
    }
