"""Methods that learn from pictures without labels, a file each, by the name of their section of settings."""

from typing import Any

from cpc_repr.vision.pretext.base import (
    PictureObjective,
    PictureRepresentation,
    map_representation,
    patch_representation,
)
from cpc_repr.vision.pretext.cpc import VisionCPC
from cpc_repr.vision.pretext.exemplar import Exemplar
from cpc_repr.vision.pretext.gim import VisionGreedyInfoMax
from cpc_repr.vision.pretext.jigsaw import Jigsaw
from cpc_repr.vision.pretext.relative_location import RelativeLocation
from cpc_repr.vision.pretext.rotation import Rotation

METHODS: dict[str, type[PictureObjective[Any]]] = {
    "cpc": VisionCPC,
    "gim": VisionGreedyInfoMax,
    "rotation": Rotation,
    "relative_location": RelativeLocation,
    "jigsaw": Jigsaw,
    "exemplar": Exemplar,
}

__all__ = ["METHODS", "PictureObjective", "PictureRepresentation", "map_representation", "patch_representation"]
