"""An auxiliary loss of your own: CPC without a memory, where each picture's latent predicts those to come.

python examples/own_loss.py runs/temporal
"""

import sys

from pydantic import Field

from agents import train
from cpc_rl.aux import AUX_LOSSES, AuxConfig, AuxLoss
from cpc_rl.infonce import cpc_loss, linear_heads
from cpc_rl.runs import read_metrics


class TemporalConfig(AuxConfig):
    """Settings of CPC without a memory."""

    weight: float = Field(default=0.05, ge=0, le=10, description="Weight of the loss beside the A2C terms.")
    steps: int = Field(default=8, ge=1, le=1000, description="Steps ahead that are predicted, from 1 to this (K).")


class Temporal(AuxLoss):
    """z_t against z_{t+k} of the same episode; the latents of the whole batch are candidates."""

    Config = TemporalConfig
    needs = frozenset({"z", "is_first", "valid"})
    curve = "accuracy"

    def __init__(self, config, sizes, network, seed):
        super().__init__(config, sizes, network, seed)
        if config.steps >= sizes.unroll:
            raise ValueError(f"steps {config.steps}: must be smaller than a2c.unroll, {sizes.unroll}")
        self.heads = linear_heads(sizes.features, sizes.features, config.steps)

    def forward(self, unroll):
        """InfoNCE, and how often the true latent scores highest."""
        z, segment = unroll.z.transpose(0, 1), unroll.is_first.cumsum(0).T  # [B, T + 1, D], [B, T + 1]
        offsets = range(1, self.config.steps + 1)
        result = cpc_loss(z, z, self.heads, offsets, segment=segment, valid=unroll.valid.T, num_negatives=128)
        return result.loss, {"accuracy": result.per_offset.accuracy.mean()}


AUX_LOSSES["temporal"] = Temporal


def main(run, frames=200_000, **settings):
    """Train with it: its settings are a section, its metrics are in metrics.jsonl, its curve is drawn."""
    train(env="seekavoid_arena_01", aux="temporal", frames=frames, run=run, **settings)
    accuracy = [row["temporal/accuracy"] for row in read_metrics(run / "metrics.jsonl")]
    print(f"accuracy {accuracy[0]:.3f} at first, {accuracy[-1]:.3f} at last")


if __name__ == "__main__":
    from pathlib import Path

    main(Path(sys.argv[1])) if len(sys.argv) > 1 else sys.exit(__doc__)
