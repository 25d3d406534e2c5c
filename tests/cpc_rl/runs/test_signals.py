import os
import signal
import threading

import pytest

from cpc_rl.runs import StopSignal
from cpc_rl.runs.signals import ASKING

QUEUE = [signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_asks_the_second_insists(number: signal.Signals, capfd: pytest.CaptureFixture[str]) -> None:
    with StopSignal() as signals:
        assert not signals.stop
        signal.raise_signal(number)
        assert signals.stop
        assert "stopping after this update" in capfd.readouterr().err
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)


@pytest.mark.parametrize("number", QUEUE)
def test_a_queues_signals_ask_however_often_they_come(number: signal.Signals) -> None:
    with StopSignal() as signals:
        signal.raise_signal(number)
        assert signals.stop
        signal.raise_signal(number)
        signal.raise_signal(signal.SIGTERM)  # the limit itself, while the checkpoint is written
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_what_is_held_is_interrupted_behind_its_end() -> None:
    with StopSignal() as signals:
        signal.raise_signal(signal.SIGINT)
        done = []
        with pytest.raises(KeyboardInterrupt), signals.held():
            signal.raise_signal(signal.SIGINT)
            done.append("written")
        assert done == ["written"]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    with StopSignal() as signals, signals.held():
        signal.raise_signal(signal.SIGINT)


def test_a_thread_hears_nothing_and_breaks_nothing() -> None:
    before = [signal.getsignal(number) for number in ASKING]
    found: list[object] = []

    def run() -> None:
        with StopSignal() as signals:
            found.extend((signals.stop, [signal.getsignal(number) for number in ASKING]))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [False, before]


def test_nohup_is_respected() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopSignal() as signals:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not signals.stop
    finally:
        signal.signal(signal.SIGHUP, before)


def test_handlers_come_back() -> None:
    before = [signal.getsignal(number) for number in ASKING]
    with pytest.raises(ValueError, match="x"), StopSignal():
        raise ValueError("x")
    assert [signal.getsignal(number) for number in ASKING] == before
