"""InfoNCE, the one contrastive loss of this library (van den Oord et al. 2018, section 2.3).

`info_nce` scores anchors against pools of candidates and knows nothing else. `cpc_loss` builds its pairs from two
sequences, a context at step t against the latent at step t + k; `contrast_predictions` takes predictions of the latents
that were made elsewhere. All work in float32 (float64 stays float64) whatever autocast says, hold at most `max_block`
logits at a time, and form their gradient in the forward pass: peak memory does not grow with the number of anchors
times candidates, that of `cpc_loss` not with the number of offsets either, and a second derivative is not available.
"""

from cpc_rl.infonce.core import InfoNCE, PerAnchor, duplicate_rate, info_nce
from cpc_rl.infonce.pairs import Pool
from cpc_rl.infonce.sequences import CPC, PerOffset, contrast_predictions, cpc_loss, linear_heads

__all__ = [
    "CPC",
    "InfoNCE",
    "PerAnchor",
    "PerOffset",
    "Pool",
    "contrast_predictions",
    "cpc_loss",
    "duplicate_rate",
    "info_nce",
    "linear_heads",
]
