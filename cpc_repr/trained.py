"""Reading back what a run has trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from configs import UsageError, check_program, load_yaml
from cpc_rl.runs import RunDirectory

MODEL = "model."  # what every experiment calls the network it trains, beside its heads


def open_trained(path: Path | str, family: str, sections: set[str]) -> tuple[RunDirectory, dict[str, Any]]:
    """The run directory `path` of `python -m cpc_repr.FAMILY`, and its settings.

    Args:
        path: Of one run, not of an experiment of several.
        family: See above.
        sections: Of the settings, by which runs of this family are known.

    Raises:
        UsageError: There is no such run, it is another family's, or it holds several.
    """
    run = RunDirectory.open(Path(path))
    settings = load_yaml(run.config_path)
    check_program(path, settings, [f"cpc_repr.{family}"])
    if not sections <= settings.keys():
        raise UsageError(f"{path} is not a run of cpc_repr.{family}")
    if not run.checkpoints.paths() and (parts := sorted(p.parent for p in run.path.glob("*/config.yaml"))):
        raise UsageError(f"{path} holds several runs: take one of {', '.join(map(str, parts))}")
    return run, settings


def load_weights(run: RunDirectory, model: nn.Module, prefix: str = MODEL) -> None:
    """Give `model` the weights of the newest checkpoint that fits it, or their mean where the run has one.

    `prefix` is what the trained module calls it.

    Raises:
        UsageError: The run is another network: the classifier that an encoder is held against.
        RunFailure: There is none.
    """

    def restore(saved: dict[str, Any]) -> None:
        state: dict[str, Tensor] = saved["module"] | saved["average"]
        if not any(name.startswith(prefix) for name in state):
            raise UsageError(
                f"{run.path} holds a classifier trained on labels, which the encoder of {run.path.parent} is held "
                f"against: take {run.path.parent}"
            )
        model.load_state_dict({k.removeprefix(prefix): x for k, x in state.items() if k.startswith(prefix)})

    run.checkpoints.load(restore)
