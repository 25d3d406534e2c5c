"""Contrastive predictive coding on pictures (van den Oord et al. 2018, section 3.2; Hénaff et al. 2020), and others.

    python -m cpc_repr.vision                                   # minutes on two cores, nothing to download
    python -m cpc_repr.vision --smoke                           # every stage, in seconds
    python -m cpc_repr.vision --preset small-v2                 # CPC v2: four directions, patch augmentation
    python -m cpc_repr.vision --preset paper --data imagenet    # or paper-v2; folders train/CLASS, test/CLASS
    python -m cpc_repr.vision --data DIR --format stl10         # or cifar10
    python -m cpc_repr.vision --method rotation                 # or gim, relative_location, jigsaw, exemplar
    python -m cpc_repr.vision --method rotation --encoder resnet18    # or another network
    python -m cpc_repr.vision --resume runs/NAME                # go on after Ctrl-C, a crash or kill -9
    torchrun --nproc-per-node=8 -m -- cpc_repr.vision --preset paper --data imagenet    # many GPUs
    python -m cpc_repr.vision --efficient.fractions 0.01 0.1 1  # few labels: CPC against pixels
    python -m cpc_repr.vision --preset small-v2 --ablation cumulative --seeds 3    # Figure 3; or: norm, skip, ...

Draws or reads the pictures, trains CPC or another method, fits probes for their classes on it and on what it is held
against (pixels, random weights, supervised training), and prints the papers' tables beside ours. All of it lies in one
run directory: config.yaml, metrics.jsonl, checkpoints, and report/ with table.md, results.json and pictures.
"""

from __future__ import annotations

import sys

from cpc_repr.command import command
from cpc_repr.vision.config import full_config
from cpc_repr.vision.experiment import VisionExperiment


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    return command(argv, VisionExperiment(), full_config(), __doc__ or "")


if __name__ == "__main__":
    sys.exit(main())
