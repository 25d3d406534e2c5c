"""All settings of `python -m cpc_repr.vision`, and the arms of its ablations."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

import tyro
from pydantic import Field, create_model, model_validator

from configs import Frozen, MayChange, as_usage_error
from cpc_repr.config import CommandConfig, TrainConfig
from cpc_repr.probes import ProbeConfig
from cpc_repr.training import OPTIMISER
from cpc_repr.vision.ablations import ABLATIONS
from cpc_repr.vision.data.augment import AugmentConfig
from cpc_repr.vision.data.grid import ViewConfig
from cpc_repr.vision.data.synthetic import SyntheticPicturesConfig
from cpc_repr.vision.encoders import ENCODERS
from cpc_repr.vision.encoders.config import EncoderConfig
from cpc_repr.vision.pretext import METHODS
from cpc_repr.vision.pretext.cpc import VisionCPCConfig
from cpc_repr.vision.transfer.epochs import EpochKind, Kind
from cpc_repr.vision.transfer.few_labels import FewLabelsConfig, few_view
from cpc_repr.vision.transfer.linear import LinearConfig
from cpc_rl.optim import OptimiserConfig
from cpc_rl.runs.config import Folder

AUGMENTED = ("augmentation", "cumulative")  # ablations with augmentation of their own


class PicturesConfig(Frozen):
    """The pictures: a data set on the disk, or, by default, one that is drawn on the spot."""

    data: MayChange[Folder] = Field(
        default=None, description="Folder of the data set. By default the pictures of --pictures."
    )
    format: Literal["folder", "stl10", "cifar10"] = Field(
        default="folder",
        description="Format of --data: `folder` (train/CLASS/*.jpg, test/CLASS/*.jpg), `stl10`, `cifar10`.",
    )
    cache: MayChange[Folder] = Field(
        default=None, description="Folder of drawn pictures, each set made once; by default in the user's cache."
    )


class VisionTrainConfig(TrainConfig):
    """How long networks are trained, and what they are held against."""

    batch_size: int = Field(
        default=16, ge=1, le=65_536, description="Pictures of a batch, which share their negatives."
    )
    supervised_updates: MayChange[int] = Field(
        default=500_000,
        ge=0,
        le=10**9,
        description="Updates of the same encoder trained end to end on labels, the upper bound; 0 leaves it out.",
    )
    supervised_learning_rate: float = Field(
        default=1e-3, gt=0, le=1, description="Learning rate of the encoder trained end to end on labels."
    )


class VisionEvaluationConfig(Frozen):
    """What else is looked at once CPC is trained."""

    batches: int = Field(
        default=50, ge=1, le=10**6, description="Test batches for the contrastive accuracy of each offset."
    )
    blocks: bool = Field(
        default=False,
        description="Whether linear probes are fitted on each block of the encoder too, max-pooled over places to at "
        "most 9,000 numbers.",
    )
    block_probes: tuple[Kind, ...] = Field(
        default=("linear",),
        description="Probes of each block: `linear`, `lbfgs`, `mlp`, `linear_epochs`, `mlp_epochs`.",
    )
    probes: tuple[EpochKind, ...] = Field(
        default=(),
        description="Probes of the mean over places beside the four of every run, with their accuracy against passes: "
        "`linear_epochs`, `mlp_epochs` (Kolesnikov et al. 2019).",
    )
    units: int = Field(default=16, ge=1, le=256, description="Units in the picture of what excites them (Figure 5).")


class VisionConfig(CommandConfig):
    """Train CPC on pictures, probe it for their classes, and print the papers' tables beside ours."""

    places: ClassVar = ("data.data",)

    data: Annotated[PicturesConfig, tyro.conf.OmitArgPrefixes] = PicturesConfig()
    train: Annotated[VisionTrainConfig, tyro.conf.OmitArgPrefixes] = VisionTrainConfig()
    view: Annotated[ViewConfig, tyro.conf.OmitArgPrefixes] = ViewConfig()
    method: str = Field(default="cpc", description=f"Method that is trained. There are {', '.join(METHODS)}.")
    cpc: Annotated[VisionCPCConfig, tyro.conf.arg(name="")] = VisionCPCConfig()
    optimiser: OptimiserConfig = OPTIMISER
    model: Annotated[EncoderConfig, tyro.conf.OmitArgPrefixes] = EncoderConfig()
    ablation: Literal["none", "directions", "augmentation", "skip", "norm", "patches", "depth", "cumulative"] = Field(
        default="none",
        description="Runs that differ in one thing: CPC's `directions` (1, 2, 4), `patches` (smaller) or `depth` of "
        "the encoder (half); any method's `augmentation`, `norm` or `skip` connections. `cumulative`: from CPC v1 to "
        "v2 in seven steps.",
    )
    augment: AugmentConfig = AugmentConfig()
    pictures: SyntheticPicturesConfig = SyntheticPicturesConfig()
    probe: MayChange[ProbeConfig] = ProbeConfig()
    protocol: MayChange[LinearConfig] = LinearConfig()
    efficient: MayChange[FewLabelsConfig] = FewLabelsConfig()
    evaluation: MayChange[VisionEvaluationConfig] = VisionEvaluationConfig()

    @model_validator(mode="after")
    def _refuse(self) -> Self:
        if self.method not in METHODS:
            raise ValueError(f"--method {self.method}: there are {', '.join(METHODS)}")
        if self.model.encoder not in ENCODERS:
            raise ValueError(f"--encoder {self.model.encoder}: there are {', '.join(ENCODERS)}")
        ablations = ("none", *METHODS[self.method].ablations)
        if self.ablation not in ablations:
            raise ValueError(f"--ablation {self.ablation}: --method {self.method} allows {', '.join(ablations)}")
        whole = few_view(self.view, self.efficient)
        if whole.crop > whole.resize:
            raise ValueError(f"--efficient.crop {whole.crop} is more than the {whole.resize} of --efficient.resize")
        if self.efficient.augment and self.augment == AugmentConfig() and self.ablation not in AUGMENTED:
            raise ValueError("--efficient.augment: there is nothing to augment by, all of --augment.* is off")
        if self.protocol.grid_augment and self.augment == AugmentConfig() and self.ablation not in AUGMENTED:
            raise ValueError("--protocol.grid-augment: there is nothing to augment by, all of --augment.* is off")
        return self

    @property
    def objective(self) -> str:
        """Name of the method that is trained."""
        return self.method

    def result_settings(self) -> dict[str, Any]:
        """What results depend on."""
        plain = super().result_settings()
        del plain["efficient"]["fractions"]  # each has a result of its own
        for name in ("blocks", "block_probes", "probes"):  # so have these
            del plain["evaluation"][name]
        return plain

    def rows(self) -> dict[str, VisionConfig]:
        """The rows of the ablation that is asked for. Raises UsageError if this configuration cannot have them."""
        if self.ablation == "none":
            return {"": self}
        with as_usage_error():
            return ABLATIONS[self.ablation](self)


def full_config() -> type[VisionConfig]:
    """`VisionConfig` with a section for each method that is registered now and has settings."""
    fields: dict[str, Any] = {}
    for name, method in METHODS.items():
        if method.Config is not None and name not in VisionConfig.model_fields:
            fields[name] = (method.Config, method.Config())
    return create_model(VisionConfig.__name__, __base__=VisionConfig, __doc__=VisionConfig.__doc__, **fields)
