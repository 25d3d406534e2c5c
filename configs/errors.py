"""How a program ends when something is wrong: one line that names the value and what is allowed."""

from __future__ import annotations

import contextlib
import difflib
import io
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any

from pydantic import ValidationError

USAGE, FAILURE, INTERRUPTED = 2, 1, 130
READER_LEFT = 141  # as a shell counts SIGPIPE
LONGEST = 300  # characters of a word in a message: a path may be long, a number of 4,000 digits says nothing


class UsageError(Exception):
    """The user asked for something that does not exist or is not allowed (exit code 2)."""

    def __init__(self, message: str, shared: bool = False) -> None:
        """`shared`: all processes that train together have the same complaint, and the first one makes it."""
        super().__init__(message)
        self.shared = shared


class RunFailure(Exception):
    """The request was fine and the work failed: NaN in a loss, every checkpoint damaged (exit code 1)."""


@contextlib.contextmanager
def as_usage_error() -> Iterator[None]:
    """Turn a ValueError into a UsageError: the floors below the programs know nothing of exit codes."""
    try:
        yield
    except ValueError as error:
        raise UsageError(str(error)) from error


def guarded(main: Callable[[], int | None], debug: bool) -> int:
    """Run `main` and return its exit code, turning expected errors into one line on stderr.

    Args:
        main: The program; None counts as 0.
        debug: Let every exception through, with its traceback.

    Returns:
        The exit code: 2 for usage, 1 for failure, 130 after an interrupt, 141 where nobody reads standard output any
        longer. A bug still shows its traceback.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a log in ASCII, a name that is not UTF-8: no reason to end
    with _interruptible():
        if debug:
            return main() or 0
        try:
            code = main() or 0
            _reader_left()
            return code
        except UsageError as error:
            rank = os.environ.get("RANK", "0")
            if rank != "0" and error.shared:
                return USAGE
            return _end(str(error) if rank == "0" else f"rank {rank}: {error}", USAGE)
        except ValidationError as error:
            return _end(explain(error), USAGE)
        except RunFailure as error:
            return _end(str(error), FAILURE)
        except OSError as error:
            if isinstance(error, BrokenPipeError) and _reader_left():
                return READER_LEFT
            place = f"{error.filename}: " if error.filename else ""
            return _end(f"{place}{error.strerror or error}", FAILURE)
        except NotImplementedError as error:
            if "MPS" not in str(error):
                raise
            missing = str(error).partition(". ")[0]  # what follows is about PyTorch's own issue tracker
            fallback = "PYTORCH_ENABLE_MPS_FALLBACK=1 computes that on the processor, --device cpu everything"
            return _end(f"--device mps: {missing}; {fallback}", FAILURE)
        except KeyboardInterrupt:
            return _end("interrupted", INTERRUPTED)
        except SystemExit:  # of --help
            _reader_left()
            raise


def _reader_left() -> bool:
    """Whether standard output is a pipe that nobody reads any longer (`| head`); what is left to print is dropped."""
    if not hasattr(select, "poll"):  # on Windows
        return False
    poll = select.poll()
    try:
        poll.register(sys.stdout.fileno(), 0)
    except (AttributeError, OSError, ValueError):  # closed, or an object of Python's only
        return False
    left = any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
    if left:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains as it ends
    return left


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Have Ctrl-C raise KeyboardInterrupt where the start of the program had it end the process."""
    handler = signal.getsignal(signal.SIGINT)
    starting = getattr(handler, "starting", False) and threading.current_thread() is threading.main_thread()
    if starting:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        if starting:
            signal.signal(signal.SIGINT, handler)


def explain(error: ValidationError, flags: Mapping[str, str] | None = None, known: Iterable[str] = ()) -> str:
    """Say in one line what pydantic refused: the key, the value and what is allowed.

    Args:
        error: As raised by `model_validate`.
        flags: Dotted key to flag; where given, keys are shown as flags.
        known: All dotted keys, to look for a near match of one that is not known.
    """
    names = {*known, *(flags or ())}
    complaints: list[tuple[str, str]] = []  # about what, and what is wrong with it
    for item in error.errors(include_url=False):
        words = [str(word) for word in item["loc"]]
        full = ".".join(words)
        # Behind a key stands which of its types was tried ("a number or `all`"), or the place in a list.
        key = next((k for n in range(len(words), 0, -1) if (k := ".".join(words[:n])) in names), full)
        message = item["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
        if item["type"] == "extra_forbidden":
            about, message = "", f"{full} is not a known key; {suggest(full, names)}"
        elif flags is not None and key in flags:
            about, message = f"{flags[key]} {shorten(str(item['input']))}: ", _lower(message)
        elif key and not _is_tree(item["input"]):
            about, message = f"{key} = {shorten(repr(item['input']))}: ", _lower(message)
        else:  # a section, which may name the flag itself
            about = f"{key}: " if key and not message.startswith("--") else ""
        complaints.append((about, message))
    return "; ".join(
        about + (" or " if about else "; ").join(dict.fromkeys(message for _, message in several))
        for about, several in groupby(complaints, key=itemgetter(0))
    )


def suggest(word: str, known: Iterable[str]) -> str:
    """Return "did you mean ...?" where a near match exists, else the names that are allowed."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.7)
    if near:
        return f"did you mean {near[0]}?"
    section = word.rpartition(".")[0]
    return "known are: " + ", ".join([n for n in names if section and n.startswith(section + ".")] or names)


def shorten(text: str, most: int = 80) -> str:
    """Cut the middle out of a text that would fill the line by itself."""
    return text if len(text) <= most else f"{text[: most // 2]}...{text[-most // 4 :]} ({len(text):,} characters)"


def readable(text: str) -> str:
    """Put marks in the place of bytes that are not UTF-8, as names of files may have: no file or screen takes them."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _is_tree(value: Any) -> bool:
    return isinstance(value, Mapping) or hasattr(value, "model_fields")


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]


def _end(message: str, code: int) -> int:
    with contextlib.suppress(OSError):  # the terminal may be gone
        print("error: " + " ".join(shorten(word, LONGEST) for word in message.split()), file=sys.stderr, flush=True)
    return code
