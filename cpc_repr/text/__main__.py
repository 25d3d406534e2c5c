"""Contrastive predictive coding on sentences (van den Oord et al. 2018, section 3.3).

    python -m cpc_repr.text                                     # minutes on two cores, nothing to download
    python -m cpc_repr.text --seeds 3                           # with 95 % intervals over seeds
    python -m cpc_repr.text --smoke                             # every stage, in seconds
    python -m cpc_repr.text --preset paper --data BOOKS --tasks SentEval/data/downstream --vectors GoogleNews.bin
    python -m cpc_repr.text --resume runs/NAME                  # go on after Ctrl-C, a crash or kill -9

Generates or reads books, trains CPC, fits logistic regressions for five tasks on it and on what it is held against
(bags of words and of vectors, random weights, supervised training), and prints the paper's table beside ours. All of
it lies in one run directory: config.yaml, vocabulary.txt, metrics.jsonl, checkpoints, and report/ with table.md,
results.json, neighbours.txt and pictures.
"""

from __future__ import annotations

import sys

from configs import as_usage_error
from cpc_repr.command import Session, arms, command
from cpc_repr.packages import optional_module
from cpc_repr.report import Row, Table
from cpc_repr.text.config import Config
from cpc_repr.text.corpus import open_corpus
from cpc_repr.text.encode import VOCABULARY
from cpc_repr.text.evaluate import Bench
from cpc_repr.text.experiment import run_arm
from cpc_repr.text.figures import figure_tasks
from cpc_repr.text.tables import intervals, table_5, table_expansion
from cpc_repr.text.words import Vocabulary


def experiment(config: Config, session: Session) -> list[Table]:
    """Run all seeds; gives the tables."""
    known = session.run.path / VOCABULARY
    with as_usage_error():
        optional_module("sklearn.linear_model", "text")  # complain before hours of training
        corpus = open_corpus(config, Vocabulary.read(known) if known.is_file() else None)
    corpus.vocabulary.write(known)
    session.say(corpus.describe())
    seeds = [
        run_arm(Bench(arm.config, corpus, session.device, session.stop, session.say), session.folder(arm))
        for arm in arms(config)
    ]
    figure_tasks(session.run.report / "tasks.png", intervals(seeds))
    return tabulate(config, seeds)


def tabulate(config: Config, seeds: list[dict[str, Row]]) -> list[Table]:
    """Table 5, and the effect of vocabulary expansion where there was one."""
    tasks = f"tasks in {config.corpus.tasks.name}" if config.corpus.tasks else "generated tasks"
    books = f"books in {config.corpus.data.name}" if config.corpus.data else "generated stories"
    expansion = table_expansion(seeds)
    return [table_5(seeds, tasks, books), *([expansion] if expansion else [])]


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    return command(argv, "text", Config, __doc__ or "", experiment)


if __name__ == "__main__":
    sys.exit(main())
