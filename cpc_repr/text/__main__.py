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
from collections.abc import Callable

import rich.console
import torch

from configs import as_usage_error, guarded, load
from cpc_repr.report import Table
from cpc_repr.text.config import Config, arms
from cpc_repr.text.corpus import open_corpus
from cpc_repr.text.encode import VOCABULARY
from cpc_repr.text.evaluate import Bench
from cpc_repr.text.experiment import recorded, run_arm
from cpc_repr.text.figures import figure_tasks
from cpc_repr.text.logistic import sklearn_module
from cpc_repr.text.tables import Row, means, table_5, table_expansion
from cpc_repr.text.words import Vocabulary
from cpc_repr.training import Stopped, part
from cpc_rl.distributed import ALONE
from cpc_rl.memory import keep_freed_memory
from cpc_rl.runs import RunDirectory, StopSignal, open_run, pick_device
from cpc_rl.runs.directory import fresh_path


def train(config: Config) -> int:
    """Run everything `config` says; 0 when it is done, 130 when a signal stopped it."""
    device = pick_device(config.run.device)
    if config.run.threads:
        torch.set_num_threads(config.run.threads)
    console = rich.console.Console(highlight=False, soft_wrap=True)

    def say(text: str) -> None:
        console.print(text, markup=False)
        console.file.flush()

    run, _ = open_run(config.run, fresh_path("text", "cpc", config.run.seed), recorded(config), ALONE)
    run.write_config(recorded(config))
    with StopSignal() as stop:
        try:
            seeds = run_all(config, run, device, stop, say)
        except Stopped as stopped:
            say(f"{stopped}; go on with: python -m cpc_repr.text --resume {run.path}")
            return 130
    tables = tabulate(config, seeds)
    (run.report / "table.md").write_text("\n".join(table.markdown() for table in tables), encoding="utf-8")
    figure_tasks(run.report / "tasks.png", means(seeds))
    for table in tables:
        table.show()
    say(f"done: {run.path}  table and pictures: {run.report}")
    return 0


def run_all(
    config: Config, run: RunDirectory, device: torch.device, stop: StopSignal, say: Callable[[str], None]
) -> list[dict[str, Row]]:
    """Run all seeds; gives the rows of the table of each."""
    known = run.path / VOCABULARY
    with as_usage_error():
        sklearn_module("linear_model")  # complain before hours of training
        corpus = open_corpus(config, Vocabulary.read(known) if known.is_file() else None)
    corpus.vocabulary.write(known)
    say(corpus.describe())
    found = []
    for arm in arms(config):
        folder = part(run.path / arm.folder, recorded(arm.config)) if arm.folder else run
        found.append(run_arm(Bench(arm.config, corpus, device, stop, say), folder))
    return found


def tabulate(config: Config, seeds: list[dict[str, Row]]) -> list[Table]:
    """Table 5, and the effect of vocabulary expansion where there was one."""
    tasks = f"tasks in {config.corpus.tasks.name}" if config.corpus.tasks else "generated tasks"
    books = f"books in {config.corpus.data.name}" if config.corpus.data else "generated stories"
    expansion = table_expansion(seeds)
    return [table_5(seeds, tasks, books), *([expansion] if expansion else [])]


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    argv = sys.argv[1:] if argv is None else argv
    keep_freed_memory()

    def program() -> int:
        config = load(
            Config,
            argv,
            prog="python -m cpc_repr.text",
            description=__doc__ or "",
            default_preset=lambda chosen: "smoke" if "--smoke" in argv else "small",
            family="text",
        )
        return train(config)

    return guarded(program, debug="--debug" in argv)


if __name__ == "__main__":
    sys.exit(main())
