"""Hand an agent over: one file that plays without this library, and a card that says what it is.

    python -m cpc_rl.export runs/NAME                   # runs/NAME/export/agent.onnx, README.md, config.yaml
    python -m cpc_rl.export runs/NAME --format torch    # agent.pt2, which torch.export.load reads

The file computes one step of any number of environments. The recurrent state goes in and comes out:
`examples/play_onnx.py` shows it in twenty lines.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import torch
import tyro
from pydantic import Field
from torch import Tensor, nn

from configs import QUIET, Frozen, RunFailure, check_program, guarded, load
from cpc_rl.evaluate import restored, section, settings_of
from cpc_rl.exchange import SUFFIX, Format, check_folder, check_format, read_network, write_network
from cpc_rl.model_card import model_card
from cpc_rl.networks import ActorCritic, NetworkConfig
from cpc_rl.runs import RunDirectory
from cpc_rl.runs.files import check_writable, write_atomic
from cpc_rl.runs.screen import Screen
from envs.config import EnvConfig

OUTPUTS = ("logits", "value", "h_next", "c_next")
ROWS, TOLERANCE = 64, 1e-4  # rows that the file is tried on, and how far from PyTorch's its logits may be


class ExportConfig(Frozen):
    """What to hand over, and as what."""

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="DIR")] = Field(
        description="Run directory of the agent."
    )
    format: Format = Field(
        default="onnx", description="Form of the file: `onnx`, or `torch` for an exported program (.pt2)."
    )
    checkpoint: Literal["newest", "best"] = Field(
        default="newest", description="Checkpoint: the newest, or the best by the run's own evaluations (--eval-every)."
    )
    out: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = Field(
        default=None, description="Folder to write into; by default `export` in the run directory."
    )
    quiet: bool = Field(default=False, description=QUIET)
    debug: bool = Field(default=False, description="Show tracebacks of errors.")


class Step(nn.Module):
    """One step of an `ActorCritic` for B environments, its state explicit."""

    def __init__(self, net: ActorCritic) -> None:
        """Take `net` as it is."""
        super().__init__()
        self.net = net

    def forward(
        self, obs: Tensor, last_action: Tensor, last_reward: Tensor, is_first: Tensor, h: Tensor, c: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Logits [B, A], value [B] and the next h and c [B, hidden].

        Args:
            obs: uint8 [B, H, W, C] or float32 [B, F].
            last_action: int64 [B], the action that led to `obs`; anything in an agent's very first step.
            last_reward: float32 [B], the reward that came with `obs`, as the environment gave it.
            is_first: bool [B], where an episode begins: h and c are taken for zero.
            h: float32 [B, hidden], of the step before.
            c: likewise.
        """
        row = obs[None], last_action[None], last_reward[None], is_first[None]  # [1, B, ...] each
        out = self.net(*row, (h, c))
        return out.logits[0], out.value[0], *out.state


def example_rows(net: ActorCritic, obs_shape: tuple[int, ...], rows: int) -> dict[str, Tensor]:
    """Inputs of `Step` by name, drawn at random."""
    draws = torch.Generator().manual_seed(1)
    obs = torch.randint(256, (rows, *obs_shape), dtype=torch.uint8, generator=draws)  # [B, H, W, C]
    if len(obs_shape) == 1:
        obs = torch.randn(rows, *obs_shape, generator=draws)  # [B, F]
    state = {name: torch.randn(rows, net.config.hidden, generator=draws) for name in ("h", "c")}
    return {
        "obs": obs,
        "last_action": torch.randint(net.num_actions, (rows,), generator=draws),
        "last_reward": torch.randn(rows, generator=draws),
        "is_first": torch.rand(rows, generator=draws) < 0.1,
        **state,
    }


def export_run(
    run_dir: Path, form: Format = "onnx", *, checkpoint: Literal["newest", "best"] = "newest", out: Path | None = None
) -> tuple[Path, float]:
    """Write an agent as one file, with its card `README.md` and the `config.yaml` of its run beside it.

    Args:
        run_dir: As training left it.
        form: `onnx` or `torch`.
        checkpoint: The newest one, or the best by the run's evaluations while it trained.
        out: The folder; by default `export` in the run directory.

    Returns:
        The file, and the largest difference of its logits from PyTorch's over some random steps.

    Raises:
        UsageError: Not a run directory, a folder that cannot be written, or a package is missing.
        RunFailure: No checkpoint is whole and of the network that config.yaml describes, or the file computes
            something else than the network.
    """
    check_format(form)
    run = RunDirectory.open(run_dir)
    saved = settings_of(run)
    check_program(run.path, saved, ["agents.a2c"])
    folder = out or run.path / "export"
    path = folder / f"agent{SUFFIX[form]}"
    check_folder(folder, "agent")
    check_writable(path, "--out")
    env_config = section(EnvConfig, saved, "env", run.config_path).model_copy(update={"num_envs": 1})
    # The weights are float32 whatever the encoder computes in, and not every runtime has bfloat16.
    network = section(NetworkConfig, saved, "network", run.config_path).model_copy(update={"precision": "float32"})
    with restored(run, env_config, network, seed=1, best=checkpoint == "best") as (env, net, state):
        obs_shape, repeat, backend = env.obs_shape, env.action_repeat, env.backend
    step, rows = Step(net.requires_grad_(False)), example_rows(net, obs_shape, ROWS)
    notes = {
        "environment": env_config.name,
        "backend": backend,
        "action_repeat": str(repeat),
        "frames": str(state["frames"]),
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_network(path, form, step, rows, OUTPUTS, notes)
    difference = float((read_network(path)(*rows.values())[0] - step(*rows.values())[0]).abs().max())
    if not difference < TOLERANCE:
        raise RunFailure(f"{path} computes logits that differ from the network's by {difference:.2g}")
    card = model_card(run, saved, notes, path.name, rows, net, checkpoint)
    write_atomic(folder / "README.md", lambda file: file.write(card.encode()))
    shutil.copyfile(run.config_path, folder / "config.yaml")
    return path, difference


def show(config: ExportConfig) -> int:
    """Export, and say what was written."""
    screen = Screen(config.quiet)
    with screen.step("writing the agent down and trying the file"):
        path, difference = export_run(config.run, config.format, checkpoint=config.checkpoint, out=config.out)
    screen.result(f"wrote {path}, {path.stat().st_size / 1e6:.1f} MB: logits as PyTorch's to {difference:.0e}")
    screen.say(f"wrote {path.parent / 'README.md'} and {path.parent / 'config.yaml'}")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    argv = sys.argv[1:] if argv is None else argv

    def program() -> int:
        return show(load(ExportConfig, argv, prog="python -m cpc_rl.export", description=__doc__ or ""))

    return guarded(program, debug="--debug" in argv)


if __name__ == "__main__":
    sys.exit(main())
