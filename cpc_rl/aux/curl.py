"""CURL (Laskin et al. 2020, section 4): two random shifts of a picture are told apart from those of other pictures."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from cpc_rl.aux.base import AuxConfig, AuxSizes, SamplingLoss, Unroll
from cpc_rl.aux.target import target_encoder
from cpc_rl.infonce import info_nce
from cpc_rl.networks import ActorCritic

Rows = Annotated[int, Field(ge=2, le=65_536)] | Literal["all"]


class CURLConfig(AuxConfig):
    """Contrastive Unsupervised Representations: two random shifts of a picture, told apart from other pictures."""

    weight: float = Field(
        default=0.05, ge=0, le=1000, description="Weight of the loss beside the A2C terms, for each row."
    )
    rows: Rows = Field(
        default=256,
        description="Pictures drawn anew at each update from the unroll, each encoded twice and a negative of the "
        "others; `all`: every one, which doubles the cost of an update.",
    )
    shift: int = Field(
        default=4,
        ge=0,
        le=64,
        description="Pixels by which a picture is shifted at most, up or down and left or right.",
    )
    momentum: float = Field(
        default=0.95,
        ge=0,
        le=1,
        description="Share of its weights that the key encoder keeps at each update; the rest comes from the encoder.",
    )


class CURL(SamplingLoss):
    """q^T W k of a query q, a shifted picture through the encoder, and keys k, shifts through its moving average.

    The positive is the key of the same picture; the keys of all other pictures drawn are negatives. Several ranks draw
    from all environments, each encodes the pictures of its own, and they share the keys: pictures stay where they are.
    """

    Config = CURLConfig
    config: CURLConfig
    needs = frozenset({"obs", "valid"})
    ranks = "own"
    curve = "accuracy"

    def __init__(self, config: CURLConfig, sizes: AuxSizes, network: ActorCritic, seed: int) -> None:
        """Raises ValueError if observations are no pictures."""
        super().__init__(config, sizes, network, seed)
        if len(sizes.obs_shape) != 3:
            raise ValueError(f"shift {config.shift}: observations of shape {sizes.obs_shape} are no pictures")
        self.head = nn.Linear(sizes.features, sizes.features, bias=False)  # W, on the query's side
        nn.init.eye_(self.head.weight)  # the score starts as q . k, which tells pictures apart from the first update on
        self.key_encoder = target_encoder(network, config.momentum)

    def forward(self, unroll: Unroll) -> tuple[Tensor, dict[str, Tensor]]:
        """See `AuxLoss`. Metrics are `accuracy` and `bound`."""
        group, device = self.group, unroll.obs.device
        time, env = self.draw(group.gather(unroll.valid))  # [n] each
        corners = torch.randint(2 * self.config.shift + 1, (2, len(time), 2), generator=self.generator)  # of two views
        share = unroll.valid.shape[1]  # environments of a rank
        mine = (env // share == group.rank).nonzero().flatten()  # [m], places of this rank's pictures among the n
        own = (time * share + env % share)[mine].to(device)
        pictures = unroll.obs.flatten(0, 1)[own]  # [m, H, W, C]
        one, other = (shifted(pictures, corner[mine], self.config.shift) for corner in corners)
        query = self.head(unroll.network.encoder(one))  # [m, features]
        place = mine.to(device)
        keys = query.new_zeros(len(time), query.shape[1]).index_copy(0, place, self.key_encoder(other))
        keys = group.sum(keys)  # [n, features], those of all ranks
        found = info_nce(query[None], keys[None], place[None])
        part = len(mine) / max(1, len(time))
        return found.loss * part, {"accuracy": found.accuracy * part, "bound": found.bound * part}

    def draw(self, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Time steps and environments of this update's pictures, [n] each on the CPU, where `valid` [T + 1, B]."""
        time, env = valid.cpu().nonzero(as_tuple=True)
        if self.config.rows != "all":
            chosen = torch.randperm(len(time), generator=self.generator)[: self.config.rows]
            time, env = time[chosen], env[chosen]
        return time, env

    def after_step(self, network: ActorCritic) -> None:
        """Let the key encoder follow."""
        self.key_encoder.update_parameters(network.encoder)


def shifted(pictures: Tensor, corners: Tensor, pad: int) -> Tensor:
    """Pictures [N, H, W, C] padded by repeating their edges, and a crop of the old size out of each.

    Args:
        pictures: of any type.
        corners: int64 [N, 2] on the CPU, upper end and left end of each crop, 0..2 * pad; at `pad` nothing moves.
        pad: pixels on each side.
    """
    height, width = pictures.shape[1:3]
    padded = pictures
    for dim in (1, 2):
        first, last = padded.narrow(dim, 0, 1), padded.narrow(dim, -1, 1)
        padded = torch.cat([*[first] * pad, padded, *[last] * pad], dim)  # [N, H + 2 pad, W + 2 pad, C]
    crops = torch.empty_like(pictures)
    for crop, source, (top, left) in zip(crops, padded, corners.tolist(), strict=True):  # a sixth of indexing's time
        crop.copy_(source[top : top + height, left : left + width])
    return crops
