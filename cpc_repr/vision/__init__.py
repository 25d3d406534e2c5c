"""Contrastive predictive coding on pictures: `python -m cpc_repr.vision` (docs/vision.md).

As a library, `load(run).encode(images)` gives z of a trained network.
"""

from cpc_repr.vision.encode import VisionEncoder, load

__all__ = ["VisionEncoder", "load"]
