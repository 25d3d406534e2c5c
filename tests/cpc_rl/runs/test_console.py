import io

import rich.console

from cpc_rl.runs import Console
from cpc_rl.runs.console import describe


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_line() -> None:
    row = {"frames": 250_000, "frames_per_second": 1000.0, "episode_return": 12.34, "loss/total": None}
    assert describe(row, 1_000_000) == "250,000 frames (25%) · 1,000/s · 0:12:30 left · return 12.3"
    assert describe({"frames": 0}, 10) == "0 frames (0%) · 0/s"


def test_plain_lines_are_paced_and_the_last_one_is_never_lost() -> None:
    clock, out = Clock(), io.StringIO()
    with Console(100, rich.console.Console(file=out, width=40), every=10.0, clock=clock) as console:
        for frames in range(1, 31):
            console.show({"frames": frames, "frames_per_second": 1.0, "loss/total": 0.5})
            clock.now += 1
        console.say("saved [1]")
    lines = out.getvalue().splitlines()
    shown = [int(line.split()[0]) for line in lines if "frames" in line]
    assert shown == [1, 11, 21, 30]
    assert "saved [1]" in lines


def test_where_an_update_takes_long_the_line_comes_again() -> None:
    clock, out = Clock(), io.StringIO()
    console = Console(100, rich.console.Console(file=out, width=80), every=10.0, clock=clock)
    for now in (5, 21, 30):
        clock.now = now
        console._break_silence(str(console))
    with console.step("evaluating") as step:
        step(1, 4)
        clock.now = 41
        console._break_silence(str(console))
    lines = out.getvalue().splitlines()
    assert lines[0] == "starting" and lines[1].startswith("evaluating: 1 of 4 (25%)") and len(lines) == 2


def test_the_last_known_return_stays_on_the_line() -> None:
    out = io.StringIO()
    with Console(100, rich.console.Console(file=out, width=200), every=0.0) as console:
        console.show({"frames": 1, "episode_return": 7.0})
        console.show({"frames": 2})
    assert "2 frames (2%) · 0/s · return 7" in out.getvalue()


def test_a_terminal_gets_one_live_line() -> None:
    out = io.StringIO()
    terminal = rich.console.Console(file=out, width=120, force_terminal=True, legacy_windows=False)
    with Console(100, terminal) as console:
        for frames in range(1, 101):
            console.show({"frames": frames, "frames_per_second": 10.0})
        console.say("saved")
    text = out.getvalue()
    assert "100 frames (100%)" in text and "saved" in text
    assert text.count("\n") < 10 and "\x1b[2K" in text  # redrawn in place
