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

from cpc_repr.command import command
from cpc_repr.text.config import TextConfig
from cpc_repr.text.experiment import TextExperiment


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    return command(argv, TextExperiment(), TextConfig, __doc__ or "")


if __name__ == "__main__":
    sys.exit(main())
