import signal

import pytest

from cpc_rl.runs import StopSignal


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_asks_the_second_insists(number: signal.Signals, capfd: pytest.CaptureFixture[str]) -> None:
    with StopSignal() as signals:
        assert not signals.stop
        signal.raise_signal(number)
        assert signals.stop
        assert "stopping after this update" in capfd.readouterr().err
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)


def test_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(ValueError, match="x"), StopSignal():
        raise ValueError("x")
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
