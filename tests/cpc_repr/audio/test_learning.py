"""What is trained learns: CPC leaves log N behind the warm-up, and supervised training fits its labels."""

from __future__ import annotations

import pytest
import torch

from cpc_repr.audio.config import AudioConfig, AudioTrainConfig
from cpc_repr.audio.corpus import SpeechCorpus
from cpc_repr.audio.data import SpeechBatchConfig, Waveforms
from cpc_repr.audio.experiment import AudioExperiment
from cpc_repr.audio.model import SpeechModelConfig
from cpc_repr.experiment import plain_learner
from cpc_repr.objective import generator
from cpc_repr.sequences import SequenceCPCConfig
from cpc_rl.optim import OptimiserConfig
from tests.cpc_repr.audio.toy import toy_corpus
from tests.cpc_repr.contexts import context

EXPERIMENT = AudioExperiment()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Waveforms:
    corpus: SpeechCorpus = toy_corpus(tmp_path_factory.mktemp("toy"), speakers=3, utterances=5)
    return Waveforms(corpus)


def config(norm: str = "batch", **settings) -> AudioConfig:
    return AudioConfig(
        batches=SpeechBatchConfig(window=6_400, batch_size=4),
        cpc=SequenceCPCConfig(steps=3),
        model=SpeechModelConfig(channels=16, context=16, norm=norm),
        optimiser=OptimiserConfig(learning_rate=4e-3, warmup=20),
        **settings,
    )


@pytest.mark.parametrize("norm", ["channel", "batch"])  # without one it takes too many updates for a test
def test_cpc_leaves_the_plateau_at_log_n(sound: Waveforms, norm: str) -> None:
    learner = plain_learner(EXPERIMENT.objective(context(config(norm), sound)))
    first, *_, last = [learner.update() for _ in range(60)]
    assert abs(first["loss/total"] - first["cpc/log_n"]) < 0.1
    assert last["loss/total"] < last["cpc/log_n"] - 0.5
    assert last["cpc/bound_1"] == pytest.approx(last["cpc/log_n"] - last["loss/total"], abs=1.5)


@pytest.mark.parametrize("task", ["phone", "speaker"])
def test_supervised_training_fits_its_labels(sound: Waveforms, task) -> None:
    settings = config(train=AudioTrainConfig(supervised_learning_rate=4e-3, supervised_updates=100))
    learner = plain_learner(EXPERIMENT.supervised(context(settings, sound))[f"bound_{task}"])
    values = [learner.update() for _ in range(100)]
    assert values[-1]["accuracy"] > 0.8 > values[0]["accuracy"]
    assert values[-1]["learning_rate"] == pytest.approx(4e-3 / 100)  # it falls to nothing


def test_initial_weights_are_those_of_the_random_baseline(sound: Waveforms) -> None:
    one, again = (EXPERIMENT.objective(context(config(), sound)).module.state_dict() for _ in range(2))
    assert all(torch.equal(value, again[name]) for name, value in one.items())


def test_draws_differ_between_batches_and_seeds() -> None:
    numbers = {torch.rand((), generator=generator(seed, n)).item() for seed in (1, 2) for n in range(20)}
    assert len(numbers) == 40
    assert torch.rand((), generator=generator(1, 3)) == torch.rand((), generator=generator(1, 3))
