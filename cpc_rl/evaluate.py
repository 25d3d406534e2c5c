"""Score a trained run on episodes it has never seen, and film one.

    python -m cpc_rl.evaluate runs/NAME --episodes 30 --video episode.mp4

The headline is the sampled policy, as in training and in the papers; the greedy one stands beside it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import rich.box
import torch
import tyro
from pydantic import BaseModel, Field, ValidationError
from rich.table import Table

from configs import (
    QUIET,
    Frozen,
    RunFailure,
    UsageError,
    as_usage_error,
    check_program,
    explain,
    guarded,
    load,
    load_yaml,
)
from cpc_rl.aux import upgrade
from cpc_rl.coverage import Coverage, covers, draw
from cpc_rl.environments import opened
from cpc_rl.episodes import AT_ONCE, MAX_STEPS, EpisodeStats, NetworkPolicy, Policy, at_once, evaluate
from cpc_rl.networks import ActorCritic, NetworkConfig
from cpc_rl.runs import RunDirectory, pick_device
from cpc_rl.runs.config import DEVICE, THREADS
from cpc_rl.runs.curve import plot_curve
from cpc_rl.runs.files import check_writable, write_atomic
from cpc_rl.runs.screen import Screen, Step
from cpc_rl.video import check_video_path, film
from envs import resolve
from envs.api import BatchedEnv
from envs.config import EnvConfig, Half, Look, Textures

S = TypeVar("S", bound=BaseModel)
Progress = Callable[[str, int, int], None]


class EvaluateConfig(Frozen):
    """What to play and where."""

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="DIR")] = Field(
        description="Run directory to evaluate."
    )
    episodes: int = Field(default=30, ge=1, le=100_000, description="Episodes for each policy.")
    checkpoint: Literal["newest", "best"] = Field(
        default="newest", description="Checkpoint: the newest, or the best by the run's own evaluations (--eval-every)."
    )
    greedy: bool = Field(default=True, description="Score the greedy policy beside the sampled one.")
    video: Annotated[Path | None, tyro.conf.arg(metavar="FILE.mp4")] = Field(
        default=None, description="Film one episode of the sampled policy."
    )
    num_envs: int = Field(default=0, ge=0, le=8192, description=AT_ONCE)
    max_steps: int = Field(
        default=MAX_STEPS, ge=1, le=10**9, description="Agent steps after which an episode that does not end is cut."
    )
    seed: int = Field(
        default=1, ge=0, lt=2**31, description="Seed of episodes (apart from all of training) and actions."
    )
    textures: Textures | None = Field(
        default=None, description="Walls, floors and skies of minilab, other than the run was trained with."
    )
    look: Look | None = Field(default=None, description="Look of minilab, other than the run was trained with.")
    randomise: float | None = Field(
        default=None, ge=0, le=1, description="Strength of minilab's domain randomisation, other than in training."
    )
    randomise_half: Half | None = Field(
        default=None, description="Half of minilab's randomised looks, other than in training."
    )
    backend: Literal["minilab", "dmlab"] | None = Field(
        default=None,
        description="Back end that plays the level, other than in training: an agent of minilab in the real DeepMind "
        "Lab (`dmlab`), or the reverse.",
    )
    dmlab_renderer: Literal["software", "hardware"] | None = Field(
        default=None, description="Renderer that your deepmind_lab was built with, other than in training."
    )
    device: str = Field(
        default="auto",
        pattern=DEVICE,
        description="Device of the network: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.",
    )
    threads: int = THREADS
    quiet: bool = Field(default=False, description=QUIET)
    debug: bool = Field(default=False, description="Show tracebacks of errors.")


def evaluate_run(
    run_dir: Path,
    episodes: int = 30,
    *,
    checkpoint: Literal["newest", "best"] = "newest",
    greedy: bool = True,
    video: Path | None = None,
    num_envs: int = 0,
    max_steps: int = MAX_STEPS,
    seed: int = 1,
    textures: Textures | None = None,
    look: Look | None = None,
    randomise: float | None = None,
    randomise_half: Half | None = None,
    backend: Literal["minilab", "dmlab"] | None = None,
    dmlab_renderer: Literal["software", "hardware"] | None = None,
    device: str = "auto",
    progress: Progress | None = None,
    known: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Evaluate a checkpoint of a run; also writes `report/evaluation.json`, and `report/coverage.png` of minilab.

    Where something is not as in training the file has it in its name: `evaluation-randomise=1.0.json`.

    Args:
        run_dir: As training left it.
        episodes: Whole episodes for each policy.
        checkpoint: The newest one, or the best by the run's evaluations while it trained.
        greedy: Score the greedy policy too.
        video: Where to film one episode of the sampled policy, if at all.
        num_envs: Environments at once, at most; 0: as `cpc_rl.episodes.at_once` finds good.
        max_steps: Agent steps after which an episode that does not end is cut.
        seed: Of the evaluation's own episodes and of the sampled actions.
        textures: Of minilab, if not those of training.
        look: Of minilab, if not that of training.
        randomise: Strength of minilab's domain randomisation, if not that of training.
        randomise_half: Half of the randomised looks, if not that of training.
        backend: That plays the level, if not that of training: minilab or DeepMind Lab for an agent of the other.
        dmlab_renderer: Of DeepMind Lab, if not that of training.
        device: `auto`, `cpu`, `cuda` or `cuda:N`, for the network.
        progress: Told after each row: the policy, episodes done, agent steps.
        known: Given the result before anything is written, which may fail.

    Returns:
        `env`, `backend`, `changed` (settings that are not those of training), `frames` (trained), `checkpoint`, `seed`,
        `action_repeat`, `file` (its name in `report/`), and for `sampled` and `greedy` the
        `EpisodeStats.summary` with `info`, what the environment told beside the return (`episodes.Told`).

    Raises:
        UsageError: Not a run directory, or one that cannot be written; or settings that its back end does not have.
        RunFailure: No checkpoint is whole, and of the network that config.yaml describes.
    """
    run, target = RunDirectory.open(run_dir), pick_device(device)
    if video is not None:
        check_video_path(video)  # now, not after the episodes have been played
        check_writable(video, "--video")
    saved = settings_of(run)
    env_config = section(EnvConfig, saved, "env", run.config_path)
    wanted: dict[str, Any] = {"textures": textures, "look": look, "randomise": randomise}
    wanted |= {"randomise_half": randomise_half, "backend": backend, "dmlab_renderer": dmlab_renderer}
    env_config, changed = other_settings(env_config, wanted)
    file = f"{'-'.join(['evaluation', *(f'{name}={value}' for name, value in changed.items())])}.json"
    check_writable(run.path / "report" / file)
    check_writable(run.path / "report" / picture_of(file))
    with as_usage_error():
        env_config = env_config.model_copy(update={"num_envs": at_once(env_config, episodes, num_envs)})
    network = section(NetworkConfig, saved, "network", run.config_path)
    best = checkpoint == "best"
    with restored(run, env_config, network, seed, best=best) as (env, net, saved_state):
        net.to(target)
        result: dict[str, Any] = {"env": env.name, "backend": env.backend, "changed": changed, "file": file}
        result |= {"frames": saved_state["frames"], "checkpoint": checkpoint, "seed": seed}
        result["action_repeat"] = env.action_repeat
        seen: dict[str, Coverage] = {}
        for name in ("sampled", "greedy") if greedy else ("sampled",):
            policy: Policy = NetworkPolicy(net, env.num_envs, target, seed, greedy=name == "greedy")
            if covers(env):
                policy = seen[name] = Coverage(env, policy, episodes, max_steps)
            told = None if progress is None else partial(progress, name)
            result[name] = scores(evaluate(env, policy, episodes, max_steps, told))
            if name in seen:
                result[name]["info"]["coverage"] = seen[name].told()._asdict()
    if known is not None:
        known(result)
    text = json.dumps(result, indent=2) + "\n"
    write_atomic(run.report / file, lambda stream: stream.write(text.encode()))
    if seen:
        picture = draw(f"{result['env']} after {result['frames']:,} frames", seen)
        write_atomic(run.report / picture_of(file), lambda stream: stream.write(picture))
    if video is not None:
        _film_one(net, env_config, environments_of(saved_state), target, seed, video, max_steps)
    return result


def other_settings(config: EnvConfig, wanted: Mapping[str, Any]) -> tuple[EnvConfig, dict[str, Any]]:
    """A run's environment with the settings `wanted` (None: as they were), and those of them that differ.

    Raises:
        UsageError: A number out of bounds, a setting that the back end does not have, or a back end that does not play
            the levels of the run's.
    """
    with as_usage_error():
        config = resolve(config)[0]
        changed = {name: value for name, value in wanted.items() if value not in (None, getattr(config, name))}
        EnvConfig(**{"randomise": config.randomise, **changed})  # its bounds
    if "backend" in changed and config.backend not in ("minilab", "dmlab"):
        raise UsageError(f"--backend: the run was trained on {config.backend}; minilab and dmlab play the same levels")
    played = config.model_copy(update=changed)
    for name in changed:
        owner = "dmlab" if name.startswith("dmlab_") else "minilab"
        if name != "backend" and played.backend != owner:
            flag = name.replace("_", "-")
            raise UsageError(f"--{flag}: the run is played on {played.backend}; {owner} alone has this setting")
    return played, changed


def picture_of(file: str) -> str:
    """Name of the picture of where the agent went, beside the `file` of its scores."""
    return file.replace("evaluation", "coverage", 1).removesuffix(".json") + ".png"


def scores(stats: EpisodeStats) -> dict[str, Any]:
    """What is kept of some episodes: their summary, and `info`, a `Told` by name."""
    return {**stats.summary(), "info": {name: told._asdict() for name, told in stats.told().items()}}


def summary_table(title: str, rows: Mapping[str, Mapping[str, Any]], action_repeat: int) -> Table:
    """Lay out the `scores` of each policy, one a line."""
    episodes = " and ".join(sorted({f"{s['episodes']:.0f}" for s in rows.values()}))
    caption = f"{episodes} episodes; length in agent steps of {action_repeat} frames"
    for name, s in rows.items():
        if s["cut"]:
            caption += f"\n! {name}: {s['cut']:.0f} episodes did not end and were cut (--max-steps); they count so far"
    table = Table(title=title, caption=caption, title_justify="left", caption_justify="left", box=rich.box.MINIMAL)
    table.add_column("policy")
    for heading in ("return", "95 % interval", "median", "min", "max", "length"):
        table.add_column(heading, justify="right")
    for name, s in rows.items():
        cells = [f"{s['mean']:.2f}", f"{s['low']:.2f} to {s['high']:.2f}" if s["episodes"] > 1 else "-"]
        cells += [f"{s[key]:g}" for key in ("median", "min", "max")]
        table.add_row(name, *cells, f"{s['length']:.0f}")
    return table


def info_table(rows: Mapping[str, Mapping[str, Any]]) -> Table | None:
    """Lay out the `info` in the `scores` of each policy, a column each; None where there is none."""
    names = list(dict.fromkeys(name for each in rows.values() for name in each["info"]))
    if not names:
        return None
    table = Table(title="in an episode", title_justify="left", box=rich.box.MINIMAL)
    table.add_column("")
    for heading in rows:
        table.add_column(heading, justify="right", no_wrap=True)
    for name in names:
        table.add_row(name, *(_told(each["info"].get(name)) for each in rows.values()))
    return table


def _told(told: Mapping[str, Any] | None) -> str:
    if told is None:
        return "-"
    if told["low"] is None:
        return f"{_number(told['mean'])} (of {told['times']:.0f})"
    return f"{_number(told['mean'])} ({_number(told['low'])} to {_number(told['high'])})"


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def told(step: Step, episodes: int, policies: int = 1) -> Progress:
    """A function that has `step` say how far the episodes of each of so many policies are."""
    begun: list[str] = []

    def progress(policy: str, done: int, steps: int) -> None:
        if not begun:
            step.begin("playing")
        if policy not in begun:
            begun.append(policy)
        before = (len(begun) - 1) * episodes
        step(before + done, policies * episodes, f"{policy} policy, {steps:,} agent steps each environment")

    return progress


def settings_of(run: RunDirectory) -> dict[str, Any]:
    """What an agent's config.yaml says, in the words of today. Raises UsageError for a run of another kind."""
    saved = upgrade(load_yaml(run.config_path))
    check_program(run.path, saved, ["agents.a2c", "cpc_rl.pretrain"])
    return saved


def section(model: type[S], saved: Mapping[str, Any], name: str, path: Path) -> S:
    """A section of a run's config.yaml, which lies at `path`. Raises UsageError where it cannot be read."""
    try:
        return model.model_validate(saved.get(name, {}))
    except ValidationError as error:
        raise UsageError(f"{path}, section {name}: {explain(error, known=model.model_fields)}") from error


@contextmanager
def restored(
    run: RunDirectory,
    config: EnvConfig,
    network: NetworkConfig,
    seed: int,
    best: bool = False,
    evaluation: bool = True,
) -> Iterator[tuple[BatchedEnv, ActorCritic, dict[str, Any]]]:
    """Environments to play in, the agent, and its checkpoint: the best one, or the newest that is of this network.

    `evaluation`: on episodes that training never sees.
    """
    with ExitStack() as stack:
        found: list[tuple[BatchedEnv, ActorCritic]] = []

        def restore(checkpoint: dict[str, Any]) -> None:
            stack.close()  # what was opened for a checkpoint that turned out damaged
            env = stack.enter_context(opened(config, seed, evaluation=evaluation, trained=environments_of(checkpoint)))
            net = ActorCritic(network, env.obs_shape, env.num_actions)
            # The mean of the weights where the run has one, else the last ones.
            net.load_state_dict({**checkpoint["network"], **checkpoint.get("average", {})})
            found[:] = [(env, net.eval())]
            int(checkpoint["frames"])

        checkpoint = run.checkpoints.load_best(restore) if best else run.checkpoints.load(restore)
        yield *found[0], checkpoint


def environments_of(checkpoint: Mapping[str, Any]) -> list[dict[str, Any]]:
    """States of the environments that a run was trained in, one a rank."""
    return [rank["env"] for rank in checkpoint.get("ranks", ())]


def _film_one(
    net: ActorCritic,
    config: EnvConfig,
    trained: Sequence[dict[str, Any]],
    device: torch.device,
    seed: int,
    path: Path,
    max_steps: int,
) -> None:
    with opened(config.model_copy(update={"num_envs": 1}), seed, evaluation=True, trained=trained) as env:
        film(env, NetworkPolicy(net, 1, device, seed), path, max_steps=max_steps)


def show(config: EvaluateConfig) -> int:
    """Evaluate, and say how it went."""
    screen = Screen(config.quiet)
    if config.threads:
        torch.set_num_threads(config.threads)

    def known(result: dict[str, Any]) -> None:
        rows: dict[str, Any] = {name: result[name] for name in ("sampled", "greedy") if name in result}
        best = " (best checkpoint)" if config.checkpoint == "best" else ""
        title = f"{result['env']} after {result['frames']:,} frames{best}"
        if changed := ", ".join(f"{name} {value}" for name, value in result["changed"].items()):
            title += f"\nnot as in training: {changed}"
        screen.result(summary_table(title, rows, result["action_repeat"]))
        if (table := info_table(rows)) is not None:
            screen.result(table)
        step.begin("filming an episode")

    with screen.step("restoring the agent") as step:
        progress = told(step, config.episodes, 1 + config.greedy)
        settings = config.model_dump(exclude={"run", "threads", "quiet", "debug"})
        result = evaluate_run(config.run, progress=progress, known=known, **settings)
    report = config.run / "report"
    drawn = [report / picture_of(result["file"])] if "coverage" in result["sampled"]["info"] else []
    written = [report / result["file"], *drawn, *([config.video] if config.video is not None else [])]
    try:
        written.append(plot_curve(config.run))
    except RunFailure as error:  # the scores stand without it
        screen.say(f"no curve: {error}")
    for path in written:
        screen.say(f"wrote {path}")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    argv = sys.argv[1:] if argv is None else argv

    def program() -> int:
        return show(load(EvaluateConfig, argv, prog="python -m cpc_rl.evaluate", description=__doc__ or ""))

    return guarded(program, debug="--debug" in argv)


if __name__ == "__main__":
    sys.exit(main())
