"""The set of permutations, arranging and the loss, against loops."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from configs import UsageError, load
from cpc_repr.vision.config import full_config
from cpc_repr.vision.experiment import VisionExperiment
from cpc_repr.vision.pretext.jigsaw import JigsawConfig, arranged, permutation_set
from tests.cpc_repr.contexts import context
from tests.cpc_repr.vision.toy import toy_pictures

SMALL = ("--preset", "smoke-jigsaw", "--resize", "20", "--crop", "18", "--patch", "6", "--stride", "6", "--jitter", "5")


def config(*argv: str):
    return load(full_config(), argv, prog="x", description="", family="vision")


def hamming(a: torch.Tensor, b: torch.Tensor) -> int:
    return sum(x != y for x, y in zip(a.tolist(), b.tolist(), strict=True))


def test_each_permutation_is_as_far_from_those_before_as_any_can_be() -> None:
    chosen = permutation_set(6, 3)
    everything = [torch.tensor(p) for p in itertools.islice(itertools.permutations(range(9)), 0, None, 37)]
    for n in range(1, 6):
        nearest = min(hamming(chosen[n], before) for before in chosen[:n])
        best = max(min(hamming(p, before) for before in chosen[:n]) for p in everything)
        assert nearest >= best  # of a sample of all there are
    assert hamming(chosen[1], chosen[0]) == 9  # no cell stays where it was


def test_a_hundred_permutations() -> None:
    chosen = permutation_set(100, 0)
    assert chosen.shape == (100, 9) and chosen.dtype == torch.int64
    assert all(sorted(p) == list(range(9)) for p in chosen.tolist()) and len({tuple(p) for p in chosen.tolist()}) == 100
    distances = [hamming(a, b) for a, b in itertools.combinations(chosen, 2)]
    assert min(distances) >= 6 and sum(distances) / len(distances) > 7.9  # random ones: 8 on average, some at 4 or less
    assert torch.equal(chosen, permutation_set.__wrapped__(100, 0)) and not torch.equal(chosen, permutation_set(100, 1))
    assert torch.equal(chosen[:20], permutation_set(20, 0))  # a smaller set is the beginning of a larger one


def test_patches_are_joined_in_the_order_of_each_permutation() -> None:
    embeddings, orders = torch.randn(2, 9, 3), torch.stack([permutation_set(4, 0), permutation_set(4, 1)])
    joined = arranged(embeddings, orders)
    assert joined.shape == (2, 4, 27)
    for b in range(2):
        for m in range(4):
            patches = [embeddings[b, cell].tolist() for cell in orders[b, m].tolist()]
            assert joined[b, m].tolist() == list(itertools.chain(*patches))


def test_the_loss_is_that_of_a_loop_over_pictures_and_orders() -> None:
    settings = config(*SMALL, "--batch-size", "3", "--jigsaw.permutations", "10", "--jigsaw.arrangements", "4")
    objective = VisionExperiment().objective(context(settings, toy_pictures()))
    assert objective.chance == (math.log(10), 0.1)
    network = objective.module.eval()  # no dropout, no statistics of the batch: each row by itself
    batch = objective.batch(5)
    loss, metrics = objective.loss(batch, 5)
    embeddings = objective.embed(batch, 5)
    drawn = torch.rand(3, 10, generator=objective.draws(5, 3))
    losses, hits, seen = [], 0, set()
    for b in range(3):
        for which in drawn[b].argsort()[:4].tolist():
            joined = torch.cat([embeddings[b, cell] for cell in network.permutations[which].tolist()])
            logits = network.answer(joined[None, None], objective.draws(0))[0, 0]
            losses.append(-logits.log_softmax(0)[which])
            hits += int(logits.argmax() == which)
            seen.add((b, which))
    torch.testing.assert_close(loss, torch.stack(losses).mean())
    assert metrics["accuracy"].item() == pytest.approx(hits / 12) and len(seen) == 12
    assert len({tuple(drawn[b].argsort()[:4].tolist()) for b in range(3)}) == 3  # each picture has orders of its own


def test_the_permutations_are_kept_with_the_weights() -> None:
    one, two = (
        VisionExperiment().objective(context(config(*SMALL, "--seed", seed), toy_pictures())).module for seed in "01"
    )
    assert not torch.equal(one.permutations, two.permutations)
    two.load_state_dict(one.state_dict())
    assert torch.equal(one.permutations, two.permutations)


def test_more_orders_than_there_are_is_refused() -> None:
    with pytest.raises(UsageError, match="--jigsaw.arrangements 8: there are 5 permutations"):
        config(*SMALL, "--jigsaw.permutations", "5", "--jigsaw.arrangements", "8")
    assert (JigsawConfig().permutations, JigsawConfig().arrangements) == (100, 16)
