"""Faster R-CNN (Ren et al. 2015) on the maps of an encoder, frozen or fine-tuned. The detector is torchvision's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from configs import Frozen
from cpc_repr.objective import Losses
from cpc_repr.packages import optional_module
from cpc_repr.vision.data.boxed import BoxedPicture
from cpc_repr.vision.data.voc import Boxes
from cpc_repr.vision.encoders.base import Encoder, FirstBlocks
from cpc_repr.vision.transfer.average_precision import Found, class_precision, mean_average_precision

CELLS = 7  # rows and columns that a region's maps are brought to, as published
METRICS = {  # what is logged -> what torchvision calls it
    "loss/class": "loss_classifier",
    "loss/box": "loss_box_reg",
    "loss/objectness": "loss_objectness",
    "loss/proposal": "loss_rpn_box_reg",
}


class DetectorConfig(Frozen):
    """The detector."""

    side: int = Field(default=96, ge=32, le=4096, description="Length the shorter side of pictures is brought to.")
    block: int = Field(
        default=0, ge=0, le=64, description="Block of the encoder whose maps are read, from 1 on; 0: the last."
    )
    anchors: tuple[Annotated[float, Field(gt=0, le=1000)], ...] = Field(
        default=(2, 4, 8), min_length=1, description="Sizes of the anchors, in strides of the maps."
    )
    aspects: tuple[Annotated[float, Field(gt=0, le=100)], ...] = Field(
        default=(0.5, 1, 2), min_length=1, description="Heights of the anchors by their widths."
    )
    proposals: int = Field(
        default=100, ge=1, le=100_000, description="Proposals of a picture that are looked at, after suppression."
    )
    regions: int = Field(
        default=64, ge=1, le=100_000, description="Regions of a picture that the classifier is trained on in an update."
    )
    hidden: int = Field(default=256, ge=1, le=65_536, description="Units of the two layers behind a region's maps.")
    detections: int = Field(default=50, ge=1, le=10_000, description="Detections of a picture, at most.")


class Backbone(FirstBlocks):
    """The first blocks of an encoder, as torchvision asks for them."""

    @property
    def out_channels(self) -> int:
        """Channels of its maps."""
        return self.size


class Detector(nn.Module):
    """Faster R-CNN. Pictures are uint8 [3, H, W] of any sizes, boxes and classes those of `voc.Boxes`."""

    def __init__(self, encoder: Encoder, classes: int, config: DetectorConfig, frozen: bool) -> None:
        """Build it around `encoder`, which is taken as it is; all other weights are drawn.

        Args:
            encoder: With weights.
            classes: How many.
            config: See there.
            frozen: Whether the encoder's weights and batch statistics stay as they are.

        Raises:
            ValueError: The encoder has fewer blocks, or torchvision is missing.
        """
        super().__init__()
        if config.block > len(encoder.sizes):
            raise ValueError(f"--detector.block {config.block}: the encoder has {len(encoder.sizes)}")
        vision = optional_module("torchvision.models.detection", "vision")
        faster_rcnn, rpn = vision.faster_rcnn, vision.rpn
        backbone = Backbone(encoder, config.block or len(encoder.sizes))
        stride = stride_of(backbone, config.side)
        sizes = tuple(round(stride * times) for times in config.anchors)
        self.frozen = frozen
        self.net: Any = vision.FasterRCNN(
            backbone,
            min_size=config.side,
            max_size=2**30,  # pictures come in their size and keep it
            image_mean=[0.5] * 3,  # what `grid.normalised` does
            image_std=[0.25] * 3,
            rpn_anchor_generator=rpn.AnchorGenerator((sizes,), (tuple(config.aspects),)),
            rpn_pre_nms_top_n_train=10 * config.proposals,
            rpn_pre_nms_top_n_test=10 * config.proposals,
            rpn_post_nms_top_n_train=config.proposals,
            rpn_post_nms_top_n_test=config.proposals,
            box_roi_pool=optional_module("torchvision.ops", "vision").MultiScaleRoIAlign(["0"], CELLS, 2),
            box_head=faster_rcnn.TwoMLPHead(backbone.size * CELLS**2, config.hidden),
            box_predictor=faster_rcnn.FastRCNNPredictor(config.hidden, classes + 1),  # 0 is the background
            box_detections_per_img=config.detections,
            box_batch_size_per_image=config.regions,
        )
        self.net.backbone.requires_grad_(not frozen)

    def train(self, mode: bool = True) -> Detector:
        """As `nn.Module`, but a frozen encoder is always in evaluation: batch statistics stay too."""
        super().train(mode)
        if self.frozen:
            self.net.backbone.eval()
        return self

    def loss(self, samples: Sequence[BoxedPicture]) -> Losses:
        """The sum of the detector's four losses, and each of them. Regions are drawn by the global generator."""
        device = next(self.parameters()).device
        images = [_scaled(sample.image.to(device)) for sample in samples]
        boxes = [sample.boxes for sample in samples]
        targets = [{"boxes": b.corners.to(device), "labels": b.labels.to(device) + 1} for b in boxes]
        found: dict[str, Tensor] = self.net(images, targets)
        losses = {name: found[theirs] for name, theirs in METRICS.items()}
        return torch.stack([*losses.values()]).sum(), {name: loss.detach() for name, loss in losses.items()}

    @torch.no_grad()
    def detect(self, images: Sequence[Tensor]) -> list[Found]:
        """What is found in each picture, by falling score, on the CPU. Leaves the detector in evaluation."""
        device = next(self.parameters()).device
        found: list[dict[str, Tensor]] = self.eval().net([_scaled(image.to(device)) for image in images])
        return [Found(one["boxes"].cpu(), one["labels"].cpu() - 1, one["scores"].cpu()) for one in found]


@torch.no_grad()
def stride_of(backbone: Encoder, side: int) -> int:
    """Pixels from one place of the maps to the next, for pictures of this side; leaves `backbone` in evaluation."""
    device = next(backbone.parameters()).device
    return max(1, round(side / backbone.eval()(torch.zeros(1, 3, side, side, device=device)).shape[-1]))


def precisions(found: Sequence[Found], truth: Sequence[Boxes], classes: Sequence[str]) -> dict[str, Any]:
    """Mean average precision by both rules, and that of each class by area; None for one without an object."""
    return {
        "voc07": mean_average_precision(found, truth, len(classes), "voc07"),
        "area": mean_average_precision(found, truth, len(classes), "area"),
        "classes": {name: class_precision(found, truth, label, "area") for label, name in enumerate(classes)},
    }


def _scaled(image: Tensor) -> Tensor:
    """As torchvision takes pictures, float [3, H, W] from 0 to 1."""
    return image.float() / 255
