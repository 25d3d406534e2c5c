"""Contrastive predictive coding on sentences: `python -m cpc_repr.text` (docs/text.md).

As a library, `load(run).encode(sentences)` gives z and c of a trained network.
"""

from cpc_repr.sequences import Encoding
from cpc_repr.text.encode import TextEncoder, load

__all__ = ["Encoding", "TextEncoder", "load"]
