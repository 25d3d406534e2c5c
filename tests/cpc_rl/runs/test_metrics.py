import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from configs import RunFailure
from cpc_rl.runs import read_metrics
from cpc_rl.runs.metrics import JsonLines, plain


def write(path: Path, frames: range, start: int = 0) -> None:
    sink = JsonLines(path, start)
    for f in frames:
        sink.write({"frames": f, "loss": f / 2})
    sink.close()


def test_lines_are_there_before_the_file_is_closed(tmp_path: Path) -> None:
    sink = JsonLines(tmp_path / "m.jsonl")
    sink.write({"frames": 1, "loss": None})
    assert (tmp_path / "m.jsonl").read_text() == '{"frames": 1, "loss": null}\n'


def test_plain_numbers() -> None:
    row = plain({"a": torch.tensor(1.5), "b": np.float32(2), "c": math.nan, "d": math.inf, "e": 3, "f": None})
    assert row == {"a": 1.5, "b": 2.0, "c": None, "d": None, "e": 3, "f": None}
    json.dumps(row, allow_nan=False)


def test_a_torn_last_line_is_passed_over_and_a_torn_one_before_it_is_not(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    write(path, range(1, 4))
    whole = path.read_text()
    path.write_text(whole[:-5])
    assert [row["frames"] for row in read_metrics(path)] == [1, 2]
    path.write_text(whole[:30] + "\n" + whole[50:])
    with pytest.raises(RunFailure, match="line 2: not JSON"):
        read_metrics(path)


def test_no_file_no_rows(tmp_path: Path) -> None:
    assert read_metrics(tmp_path / "none.jsonl") == []


def test_resuming_drops_what_came_after_the_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    write(path, range(10, 60, 10))
    path.write_text(path.read_text() + '{"frames": 60, "lo')  # killed while it wrote
    write(path, range(40, 80, 10), start=30)
    assert [row["frames"] for row in read_metrics(path)] == [10, 20, 30, 40, 50, 60, 70]
