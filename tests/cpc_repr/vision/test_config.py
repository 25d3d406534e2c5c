"""Presets, the arms of ablations, what a resumed run may change, and the tables."""

from __future__ import annotations

import pytest

from configs import UsageError, changeable_keys, load, preset_names
from cpc_repr.config import arms
from cpc_repr.probes import Score
from cpc_repr.vision.ablations import FULL
from cpc_repr.vision.config import VisionConfig
from cpc_repr.vision.data.augment import AugmentConfig
from cpc_repr.vision.experiment import VisionExperiment
from cpc_repr.vision.tables import (
    FEW_LABELS,
    PAPER,
    few,
    table_ablation,
    table_blocks,
    table_few_labels,
    table_linear,
    table_protocols,
    trained_blocks,
)


def config(*argv: str) -> VisionConfig:
    return load(VisionConfig, argv, prog="x", description="", default_preset=lambda _: "small", family="vision")


def test_presets() -> None:
    assert {"paper", "paper-v2", "small", "small-v2", "smoke"} < set(preset_names("vision"))
    small, two = config(), config("--preset", "small-v2")
    assert small.augment == AugmentConfig() and small.cpc.directions == 1 and small.model.norm == "none"
    assert two.augment == FULL and two.cpc.directions == 4 and two.model.norm == "layer" and two.view.grey == 0
    assert config("--preset", "paper-v2").augment == FULL and config("--preset", "paper").view.cells == 7
    # The first offset of v2 is the first that shares no pixel with its context, in both sizes.
    for c in (two, config("--preset", "paper-v2")):
        (offset,) = c.cpc.offsets
        assert offset * c.view.stride >= c.view.patch > (offset - 1) * c.view.stride
    with pytest.raises(UsageError, match="--preset large: no such preset; .*small"):
        config("--preset", "large")


def test_flags() -> None:
    c = config("--offsets", "2", "3", "--directions", "2", "--augment.drop", "0.5", "--efficient.fractions", "0.1", "1")
    assert (c.cpc.offsets, c.cpc.directions, c.augment.drop) == ((2, 3), 2, 0.5)
    assert c.efficient.fractions == (0.1, 1.0)
    with pytest.raises(UsageError, match="--offsets 6: a grid of 6 rows"):
        VisionExperiment.methods["cpc"].check(config("--offsets", "6"))
    with pytest.raises(UsageError, match="--method simclr: there are cpc"):
        config("--method", "simclr")
    with pytest.raises(UsageError, match="--stride"):
        config("--stride", "11")
    with pytest.raises(UsageError, match="--directions"):
        config("--directions", "5")


def test_arms() -> None:
    (arm,) = arms(config("--seed", "4"))
    assert arm.folder == "" and arm.config == config("--seed", "4")
    found = arms(config("--ablation", "directions", "--seeds", "2", "--seed", "3"))
    assert [(a.row, a.config.cpc.directions, a.config.run.seed) for a in found[:3]] == [
        ("1 direction", 1, 3),
        ("1 direction", 1, 4),
        ("2 directions", 2, 3),
    ]
    assert found[-1].config.cpc.directions == 4 and len({a.folder for a in found}) == 6
    found = arms(config("--ablation", "augmentation"))
    assert [a.config.augment for a in found] == [AugmentConfig(), AugmentConfig(drop=1.0), FULL]
    skip = arms(config("--method", "rotation", "--preset", "small-rotation", "--ablation", "skip"))
    assert [a.config.model.encoder for a in skip] == ["resnet18_no_skip", "resnet18"]
    assert found[1].folder == "colour_dropping"


def test_a_resumed_run_may_change_no_weights() -> None:
    free = (
        "run.threads",
        "run.wandb",
        "train.updates",
        "protocol.sgd_updates",
        "efficient.blocks",
        "data.cache",
        "seeds",
    )
    bound = (
        "run.seed",
        "cpc.offsets",
        "model.maps",
        "view.jitter",
        "augment.drop",
        "optimiser.clip_norm",
        "pictures.seed",
    )
    bound += ("data.format", "train.batch_size")
    assert set(free) <= changeable_keys(VisionConfig) and not set(bound) & changeable_keys(VisionConfig)


def at(x: float) -> Score:
    return Score(x, x - 0.01, x + 0.01)


def test_the_papers_figures() -> None:
    assert PAPER["cpc"][1:] == ("48.7", "73.6", "71.5", "90.1")
    columns = [" ".join(column) for column in zip(*FEW_LABELS.values(), strict=True)]
    assert columns == [
        "23.1 34.8 50.6 62.5 70.3 75.9 80.2",
        "44.1 59.9 75.2 83.9 89.4 93.1 95.2",
        "52.7 60.4 68.1 73.1 76.7 81.2 83.4",
        "78.3 83.9 88.8 91.2 93.3 95.6 96.5",
    ]
    assert list(FEW_LABELS) == [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0]


def test_tables() -> None:
    cpc = {"linear": at(0.6), "linear_top5": at(0.9), "grid": at(0.61), "lbfgs": at(0.62)}
    seeds = [{"cpc": cpc, few(0.1): {"pixels": at(0.3), "frozen": at(0.4), "tuned": at(0.5)}}]
    linear = table_linear(seeds, {"cpc": "CPC"}, "toys")
    assert linear.rows[0] == (
        "CPC",
        "60.0 [59.0, 61.0]",
        "48.7",
        "71.5",
        "90.0 [89.0, 91.0]",
        "73.6",
        "90.1",
    )
    assert "toys" in linear.note and "one seed" in linear.note
    protocols = table_protocols(seeds, {"cpc": "CPC"}, "toys")
    assert protocols.header == ("", "CPC") and protocols.rows[1][1] == "61.0 [60.0, 62.0]"
    measured = [{"block1": {"trained": at(0.3), "random": at(0.2)}, "block2": {"trained": at(0.4)}}] * 2
    blocks = table_blocks(measured, "linear", "CPC", "toys")
    assert blocks.rows == (("block 1", "30.0 ± 0.0", "20.0 ± 0.0"), ("block 2", "40.0 ± 0.0", "-"))
    skip = table_ablation({"without": [cpc | trained_blocks(measured[0])]}, "CPC", "toys", "skip")
    assert (
        skip.header[-2:] == ("block 1", "block 2") and skip.rows[0][-1] == "40.0 [39.0, 41.0]" and "41.5" in skip.note
    )
    few_labels = table_few_labels(seeds, (0.1, 0.3), "CPC", "toys")
    assert few_labels.rows[0][1:] == ("30.0 [29.0, 31.0]", "40.0 [39.0, 41.0]", "50.0 [49.0, 51.0]", "62.5", "73.1")
    assert len(few_labels.rows) == 1  # nothing was measured with 30 %
    two = table_ablation({"1 direction": [cpc, cpc]}, "CPC", "toys", "directions")
    assert two.rows == (("1 direction", "60.0 ± 0.0", "90.0 ± 0.0"),) and "2 seeds" in two.note
