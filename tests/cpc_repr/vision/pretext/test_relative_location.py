"""Nine cells, their pairs and the loss, against loops."""

from __future__ import annotations

import math

import pytest
import torch

from configs import UsageError, load
from cpc_repr.objective import generator
from cpc_repr.vision.config import full_config
from cpc_repr.vision.data.grid import ViewConfig
from cpc_repr.vision.encoders.config import EncoderConfig
from cpc_repr.vision.encoders.patches import PatchEncoder
from cpc_repr.vision.pretext.puzzle import PuzzleConfig, PuzzleNetwork, cell_representation, middle_cells, standardised
from cpc_repr.vision.pretext.relative_location import NEIGHBOURS, RelativeLocation, location_loss, neighbour_pairs

TINY = EncoderConfig(stem=(4, 3, 2), pool=False, blocks=(1, 1), bottlenecks=(4, 4), maps=(8, 8))


def config(*argv: str):
    return load(full_config(), argv, prog="x", description="", family="vision")


def test_each_patch_is_standardised_by_itself() -> None:
    patches = torch.randint(256, (2, 3, 3, 3, 5, 5), dtype=torch.uint8)
    patches[1, 2, 0] = 7
    found = standardised(patches)
    for place in ((0, 0, 0), (0, 2, 1), (1, 1, 1)):
        numbers = [float(x) for x in patches[place].flatten()]
        mean = sum(numbers) / 75
        deviation = math.sqrt(sum((x - mean) ** 2 for x in numbers) / 75)
        torch.testing.assert_close(found[place].flatten(), torch.tensor([(x - mean) / deviation for x in numbers]))
    assert found[1, 2, 0].eq(0).all()
    bright = (patches // 2 + 100).to(torch.uint8)  # half the contrast, brighter: the same but for rounding
    torch.testing.assert_close(standardised(bright)[0], found[0], atol=0.03, rtol=0)


def test_evaluation_looks_at_the_middle_side_by_side() -> None:
    view = ViewConfig(resize=255, crop=255, patch=85, stride=85, jitter=64)
    image = torch.arange(3 * 255 * 255).view(1, 3, 255, 255)
    cells = middle_cells(image, view)
    assert cells.shape == (1, 3, 3, 3, 64, 64)
    middle = image[0, :, 31:223, 31:223]  # 192 of 255
    for i in range(3):
        for j in range(3):
            assert torch.equal(cells[0, i, j], middle[:, 64 * i : 64 * i + 64, 64 * j : 64 * j + 64])


def test_pairs_and_loss_are_those_of_a_loop() -> None:
    embeddings = torch.randn(5, 9, 4)
    pairs = neighbour_pairs(embeddings)
    assert pairs.shape == (5, 8, 8) and NEIGHBOURS == (0, 1, 2, 3, 5, 6, 7, 8)
    for b in range(5):
        for i, cell in enumerate(NEIGHBOURS):
            assert pairs[b, i].tolist() == [*embeddings[b, cell].tolist(), *embeddings[b, 4].tolist()]
    logits = torch.randn(5, 8, 8)
    loss, metrics = location_loss(logits)
    rows = [(logits[b, i].tolist(), i) for b in range(5) for i in range(8)]
    losses = [math.log(sum(math.exp(x) for x in row)) - row[i] for row, i in rows]
    assert loss.item() == pytest.approx(sum(losses) / 40, rel=1e-5)
    assert metrics["accuracy"].item() == pytest.approx(sum(row[i] == max(row) for row, i in rows) / 40)
    assert location_loss(torch.zeros(2, 8, 8))[0].item() == pytest.approx(RelativeLocation.chance.loss)


def test_dropout_is_a_function_of_its_generator() -> None:
    network = PuzzleNetwork(TINY, PuzzleConfig(embedding=3, hidden=1000, dropout=0.25), joined=2, classes=8)
    joined = torch.randn(4, 8, 6)
    first, again, other = (network.answer(joined, generator(0, n)) for n in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    network.eval()
    assert torch.equal(network.answer(joined, generator(0, 1)), network.answer(joined, generator(0, 2)))
    network.train()
    with torch.no_grad():  # each logit counts the units that are kept, each of which is 1 / (1 - 0.25)
        network.norm.weight.fill_(0)
        network.norm.bias.fill_(1)
        network.classify.weight.fill_(1)
        network.classify.bias.zero_()
    counts = network.answer(joined, generator(0, 3)) * 0.75
    torch.testing.assert_close(counts, counts.round(), atol=1e-2, rtol=0)  # float32 sums of 750
    assert abs(counts.mean().item() - 750) < 10 and counts[..., 0].std() > 5


def test_the_probes_see_nine_patches() -> None:
    with torch.no_grad():
        model = PatchEncoder(TINY)
        view = ViewConfig(resize=18, crop=18, patch=6, stride=6, jitter=4)
        look = cell_representation(model, view)
        images = torch.randint(256, (2, 3, 18, 18), dtype=torch.uint8)
        z = look.cells(images, None)
        assert z.shape == (2, 3, 3, 8)
        one = standardised(images[1:2, :, 3:7, 11:15])  # top right of the 12 in the middle
        torch.testing.assert_close(z[1, 0, 2], model.encoder(one).mean((-2, -1))[0])
        jittered = [look.cells(images, generator(0, n)) for n in (1, 1, 2)]
        assert torch.equal(jittered[0], jittered[1]) and not torch.equal(jittered[0], jittered[2])


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--preset", "small"], "--crop 70, --patch 20, --stride 10 are 6 x 6; see --preset small-relative_location"),
        (["--stride", "17", "--crop", "55"], "3 x 3 cells without overlap"),
    ],
)
def test_other_grids_are_refused(flags: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        RelativeLocation.check(config("--preset", "small-relative_location", *flags, "--method", "relative_location"))


@pytest.mark.parametrize("method", ["relative_location", "jigsaw"])
def test_the_papers_presets(method: str) -> None:
    paper = config("--preset", f"paper-{method}")
    optimiser, pictures = paper.optimiser, paper.train.batch_size * paper.train.accumulate
    epoch = 1_281_167 // pictures
    assert optimiser.learning_rate == 0.1 * pictures / 256 and optimiser.momentum == 0.9
    assert optimiser.warmup == 5 * epoch and optimiser.drops == (15 * epoch, 25 * epoch)
    assert paper.train.updates == 35 * epoch and paper.method == method
    view = paper.view
    assert (view.resize, view.crop, view.patch, view.seen, view.cells) == (292, 255, 85, 64, 3) and view.grey == 1 / 3
    assert paper.model.encoder == "resnet50_v2" and paper.model.inputs == "patches"
    sizes = getattr(paper, method)
    assert (sizes.embedding, sizes.hidden, sizes.dropout) == (1000, 4096, 0.5)
