"""The command `cpc-rl`: all programs by a short name. It does not look in the working directory for their packages."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from cpc_rl import interrupts, openmp, shadowing

COMMANDS = {
    "train": ("agents.a2c", "Train an A2C agent, with or without an auxiliary loss."),
    "random": ("agents.random", "Score random play, to compare an agent with."),
    "evaluate": ("cpc_rl.evaluate", "Score a trained run on new episodes, and film one."),
    "export": ("cpc_rl.export", "Hand an agent over as one file that plays without this library."),
    "probe": ("cpc_rl.probe", "Read what an agent knows from its latents: where it is, what it sees."),
    "collect": ("cpc_rl.collect", "Record play, of a random policy, an agent, or you."),
    "pretrain": ("cpc_rl.pretrain", "Train encoder and core on recorded play, without rewards."),
    "sweep": ("cpc_rl.sweep.__main__", "Run many trials of one command, from a file that `wandb sweep` takes."),
    "compare": ("cpc_rl.compare", "Compare runs: curves, intervals over seeds, a report."),
    "watch": ("cpc_rl.watch", "Watch runs that go on, with the same report."),
    "envs": ("envs.__main__", "See which environments work here; list, play, draw and time them."),
    "audio": ("cpc_repr.audio.__main__", "Learn representations of speech."),
    "vision": ("cpc_repr.vision.__main__", "Learn representations of pictures."),
    "text": ("cpc_repr.text.__main__", "Learn representations of sentences."),
}
EXAMPLES = """\
cpc-rl train --env rooms_watermaze --aux cpc --run runs/first
cpc-rl evaluate runs/first --episodes 30
cpc-rl compare runs/first runs/second"""


def help_text() -> str:
    """What there is, and how to begin."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {summary}" for name, (_, summary) in COMMANDS.items()]
    examples = [f"  {line}" for line in EXAMPLES.splitlines()]
    parts = ["usage: cpc-rl COMMAND ...", "", "Commands; `cpc-rl COMMAND --help` says what one takes:", *lines, ""]
    parts += ["To begin with:", *examples, "", "`cpc-rl train` is `python -m agents.a2c`, and so on: either will do."]
    return "\n".join(parts)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that the first argument names with the others; returns its exit code."""
    interrupts.be_brief()
    openmp.sleep_soon()
    shadowing.refuse()
    from configs import UsageError, guarded
    from configs.errors import suggest

    argv = sys.argv[1:] if argv is None else argv

    def program() -> int:
        if not argv or argv[0] in ("-h", "--help"):
            print(help_text())
            return 0
        if argv[0] not in COMMANDS:
            raise UsageError(f"cpc-rl {argv[0]}: no such command; {suggest(argv[0], COMMANDS)}")
        code: int = importlib.import_module(COMMANDS[argv[0]][0]).main(list(argv[1:]))
        return code

    return guarded(program, debug="--debug" in argv)
