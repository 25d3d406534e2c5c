import io
import threading
from collections.abc import Callable

import pytest
import rich.console
from rich.cells import cell_len
from rich.table import Table

from cpc_rl.runs import Console
from cpc_rl.runs.screen import NARROW, Screen, Step

NAMES = [
    "probing CPC with a long name, phones and speakers",
    "画像を描いています" * 4,
    "a name\nof two lines",
    "🧪" * 30,
]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Paper(io.StringIO):
    """A file that says when `words` were written to it."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self.words, self.written = words, threading.Event()

    def write(self, text: str) -> int:
        count = super().write(text)
        if self.words in self.getvalue():
            self.written.set()
        return count


def terminal(width: int) -> rich.console.Console:
    return rich.console.Console(
        file=io.StringIO(), width=width, force_terminal=True, legacy_windows=False, soft_wrap=True, highlight=False
    )


def text_of(console: rich.console.Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_step_says_what_is_done_and_the_time_left() -> None:
    clock = Clock()
    step = Step("drawing pictures", clock)
    clock.now = 10
    assert str(step) == "drawing pictures · for 0:00:10"
    step(1200, 4800)
    assert str(step) == "drawing pictures: 1,200 of 4,800 (25%) · 0:00:30 left"
    step(7)
    assert str(step) == "drawing pictures: 7 · for 0:00:10"
    step.begin("writing")
    step(1, 2, "MR")
    assert str(step) == "writing: 1 of 2 (50%) · MR · 0:00:00 left"


@pytest.mark.parametrize("width", [1, 20, 40, NARROW - 1, NARROW, 120])
@pytest.mark.parametrize("what", NAMES)
def test_the_live_line_is_one_line_of_the_terminal(width: int, what: str) -> None:
    console = terminal(width)
    step, run = Step(what), Console(100, console, shown={what: "metric"})
    step(12_345_678, 99_999_999, "words behind it")
    run._live = None
    run.show({"frames": 50, "frames_per_second": 2.0, "metric": 1.5})
    for line in (step, run):
        assert len(console.render_lines(line)) == 1
        drawn = "".join(segment.text for segment in console.render_lines(line, pad=False)[0])
        assert cell_len(drawn) <= width
        assert ("━" in drawn) == (width >= NARROW), "a bar only where there is room"


def test_a_terminal_gets_a_live_line_that_goes_when_the_step_is_over() -> None:
    console = terminal(80)
    screen = Screen(console=console)
    with screen.step("reading") as outer:
        outer(1, 4)
        with screen.step("unpacking") as inner:
            inner(2, 4)
            assert str(screen).startswith("unpacking: 2 of 4")
        assert str(screen).startswith("reading: 1 of 4")
        screen.say("a word")
    assert "reading: 1 of 4" in text_of(console) and "a word\n" in text_of(console)
    assert text_of(console).endswith("\x1b[2K"), "the line is wiped"


def test_a_file_gets_a_line_now_and_then_whatever_the_program_is_busy_with() -> None:
    paper = Paper("waiting · for")
    screen = Screen(console=rich.console.Console(file=paper, width=80), every=0.01)
    with screen.step("waiting"):
        assert paper.written.wait(60)
    assert threading.active_count() == 1 or not any(thread.name == "progress" for thread in threading.enumerate())


@pytest.mark.parametrize("make", [lambda: terminal(80), lambda: rich.console.Console(file=io.StringIO(), width=80)])
def test_a_quiet_one_prints_its_result_alone(make: Callable[[], rich.console.Console]) -> None:
    console = make()
    screen = Screen(quiet=True, console=console)
    with screen.step("waiting") as step:
        step(1, 2)
        screen.say("a word")
    assert text_of(console) == ""
    screen.result("the [1] result")
    screen.result(Table(title="t"))
    assert "the [1] result" in text_of(console)


def test_a_reader_that_is_gone_takes_nothing_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr("sys.stdout", Gone())
    screen = Screen()
    screen.result("nobody reads this")
    screen.say("nor this")
