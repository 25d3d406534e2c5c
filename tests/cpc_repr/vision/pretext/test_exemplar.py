"""Triplets against loops; crops of a picture stand together."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from configs import UsageError, load
from cpc_repr.vision.config import full_config
from cpc_repr.vision.experiment import VisionExperiment
from cpc_repr.vision.pretext.exemplar import Exemplar, triplet_loss
from tests.cpc_repr.contexts import context
from tests.cpc_repr.vision.toy import toy_pictures


def config(*argv: str):
    return load(full_config(), argv, prog="x", description="", family="vision")


def by_loops(embeddings: torch.Tensor, crops: int, margin: float) -> tuple[torch.Tensor, float, set[str]]:
    """The loss, the accuracy, and which kinds of negatives were met."""
    distance = (embeddings[:, None] - embeddings[None]).square().sum(-1)
    losses, hits, kinds = [], 0, set()
    for a in range(len(embeddings)):
        others = [n for n in range(len(embeddings)) if n // crops != a // crops]
        for p in range(len(embeddings)):
            if p == a or p // crops != a // crops:
                continue
            farther = [distance[a, n] for n in others if distance[a, n] > distance[a, p]]
            kinds.add("semi-hard" if farther else "none farther")
            negative = min(farther) if farther else max(distance[a, n] for n in others)
            losses.append((margin + distance[a, p] - negative).clamp_min(0))
        ranked = sorted((i for i in range(len(embeddings)) if i != a), key=lambda i: distance[a, i].item())
        hits += ranked[0] // crops == a // crops
    return torch.stack(losses).mean(), hits / len(embeddings), kinds


@pytest.mark.parametrize("size", [2, 16])  # in the plane some positives are the farthest of all
def test_the_loss_and_its_gradient_are_those_of_a_loop(size: int) -> None:
    draws = torch.Generator().manual_seed(1)
    raw = torch.randn(12, size, generator=draws, dtype=torch.float64, requires_grad=True)
    loss, metrics = triplet_loss(F.normalize(raw, dim=1), 3, 0.5)
    wanted, accuracy, kinds = by_loops(F.normalize(raw, dim=1), 3, 0.5)
    assert loss.item() > 0 and "semi-hard" in kinds and (size == 16 or "none farther" in kinds)
    torch.testing.assert_close(loss, wanted)
    assert metrics["accuracy"].item() == pytest.approx(accuracy)
    slopes = [torch.autograd.grad(x, raw, retain_graph=True)[0] for x in (loss, wanted)]
    torch.testing.assert_close(*slopes)


def test_chance_is_what_one_place_for_all_comes_to() -> None:
    settings = config("--preset", "smoke", "--method", "exemplar")
    objective = VisionExperiment().objective(context(settings, toy_pictures()))
    alike = F.normalize(torch.ones(24, 5), dim=1)
    assert triplet_loss(alike, 8, 0.5)[0].item() == pytest.approx(objective.chance.loss)
    assert objective.chance.accuracy == pytest.approx(7 / (8 * settings.train.batch_size - 1))


def test_what_is_well_apart_has_no_loss() -> None:
    corners = torch.eye(4).repeat_interleave(3, 0)  # each picture in a corner of its own
    loss, metrics = triplet_loss(corners, 3, 0.5)
    assert loss.item() == 0 and metrics["accuracy"].item() == 1


def test_crops_of_a_picture_are_neighbours_and_differ() -> None:
    settings = config("--preset", "smoke", "--method", "exemplar", "--exemplar.crops", "3", "--crop", "16")
    objective = VisionExperiment().objective(context(settings, toy_pictures()))
    for batches in (objective.pictures, objective.test_pictures):
        images, labels = batches(0)
        count = settings.train.batch_size
        assert images.shape == (3 * count, 3, 16, 16) and torch.equal(labels, labels[::3].repeat_interleave(3))
        brightness = images.float().mean((1, 2, 3)).view(count, 3)
        assert (brightness - brightness.mean(1, keepdim=True)).abs().max() < 15  # toys of three kinds, 80 apart
        assert not torch.equal(images[0], images[1])
    loss, _ = objective.loss(objective.batch(3), 3)
    assert loss.item() == objective.loss(objective.batch(3), 3)[0].item()


def test_one_picture_is_refused() -> None:
    with pytest.raises(UsageError, match="--batch-size 1: --method exemplar"):
        Exemplar.check(config("--preset", "smoke", "--method", "exemplar", "--batch-size", "1"))


def test_the_papers_preset() -> None:
    paper = config("--preset", "paper-exemplar")
    optimiser, pictures = paper.optimiser, paper.train.batch_size * paper.train.accumulate
    epoch = 1_281_167 // pictures
    assert pictures == 512 and optimiser.learning_rate == 0.1 * pictures / 256 and optimiser.momentum == 0.9
    assert optimiser.warmup == 5 * epoch and optimiser.drops == (15 * epoch, 25 * epoch)
    assert paper.train.updates == 35 * epoch and paper.method == "exemplar"
    assert (paper.exemplar.crops, paper.exemplar.margin, paper.exemplar.embedding) == (8, 0.5, 1000)
