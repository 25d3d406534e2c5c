"""Look at the built-in levels, play them, and see how fast they are."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pydantic import ValidationError

from envs import LEVELS, EnvConfig, make

_EXAMPLES = """\
examples:
  python -m envs list                                      what there is
  python -m envs play rooms_watermaze                      arrows or WASD, space; escape quits
  python -m envs gallery --out pictures                    a contact sheet and a film of each level
  python -m envs gallery --env seekavoid_arena_01          of one level
  python -m envs bench                                     agent steps per second of each level
  python -m envs bench --env rooms_watermaze --num-envs 128 --threads 2 --height 84 --width 84
"""


def _list() -> None:
    for name, info in LEVELS.items():
        print(f"{name}\n    {info.task}\n    {info.agent_steps} agent steps an episode; {info.reward}")
        if info.human is not None:
            print(f"    published for DeepMind Lab: random {info.random}, human {info.human:g}")


def _bench(arguments: argparse.Namespace) -> None:
    from envs.minilab.bench import steps_per_second

    sizes = {"num_envs": arguments.num_envs, "height": arguments.height, "width": arguments.width}
    for env in [make(EnvConfig(name=name, env_threads=arguments.threads, **sizes), seed=0) for name in arguments.env]:
        height, width, _ = env.obs_shape
        batch = f"{env.num_envs} environments, {height}x{width}, threads: {arguments.threads}"
        print(f"{env.name}: {steps_per_second(env):,.0f} agent steps/s ({batch})")
        env.close()


def _gallery(arguments: argparse.Namespace) -> None:
    from envs.minilab.gallery import write_gallery

    for path in write_gallery(arguments.env, arguments.out):
        print(path)


def _play(arguments: argparse.Namespace) -> None:
    from envs.minilab.play import play

    play(arguments.env, arguments.seed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m envs",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("list", help="task, length, reward and reference scores of each level")
    play = commands.add_parser("play", help="play a level with the keyboard (needs the extra `play`)")
    play.add_argument("env", metavar="LEVEL")
    play.add_argument("--seed", type=int, help="episodes of this seed (default: a random one)")
    gallery = commands.add_parser("gallery", help="a contact sheet (PNG) and a 16-second film (mp4) of each level")
    gallery.add_argument("--out", type=Path, default=Path("gallery"), help="folder (default: %(default)s)")
    bench = commands.add_parser("bench", help="agent steps per second under random actions")
    for command in (gallery, bench):
        command.add_argument("--env", nargs="+", default=list(LEVELS), metavar="LEVEL", help="levels (default: all)")
    for name, default, text in (
        ("num-envs", 32, "environments in the batch"),
        ("threads", 1, "threads that share the batch"),
        ("height", 72, "of the picture in pixels"),
        ("width", 96, "of the picture in pixels"),
    ):
        bench.add_argument(f"--{name}", type=int, default=default, metavar="N", help=f"{text} (default: %(default)s)")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns 0, or 2 after a line on standard error when it cannot."""
    arguments = _parser().parse_args(argv)
    command = {"list": lambda _: _list(), "play": _play, "gallery": _gallery, "bench": _bench}[arguments.command]
    try:
        command(arguments)
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
