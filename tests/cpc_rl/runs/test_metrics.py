import json
import math
import os
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


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("null", "None is no row of names and numbers"),
        ("[1, 2]", r"\[1, 2\] is no row"),
        ("3", "3 is no row"),
        ('{"frames": "x"}', "frames is 'x', which is no finite number"),
        ('{"frames": [1]}', r"frames is \[1\]"),
        ('{"frames": true}', "frames is True"),
        ('{"frames": NaN}', "frames is nan"),
        ('{"frames": 1, "loss": -Infinity}', "loss is -inf"),
        ('{"frames": 1e999}', "frames is inf"),
        ('{"frames": 1%s}' % ("0" * 400), r"frames is 1000*\.\.\.0* \(401 characters\), which is no finite number"),
        ('{"frames": 1%s}' % ("0" * 5000), "not JSON .*4300 digits"),
        ("[" * 100_000, "not JSON .*(recursion|Stack overflow)"),  # the latter from Python 3.14 on
        ('{"frames": 1', "not JSON .*delimiter"),
    ],
)
def test_a_line_that_is_no_row_is_named_and_a_torn_last_one_is_not(tmp_path: Path, line: str, says: str) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text('{"frames": 1, "loss": null}\n{"frames": 2, "loss": -1.5e299}\n' + line)
    assert read_metrics(path) == [{"frames": 1, "loss": None}, {"frames": 2, "loss": -1.5e299}]
    path.write_text(f'{{"frames": 1}}\n{line}\n{{"frames": 2}}\n')
    with pytest.raises(RunFailure, match=f"m.jsonl, line 2: {says}") as caught:
        read_metrics(path)
    assert len(str(caught.value)) < 400
    with pytest.raises(RunFailure, match="line 2"):
        JsonLines(path, frames=1)  # before anything is dropped
    assert path.read_text().endswith('{"frames": 2}\n')


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "m.jsonl")
    assert read_metrics(tmp_path / "m.jsonl") == []
