"""Contrastive predictive coding on raw speech (van den Oord et al. 2018, section 3.1).

    python -m cpc_repr.audio                                    # minutes on two cores, nothing to download
    python -m cpc_repr.audio --smoke                            # every stage, in seconds
    python -m cpc_repr.audio --preset paper --data LibriSpeech/train-clean-100
    python -m cpc_repr.audio --resume runs/NAME                 # go on after Ctrl-C, a crash or kill -9
    python -m cpc_repr.audio --ablation strategies --seeds 3    # Table 2: where negatives come from; or: steps
    python -m cpc_repr.audio --steps 20                         # Figure 3 as the paper has it
    python -m cpc_repr.audio --greedy --num-negatives 10        # Greedy InfoMax
    python -m cpc_repr.audio.extract runs/NAME --audio DIR --out DIR

Makes or reads the speech, trains CPC, fits probes for phones and speakers on it and on what it is held against (random
weights, MFCC, supervised training), and prints the paper's table beside ours. All of it lies in one run directory:
config.yaml, metrics.jsonl, checkpoints, and report/ with table.md, results.json and pictures.
"""

from __future__ import annotations

import sys
from collections import defaultdict

from configs import UsageError, as_usage_error
from cpc_repr.audio.config import Config, CorpusConfig
from cpc_repr.audio.corpus import Corpus, open_corpus
from cpc_repr.audio.data import Waveforms
from cpc_repr.audio.evaluate import Bench
from cpc_repr.audio.experiment import run_arm
from cpc_repr.audio.greedy import NAMES
from cpc_repr.audio.synthetic import make_corpus
from cpc_repr.audio.tables import table_1, table_2, table_modules
from cpc_repr.cache import cache_folder
from cpc_repr.command import Session, arms, command
from cpc_repr.packages import optional_module
from cpc_repr.report import Row, Table
from cpc_repr.training import Stopped

PACKAGES = ("soundfile", "kaldi_native_fbank", "sklearn.manifold")


def experiment(config: Config, session: Session) -> list[Table]:
    """Run all arms; gives the table."""
    with as_usage_error():
        for package in PACKAGES:
            optional_module(package, "audio")  # complain before hours of training
        waveforms = Waveforms(find_corpus(config, session))
    session.say(describe(waveforms.corpus))
    found: dict[str, list[dict[str, Row]]] = defaultdict(list)
    for arm in arms(config):
        folder = session.folder(arm)
        bench = Bench(arm.config, waveforms, session.device, session.stop, folder.path, session.say)
        found[arm.row].append(run_arm(bench, folder, baselines=config.ablation == "none"))
    return [tabulate(config, found, heard(config))]


def find_corpus(config: Config, session: Session) -> Corpus:
    """The speech `config` names.

    Raises:
        Stopped: A signal came while it was made.
        UsageError: Files of --data are given without it.
        ValueError: There is something wrong with it.
    """
    c: CorpusConfig = config.corpus
    if c.data is not None:
        return open_corpus(c.data, c.labels, c.train_list, c.test_list)
    for name in ("labels", "train_list", "test_list"):
        if getattr(c, name) is not None:
            raise UsageError(f"--{name.replace('_', '-')} belongs to --data DIR, which is not given")

    def progress(done: int, total: int) -> None:
        if session.stop.stop:
            raise Stopped(f"stopped with {done} of {total} speakers made, which are made anew next time")
        if done % max(1, total // 4) == 0:
            session.say(f"making synthetic speech: {done} of {total} speakers")

    return make_corpus(c.corpora or cache_folder("speech"), config.speech, progress)


def describe(corpus: Corpus) -> str:
    """How much speech there is, on one line."""
    minutes = [sum(u.samples for u in part) / 16_000 / 60 for part in (corpus.train, corpus.test)]
    skipped = f"; {len(corpus.skipped)} broken files left out, {corpus.skipped[0]} first" if corpus.skipped else ""
    return (
        f"speech: {len(corpus.speakers)} speakers, {len(corpus.train)} + {len(corpus.test)} utterances, "
        f"{minutes[0]:.1f} + {minutes[1]:.1f} minutes (training + test){skipped}"
    )


def heard(config: Config) -> str:
    """What the table says of the speech."""
    return f"speech in {config.corpus.data.name}" if config.corpus.data else "synthetic speech"


def tabulate(config: Config, rows: dict[str, list[dict[str, Row]]], corpus: str) -> Table:
    """The table that goes with the experiment."""
    if config.ablation != "none":
        probed = {name: [seed["gru" if config.greedy else "cpc"] for seed in seeds] for name, seeds in rows.items()}
        return table_2(probed, corpus)
    return table_modules(rows[""], NAMES, corpus) if config.greedy else table_1(rows[""], corpus)


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    return command(argv, "audio", Config, __doc__ or "", experiment)


if __name__ == "__main__":
    sys.exit(main())
