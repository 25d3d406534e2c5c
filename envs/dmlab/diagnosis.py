"""Which errors of DeepMind Lab no other seed cures, and what to look at after those that one may cure."""

from __future__ import annotations

import re

from envs.dmlab.module import no_compiler, no_level, no_renderer
from envs.workers.child import Phase
from envs.workers.process import Failure

NOT_CONNECTED = "Failed to connect RL API"
NO_LEVEL = "Level not found"
NOT_COMPILED = "Failed to compile map"
NO_MAP = re.compile(r"Didn't find map '([^'\n]*)'")


def not_built(error: Exception, said: str, level: str, renderer: str) -> str:
    """Why a Lab cannot be built, in one line. No seed is in play there: another one cures nothing.

    Args:
        error: What `deepmind_lab.Lab` raised.
        said: What the engine printed.
        level: Its path.
        renderer: The one asked for.
    """
    text = _one_line(str(error))
    if NOT_CONNECTED in text:
        return no_renderer(renderer) or f"the engine's library cannot be loaded ({_one_line(said) or text})"
    if NO_LEVEL in text:
        return no_level(level) or text
    return text


def not_compiled(error: Exception) -> str:
    """What is missing where a level's map could not be compiled, in one line; empty if another seed may do."""
    if NOT_COMPILED in str(error) and (missing := no_compiler()):
        return f"its map cannot be compiled: {missing}"
    return ""


def no_map(failure: Failure) -> str:
    """That a level's map is not there, where the engine ended the process. One that it made itself may do next time."""
    found = NO_MAP.search(failure.said)
    if failure.exit_code != 1 or found is None or any(name.endswith(".pk3") for name in failure.files):
        return ""
    return f"its map {found[1]!r} is missing: check the level's name, or build and install the wheel again"


def advise(failure: Failure) -> str:
    """What to check after the last failure of a worker."""
    beginning = failure.phase is not Phase.STEP
    if beginning and (failure.exit_code == 1 or NOT_COMPILED in failure.what):
        return "Is the disk of temporary files (TMPDIR), where maps are made, full, or the cache of maps damaged?"
    if not beginning and failure.exit_code == -9:
        return "Was it killed for memory? Each Lab takes about 230 MB"
    return ""


def _one_line(text: str, most: int = 300) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[:most]} ..."
