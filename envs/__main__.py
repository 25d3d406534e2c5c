"""Look at the built-in levels: `python -m envs list | bench | gallery`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pydantic import ValidationError

from envs import LEVELS, EnvConfig, make


def _list() -> None:
    for name, info in LEVELS.items():
        print(f"{name}\n    {info.task}\n    {info.agent_steps} agent steps an episode; {info.reward}")


def _bench(name: str, num_envs: int, threads: int) -> None:
    from envs.minilab.bench import steps_per_second

    env = make(EnvConfig(name=name, num_envs=num_envs, env_threads=threads), seed=0)
    rate = steps_per_second(env)
    height, width, _ = env.obs_shape
    print(f"{name}: {rate:,.0f} agent steps/s ({num_envs} environments, {height}x{width}, threads: {threads})")
    env.close()


def _gallery(out: Path) -> None:
    from envs.minilab.gallery import write_gallery

    for path in write_gallery(list(LEVELS), out):
        print(path)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m envs", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="name, task, length and reward of each level")
    bench = commands.add_parser("bench", help="agent steps per second under random actions")
    bench.add_argument("--env", default="rooms_watermaze", help="level (default: %(default)s)")
    bench.add_argument("--num-envs", type=int, default=32, help="environments in the batch (default: %(default)s)")
    bench.add_argument("--threads", type=int, default=1, help="threads that share the batch (default: %(default)s)")
    gallery = commands.add_parser("gallery", help="a contact sheet (PNG) of each level")
    gallery.add_argument("--out", type=Path, default=Path("gallery"), help="folder (default: %(default)s)")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns 0, or 2 after a line on standard error when an argument is not allowed."""
    arguments = _parser().parse_args(argv)
    try:
        if arguments.command == "list":
            _list()
        elif arguments.command == "bench":
            _bench(arguments.env, arguments.num_envs, arguments.threads)
        else:
            _gallery(arguments.out)
    except ValidationError as error:
        for item in error.errors():
            print(f"error: {item['loc'][0]} is {item['input']}: {item['msg']}", file=sys.stderr)
        return 2
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
