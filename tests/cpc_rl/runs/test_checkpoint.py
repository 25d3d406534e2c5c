import os
from pathlib import Path
from typing import Any

import pytest
import torch

from configs import RunFailure, UsageError
from cpc_rl.runs import Checkpoints
from cpc_rl.runs import checkpoint as module


def state(frames: int) -> dict[str, object]:
    return {"frames": frames, "weights": torch.full((1000,), float(frames)), "text": "x", "list": [1, 2.5, None]}


def flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[data.index(torch.full((4,), 300.0).numpy().tobytes()) + 40] ^= 0xFF
    path.write_bytes(data)


def test_round_trip_keeps_the_newest_two_by_number(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    for frames in (90, 100, 1000):  # as text, 90 would come last
        checkpoints.save(state(frames))
    assert [p.name for p in checkpoints.paths()] == ["checkpoint-100.pt", "checkpoint-1000.pt"]
    loaded = Checkpoints(tmp_path).load()
    assert loaded["frames"] == 1000 and torch.equal(loaded["weights"], torch.full((1000,), 1000.0))
    assert loaded["list"] == [1, 2.5, None]


def test_only_weights_and_plain_values_are_read(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "broken-in"),)

    checkpoints = Checkpoints(tmp_path, say=lambda _: None)
    torch.save({"format": 2, "frames": 5, "evil": Evil()}, tmp_path / "checkpoint-5.pt")
    with pytest.raises(RunFailure, match="no usable checkpoint"):
        checkpoints.load()
    assert not (tmp_path / "broken-in").exists()


@pytest.mark.parametrize("damage", ["truncate", "empty", "flip"])
def test_a_damaged_newest_one_falls_back_and_says_so(tmp_path: Path, damage: str) -> None:
    good, bad = tmp_path / "checkpoint-200.pt", tmp_path / "checkpoint-300.pt"
    Checkpoints(tmp_path).save(state(200))
    torch.save({"format": 2, **state(300)}, bad)
    if damage == "flip":
        flip_a_byte(bad)
    else:
        bad.write_bytes(bad.read_bytes()[: 1500 if damage == "truncate" else 0])
    said: list[str] = []
    checkpoints = Checkpoints(tmp_path, say=said.append)
    assert checkpoints.load()["frames"] == 200
    assert len(said) == 1 and "checkpoint-300.pt is damaged" in said[0]
    checkpoints.save(state(250))  # the run goes on: the damaged future must not count among the newest two
    assert checkpoints.paths() == [good, tmp_path / "checkpoint-250.pt"]


def test_none_left(tmp_path: Path) -> None:
    with pytest.raises(RunFailure, match="^no checkpoint in"):
        Checkpoints(tmp_path).load()
    (tmp_path / "checkpoint-5.pt").write_bytes(b"junk")
    with pytest.raises(RunFailure, match="no usable checkpoint in"):
        Checkpoints(tmp_path, say=lambda _: None).load()


def test_another_format_is_refused_not_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Checkpoints(tmp_path).save(state(1))
    monkeypatch.setattr(module, "FORMAT", 3)
    with pytest.raises(RunFailure, match="has format 2, this version reads format 3"):
        Checkpoints(tmp_path).load()


def test_what_a_killed_writer_left_is_not_a_checkpoint_and_is_swept(tmp_path: Path) -> None:
    (tmp_path / ".checkpoint-7.pt.tmp").write_bytes(b"half")
    (tmp_path / "checkpoint-best.pt").write_bytes(b"the user's own")
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.paths() == []
    path = checkpoints.save(state(8))
    assert sorted(tmp_path.iterdir()) == [path, tmp_path / "checkpoint-best.pt"]


@pytest.mark.parametrize("content", [[1, 2], {}, {"format": "two"}, 3, None])
def test_a_whole_file_of_other_content_falls_back(tmp_path: Path, content: object) -> None:
    Checkpoints(tmp_path).save(state(200))
    torch.save(content, tmp_path / "checkpoint-300.pt")
    said: list[str] = []
    assert Checkpoints(tmp_path, say=said.append).load()["frames"] == 200
    assert len(said) == 1 and "checkpoint-300.pt is damaged (its content is something else)" in said[0]


def test_what_cannot_be_put_to_use_falls_back_and_the_last_reason_is_told(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, say=lambda _: None)
    for frames in (100, 200):
        checkpoints.save(state(frames))
    net = torch.nn.Linear(2, 2)
    used: list[int] = []

    def restore(saved: dict[str, Any]) -> None:
        used.append(saved["frames"])
        if saved["frames"] == 200:
            net.load_state_dict({"weight": torch.zeros(3, 2), "bias": torch.zeros(2)})

    assert checkpoints.load(restore)["frames"] == 100 and used == [200, 100]
    with pytest.raises(RunFailure, match="no usable checkpoint in .*: it has no 'ranks'"):
        checkpoints.load(lambda saved: saved["ranks"])
    with pytest.raises(UsageError, match="another configuration"):  # that is no damage

        def refuse(saved: dict[str, Any]) -> None:
            raise UsageError("another configuration")

        checkpoints.load(refuse)


def test_what_has_a_checkpoints_name_and_is_no_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "checkpoint-99.pt").mkdir()
    os.mkfifo(tmp_path / "checkpoint-98.pt")
    checkpoints = Checkpoints(tmp_path)
    for frames in (1, 2, 3):
        checkpoints.save({"frames": frames})
    assert [path.name for path in checkpoints.paths()] == ["checkpoint-2.pt", "checkpoint-3.pt"]
    assert checkpoints.load()["frames"] == 3 and (tmp_path / "checkpoint-99.pt").is_dir()
