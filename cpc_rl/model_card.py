"""The card of an exported agent: what it plays, how well, and how it was made."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch import Tensor

from cpc_rl.networks import ActorCritic
from cpc_rl.runs import RunDirectory

CARD = """\
# {environment}: A2C agent

| | |
|---|---|
| environment | `{environment}`, back end `{backend}`, {action_repeat} frames an action |
| trained for | {frames:,} frames ({checkpoint} checkpoint), seed {seed} |
| auxiliary loss | `{aux}` |
| return | {score} |
| parameters | {parameters:,} |
| file | `{file}`, written by cpc-rl {version} |

`config.yaml` has all settings. The same training again:
```
python -m agents.a2c --config config.yaml --run runs/again
```

## Inputs and outputs
One step of B environments. Feed `h_next` and `c_next` back as `h` and `c`; they begin as zeros.

| input | type | |
|---|---|---|
| `obs` | {obs} | what the environment shows |
| `last_action` | int64 [B] | the action that led to `obs` |
| `last_reward` | float32 [B] | the reward that came with `obs`, as the environment gave it |
| `is_first` | bool [B] | true where an episode begins |
| `h`, `c` | float32 [B, {hidden}] | the recurrent state |

| output | type | |
|---|---|---|
| `logits` | float32 [B, {actions}] | of the policy: draw the action from their softmax |
| `value` | float32 [B] | of the baseline |
| `h_next`, `c_next` | float32 [B, {hidden}] | the next state |
"""


def model_card(
    run: RunDirectory,
    saved: Mapping[str, Any],
    notes: Mapping[str, str],
    file: str,
    rows: Mapping[str, Tensor],
    net: ActorCritic,
    checkpoint: str,
) -> str:
    """The card, in Markdown.

    Args:
        run: Where an evaluation may lie.
        saved: The run's settings.
        notes: `environment`, `backend`, `action_repeat` and `frames`.
        file: Name of what it is beside.
        rows: Inputs of the network, for their types.
        net: The network.
        checkpoint: `newest` or `best`.
    """
    obs = rows["obs"]
    kind = str(obs.dtype).removeprefix("torch.")
    return CARD.format(
        **{**notes, "frames": int(notes["frames"])},
        checkpoint=checkpoint,
        seed=saved.get("run", {}).get("seed", "unknown"),
        aux=saved.get("aux", "none"),
        score=_score(run, int(notes["frames"]), checkpoint),
        parameters=sum(p.numel() for p in net.parameters()),
        file=file,
        version=_version(),
        obs=f"{kind} [{', '.join(['B', *map(str, obs.shape[1:])])}]",
        hidden=net.config.hidden,
        actions=net.num_actions,
    )


def _score(run: RunDirectory, frames: int, checkpoint: str) -> str:
    """What `cpc_rl.evaluate` found of the same checkpoint."""
    try:
        found = json.loads((run.path / "report" / "evaluation.json").read_bytes())
        if (found["frames"], found.get("checkpoint", "newest")) == (frames, checkpoint):
            s = found["sampled"]
            spread = f", 95 % interval {s['low']:.2f} to {s['high']:.2f}, over" if s["episodes"] > 1 else " in"
            episodes = f"{s['episodes']:.0f} new episode{'s' if s['episodes'] > 1 else ''} of the sampled policy"
            cut = f", {s['cut']:.0f} of them cut before their end" if s.get("cut") else ""
            return f"{s['mean']:.2f}{spread} {episodes}{cut}"
    except (OSError, ValueError, KeyError, TypeError):
        pass  # none, or damaged: then it is not known
    return "not known: run `python -m cpc_rl.evaluate` before the export"


def _version() -> str:
    """Of this library, and the commit where it is a git checkout."""
    found, root = version("cpc-rl"), Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return found
    git = ["git", "-C", str(root), "rev-parse", "--short", "HEAD"]
    try:
        return f"{found}, commit {subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()}"
    except (OSError, subprocess.CalledProcessError):
        return found
