"""Unrolls for tests of auxiliary losses."""

from __future__ import annotations

import torch

from cpc_rl.aux import AUX_LOSSES, AuxConfig, AuxLoss, AuxSizes, Unroll, build_aux
from cpc_rl.networks import ActorCritic, NetworkConfig

T, B = 12, 3
SHAPE = (20, 20, 3)


def network(features: int = 6, hidden: int = 4, num_actions: int = 3, encoder: str = "shallow", seed: int = 0):
    torch.manual_seed(seed)
    return ActorCritic(NetworkConfig(features=features, hidden=hidden, encoder=encoder), SHAPE, num_actions)


def sizes(net: ActorCritic, unroll: int = T) -> AuxSizes:
    return AuxSizes(net.config.features, net.config.hidden, net.num_actions, unroll, SHAPE)


def build(name: str, config: AuxConfig | None = None, net: ActorCritic | None = None, unroll: int = T, seed: int = 0):
    """One loss, with weights drawn from seed 1."""
    net = net or network()
    torch.manual_seed(1)
    config = AUX_LOSSES[name].Config() if config is None else config
    loss = build_aux({name: config}, sizes(net, unroll), net, seed)[name]
    assert isinstance(loss, AuxLoss)
    return loss


def random_unroll(
    net: ActorCritic | None = None, batch: int = B, seed: int = 0, resets: float = 0.0, unroll: int = T, shape=SHAPE
) -> Unroll:
    """Random values everywhere: z and c are none that `net` would give."""
    net = net or network()
    g = torch.Generator().manual_seed(seed)
    rows = (unroll + 1, batch)
    is_first = torch.rand(rows, generator=g) < resets
    return Unroll(
        obs=torch.randint(256, (*rows, *shape), generator=g, dtype=torch.uint8),
        z=torch.randn(*rows, net.config.features, generator=g),
        c=torch.randn(*rows, net.config.hidden, generator=g),
        logits=torch.randn(*rows, net.num_actions, generator=g),
        value=torch.randn(rows, generator=g),
        actions=torch.randint(net.num_actions, (unroll, batch), generator=g),
        rewards=torch.randint(-1, 2, (unroll, batch), generator=g).float(),
        is_first=is_first,
        valid=torch.rand(rows, generator=g) > resets / 2,
        network=net,
    )
