"""Flags without effect are refused by name; all others pass."""

from __future__ import annotations

import pytest

from configs import UsageError, flag_names, flags_given, load
from cpc_repr.vision.config import full_config
from cpc_repr.vision.flags import check_flags, reads
from cpc_repr.vision.pretext import METHODS


def check(*argv: str) -> None:
    config = load(full_config(), argv, prog="x", description="", default_preset=lambda _: "small", family="vision")
    check_flags(config, flags_given(full_config(), argv))


@pytest.mark.parametrize(
    "argv, words",
    [
        (
            "--method rotation --preset small-rotation --offsets 3",
            "--offsets: --method rotation does not read it; cpc, gim do",
        ),
        (
            "--method rotation --preset small-rotation --negatives.pool=batch",
            "--negatives.pool: --method rotation does not",
        ),
        (
            "--method exemplar --preset small-exemplar --stride 1",
            "--stride: --method exemplar does not read it; cpc, gim, relative_location, jigsaw do",
        ),
        ("--method jigsaw --exemplar.crops 3", "--exemplar.crops: --method jigsaw does not read it; exemplar does"),
        (
            "--method gim --preset small-gim --context-blocks 3",
            "--context-blocks: --method gim does not read it; cpc does",
        ),
        ("--method gim --preset small-gim --evaluation.units 3", "--evaluation.units: --method gim does not"),
        ("--method rotation --preset small-rotation --no-bias", "--bias: --method rotation does not"),
        ("--jigsaw.hidden 3", "--jigsaw.hidden: --method cpc does not"),
        ("--encoder vgg19_bn --stem 4 3 2", "--stem: --encoder vgg19_bn has sizes of its own"),
        ("--inputs small", "--inputs: --encoder resnet is of the sizes"),
        ("--data . --pictures.train 100", "--pictures.train: it is of the drawn pictures, and --data gives others"),
        ("--format stl10", "--format: it is of --data, which is not given"),
        ("--efficient.blocks 3", "--efficient.blocks: it is of few labels, which --efficient.fractions asks for"),
        ("--evaluation.block-probes mlp", "--evaluation.block-probes: it is of probes of every block"),
        ("--protocol.mlp-epochs 9", "--protocol.mlp-epochs: it is of the probe mlp_epochs"),
        ("--ablation directions --directions 2", "--directions: --ablation directions sets it by itself"),
        ("--ablation augmentation --augment.drop 1", "--augment.drop: --ablation augmentation sets it by itself"),
        ("--ablation skip --encoder resnet18", "--encoder: --ablation skip sets it by itself"),
        ("--ablation norm --protocol.lbfgs-penalty 1", "--protocol.lbfgs-penalty: it is of the probe lbfgs, and --abl"),
        ("--ablation norm --probe.epochs 1", "--probe.epochs: it is of the probe mlp, and --ablation norm fits linear"),
        ("--ablation norm --protocol.grid-batch 9", "--protocol.grid-batch: it is of the probe grid, and --ablation"),
        ("--ablation norm --supervised-updates 9", "--supervised-updates: it is of the network trained on labels"),
        (
            "--supervised-updates 0 --supervised-learning-rate 1",
            "--supervised-learning-rate: it is of the network trained on labels, which --supervised-updates 0 leaves",
        ),
        ("--ablation skip --stem 4 3 2", "--stem: --encoder resnet18_no_skip has sizes of its own"),
    ],
)
def test_a_flag_that_nothing_reads_is_refused(argv: str, words: str) -> None:
    with pytest.raises(UsageError) as refused:
        check(*argv.split())
    assert str(refused.value).startswith(words)


@pytest.mark.parametrize(
    "argv",
    [
        "--offsets 3 --negatives.pool batch --evaluation.units 3 --context-blocks 3 --stem 4 3 2 --pictures.train 100",
        "--method gim --offsets 2 3 --negatives.count 8",
        "--method relative_location --preset small-relative_location --jitter 15 --relative-location.hidden 8",
        "--method rotation --area 0.1 0.5 --augment.colour 1 --encoder resnet18 --inputs small",
        "--efficient.fractions 0.1 --efficient.blocks 3",
        "--ablation skip --inputs small",
        "--evaluation.blocks --evaluation.block-probes mlp_epochs --protocol.mlp-epochs 9",
        "--ablation norm --evaluation.probes mlp_epochs --protocol.lbfgs-penalty 1 --protocol.sgd-updates 9",
        "--ablation norm --evaluation.blocks --evaluation.block-probes lbfgs mlp --probe.epochs 9",
        "--probe.epochs 1 --protocol.grid-batch 9 --protocol.lbfgs-iterations 9 --supervised-updates 9",
        "--evaluation.probes linear_epochs --protocol.linear-batch 9",
        "--data . --format stl10",
    ],
)
def test_a_flag_that_is_read_passes(argv: str) -> None:
    check(*argv.split())


def test_every_setting_is_read_by_some_method() -> None:
    for key in flag_names(full_config()):
        assert any(reads(method, key) for method in METHODS), key
    known = flag_names(full_config()).keys()
    assert all(method.unread <= known for method in METHODS.values())
