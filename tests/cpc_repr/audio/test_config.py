"""Presets, the arms of ablations, and what a resumed run may change."""

from __future__ import annotations

import pytest

from configs import UsageError, changeable_keys, load, preset_names
from cpc_repr.audio.config import AudioConfig
from cpc_repr.audio.tables import PAPER, PAPER_PHONES, table_1, table_2
from cpc_repr.config import arms
from cpc_repr.probes import Score


def config(*argv: str) -> AudioConfig:
    return load(AudioConfig, argv, prog="x", description="", default_preset=lambda _: "small", family="audio")


def test_presets() -> None:
    assert preset_names("audio") == ["paper", "small", "smoke"]
    assert not {"audio.small", "small", "smoke"} & set(preset_names())
    paper, small = config("--preset", "paper"), config()
    assert (paper.model.channels, paper.model.context, paper.model.norm, paper.cpc.steps) == (512, 256, "none", 12)
    assert (paper.batches.window, paper.batches.batch_size, paper.train.accumulate) == (20_480, 8, 8)
    assert paper.optimiser.learning_rate == 2e-4 and paper.optimiser.warmup > 0 and small.optimiser.warmup > 0
    assert small.run.preset == "small"
    with pytest.raises(UsageError, match="--preset laptop: no such preset; .*small"):
        config("--preset", "laptop")


def test_flags() -> None:
    c = config("--batch", "same_speaker", "--negatives.pool", "sequence", "--steps", "20", "--greedy")
    assert (c.batches.batch, c.cpc.negatives.pool, c.cpc.steps) == ("same_speaker", "sequence", 20)
    assert c.greedy and c.evaluation.shift == 1
    with pytest.raises(UsageError, match="--negatives.pool"):
        config("--negatives.pool", "others")


def test_one_arm_by_default() -> None:
    (arm,) = arms(config("--seed", "4"))
    assert arm.folder == "" and arm.config == config("--seed", "4")


def test_strategies_cross_batch_and_negatives() -> None:
    found = arms(config("--ablation", "strategies", "--seeds", "2", "--seed", "5"))
    assert len(found) == 10 and len({arm.folder for arm in found}) == 10
    chosen = {
        arm.row: (arm.config.batches.batch, arm.config.cpc.negatives.pool, arm.config.cpc.negatives.exclude)
        for arm in found
    }
    assert chosen == {
        "mixed speaker": ("mixed", "batch", "none"),
        "same speaker": ("same_speaker", "batch", "none"),
        "mixed speaker (excl.)": ("mixed", "batch", "own"),
        "same speaker (excl.)": ("same_speaker", "batch", "own"),
        "current sequence only": ("mixed", "sequence", "none"),
    }
    assert [arm.config.run.seed for arm in found[:2]] == [5, 6]
    assert set(chosen) <= set(PAPER_PHONES)


def test_steps() -> None:
    found = arms(config("--ablation", "steps"))
    assert [arm.config.cpc.steps for arm in found] == [2, 4, 8, 12, 16]
    assert all(arm.row in PAPER_PHONES for arm in found)
    assert [arm.folder for arm in found] == ["2_steps", "4_steps", "8_steps", "12_steps", "16_steps"]


def test_the_papers_figures() -> None:
    assert [PAPER[n][1:] for n in ("random", "mfcc13", "cpc", "bound")] == [
        ("27.6", "", "1.87"),
        ("39.7", "", "17.6"),
        ("64.6", "72.5", "97.4"),
        ("74.6", "", "98.5"),
    ]
    assert " ".join(PAPER_PHONES.values()) == "28.5 57.6 63.6 64.6 63.8 64.6 65.5 57.3 64.6 65.2"


def test_tables() -> None:
    cpc = {
        task: Score(x, x - 0.01, x + 0.01)
        for task, x in (("phone", 0.6), ("speaker", 0.7), ("phone_mlp", 0.75), ("speaker_mlp", 0.8))
    }
    table = table_1([{"cpc": cpc, "mfcc13": {"phone_mlp": Score(0.8, 0.79, 0.81)}}], {"cpc": "CPC"}, "toy speech")
    assert table.rows == (
        ("MFCC, 13", "-", "39.7", "80.0 [79.0, 81.0]", "", "-", "17.6", "-"),
        (
            "CPC",
            "60.0 [59.0, 61.0]",
            "64.6",
            "75.0 [74.0, 76.0]",
            "72.5",
            "70.0 [69.0, 71.0]",
            "97.4",
            "80.0 [79.0, 81.0]",
        ),
    )
    assert "toy speech" in table.note and "one seed" in table.note
    two = table_2({"2 steps": [cpc, cpc]}, "toy speech")
    assert two.rows == (("2 steps", "60.0 ± 0.0", "28.5", "70.0 ± 0.0", ""),) and "2 seeds" in two.note


def test_a_resumed_run_may_change_no_weights() -> None:
    free = ("run.threads", "run.wandb", "train.updates", "probe.epochs", "evaluation.batches", "seeds")
    bound = (
        "run.seed",
        "cpc.steps",
        "model.channels",
        "batches.batch",
        "optimiser.warmup",
        "speech.seed",
        "corpus.convert",
    )
    bound += ("evaluation.shift",)  # the network trained end to end sees shifted labels
    assert set(free) <= changeable_keys(AudioConfig) and not set(bound) & changeable_keys(AudioConfig)
