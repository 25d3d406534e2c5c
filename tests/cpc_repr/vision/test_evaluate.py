"""Features, learners and Figure 5 on toy pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from cpc_repr.experiment import plain_learner
from cpc_repr.objective import generator
from cpc_repr.vision.config import PicturesConfig, VisionConfig, VisionEvaluationConfig, VisionTrainConfig
from cpc_repr.vision.data.augment import AugmentConfig
from cpc_repr.vision.data.grid import ViewConfig, crops, to_grey
from cpc_repr.vision.encode import Look
from cpc_repr.vision.encoders.config import EncoderConfig
from cpc_repr.vision.encoders.patches import PatchEncoder
from cpc_repr.vision.evaluate import (
    PictureContext,
    chance,
    collect,
    max_pooled,
    pixels,
    pooled,
    probe,
    probe_grid,
    remembered,
)
from cpc_repr.vision.experiment import VisionExperiment
from cpc_repr.vision.figures import figure_5, most_exciting
from cpc_repr.vision.pretext.base import PLAIN, map_representation, patch_representation
from cpc_repr.vision.pretext.cpc import VisionCPCConfig
from cpc_repr.vision.pretext.puzzle import cell_representation
from cpc_repr.vision.transfer.linear import LinearConfig
from cpc_rl.optim import OptimiserConfig
from tests.cpc_repr.contexts import context
from tests.cpc_repr.vision.toy import SIDE, toy_pictures

CONFIG = VisionConfig(
    view=ViewConfig(resize=SIDE, crop=16, patch=8, stride=4, jitter=0),
    model=EncoderConfig(stem=(4, 3, 2), pool=False, blocks=(1, 1), bottlenecks=(4, 4), maps=(8, 8)),
    cpc=VisionCPCConfig(offsets=(1, 2), context_width=8),
    train=VisionTrainConfig(batch_size=6, accumulate=1),
    protocol=LinearConfig(sgd_updates=100, sgd_batch=32, lbfgs_iterations=30, lbfgs_penalty=0.01),
    evaluation=VisionEvaluationConfig(units=3),
    data=PicturesConfig(),
)
EXPERIMENT = VisionExperiment()


def toy(config: VisionConfig = CONFIG, **sizes: int) -> PictureContext:
    return context(config, toy_pictures(**sizes))


def test_features_come_in_order_and_in_their_sizes() -> None:
    b = toy(train=70)
    split = b.data.train
    x = collect(b, split, pixels(CONFIG), "train")
    assert x.shape == (70, 256)  # one channel: grey pictures have three equal ones
    for i in (0, 63, 64, 69):
        image = crops([split.picture(i)], CONFIG.view)
        torch.testing.assert_close(x[i], image[0, 0].flatten().float() / 255)
    colour = CONFIG.model_copy(update={"view": CONFIG.view.model_copy(update={"grey": 0.0})})
    assert pixels(colour)(crops([split.picture(0)], colour.view)).shape == (1, 3 * 256)


def test_pooled_features_are_the_mean_of_the_grid() -> None:
    objective = EXPERIMENT.objective(toy())
    model = objective.module.model
    images = torch.randint(256, (2, 3, 16, 16), dtype=torch.uint8)
    rows = pooled(objective.representations()["cpc"])(images)
    cells = [
        model(((images[:, :, y : y + 8, x : x + 8].float() - 127.5) / 63.75)[:, None, None])[:, 0, 0]
        for y in (0, 4, 8)
        for x in (0, 4, 8)
    ]
    torch.testing.assert_close(rows, torch.stack(cells).mean(0), atol=1e-5, rtol=1e-4)


def test_probes_of_pixels_see_what_is_to_be_seen() -> None:
    b = toy()
    found = probe(b, "pixels", pixels(CONFIG))
    assert found.keys() == {a + k for a in ("linear", "lbfgs", "mlp") for k in ("", "_top5")}
    assert found["linear"].accuracy == found["lbfgs"].accuracy == 1.0
    assert chance(b)["linear"].accuracy == pytest.approx(1 / 3) and chance(b)["linear_top5"].accuracy == 1.0


def test_cpc_learns_from_pictures_without_labels_where_there_are_any() -> None:
    b = toy(unlabeled=6)
    learner = plain_learner(EXPERIMENT.objective(b))
    only = toy(train=6)
    assert learner.loss(0)[0].isfinite()
    b.data.train.pictures = None  # type: ignore[method-assign]  # not to be asked
    first = learner.update()
    assert first["cpc/log_n"] == pytest.approx(torch.tensor(6 * 9.0).log().item())
    assert {"cpc/accuracy_1", "cpc/bound_2"} < first.keys()
    assert plain_learner(EXPERIMENT.objective(only)).update()["loss/total"] != first["loss/total"]


def test_training_lowers_the_loss_and_can_be_repeated() -> None:
    config = CONFIG.model_copy(update={"optimiser": OptimiserConfig(learning_rate=3e-3, warmup=1)})
    b = toy(config)
    learners = [plain_learner(EXPERIMENT.objective(b)) for _ in range(2)]
    losses = [[learner.update()["loss/total"] for _ in range(30)] for learner in learners]
    assert losses[0] == losses[1] and sum(losses[0][-5:]) < sum(losses[0][:5])
    supervised = plain_learner(EXPERIMENT.supervised(b)["supervised"])
    accuracy = [supervised.update()["accuracy"] for _ in range(60)]
    assert sum(accuracy[-10:]) / 10 > 0.6
    assert supervised.optimiser.config.schedule == "linear" and supervised.total == config.train.supervised_updates > 0


def test_most_exciting_patches() -> None:
    b = toy()
    model: PatchEncoder = EXPERIMENT.objective(b).module.model
    units, values, patches = most_exciting(b, model)
    assert len(units) == 3 and values.shape == (3, 12) and patches[0].shape == (12, 3, 8, 8)
    assert (values.diff(dim=1) <= 0).all()
    for unit, value, cells in zip(units, values, patches, strict=True):
        z = model(((cells.float() - 127.5) / 63.75)[:, None, None])[:, 0, 0, unit]
        torch.testing.assert_close(z.detach(), value, atol=1e-4, rtol=1e-4)


def test_figure_5(tmp_path: Path) -> None:
    b = toy()
    figure_5(tmp_path / "units.png", b, EXPERIMENT.objective(b).module.model)
    assert (tmp_path / "units.png").stat().st_size > 1000


def test_remembered_rows_are_made_once_and_keep_their_labels() -> None:
    asked: list[int] = []

    def batch(number: int) -> tuple[torch.Tensor, torch.Tensor]:
        asked.append(number)
        y = torch.arange(3) + 3 * number
        return y.float()[:, None, None, None], y

    told: list[tuple[int, int]] = []
    draw = remembered(batch, 4, 0, lambda done, total: told.append((done, total)))
    drawn = [draw(number) for number in range(60)]
    assert asked == [0, 1, 2, 3] and told[-1] == (4, 4)
    assert all(z.shape == (3, 1, 1, 1) and torch.equal(z.flatten(), y.float()) for z, y in drawn)
    assert set(torch.cat([y for _, y in drawn]).tolist()) == set(range(12))
    assert torch.equal(draw(7)[1], drawn[7][1]) and not torch.equal(drawn[7][1], drawn[8][1])


def test_blocks_are_max_pooled_to_what_a_probe_can_take() -> None:
    representation = EXPERIMENT.objective(toy()).representations()["cpc"]
    z = torch.randn(2, 7, 7, 300)
    found = max_pooled(representation._replace(cells=lambda images, draws: z))(torch.empty(0))
    assert found.shape == (2, 300 * 5 * 5)  # 6 x 6 places would be 10,800 numbers
    first = found.view(2, 300, 5, 5)[:, :, 0, 0]
    torch.testing.assert_close(first, z[:, :2, :2].amax((1, 2)))
    wide = torch.randn(1, 2, 2, 10_000)
    found = max_pooled(representation._replace(cells=lambda images, draws: wide))(torch.empty(0))
    torch.testing.assert_close(found, wide.amax((1, 2)))


def test_the_last_block_is_the_encoder() -> None:
    objective = EXPERIMENT.objective(toy())
    images = torch.randint(256, (2, 3, 16, 16), dtype=torch.uint8)
    first, last = objective.blocks()
    torch.testing.assert_close(last.cells(images, None), objective.representations()["cpc"].cells(images, None))
    assert first.cells(images, None).shape == (2, 3, 3, first.size) and first.size == CONFIG.model.maps[0]


@pytest.mark.parametrize("look", [patch_representation, map_representation, cell_representation])
def test_classifiers_of_every_cell_may_see_what_training_sees(look: Look) -> None:
    view = CONFIG.view.model_copy(update={"crop": 15, "patch": 5, "stride": 5, "grey": 0.0})
    cells = look(PatchEncoder(CONFIG.model).eval(), view).cells
    images = torch.randint(256, (2, 3, 15, 15), dtype=torch.uint8)
    grey = cells(images, generator(0, 0, 4), AugmentConfig(grey=1.0))
    torch.testing.assert_close(grey, cells(to_grey(images), generator(0, 0, 4)))
    assert not torch.allclose(grey, cells(images, generator(0, 0, 4)))


def test_the_classifier_of_every_cell_asks_for_the_augmentation_of_training() -> None:
    protocol = LinearConfig(grid_updates=2, grid_batch=6, grid_augment=True)
    b = toy(CONFIG.model_copy(update={"protocol": protocol, "augment": AugmentConfig(grey=1.0)}))
    representation, asked = EXPERIMENT.objective(b).representations()["cpc"], []

    def cells(images: torch.Tensor, draws: torch.Generator | None, augment: AugmentConfig = PLAIN, /) -> torch.Tensor:
        asked.append(augment)
        return representation.cells(images, draws, augment)

    probe_grid(b, "CPC", representation._replace(cells=cells))
    assert asked == [AugmentConfig(grey=1.0)] * 2 + [PLAIN]
