"""The state of a long fit on the disk."""

from __future__ import annotations

from pathlib import Path

import torch

from cpc_repr.bookmark import Bookmark
from cpc_rl.runs import StopSignal


def test_a_state_is_read_where_it_fits(tmp_path: Path) -> None:
    path, stop = tmp_path / "new/fit.pt", StopSignal()
    mark = Bookmark(path, {"rate": 0.1}, 5, stop)
    assert mark.read() == {}
    mark.write({"updates": 3, "weights": torch.ones(2)})
    assert Bookmark(path, {"rate": 0.1}, 5, stop).read()["updates"] == 3
    assert Bookmark(path, {"rate": 0.2}, 5, stop).read() == {}
    path.write_bytes(path.read_bytes()[:100])
    assert mark.read() == {}


def test_a_state_is_written_when_it_is_time_or_a_signal_came(tmp_path: Path) -> None:
    stop = StopSignal()
    mark = Bookmark(tmp_path / "fit.pt", {}, 5, stop)
    mark.offer(lambda: {"updates": 1})
    assert not mark.path.exists()
    stop.stop = True
    mark.offer(lambda: {"updates": 2})
    assert mark.read() == {"updates": 2}
    stop.stop = False
    often = Bookmark(tmp_path / "fit.pt", {}, 0, stop)
    often.offer(lambda: {"updates": 3})
    assert often.read() == {"updates": 3}
