"""See what there is to play and what of it works here; look at the built-in levels, play them, time them."""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import rich.console
from pydantic import ValidationError

from envs import LEVELS, EnvConfig, make
from envs.config import BACKENDS
from envs.errors import EnvironmentFailure
from envs.names import names

LONGEST = 300  # characters of a word in a message
_EXAMPLES = """\
examples:
  python -m envs doctor                                    which back ends work here, what is missing
  python -m envs list                                      the built-in levels
  python -m envs list envpool                              names of another back end
  python -m envs play rooms_watermaze                      arrows or WASD, space; escape quits
  python -m envs gallery --out pictures                    a contact sheet and a film of each level
  python -m envs gallery --env seekavoid_arena_01          of one level
  python -m envs gallery --randomise 1                     twelve draws of domain randomisation
  python -m envs bench                                     agent steps per second of each level
  python -m envs bench --env envpool/MyWayHome-v1          or of any environment
  python -m envs bench --env rooms_watermaze --num-envs 128 --env-threads 2 --height 84 --width 84
"""


def _list(arguments: argparse.Namespace) -> None:
    if arguments.backend != "minilab":
        print("\n".join(f"{arguments.backend}/{name}" for name in names(arguments.backend)))
        return
    for name, info in LEVELS.items():
        print(f"{name}\n    {info.task}\n    {info.agent_steps} agent steps an episode; {info.reward}")
        if info.human is not None:
            print(f"    published for DeepMind Lab: random {info.random}, human {info.human:g}")


def _doctor(arguments: argparse.Namespace) -> None:
    from envs.doctor import doctor

    if not doctor():
        raise OSError("the built-in suite does not work here")


def _bench(arguments: argparse.Namespace) -> None:
    from envs.minilab.bench import steps_per_second

    sizes = {"num_envs": arguments.num_envs, "height": arguments.height, "width": arguments.width}
    sizes |= {"env_threads": arguments.env_threads, "env_processes": arguments.processes}
    with _at_work("timing", arguments.quiet):
        for env in [make(EnvConfig(name=name, **sizes), seed=0) for name in arguments.env]:
            shape = "x".join(map(str, env.obs_shape[:2]))
            batch = f"{env.num_envs} environments, {shape}, threads: {arguments.env_threads}"
            print(f"{env.name}: {steps_per_second(env):,.0f} agent steps/s ({batch})", flush=True)
            env.close()


def _gallery(arguments: argparse.Namespace) -> None:
    from envs.minilab.gallery import write_gallery, write_looks

    strength = arguments.randomise
    paths = (
        write_looks(arguments.env, arguments.out, strength) if strength else write_gallery(arguments.env, arguments.out)
    )
    with _at_work("drawing", arguments.quiet):
        for path in paths:
            print(path, flush=True)


@contextmanager
def _at_work(what: str, quiet: bool) -> Iterator[None]:
    """Say on stderr what takes long: at once on a terminal, elsewhere after ten seconds."""
    console = rich.console.Console(stderr=True, quiet=quiet)
    line = f"{what}; numba compiles a level when it is first played"
    if console.is_terminal:
        with console.status(line):
            yield
        return
    timer = threading.Timer(10, console.print, [line])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _play(arguments: argparse.Namespace) -> None:
    from envs.minilab.play import play

    play(arguments.env, arguments.seed)


class _Parser(argparse.ArgumentParser):
    """Complains in one line."""

    def error(self, message: str) -> NoReturn:
        sys.exit(_refuse(f"{message}; see {self.prog} --help"))


def _refuse(message: str) -> int:
    words = (word if len(word) <= LONGEST else f"{word[:LONGEST]}..." for word in message.split())
    print("error: " + " ".join(words), file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m envs",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("doctor", help="try each back end; say what is missing and how to get it")
    listing = commands.add_parser("list", help="the built-in levels, or the names of another back end")
    listing.add_argument("backend", nargs="?", choices=BACKENDS, default="minilab", help="(default: %(default)s)")
    play = commands.add_parser("play", help="play a level with the keyboard (needs the extra `play`)")
    play.add_argument("env", metavar="LEVEL")
    play.add_argument("--seed", type=int, help="episodes of this seed (default: a random one)")
    gallery = commands.add_parser("gallery", help="a contact sheet (PNG) and a 16-second film (mp4) of each level")
    gallery.add_argument("--out", type=Path, default=Path("gallery"), help="folder (default: %(default)s)")
    text = "instead: twelve draws of domain randomisation of this strength, one PNG a level"
    gallery.add_argument("--randomise", type=float, default=0.0, metavar="0..1", help=text)
    bench = commands.add_parser("bench", help="agent steps per second under random actions")
    bench.add_argument("--processes", action="store_true", help="one process for each environment (gymnasium)")
    for command in (gallery, bench):
        command.add_argument("--env", nargs="+", default=list(LEVELS), metavar="LEVEL", help="levels (default: all)")
        command.add_argument("--quiet", action="store_true", help="print errors and results only")
    for name, default, text in (
        ("num-envs", 32, "environments in the batch (default: 32)"),
        ("env-threads", 1, "threads that share the batch (default: 1)"),
        ("height", None, "of the picture in pixels (default: the back end's)"),
        ("width", None, "of the picture in pixels (default: the back end's)"),
    ):
        bench.add_argument(f"--{name}", type=int, default=default, metavar="N", help=text)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns 0, or 2 after a line on standard error when it cannot."""
    arguments = _parser().parse_args(argv)
    commands = {"doctor": _doctor, "list": _list, "play": _play, "gallery": _gallery, "bench": _bench}
    try:
        commands[arguments.command](arguments)
    except ValidationError as error:
        return _refuse("; ".join(f"{item['loc'][0]} is {item['input']}: {item['msg']}" for item in error.errors()))
    except (ValueError, OSError, EnvironmentFailure) as error:
        return _refuse(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
