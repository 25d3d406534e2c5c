"""Beginning with the weights of another run, and with some that do not move."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from pydantic import Field
from torch import Tensor, nn

from configs import Frozen, UsageError, difference
from cpc_rl.aux import AuxLosses, upgrade_state
from cpc_rl.evaluate import settings_of
from cpc_rl.networks import ActorCritic, NetworkConfig
from cpc_rl.runs import RunDirectory

EXTRA = "_extra_state"  # torch's name for what `get_extra_state` gives


class StartConfig(Frozen):
    """Weights to begin with."""

    init: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = Field(
        default=None,
        description="Run directory of `cpc_rl.pretrain` or of an agent whose weights the new run begins with: its "
        "network, and each auxiliary loss that both have.",
    )
    freeze: tuple[Literal["encoder", "core"], ...] = Field(
        default=(), description="Parts of the network that keep their first weights."
    )


def freeze(net: ActorCritic, parts: tuple[str, ...]) -> None:
    """Let no gradient reach the weights of these parts, `encoder` or `core`."""
    for part in parts:
        module = net.encoder if part == "encoder" else net.core if net.core is not None else net.dense
        assert module is not None
        module.requires_grad_(False)


def begin_with(path: Path, net: ActorCritic, aux: AuxLosses, network: NetworkConfig) -> list[str]:
    """Give `net` the weights of a run's newest checkpoint (their mean where it has one), and `aux` what it has of them.

    `network` describes `net`.

    Returns:
        The names of the auxiliary losses that were taken over; one of another shape begins anew.

    Raises:
        UsageError: There is no run at `path`, or its network has other parts or sizes.
        RunFailure: It has no whole checkpoint.
    """
    run = RunDirectory.open(path)
    theirs = NetworkConfig.model_validate(settings_of(run).get("network", {}))
    saved = run.checkpoints.load()
    weights: dict[str, Tensor] = {**saved["network"], **saved.get("average", {})}
    if why := _misfit(weights, net):
        flags = [f"--network.{key} {there}" for key, there, _ in difference(theirs, network) if key != "precision"]
        remedy = f"give {' '.join(flags)}" if flags else "both need observations of one shape and as many actions"
        raise UsageError(f"--init {path}: {why}; {remedy}")
    net.load_state_dict(weights)
    kept = upgrade_state(saved["aux"], ",".join(aux)) if aux else {}
    return [name for name, loss in aux.items() if _take(loss, name, kept)]


def _misfit(weights: Mapping[str, Tensor], module: nn.Module) -> str:
    """Why `module` cannot take these weights; empty where it can."""
    own = {name: weight for name, weight in module.state_dict().items() if name != EXTRA}
    for name in own.keys() ^ weights.keys():
        return f"{name} is {'there and not here' if name in weights else 'here and not there'}"
    for name, weight in own.items():
        if weight.shape != weights[name].shape:
            return f"{name} is {[*weights[name].shape]} there and {[*weight.shape]} here"
    return ""


def _take(loss: nn.Module, name: str, saved: Mapping[str, Any]) -> bool:
    """Load the weights in `saved` that are of this loss, if they fit. What it draws stays that of its own seed."""
    prefix = f"{name}."
    part = {key.removeprefix(prefix): value for key, value in saved.items() if key.startswith(prefix)}
    part.pop(EXTRA, None)
    if not part or _misfit(part, loss):
        return False
    loss.load_state_dict(part, strict=False)
    return True
