"""What CPC and its kin share: predictions of latents to come, told apart from negatives."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from cpc_rl.aux.base import AuxConfig, AuxLoss, AuxSizes
from cpc_rl.infonce import PerOffset
from cpc_rl.negatives import Negatives
from cpc_rl.networks import ActorCritic

Anchors = Annotated[int, Field(ge=1, le=10_000)] | Literal["all"]


class PredictiveConfig(AuxConfig):
    """Settings of losses that predict latents 1 to K steps ahead."""

    steps: int = Field(default=30, ge=1, le=1000, description="Predict 1..K steps ahead (K); less than the unroll.")
    weight: float = Field(default=0.05, ge=0, le=1000, description="Weight of the loss beside the A2C terms, a row.")
    anchors: Anchors = Field(
        default=10,
        description="Time steps of the unroll drawn anew at each update to predict from (an unbiased estimate of the "
        "loss over all of them, at a fraction of the cost), or `all`.",
    )
    negatives: Negatives = Negatives(count=256)


class Predictive(AuxLoss):
    """Settings, and a generator of their own on the CPU.

    So draws are the same on every device, and are saved with the module's state.
    """

    Config = PredictiveConfig
    config: PredictiveConfig
    curve = "accuracy"

    def __init__(self, config: PredictiveConfig, sizes: AuxSizes, network: ActorCritic, seed: int) -> None:
        """Raises ValueError if K is not smaller than the unroll."""
        super().__init__(config, sizes, network, seed)
        if config.steps >= sizes.unroll:
            raise ValueError(f"steps {config.steps}: must be smaller than a2c.unroll, {sizes.unroll}")
        self.generator = torch.Generator().manual_seed(seed)

    def anchor_steps(self, rows: int) -> Tensor | None:
        """Those of this update, [S] on the CPU and sorted; None: all `rows`."""
        if self.config.anchors == "all" or self.config.anchors >= rows:
            return None
        # The last row has nothing to predict, but leaving it out of the draw would bias the estimate.
        return torch.randperm(rows, generator=self.generator)[: self.config.anchors].sort().values

    def get_extra_state(self) -> Tensor:
        """The generator's state: saved with the weights, so that a resumed run draws what it would have drawn."""
        return self.generator.get_state()

    def set_extra_state(self, state: Tensor) -> None:
        """Counterpart of `get_extra_state`."""
        self.generator.set_state(state.cpu())


def by_step(found: PerOffset, steps: range, total: int) -> dict[str, Tensor]:
    """`accuracy_<k>` and `bound_<k>` of k = 1..`total`; zero where k is not among `steps`."""
    metrics: dict[str, Tensor] = {}
    for name, values in (("accuracy", found.accuracy), ("bound", found.bound)):
        zeros = values.new_zeros(total)
        each = zeros.index_add(0, torch.tensor([k - 1 for k in steps], device=values.device), values)
        metrics |= {f"{name}_{k}": each[k - 1] for k in range(1, total + 1)}
    return metrics
