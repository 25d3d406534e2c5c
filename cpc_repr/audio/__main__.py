"""Contrastive predictive coding on raw speech (van den Oord et al. 2018, section 3.1).

    python -m cpc_repr.audio                                    # minutes on two cores, nothing to download
    python -m cpc_repr.audio --smoke                            # every stage, in seconds
    python -m cpc_repr.audio --preset paper --data LibriSpeech/train-clean-100
    python -m cpc_repr.audio --resume runs/NAME                 # go on after Ctrl-C, a crash or kill -9
    python -m cpc_repr.audio --ablation strategies --seeds 3    # Table 2: where negatives come from; or: steps
    python -m cpc_repr.audio --steps 20                         # Figure 3 as the paper has it
    python -m cpc_repr.audio --greedy --negatives.count 10      # Greedy InfoMax
    python -m cpc_repr.audio.extract runs/NAME --audio DIR --out DIR

Makes or reads the speech, trains CPC, fits probes for phones and speakers on it and on what it is held against (random
weights, MFCC, supervised training), and prints the paper's table beside ours. All of it lies in one run directory:
config.yaml, metrics.jsonl, checkpoints, and report/ with table.md, results.json and pictures.
"""

from __future__ import annotations

import sys

from cpc_repr.audio.config import AudioConfig
from cpc_repr.audio.experiment import AudioExperiment
from cpc_repr.command import command


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    return command(argv, AudioExperiment(), AudioConfig, __doc__ or "")


if __name__ == "__main__":
    sys.exit(main())
