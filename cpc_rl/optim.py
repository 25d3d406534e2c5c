"""Optimisers, their schedule and the mean of weights: Adam, SGD, and RMSProp as TensorFlow 1 (and so IMPALA) has it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from configs import Frozen, RunFailure, UsageError


class OptimiserConfig(Frozen):
    """Optimiser and learning-rate schedule."""

    name: Literal["adam", "rmsprop", "sgd"] = Field(
        default="adam",
        description="Optimiser: `adam`, torch's, `rmsprop`, TensorFlow 1's, which IMPALA used, or `sgd`.",
    )
    learning_rate: float = Field(default=1e-3, gt=0, le=1, description="Step size at the start, or after the warm-up.")
    warmup: int = Field(
        default=0, ge=0, le=10**9, description="Updates over which the learning rate rises from 0, linearly."
    )
    schedule: Literal["constant", "linear", "linear_frames"] = Field(
        default="constant",
        description="Course of the learning rate: `constant`, or `linear`, which falls to 0 over the run "
        "(`linear_frames`: the same, by its old name).",
    )
    drops: tuple[Annotated[int, Field(ge=1, le=10**9)], ...] = Field(
        default=(), description="Updates after which the learning rate is divided by 10, each time."
    )
    epsilon: float = Field(
        default=1e-8, gt=0, le=10, description="Number added to the denominator, where epsilon-place says."
    )
    epsilon_place: Literal["inside_root", "outside_root"] = Field(
        default="outside_root",
        description="Place of epsilon: `outside_root`, sqrt(s) + epsilon (torch; the only one for adam), or "
        "`inside_root`, sqrt(s + epsilon) (TensorFlow 1; rmsprop only).",
    )
    beta1: float = Field(default=0.9, ge=0, lt=1, description="Decay of the mean gradient (adam).")
    decay: float = Field(default=0.99, ge=0, lt=1, description="Decay of the mean square (rmsprop).")
    mean_square_init: float = Field(
        default=1.0, ge=0, le=1e6, description="Mean square before the first step (rmsprop)."
    )
    momentum: float = Field(default=0.0, ge=0, lt=1, description="Momentum (rmsprop, sgd).")
    weight_decay: float = Field(
        default=0.0, ge=0, le=1, description="Weight decay of matrices and kernels, not of biases and norms (sgd)."
    )
    clip_norm: float | None = Field(
        default=None,
        gt=0,
        le=1e6,
        description="Largest global norm of the gradient, which is scaled down to it; none: any.",
    )
    average: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="Decay of a running mean of the weights (Polyak), evaluated in their place; none: the last ones.",
    )

    @model_validator(mode="after")
    def _adam_has_no_choice(self) -> Self:
        if self.name == "adam" and self.epsilon_place == "inside_root":
            raise ValueError("epsilon_place 'inside_root' is for rmsprop; adam allows 'outside_root'")
        if self.name != "sgd" and self.weight_decay:
            raise ValueError(f"weight_decay {self.weight_decay:g} is for sgd; {self.name} allows 0")
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
    if config.name == "sgd":
        weights = [*params]
        groups: list[dict[str, Any]] = [
            {"params": [p for p in weights if (p.ndim > 1) == decays], "weight_decay": config.weight_decay * decays}
            for decays in (True, False)
        ]
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=config.momentum)
    return torch.optim.Adam(params, lr=config.learning_rate, betas=(config.beta1, 0.999), eps=config.epsilon)


def learning_rate(config: OptimiserConfig, update: int, done: float) -> float:
    """Learning rate of the update with this number, from 0, when this share of the run is done."""
    rise = min(1.0, (update + 1) / max(1, config.warmup))
    fall = 1.0 if config.schedule == "constant" else max(0.0, 1.0 - done)
    return config.learning_rate * rise * fall * 0.1 ** sum(update >= drop for drop in config.drops)


def check_finite(values: Mapping[str, float], when: str) -> None:
    """Raise RunFailure if a loss or the norm of the gradient is not finite; in front of the step, so that none is lost.

    Args:
        values: Metrics of an update.
        when: For the message, for example `at update 7`.
    """
    for name, value in values.items():
        if (name.startswith("loss/") or name == "gradient_norm") and not abs(value) < float("inf"):
            raise RunFailure(f"{name} is {value} {when}")


class WeightAverage(AveragedModel):
    """A copy of a module whose weights are the running mean of the module's, the initial ones included (Polyak).

    `update_parameters(module)` belongs behind each step.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        """`decay` of a long run; early on the mean is a short one, or the initial weights would weigh it down."""

        def lerp(means: Any, weights: Any, count: Tensor | int) -> None:
            torch._foreach_lerp_(means, weights, 1 - min(decay, int(count) / (9 + int(count))))

        super().__init__(module, multi_avg_fn=lerp)
        self.update_parameters(module)

    def weights(self) -> dict[str, Tensor]:
        """The means, for a checkpoint."""
        return {name: p.detach() for name, p in self.module.named_parameters()}

    def restore(self, weights: Mapping[str, Tensor], module: nn.Module, updates: int) -> None:
        """Go on with what `weights()` gave after so many updates; buffers are those of `module`."""
        self.module.load_state_dict({**module.state_dict(), **weights})
        self.n_averaged.fill_(updates + 1)


class Optimiser:
    """What `config` says: the clipped gradient, the learning rate of each step, the step, the mean of weights."""

    def __init__(self, config: OptimiserConfig, params: Sequence[nn.Parameter], module: nn.Module) -> None:
        """Over `params`; `module` is what the mean is of, where there is one."""
        self.config, self.params, self.module = config, params, module
        self.inner = build_optimiser(config, params)
        self.average: WeightAverage | None = None
        self.begin_average()

    def begin_average(self) -> None:
        """Begin the mean of weights, where there is one, with those that the module has now."""
        if self.config.average is not None:
            self.average = WeightAverage(self.module, self.config.average)

    def zero_grad(self) -> None:
        """Forget the gradient."""
        self.inner.zero_grad()

    def clip(self) -> Tensor:
        """Cut the gradient to `clip_norm`, if there is one; gives its norm before."""
        most = self.config.clip_norm
        return nn.utils.clip_grad_norm_(self.params, torch.inf if most is None else most)

    def step(self, update: int, done: float) -> float:
        """Take the step with this number, from 0, when this share of the run is done; gives its learning rate."""
        rate = learning_rate(self.config, update, done)
        for group in self.inner.param_groups:
            group["lr"] = rate
        self.inner.step()
        if self.average is not None:
            self.average.update_parameters(self.module)
        return rate

    def state_dict(self, total: int) -> dict[str, Any]:
        """For a checkpoint of a run of this length, in frames or whatever it counts."""
        average = {} if self.average is None else self.average.weights()
        return {"optimiser": self.inner.state_dict(), "average": average, "total": total}

    def load_state_dict(self, saved: Mapping[str, Any], updates: int, total: int) -> None:
        """Go on after so many updates, behind `module`.

        Args:
            saved: A checkpoint with what `state_dict` gave, or what stood in its place before this class was there:
                the length was that in the agent's configuration, or `fall`.
            updates: So far.
            total: As in `state_dict`.

        Raises:
            UsageError: The learning rate falls over the run, and that had another length.
            ValueError: The state is not one of these weights.
        """
        if self.config.schedule != "constant":
            before = saved.get("total") or saved.get("fall") or saved["config"]["run"]["frames"]
            if before != total:
                why = f"the checkpoint was made with {before:,}, over which the learning rate falls"
                raise UsageError(f"cannot resume with a length of {total:,}: {why}")
        self.inner.load_state_dict(saved["optimiser"])
        for p, state in self.inner.state.items():  # torch takes any shape, and fails at the next step
            if wrong := [name for name, x in state.items() if x.dim() and x.shape != p.shape]:
                raise ValueError(f"{wrong[0]} of the optimiser has another shape than its weight")
        if self.average is not None:
            self.average.restore(saved["average"], self.module, updates)
