"""What `encode` takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from cpc_repr.vision.data.grid import ViewConfig
from cpc_repr.vision.encode import VisionEncoder
from cpc_repr.vision.encoders.config import EncoderConfig
from cpc_repr.vision.encoders.patches import PatchEncoder


@pytest.mark.parametrize(
    "images, words",
    [
        ("x.png", "not a str"),
        (None, "not a NoneType"),
        ([None], "this is a NoneType"),
        ([np.zeros((3, 8, 8), np.uint8)], "a tensor, .* this is a ndarray"),
        (torch.zeros(3, 8, 8, dtype=torch.uint8), r"uint8 \[8, 8\]"),
        (torch.zeros(1, 3, 8, 8), "float32"),
    ],
)
def test_what_is_no_picture_is_refused(images: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ENCODER.encode(images)


ENCODER = VisionEncoder(PatchEncoder(EncoderConfig(inputs="small", encoder="resnet18", widen=8)), ViewConfig())
