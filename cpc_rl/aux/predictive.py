"""What losses share that predict 1 to K steps ahead, whatever they make of the predictions."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from cpc_rl.aux.base import AuxConfig, AuxSizes, SamplingLoss
from cpc_rl.networks import ActorCritic

Anchors = Annotated[int, Field(ge=1, le=10_000)] | Literal["all"]


class PredictiveConfig(AuxConfig):
    """Settings of losses that predict 1 to K steps ahead."""

    steps: int = Field(default=30, ge=1, le=1000, description="Predict 1..K steps ahead (K); less than the unroll.")
    anchors: Anchors = Field(
        default=10,
        description="Time steps of the unroll drawn anew at each update to predict from (an unbiased estimate of the "
        "loss over all of them, at a fraction of the cost), or `all`.",
    )


class Predictive(SamplingLoss):
    """Predicts from some time steps of the unroll, which it draws anew at each update."""

    Config = PredictiveConfig
    config: PredictiveConfig

    def __init__(self, config: PredictiveConfig, sizes: AuxSizes, network: ActorCritic, seed: int) -> None:
        """Raises ValueError if K is not smaller than the unroll."""
        super().__init__(config, sizes, network, seed)
        if config.steps >= sizes.unroll:
            raise ValueError(f"steps {config.steps}: must be smaller than a2c.unroll, {sizes.unroll}")

    def anchor_steps(self, rows: int) -> Tensor | None:
        """Those of this update, [S] on the CPU and sorted; None: all `rows`."""
        # The last row has nothing to predict, but leaving it out of the draw would bias the estimate.
        return drawn_steps(self.config.anchors, rows, self.generator)


def drawn_steps(anchors: Anchors, rows: int, generator: torch.Generator) -> Tensor | None:
    """Draw `anchors` of `rows` time steps: [S] on the CPU and sorted; None: all of them."""
    if anchors == "all" or anchors >= rows:
        return None
    return torch.randperm(rows, generator=generator)[:anchors].sort().values
