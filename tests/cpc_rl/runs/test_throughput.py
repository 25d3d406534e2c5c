import pytest

from cpc_rl.runs.throughput import Throughput


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_rate_is_of_the_window_not_since_the_start() -> None:
    clock = Clock()
    meter = Throughput(window=10.0, clock=clock)
    frames = 0
    for _ in range(20):  # 100 frames a second for 20 s
        clock.now += 1
        frames += 100
        rate = meter.mark(frames)
    assert rate == pytest.approx(100)
    for _ in range(12):  # then 10 a second
        clock.now += 1
        frames += 10
        rate = meter.mark(frames)
    assert rate == pytest.approx(10)


def test_marks_further_apart_than_the_window_still_give_a_rate() -> None:
    clock = Clock()
    meter = Throughput(window=10.0, clock=clock)
    for frames in (600, 1200, 2400):
        clock.now += 60
        rate = meter.mark(frames)
    assert rate == pytest.approx(20)


def test_seconds_go_on_after_a_resume() -> None:
    clock = Clock()
    meter = Throughput(frames=5000, seconds=300.0, clock=clock)
    assert meter.seconds == pytest.approx(300)
    clock.now += 4
    assert meter.seconds == pytest.approx(304)
    assert meter.mark(5400) == pytest.approx(100)


def test_a_pause_counts_no_time() -> None:
    clock = Clock()
    meter = Throughput(clock=clock)
    clock.now += 2
    with meter.paused():
        clock.now += 100
    assert meter.seconds == pytest.approx(2) and meter.mark(50) == pytest.approx(25)
