"""What CPC and its kin share: predictions of latents to come, told apart from negatives."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from cpc_rl.aux.base import AuxSizes
from cpc_rl.aux.predictive import Predictive, PredictiveConfig
from cpc_rl.infonce import PerOffset
from cpc_rl.negatives import Negatives
from cpc_rl.networks import ActorCritic


class ContrastiveConfig(PredictiveConfig):
    """Settings of losses that tell latents 1 to K steps ahead from negatives."""

    weight: float = Field(
        default=0.05, ge=0, le=1000, description="Weight of the loss beside the A2C terms, for each row."
    )
    negatives: Negatives = Negatives(count=256)


class Contrastive(Predictive):
    """Predictions by contrast; its metrics are those of `by_step`."""

    Config = ContrastiveConfig
    config: ContrastiveConfig
    curve = "accuracy"

    def __init__(self, config: ContrastiveConfig, sizes: AuxSizes, network: ActorCritic, seed: int) -> None:
        """Raises ValueError if K is not smaller than the unroll, or nothing can be a negative."""
        super().__init__(config, sizes, network, seed)
        if sizes.num_envs == 1 and (setting := config.negatives.needs_two_sequences):
            raise ValueError(f"negatives.{setting}: with one environment nothing is a negative; --num-envs 2 or more")


def by_step(per_offset: PerOffset, steps: range, total: int) -> dict[str, Tensor]:
    """`accuracy_<k>` and `bound_<k>` of k = 1..`total`; zero where k is not among `steps`."""
    metrics: dict[str, Tensor] = {}
    for name, values in (("accuracy", per_offset.accuracy), ("bound", per_offset.bound)):
        zeros = values.new_zeros(total)
        each = zeros.index_add(0, torch.tensor([k - 1 for k in steps], device=values.device), values)
        metrics |= {f"{name}_{k}": each[k - 1] for k in range(1, total + 1)}
    return metrics
