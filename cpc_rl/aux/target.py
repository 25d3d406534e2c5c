"""A target encoder: an exponential moving average of the agent's, trained by nothing but that."""

from __future__ import annotations

from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from cpc_rl.networks import ActorCritic


def target_encoder(network: ActorCritic, momentum: float) -> AveragedModel:
    """A copy of the network's encoder, without gradient; a loss that keeps it saves it with its own state.

    Move it in `after_step`, by `update_parameters(network.encoder)`: to the encoder itself the first time, then to
    momentum x old + (1 - momentum) x encoder.
    """
    average = get_ema_multi_avg_fn(momentum)  # type: ignore[no-untyped-call]
    return AveragedModel(network.encoder, multi_avg_fn=average).requires_grad_(False)
