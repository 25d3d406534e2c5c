"""Which network turns pictures and patches into features, and its size."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from configs import Frozen

Norm = Literal["none", "layer", "batch"]
Size = Annotated[int, Field(ge=1, le=65_536)]


class EncoderConfig(Frozen):
    """The encoder (z). Defaults: ResNet-v2-101 up to its third stack, 27.5 M parameters."""

    encoder: str = Field(
        default="resnet",
        description="Network: `resnet`, the pre-activation ResNet of --stem, --pool, --blocks, --bottlenecks and "
        "--maps, which no other has; or `resnet18`, `resnet18_no_skip`, `resnet50_v1`, `resnet50_v2`, "
        "`resnet50_v2_no_relu` (no ReLU at its end), `revnet50`, `revnet50_no_relu`, `vgg19_bn`.",
    )
    widen: Literal[4, 8, 12, 16] = Field(
        default=4,
        description="Widening factor of --encoder other than `resnet` (Kolesnikov et al. 2019): 16 times as many "
        "channels in the first convolution, 8 times in VGG; 4 is ResNet as published, 8 is VGG.",
    )
    inputs: Literal["pictures", "patches", "small"] = Field(
        default="pictures",
        description="Inputs that an --encoder other than `resnet` is made for: `pictures` of about 224 pixels, as "
        "published; "
        "`patches` of about 64, with stride 1 at the beginning and in the last block; `small` pictures on a "
        "processor: a quarter of the channels, fewer layers.",
    )
    stem: tuple[Size, Size, Size] = Field(
        default=(64, 7, 2), description="First convolution: channels, kernel, stride (all at least 1)."
    )
    pool: bool = Field(default=True, description="3 x 3 max-pooling, stride 2, behind the first convolution.")
    blocks: tuple[Size, ...] = Field(default=(3, 4, 23), description="Residual blocks of each stack.")
    bottlenecks: tuple[Size, ...] = Field(
        default=(64, 128, 256), description="Channels inside the blocks of each stack."
    )
    maps: tuple[Size, ...] = Field(
        default=(256, 512, 1024), description="Channels each stack puts out; z has the last."
    )
    norm: Norm = Field(
        default="none",
        description="Normalisation before each ReLU: `none`, `layer` (over all channels and pixels of a patch), or "
        "`batch`, by which patches of a picture can find each other: better at the task, worse at what it is for.",
    )

    @model_validator(mode="after")
    def _fits(self) -> EncoderConfig:
        if not self.blocks or not len(self.blocks) == len(self.bottlenecks) == len(self.maps):
            raise ValueError("--blocks, --bottlenecks and --maps must have one number for each stack")
        if self.encoder == "resnet" and self.widen != 4:
            raise ValueError(f"--widen {self.widen}: --encoder resnet is as wide as --stem, --bottlenecks, --maps say")
        return self
