"""The arms of ablations."""

from __future__ import annotations

from itertools import pairwise

import pytest

from configs import UsageError, flatten, load
from cpc_repr.config import arms
from cpc_repr.vision.config import VisionConfig, full_config
from cpc_repr.vision.encoders.resnet import ResNet
from cpc_repr.vision.pretext import METHODS
from cpc_repr.vision.tables import FIGURE_3, table_ablation
from tests.cpc_repr.vision.test_config import at


def config(*argv: str) -> VisionConfig:
    return load(full_config(), argv, prog="x", description="", default_preset=lambda _: "small-v2", family="vision")


def differences(one: VisionConfig, other: VisionConfig) -> set[str]:
    a, b = flatten(one.model_dump()), flatten(other.model_dump())
    return {key for key in a if a[key] != b[key]}


def test_figure_3_goes_from_cpc_v1_to_v2_one_change_after_another() -> None:
    """From `paper-v2` the first arm has the first paper's encoder, grid and offset."""
    asked = config("--preset", "paper-v2", "--ablation", "cumulative")
    rows = asked.rows()
    first, *_, last = rows.values()
    assert differences(last, asked) == set()
    assert (first.model.blocks, first.model.bottlenecks, first.model.maps) == (
        (3, 4, 23),
        (64, 128, 256),
        (256, 512, 1024),
    )
    assert (first.view.patch, first.view.stride, first.view.crop, first.view.cells) == (64, 32, 256, 7)
    assert (first.cpc.offsets, first.cpc.directions, first.model.norm) == ((2,), 1, "none")
    assert not any(first.augment.model_dump().values())
    steps = [differences(a, b) for a, b in pairwise(rows.values())]
    augment = {
        "augment.drop",
        *(f"augment.{name}" for name in ("operations", "elastic", "histogram", "colour", "grey")),
    }
    assert steps == [
        {"model.blocks", "model.bottlenecks", "model.maps"},
        {"cpc.directions"},
        {"model.norm"},
        {"augment.drop"},
        {"cpc.directions"},
        {"view.patch", "view.stride", "view.crop", "cpc.offsets"},
        augment,
    ]
    assert [*rows][1:] == [f"+ {name}" for name in FIGURE_3]


@pytest.mark.parametrize("preset", ["small-v2", "small", "smoke", "paper"])
@pytest.mark.parametrize("ablation", METHODS["cpc"].ablations)
def test_all_arms_of_all_presets_can_be_trained(preset: str, ablation: str) -> None:
    for arm in arms(config("--preset", preset, "--ablation", ablation)):
        METHODS["cpc"].check(arm.config)
        type(arm.config.view).model_validate(arm.config.view.model_dump())
        if preset != "paper" and arm.config.model.encoder == "resnet":
            assert ResNet(arm.config.model).size == arm.config.model.maps[-1]


def test_arms_of_one_difference() -> None:
    assert [c.model.norm for c in config("--ablation", "norm").rows().values()] == ["none", "batch", "layer"]
    small, _ = config("--ablation", "patches").rows().values()
    assert (small.view.patch, small.view.stride, small.view.cells, small.cpc.offsets) == (16, 9, 7, (2,))
    assert [*config("--ablation", "patches").rows()] == ["patches of 16", "patches of 20"]
    shallow, deep = config("--ablation", "depth").rows().values()
    assert (shallow.model.blocks, shallow.model.maps, deep.model.blocks) == ((1, 2, 1), (64, 128, 64), (1, 2, 2))


def test_what_cannot_be_ablated_is_refused() -> None:
    with pytest.raises(UsageError, match="--ablation depth: --encoder resnet18 has one depth"):
        config("--ablation", "depth", "--encoder", "resnet18").rows()
    with pytest.raises(UsageError, match="--ablation patches: --method rotation allows none, augmentation, norm, skip"):
        config("--preset", "small-rotation", "--ablation", "patches")
    with pytest.raises(UsageError, match="patches of 2 cannot be any smaller"):
        config("--ablation", "patches", "--patch", "2", "--stride", "2").rows()


def test_the_table_has_the_papers_points_beside_ours() -> None:
    rows = {"as CPC v1": [{"linear": at(0.3)}], "+ colour dropping": [{"linear": at(0.4)}]}
    table = table_ablation(rows, "CPC", "toys", "cumulative")
    assert [row[2] for row in table.rows] == ["", "+3"] and "colour dropping 3" in table.note
