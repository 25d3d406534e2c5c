"""The search of Hénaff et al. 2020 for few labels: learning rate, weight decay, dropout and batch, drawn at random.

A draw depends on the seed and on its number alone, as in `python -m cpc_rl.sweep`: more draws begin with the same ones.
"""

from __future__ import annotations

from typing import Any

from cpc_repr.vision.transfer.few_labels import FewLabelsConfig, Way
from cpc_rl.sweep.distributions import read_parameter
from cpc_rl.sweep.file import uniform

RATES = ("learning_rate", "encoder_learning_rate", "pixels_learning_rate")
SEARCHED: dict[Way, tuple[str, ...]] = {  # settings of a draw that a way reads
    "pixels": ("pixels_learning_rate", "weight_decay", "dropout", "batch_size"),
    "frozen": ("learning_rate", "weight_decay", "dropout", "batch_size"),
    "tuned": ("learning_rate", "encoder_learning_rate", "weight_decay", "dropout", "batch_size"),
}
SPACE: dict[str, Any] = {
    "rate": {"values": [0.5, 1.0, 2.0]},  # of the configured one: 0.05, 0.1 and 0.2 of the paper's 0.1
    "weight_decay": {"distribution": "log_uniform_values", "min": 1e-5, "max": 1e-2},
    "dropout": {"min": 0.0, "max": 1.0},
    "batch": {"values": [0.5, 1.0]},  # of the configured one: 16 and 32 of the paper's 32 a worker
}


def drawn(config: FewLabelsConfig, seed: int, number: int) -> FewLabelsConfig:
    """`config` with the settings of draw `number`, from 0."""
    value = {name: read_parameter(name, spec).at(uniform(seed, number, name)) for name, spec in SPACE.items()}
    changed = {name: getattr(config, name) * value["rate"] for name in RATES}
    changed |= {name: value[name] for name in ("weight_decay", "dropout")}
    changed |= {"batch_size": max(1, int(config.batch_size * value["batch"]))}
    return config.model_copy(update=changed)


def tried(config: FewLabelsConfig, seed: int) -> list[FewLabelsConfig]:
    """What is tried: all `config.trials` draws, or the settings as they are where there are none."""
    return [drawn(config, seed, number) for number in range(config.trials)] or [config]
