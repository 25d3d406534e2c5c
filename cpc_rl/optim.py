"""Optimisers and their schedule: Adam, and RMSProp as TensorFlow 1 (and so IMPALA) has it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from configs import Frozen


class OptimiserConfig(Frozen):
    """Optimiser and learning-rate schedule."""

    name: Literal["adam", "rmsprop"] = Field(
        default="adam",
        description="`adam`: torch's. `rmsprop`: TensorFlow 1's, which IMPALA used (see the next three).",
    )
    learning_rate: float = Field(default=1e-3, gt=0, le=1, description="Step size at the start.")
    epsilon: float = Field(default=1e-8, gt=0, le=10, description="Added to the denominator; its place: see below.")
    epsilon_place: Literal["inside_root", "outside_root"] = Field(
        default="outside_root",
        description="`outside_root`: sqrt(s) + epsilon (torch; the only place for adam). `inside_root`: "
        "sqrt(s + epsilon) (TensorFlow 1; rmsprop only).",
    )
    decay: float = Field(default=0.99, ge=0, lt=1, description="rmsprop: decay of the mean square.")
    mean_square_init: float = Field(
        default=1.0, ge=0, le=1e6, description="rmsprop: mean square before the first step."
    )
    momentum: float = Field(default=0.0, ge=0, lt=1, description="rmsprop: momentum.")
    clip_norm: float | None = Field(
        default=None, gt=0, le=1e6, description="Global gradient norm is cut to this; none: no cut."
    )
    schedule: Literal["constant", "linear_frames"] = Field(
        default="constant", description="`linear_frames`: falls to 0 when the run's frames (engine frames) are reached."
    )

    @model_validator(mode="after")
    def _adam_has_no_choice(self) -> Self:
        if self.name == "adam" and self.epsilon_place == "inside_root":
            raise ValueError("epsilon_place 'inside_root' is for rmsprop; adam allows 'outside_root'")
        return self


class RMSProp(torch.optim.Optimizer):
    """RMSProp: s = decay s + (1 - decay) g^2; m = momentum m + lr g / root; p -= m.

    `root` is sqrt(s + epsilon) if `inside_root` (TensorFlow 1) or sqrt(s) + epsilon (torch). TensorFlow also starts s
    at 1, not 0: with epsilon 0.1 both make the first thousand steps small. Source: IMPALA's published code.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float,
        decay: float = 0.99,
        epsilon: float = 0.1,
        momentum: float = 0.0,
        inside_root: bool = True,
        mean_square_init: float = 1.0,
    ) -> None:
        """See the class; every argument may also be set per parameter group."""
        defaults = {
            "lr": lr,
            "decay": decay,
            "epsilon": epsilon,
            "momentum": momentum,
            "inside_root": inside_root,
            "mean_square_init": mean_square_init,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient."""
        if closure is not None:
            raise ValueError("RMSProp takes no closure")
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self._update(p, p.grad, group)

    def _update(self, p: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        state = self.state[p]
        if not state:
            state["mean_square"] = torch.full_like(p, group["mean_square_init"])
            state["momentum"] = torch.zeros_like(p)
        s: Tensor = state["mean_square"]
        s.mul_(group["decay"]).addcmul_(grad, grad, value=1 - group["decay"])
        eps = group["epsilon"]
        root = (s + eps).sqrt_() if group["inside_root"] else s.sqrt().add_(eps)
        if group["momentum"] == 0:
            p.addcdiv_(grad, root, value=-group["lr"])
            return
        m: Tensor = state["momentum"]
        m.mul_(group["momentum"]).addcdiv_(grad, root, value=group["lr"])
        p.sub_(m)


def build_optimiser(config: OptimiserConfig, params: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimiser that `config` names, over `params`."""
    if config.name == "rmsprop":
        return RMSProp(
            params,
            lr=config.learning_rate,
            decay=config.decay,
            epsilon=config.epsilon,
            momentum=config.momentum,
            inside_root=config.epsilon_place == "inside_root",
            mean_square_init=config.mean_square_init,
        )
    return torch.optim.Adam(params, lr=config.learning_rate, eps=config.epsilon)


def learning_rate(config: OptimiserConfig, frames: int, total_frames: int) -> float:
    """Learning rate after `frames` of `total_frames` engine frames."""
    if config.schedule == "constant":
        return config.learning_rate
    return config.learning_rate * max(0.0, 1.0 - frames / total_frames)
