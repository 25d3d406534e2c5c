"""Speech: its data, its methods, what they are held against, and its tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from torch import nn

from configs import UsageError, as_usage_error
from cpc_repr.audio.config import AudioConfig
from cpc_repr.audio.corpus import SpeechCorpus, open_corpus
from cpc_repr.audio.cpc import SpeechCPC
from cpc_repr.audio.data import SpeechWindows, Waveforms
from cpc_repr.audio.evaluate import AudioContext, chance, classify, probe
from cpc_repr.audio.features import Features, cepstra
from cpc_repr.audio.figures import figure_2
from cpc_repr.audio.greedy import GreedyInfoMax
from cpc_repr.audio.supervised import supervised_objective
from cpc_repr.audio.synthetic import make_corpus
from cpc_repr.audio.tables import table_1, table_2
from cpc_repr.cache import cache_folder
from cpc_repr.context import Session
from cpc_repr.experiment import Experiment, Rows
from cpc_repr.objective import Objective, Stage, Supervised
from cpc_repr.packages import optional_module
from cpc_repr.report import Table

PACKAGES = ("soundfile", "kaldi_native_fbank", "sklearn.manifold")


class AudioExperiment(Experiment[AudioConfig, Waveforms]):
    """CPC and Greedy InfoMax, probed for phones and speakers."""

    family = "audio"
    methods: ClassVar = {"cpc": SpeechCPC, "greedy": GreedyInfoMax}

    def open(self, config: AudioConfig, session: Session) -> Waveforms:
        """The speech of --data, or synthetic speech."""
        with as_usage_error():
            for package in PACKAGES:
                optional_module(package, "audio")
            return Waveforms(find_corpus(config, session))

    def check(self, config: AudioConfig, data: Waveforms) -> None:
        """Windows must fit into utterances."""
        for split in (data.corpus.train, data.corpus.test):
            SpeechWindows(data, split, config.batches, config.run.seed)

    def supervised(self, context: AudioContext) -> dict[str, Supervised]:
        """A network for phones and one for speakers, that read both ways; their learning rate falls to 0."""
        if not (context.config.has_baselines and context.config.train.supervised_updates):
            return {}
        return {f"bound_{task}": supervised_objective(context, task) for task in context.data.corpus.tasks}

    def stages(
        self, context: AudioContext, objective: Objective[Any, Features], supervised: Mapping[str, nn.Module]
    ) -> Iterator[Stage]:
        """Probes of every representation, then of what they are held against; Figure 2."""
        config, shift, tasks = context.config, context.config.evaluation.shift, context.data.corpus.tasks

        def probed(row: str, title: str, features: Features, shift: int = shift) -> Stage:
            return Stage(row, lambda: probe(context, title, features, shift, config.has_baselines), row)

        representations = objective.representations()
        for row, features in representations.items():
            yield probed(row, objective.rows[row], features)
        if config.ablation == "none":
            yield Stage("chance", partial(chance, context), "chance")
        if not config.has_baselines:
            return
        *_, untrained = self.objective(context).representations().values()
        yield probed("random", "random weights", untrained)
        yield probed("mfcc13", "MFCC-13", cepstra(deltas=False), 0)
        yield probed("mfcc39", "MFCC-39", cepstra(deltas=True), 0)
        if supervised:
            yield Stage(
                "bound",
                lambda: {task: classify(context, supervised[f"bound_{task}"], task) for task in tasks},
                "bound",
            )
        *_, trained = representations.values()
        yield Stage("speakers.png", lambda: figure_2(context.run.report / "speakers.png", context, trained))

    def report(self, config: AudioConfig, data: Waveforms, rows: Rows, folder: Path) -> list[Table]:
        """Table 1, or Table 2 of an ablation."""
        heard = f"speech in {config.corpus.data.name}" if config.corpus.data else "synthetic speech"
        method = self.methods[config.objective].rows
        if config.ablation == "none":
            return [table_1(rows[""], method, heard)]
        *_, best = method
        return [table_2({name: [seed[best] for seed in seeds] for name, seeds in rows.items()}, heard)]


def find_corpus(config: AudioConfig, session: Session) -> SpeechCorpus:
    """The speech `config` names.

    Raises:
        Stopped: A signal came while it was made.
        UsageError: Files of --data are given without it.
        ValueError: There is something wrong with it.
    """
    c = config.corpus
    if c.data is not None:
        with session.live("opening recordings") as tick:
            return open_corpus(c.data, c.labels, c.train_list, c.test_list, c.convert, tick)
    for name in ("labels", "train_list", "test_list", "convert"):
        if getattr(c, name):
            raise UsageError(f"--{name.replace('_', '-')} belongs to --data DIR, which is not given")
    with session.live("making synthetic speech", lost=", which are made anew next time") as tick:
        return make_corpus(c.corpora or cache_folder("speech"), config.speech, tick)
