"""What is trained learns: CPC leaves log N behind the warm-up, and supervised training fits its labels."""

from __future__ import annotations

import pytest
import torch

from cpc_repr.audio.config import Config, TrainConfig
from cpc_repr.audio.corpus import Corpus
from cpc_repr.audio.data import BatchConfig, Waveforms
from cpc_repr.audio.learners import build, cpc_learner, generator, supervised_learner
from cpc_repr.audio.model import CPCConfig, ModelConfig
from cpc_rl.optim import OptimiserConfig
from tests.cpc_repr.audio.toy import toy_corpus

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Waveforms:
    corpus: Corpus = toy_corpus(tmp_path_factory.mktemp("toy"), speakers=3, utterances=5)
    return Waveforms(corpus)


def config(norm: str = "batch", **settings) -> Config:
    return Config(
        batches=BatchConfig(window=6_400, batch_size=4),
        cpc=CPCConfig(steps=3),
        model=ModelConfig(channels=16, context=16, norm=norm),
        optimiser=OptimiserConfig(learning_rate=4e-3, warmup=20),
        **settings,
    )


@pytest.mark.parametrize("norm", ["channel", "batch"])  # without one it takes too many updates for a test
def test_cpc_leaves_the_plateau_at_log_n(sound: Waveforms, norm: str) -> None:
    learner = cpc_learner(config(norm), sound, CPU)
    first, *_, last = [learner.update() for _ in range(60)]
    assert abs(first["loss/total"] - first["cpc/log_n"]) < 0.1
    assert last["loss/total"] < last["cpc/log_n"] - 0.5
    assert last["cpc/bound_1"] == pytest.approx(last["cpc/log_n"] - last["loss/total"], abs=1.5)


@pytest.mark.parametrize("task", ["phone", "speaker"])
def test_supervised_training_fits_its_labels(sound: Waveforms, task) -> None:
    settings = config(train=TrainConfig(supervised_learning_rate=4e-3, supervised_updates=50))
    learner = supervised_learner(settings, task, sound, CPU)
    values = [learner.update() for _ in range(50)]
    assert values[-1]["accuracy"] > 0.8 > values[0]["accuracy"]
    assert values[-1]["learning_rate"] == pytest.approx(4e-3 / 50)  # it falls to nothing


def test_initial_weights_are_those_of_the_random_baseline(sound: Waveforms) -> None:
    learner, again = cpc_learner(config(), sound, CPU), build(config())
    for name, value in learner.module.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])


def test_draws_differ_between_batches_and_seeds() -> None:
    one = config()
    two = one.model_copy(update={"run": one.run.model_copy(update={"seed": 2})})
    numbers = {torch.rand((), generator=generator(c, n)).item() for c in (one, two) for n in range(20)}
    assert len(numbers) == 40
    assert torch.rand((), generator=generator(one, 3)) == torch.rand((), generator=generator(one, 3))
