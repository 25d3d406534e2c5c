"""Contrastive predictive coding on raw speech: `python -m cpc_repr.audio` (docs/audio.md).

As a library, `load(run).encode(waveform)` gives z and c of a trained network.
"""

from cpc_repr.audio.encode import SpeechEncoder, Stream, load
from cpc_repr.sequences import Encoding

__all__ = ["Encoding", "SpeechEncoder", "Stream", "load"]
