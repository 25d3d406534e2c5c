"""All settings of `python -m cpc_repr.audio`, and the rows of its ablations."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import tyro
from pydantic import Field

from configs import Frozen, MayChange
from cpc_repr.audio.data import SpeechBatchConfig
from cpc_repr.audio.model import SpeechModelConfig
from cpc_repr.audio.synthetic import SyntheticSpeechConfig
from cpc_repr.config import CommandConfig, TrainConfig
from cpc_repr.probes import ProbeConfig
from cpc_repr.sequences import SequenceCPCConfig
from cpc_repr.training import OPTIMISER
from cpc_rl.optim import OptimiserConfig
from cpc_rl.runs.config import Folder

File = Annotated[Path | None, tyro.conf.arg(metavar="FILE")]


class SpeechCorpusConfig(Frozen):
    """The speech: a corpus on the disk, or, by default, one that espeak-ng makes on the spot."""

    data: MayChange[Folder] = Field(
        default=None,
        description="Speech laid out as LibriSpeech: <speaker>/<chapter>/<id>.flac (or .wav, .ogg), 16 kHz, mono. By "
        "default the synthetic corpus of --speech.",
    )
    labels: MayChange[File] = Field(
        default=None,
        description="Phone classes of --data; by default converted_aligned_phones.txt in it. Where there is none, "
        "speakers alone are told apart.",
    )
    convert: bool = Field(
        default=False, description="Mix files of --data down to one channel and resample them to 16 kHz."
    )
    train_list: MayChange[File] = Field(
        default=None, description="Training utterances; by default train_split.txt in --data."
    )
    test_list: MayChange[File] = Field(
        default=None, description="Test utterances; by default test_split.txt in --data."
    )
    corpora: MayChange[Folder] = Field(
        default=None, description="Folder of synthetic corpora, each made once; by default in the user's cache."
    )


class AudioTrainConfig(TrainConfig):
    """How long networks are trained, and what they are held against."""

    supervised_updates: MayChange[int] = Field(
        default=100_000,
        ge=0,
        le=10**9,
        description="Updates of each network trained end to end on labels, the upper bound; 0 leaves them out.",
    )
    supervised_learning_rate: float = Field(
        default=2e-4, gt=0, le=1, description="Learning rate of the networks trained end to end on labels."
    )


class AudioEvaluationConfig(Frozen):
    """What the representation is held to once it is trained."""

    shift: int = Field(
        default=1,
        ge=-10,
        le=10,
        description="Frame t is probed with label t - shift: 1 is the nearest (see docs/audio.md); other code has 0.",
    )
    batches: MayChange[int] = Field(
        default=50, ge=1, le=10**6, description="Test batches for the contrastive accuracy of each step."
    )
    picture_speakers: MayChange[int] = Field(default=10, ge=1, le=100, description="Speakers in the t-SNE picture.")
    picture_frames: MayChange[int] = Field(
        default=60, ge=1, le=10_000, description="Frames of each speaker in the t-SNE picture."
    )


class AudioConfig(CommandConfig):
    """Train CPC on raw speech, probe it for phones and speakers, and print the paper's table beside ours."""

    places: ClassVar = ("corpus.data", "corpus.labels", "corpus.train_list", "corpus.test_list")

    corpus: Annotated[SpeechCorpusConfig, tyro.conf.OmitArgPrefixes] = SpeechCorpusConfig()
    train: Annotated[AudioTrainConfig, tyro.conf.OmitArgPrefixes] = AudioTrainConfig()
    batches: Annotated[SpeechBatchConfig, tyro.conf.OmitArgPrefixes] = SpeechBatchConfig()
    cpc: Annotated[SequenceCPCConfig, tyro.conf.arg(name="")] = SequenceCPCConfig()
    optimiser: OptimiserConfig = OPTIMISER
    model: Annotated[SpeechModelConfig, tyro.conf.OmitArgPrefixes] = SpeechModelConfig()
    greedy: bool = Field(
        default=False,
        description="Greedy InfoMax: six modules, each with a loss of its own and no gradient from another "
        "(set --negatives.count 10 as its paper has it); every module is probed.",
    )
    ablation: Literal["none", "strategies", "steps"] = Field(
        default="none",
        description="Run the rows of Table 2: where negatives come from, or how many steps are predicted.",
    )
    speech: SyntheticSpeechConfig = SyntheticSpeechConfig()
    probe: MayChange[ProbeConfig] = ProbeConfig()
    evaluation: AudioEvaluationConfig = AudioEvaluationConfig()

    @property
    def objective(self) -> str:
        """Name of the method."""
        return "greedy" if self.greedy else "cpc"

    @property
    def has_baselines(self) -> bool:
        """Whether random weights, MFCC and supervised networks are evaluated too."""
        return self.ablation == "none" and not self.greedy

    def rows(self) -> dict[str, AudioConfig]:
        """The rows of Table 2 that are asked for."""
        if self.ablation == "strategies":
            return {name: self._changed(negatives, batch=batch) for name, batch, negatives in STRATEGIES}
        if self.ablation == "steps":
            return {
                f"{k} steps": self.model_copy(update={"cpc": self.cpc.model_copy(update={"steps": k})}) for k in STEPS
            }
        return {"": self}

    def _changed(self, negatives: Mapping[str, str], batch: str) -> AudioConfig:
        """A copy with other negatives."""
        cpc = self.cpc.model_copy(update={"negatives": self.cpc.negatives.model_copy(update=negatives)})
        return self.model_copy(update={"cpc": cpc, "batches": self.batches.model_copy(update={"batch": batch})})


STRATEGIES = (
    ("mixed speaker", "mixed", {"pool": "batch", "exclude": "none"}),
    ("same speaker", "same_speaker", {"pool": "batch", "exclude": "none"}),
    ("mixed speaker (excl.)", "mixed", {"pool": "batch", "exclude": "own"}),
    ("same speaker (excl.)", "same_speaker", {"pool": "batch", "exclude": "own"}),
    ("current sequence only", "mixed", {"pool": "sequence", "exclude": "none"}),
)
STEPS = (2, 4, 8, 12, 16)
