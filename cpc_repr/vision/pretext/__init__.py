"""Methods that learn from pictures without labels, a file each, by the name of their section of settings."""

from cpc_repr.vision.pretext.base import PictureObjective
from cpc_repr.vision.pretext.cpc import VisionCPC

METHODS: dict[str, type[VisionCPC]] = {"cpc": VisionCPC}

__all__ = ["METHODS", "PictureObjective"]
