"""Say what an agent knows: linear probes of its latents, beside those of the network it was before training.

    python -m cpc_rl.probe runs/NAME --episodes 40

The agent plays with its sampled policy. From z (the encoder's output) and c (the core's), ridge regression reads what
minilab's own state says: where the agent is, where it looks, how far the goal is, what is in view.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import rich.box
import torch
import tyro
from pydantic import Field
from rich.table import Table
from torch import Tensor

from configs import QUIET, Frozen, UsageError, as_usage_error, guarded, load
from cpc_rl.episodes import AT_ONCE, NetworkPolicy, at_once, evaluate
from cpc_rl.evaluate import Progress, restored, section, settings_of, told
from cpc_rl.networks import ActorCritic, ActorCriticOutput, NetworkConfig
from cpc_rl.ridge import FOLDS, Score, held_out, r_squared
from cpc_rl.runs import RunConfig, RunDirectory, pick_device
from cpc_rl.runs.config import DEVICE, THREADS
from cpc_rl.runs.files import check_writable, write_atomic
from cpc_rl.runs.screen import Screen
from envs import resolve
from envs.api import EnvStep
from envs.config import EnvConfig


class ProbeConfig(Frozen):
    """What to play and where."""

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="DIR")] = Field(
        description="Run directory to probe; of minilab's levels."
    )
    episodes: int = Field(default=40, ge=FOLDS, le=10_000, description="Episodes to play; each is held out once.")
    every: int = Field(default=4, ge=1, le=1000, description="Agent steps from one row that is kept to the next.")
    num_envs: int = Field(default=0, ge=0, le=8192, description=AT_ONCE)
    seed: int = Field(
        default=1, ge=0, lt=2**31, description="Seed of episodes (apart from all of training), actions and folds."
    )
    device: str = Field(
        default="auto", pattern=DEVICE, description="Device of the network: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`."
    )
    threads: int = THREADS
    quiet: bool = Field(default=False, description=QUIET)
    debug: bool = Field(default=False, description="Show tracebacks of errors.")


class Recorder:
    """A policy that keeps what two networks make of the rows it sees, and what is true of them."""

    def __init__(self, env: Any, policy: NetworkPolicy, untrained: ActorCritic, episodes: int, every: int) -> None:
        """`env` is a `MinilabEnv` on the CPU; `untrained` sees what `policy` sees and does not act."""
        self.env, self.policy, self.untrained, self.episodes, self.every = env, policy, untrained, episodes, every
        self.state = untrained.initial_state(env.num_envs, next(untrained.parameters()).device)
        self.action = torch.zeros(env.num_envs, dtype=torch.int64)  # [B]
        self.episode = torch.arange(env.num_envs) - env.num_envs  # [B], those at once have numbers in a row
        self.age = torch.zeros(env.num_envs, dtype=torch.int64)  # [B], rows since the episode began
        self.kept: list[dict[str, Tensor]] = []

    @torch.no_grad()
    def __call__(self, step: EnvStep) -> Tensor:
        """Act on one row: int64 [B]."""
        self.episode += self.env.num_envs * step.is_first
        self.age = torch.where(step.is_first, 0, self.age + 1)
        device = self.state[0].device
        row = (x.to(device)[None] for x in (step.obs, self.action, step.reward, step.is_first))  # [1, B, ...] each
        before = self.untrained(*row, self.state)
        self.state = before.state
        self.action = self.policy(step)
        wanted = (self.episode < self.episodes) & (self.age % self.every == 0)  # [B]
        if wanted.any():
            self._keep(wanted, self.policy.output, before)
        return self.action

    def _keep(self, wanted: Tensor, after: ActorCriticOutput, before: ActorCriticOutput) -> None:
        from envs.minilab.facts import facts  # numba: only where there is something to probe

        latents = {"c trained": after.c, "c untrained": before.c, "z trained": after.z, "z untrained": before.z}
        found = {"episode": self.episode, **{name: x[0].cpu() for name, x in latents.items()}}
        found |= {name: torch.from_numpy(x) for name, x in facts(self.env).items()}
        self.kept.append({name: x[wanted] for name, x in found.items()})

    def table(self) -> dict[str, Tensor]:
        """All that was kept: `episode` [N], latents [N, D] and facts [N, n] by name."""
        return {name: torch.cat([row[name] for row in self.kept]) for name in self.kept[0]}


def probe_table(table: Mapping[str, Tensor], seed: int) -> dict[str, dict[str, Score]]:
    """Score each fact of a `Recorder.table` from each latent, and from nothing (`constant`)."""
    latents = {name: x for name, x in table.items() if name.endswith("trained")}
    latents["constant"] = torch.empty(len(table["episode"]), 0)
    facts = {name: x for name, x in table.items() if name not in latents and name != "episode"}
    y, widths = torch.cat([x.double() for x in facts.values()], 1), [x.shape[1] for x in facts.values()]  # [N, M]
    episode = table["episode"]
    fold = torch.randperm(int(episode.max()) + 1, generator=torch.Generator().manual_seed(seed))[episode] % FOLDS
    scores: dict[str, dict[str, Score]] = {fact: {} for fact in facts}
    for name, x in latents.items():
        parts = zip(facts, torch.split(y, widths, 1), torch.split(held_out(x, y, fold), widths, 1), strict=True)
        for fact, truth, predicted in parts:
            scores[fact][name] = r_squared(truth, predicted, episode)
    return scores


def probe_run(
    run_dir: Path,
    episodes: int = 40,
    *,
    every: int = 4,
    num_envs: int = 0,
    seed: int = 1,
    device: str = "auto",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Probe the newest checkpoint of a run; also writes `report/probe.json`.

    Args:
        run_dir: As training left it.
        episodes: At least FOLDS.
        every: Agent steps from one row that is kept to the next.
        num_envs: Environments at once, at most; 0: as `cpc_rl.episodes.at_once` finds good.
        seed: Of episodes, actions and folds.
        device: `auto`, `cpu`, `cuda` or `cuda:N`, for the networks.
        progress: Told after each row: the policy, episodes done, agent steps.

    Returns:
        `env`, `frames` (trained), `seed`, `rows`, `sampled` (the `EpisodeStats.summary`) and `facts`: for each a
        `Score` from `c trained`, `c untrained`, `z trained`, `z untrained` and `constant`.

    Raises:
        UsageError: Not a run directory, one of another back end than minilab, or one that cannot be written.
        RunFailure: No checkpoint is whole, and of the network that config.yaml describes.
    """
    run, target = RunDirectory.open(run_dir), pick_device(device)
    saved = settings_of(run)
    config = section(EnvConfig, saved, "env", run.config_path)
    with as_usage_error():
        config = resolve(config)[0].model_copy(update={"num_envs": at_once(config, episodes, num_envs)})
    if config.backend != "minilab":
        raise UsageError(f"{run.path} was trained in {config.backend}: probes read minilab's state, and no other's")
    check_writable(run.path / "report" / "probe.json")
    network = section(NetworkConfig, saved, "network", run.config_path)
    trained_seed = section(RunConfig, saved, "run", run.config_path).seed
    with restored(run, config, network, seed) as (env, net, checkpoint):
        torch.manual_seed(trained_seed)  # as training began
        untrained = ActorCritic(network, env.obs_shape, env.num_actions).to(target).eval()
        policy = NetworkPolicy(net.to(target), env.num_envs, target, seed)
        recorder = Recorder(env, policy, untrained, episodes, every)
        each = None if progress is None else partial(progress, "sampled")
        stats = evaluate(env, recorder, episodes, progress=each)
        table = recorder.table()
        result = {"env": env.name, "frames": checkpoint["frames"], "seed": seed, "rows": len(table["episode"])}
        result |= {"sampled": stats.summary(), "facts": probe_table(table, seed)}
    text = json.dumps(result, indent=2) + "\n"
    write_atomic(run.report / "probe.json", lambda file: file.write(text.encode()))
    return result


def probe_lines(result: Mapping[str, Any]) -> Table:
    """Lay out a result of `probe_run`: two lines a fact."""
    title = f"{result['env']} after {result['frames']:,} frames: R² of linear probes"
    caption = f"{result['sampled']['episodes']} episodes, each predicted from others; {result['rows']:,} rows; "
    caption += "95 % intervals over episodes"
    table = Table(title=title, caption=caption, title_justify="left", caption_justify="left", box=rich.box.MINIMAL)
    for heading in ("fact", "from"):
        table.add_column(heading)
    for heading in ("trained", "untrained", "constant"):
        table.add_column(heading, justify="right", no_wrap=True)
    for fact, scores in result["facts"].items():
        for latent in ("c", "z"):
            cells = [_cell(scores[f"{latent} {which}"]) for which in ("trained", "untrained")]
            table.add_row(fact if latent == "c" else "", latent, *cells, _number(scores["constant"]["r2"]))
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _cell(score: Score) -> str:
    if score["r2"] is None:
        return "-"
    return f"{_number(score['r2'])} [{_number(score['low'])}, {_number(score['high'])}]"


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    argv = sys.argv[1:] if argv is None else argv

    def program() -> int:
        config = load(ProbeConfig, argv, prog="python -m cpc_rl.probe", description=__doc__ or "")
        screen = Screen(config.quiet)
        if config.threads:
            torch.set_num_threads(config.threads)
        with screen.step("restoring the agent") as step:
            progress, settings = (
                told(step, config.episodes),
                config.model_dump(exclude={"run", "threads", "quiet", "debug"}),
            )
            result = probe_run(config.run, progress=progress, **settings)
        screen.result(probe_lines(result))
        screen.say(f"wrote {config.run / 'report' / 'probe.json'}")
        return 0

    return guarded(program, debug="--debug" in argv)


if __name__ == "__main__":
    sys.exit(main())
