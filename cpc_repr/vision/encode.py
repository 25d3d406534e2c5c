"""A trained encoder as a library: `load(run).encode(images)` gives z of each place of each picture.

from cpc_repr.vision import load

sight = load("runs/NAME")
z = sight.encode(images)                       # uint8 [B, 3, h, w], or a list of [3, h, w] -> [B, H, W, D]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from configs import UsageError
from cpc_repr.trained import load_weights, open_trained
from cpc_repr.vision.data.grid import ViewConfig, crops
from cpc_repr.vision.encoders.base import Encoder
from cpc_repr.vision.encoders.config import EncoderConfig
from cpc_repr.vision.encoders.patches import PatchEncoder
from cpc_repr.vision.pretext import METHODS
from cpc_repr.vision.pretext.base import PictureRepresentation, patch_representation
from cpc_repr.vision.supervised import supervised_encoder
from cpc_rl.runs import RunDirectory

SECTIONS = {"model", "cpc", "view"}  # of settings, by which runs are known
SUPERVISED = "supervised"  # the folder within a run of the network that was trained on labels
Look = Callable[[PatchEncoder, ViewConfig], PictureRepresentation]


class VisionEncoder:
    """g_enc, frozen, with the view of pictures it was trained on."""

    def __init__(
        self,
        model: PatchEncoder,
        view: ViewConfig,
        device: torch.device | str = "cpu",
        look: Look = patch_representation,
    ) -> None:
        """Take `model` as it is, in evaluation mode, onto `device`; `look` is its method's."""
        self.model, self.view, self.device = model.to(device).eval().requires_grad_(False), view, torch.device(device)
        self.cells = look(self.model, view).cells

    @torch.no_grad()
    def encode(self, images: Tensor | Sequence[Tensor], chunk: int = 64) -> Tensor:
        """Encode pictures: resized, cropped to their middle, in their method's places; nothing is drawn.

        Args:
            images: uint8 [B, 3, h, w], or B of [3, h, w] in any sizes.
            chunk: Pictures encoded together: bounds the memory.

        Returns:
            z, float32 [B, H, W, D] on the CPU, H x W as the patches of the grid or the encoder's maps. Its mean over H
            and W is what the linear probe sees.

        Raises:
            ValueError: Not colour pictures of bytes.
        """
        if isinstance(images, str) or not isinstance(images, Iterable):
            raise ValueError(f"encode takes uint8 [B, 3, h, w] or a list of [3, h, w], not a {type(images).__name__}")
        pictures = [checked(image) for image in images]
        shown = pictures or [torch.zeros(3, self.view.crop, self.view.crop, dtype=torch.uint8)]  # for the shape of none
        chunks = (crops(shown[i : i + chunk], self.view).to(self.device) for i in range(0, len(shown), chunk))
        return torch.cat([self.cells(images, None).float().cpu() for images in chunks])[: len(pictures)]


def load(path: Path | str, device: torch.device | str = "cpu") -> VisionEncoder:
    """The encoder of a run directory (its newest checkpoint; the mean of the weights if the run has one).

    Raises:
        UsageError: There is no such run, it is not one of `python -m cpc_repr.vision`, or its method is not known.
        RunFailure: It has no whole checkpoint.
    """
    run, settings = open_trained(path, "vision", SECTIONS)
    method = settings.get("method", "cpc")  # once there was but one
    if method not in METHODS:
        raise UsageError(f"{path} is of --method {method}, which is not here: there are {', '.join(METHODS)}")
    model = PatchEncoder(EncoderConfig.model_validate(settings["model"]))
    load_weights(run, model)
    return VisionEncoder(model, ViewConfig.model_validate(settings["view"]), device, METHODS[method].look)


def load_supervised(path: Path | str) -> Encoder | None:
    """The encoder of a run directory that was trained end to end on labels; None where the run has none.

    Raises:
        UsageError: There is no such run, or it is not one of `python -m cpc_repr.vision`.
        RunFailure: It has no whole checkpoint.
    """
    run, settings = open_trained(path, "vision", SECTIONS)
    folder = run.path / SUPERVISED
    if not (folder / "config.yaml").is_file():
        return None
    encoder = supervised_encoder(EncoderConfig.model_validate(settings["model"]))
    load_weights(RunDirectory.open(folder), encoder, "encoder.")
    return encoder


def checked(image: Tensor) -> Tensor:
    """The picture. Raises ValueError unless it is uint8 [3, h, w]."""
    if not isinstance(image, Tensor):
        raise ValueError(f"a picture is a tensor, uint8 [3, h, w]; this is a {type(image).__name__}")
    if image.dtype != torch.uint8 or image.ndim != 3 or image.shape[0] != 3 or not image.numel():
        raise ValueError(f"a picture is uint8 [3, h, w]; this is {image.dtype} {[*image.shape]}")
    return image
