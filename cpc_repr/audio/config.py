"""All settings of `python -m cpc_repr.audio`, and the arms of its ablations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import tyro
from pydantic import Field

from configs import Frozen
from cpc_repr.audio.data import BatchConfig
from cpc_repr.audio.model import CPCConfig, ModelConfig
from cpc_repr.audio.synthetic import SyntheticConfig
from cpc_repr.probes import ProbeConfig
from cpc_repr.training import OptimConfig
from cpc_rl.runs import RunSettings
from cpc_rl.runs.config import Folder

File = Annotated[Path | None, tyro.conf.arg(metavar="FILE")]


class CorpusConfig(Frozen):
    """The speech: a corpus on the disk, or, by default, one that espeak-ng makes on the spot."""

    data: Folder = Field(
        default=None,
        description="Speech laid out as LibriSpeech: <speaker>/<chapter>/<id>.flac, 16 kHz, mono. By default the "
        "synthetic corpus of --speech.",
    )
    labels: File = Field(
        default=None, description="Phone classes of --data; by default converted_aligned_phones.txt in it."
    )
    train_list: File = Field(default=None, description="Training utterances; by default train_split.txt in --data.")
    test_list: File = Field(default=None, description="Test utterances; by default test_split.txt in --data.")
    corpora: Folder = Field(
        default=None, description="Where synthetic corpora are kept, each made once; by default in the user's cache."
    )


class TrainConfig(Frozen):
    """How long CPC is trained, and what it is held against."""

    updates: int = Field(default=300_000, ge=1, description="Updates of CPC.")
    accumulate: int = Field(
        default=1, ge=1, le=1024, description="Batches of an update, each with negatives of its own (the paper's GPUs)."
    )
    supervised_updates: int = Field(
        default=100_000,
        ge=0,
        description="Updates of each network trained end to end on labels, the upper bound; 0 leaves them out.",
    )
    supervised_learning_rate: float = Field(default=2e-4, gt=0, le=1, description="Of those networks.")


class EvaluationConfig(Frozen):
    """What the representation is held to once it is trained."""

    shift: int = Field(
        default=1,
        ge=-10,
        le=10,
        description="Frame t is probed with label t - shift: 1 is the nearest (see docs/audio.md); other code has 0.",
    )
    batches: int = Field(default=50, ge=1, description="Test batches for the contrastive accuracy of each step.")
    picture_speakers: int = Field(default=10, ge=1, description="Speakers in the t-SNE picture.")
    picture_frames: int = Field(default=60, ge=1, description="Frames of each of them.")


class Config(Frozen):
    """Train CPC on raw speech, probe it for phones and speakers, and print the paper's table beside ours."""

    corpus: Annotated[CorpusConfig, tyro.conf.OmitArgPrefixes] = CorpusConfig()
    train: Annotated[TrainConfig, tyro.conf.OmitArgPrefixes] = TrainConfig()
    batches: Annotated[BatchConfig, tyro.conf.OmitArgPrefixes] = BatchConfig()
    cpc: Annotated[CPCConfig, tyro.conf.OmitArgPrefixes] = CPCConfig()
    optim: Annotated[OptimConfig, tyro.conf.OmitArgPrefixes] = OptimConfig()
    model: Annotated[ModelConfig, tyro.conf.OmitArgPrefixes] = ModelConfig()
    run: Annotated[RunSettings, tyro.conf.OmitArgPrefixes] = RunSettings()
    greedy: bool = Field(
        default=False,
        description="Greedy InfoMax: six modules, each with a loss of its own and no gradient from another "
        "(set --num-negatives 10 as its paper has it); every module is probed.",
    )
    ablation: Literal["none", "strategies", "steps"] = Field(
        default="none",
        description="Run the rows of Table 2: where negatives come from, or how many steps are predicted.",
    )
    seeds: int = Field(default=1, ge=1, le=100, description="Repeat with so many seeds, from --seed on: intervals.")
    smoke: bool = Field(default=False, description="All stages on a tiny corpus, in seconds: --preset smoke.")
    speech: SyntheticConfig = SyntheticConfig()
    probe: ProbeConfig = ProbeConfig()
    evaluation: EvaluationConfig = EvaluationConfig()


class Arm(NamedTuple):
    """One of the runs a command makes."""

    row: str  # of the table; several arms of a row differ in seed
    folder: str  # within the run directory; "" is the run directory itself
    config: Config


STRATEGIES: tuple[tuple[str, Literal["mixed", "same_speaker"], Literal["all", "exclude_own", "own"]], ...] = (
    ("mixed speaker", "mixed", "all"),
    ("same speaker", "same_speaker", "all"),
    ("mixed speaker (excl.)", "mixed", "exclude_own"),
    ("same speaker (excl.)", "same_speaker", "exclude_own"),
    ("current sequence only", "mixed", "own"),
)
STEPS = (2, 4, 8, 12, 16)


def arms(config: Config) -> list[Arm]:
    """Every run that `config` asks for: the rows of its ablation, each with all seeds."""
    rows = [("", config)]
    if config.ablation == "strategies":
        rows = [(name, _changed(config, batch=b, candidates=c)) for name, b, c in STRATEGIES]
    elif config.ablation == "steps":
        rows = [(f"{k} steps", _changed(config, steps=k)) for k in STEPS]
    found = []
    for name, changed in rows:
        for seed in range(config.run.seed, config.run.seed + config.seeds):
            parts = [_slug(name)] * bool(name) + [f"s{seed}"] * (config.seeds > 1)
            run = changed.run.model_copy(update={"seed": seed})
            found.append(Arm(name, "-".join(parts), changed.model_copy(update={"run": run})))
    return found


def may_change(key: str) -> bool:
    """Whether a resumed run may have another value: how long, how it is recorded, but nothing that decides weights."""
    section, _, name = key.partition(".")
    if section in ("probe", "evaluation") or key in ("seeds", "smoke", "corpus.corpora"):
        return key != "evaluation.shift"  # supervised training is on shifted labels
    return (section == "run" and name != "seed") or key in ("train.updates", "train.supervised_updates")


def _changed(config: Config, **values: object) -> Config:
    """A copy with other values in the sections `batches` and `cpc`."""
    batches = {name: value for name, value in values.items() if name in BatchConfig.model_fields}
    cpc = {name: value for name, value in values.items() if name in CPCConfig.model_fields}
    sections = {"batches": config.batches.model_copy(update=batches), "cpc": config.cpc.model_copy(update=cpc)}
    return config.model_copy(update=sections)


def _slug(name: str) -> str:
    return "_".join("".join(c if c.isalnum() else " " for c in name).split())
