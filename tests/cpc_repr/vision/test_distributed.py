"""Two processes that share the batches of each update are one: the same weights, one set of records."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from cpc_repr.vision.__main__ import main
from cpc_rl.runs import read_metrics
from tests.cpc_repr.commands import TWO, finish, newest, start
from tests.cpc_repr.vision.test_command import TINY
from tests.cpc_repr.vision.toy import write_toy

MODULES = ["--blocks", "1", "1", "1", "--bottlenecks", "4", "4", "4", "--maps", "8", "8", "8", "--directions", "1"]
METHODS = [("cpc", "cpc/log_n", []), ("gim", "module3/accuracy_1", MODULES), ("rotation", "accuracy", [])]


@pytest.mark.parametrize("method, metric, own", METHODS, ids=[name for name, *_ in METHODS])
def test_two_ranks_are_one(method: str, metric: str, own: list[str], tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY)
    flags = ["--data", str(write_toy(tmp_path / "toy")), "--config", str(tmp_path / "tiny.yaml"), "--method", method]
    flags += own
    out = finish(start("vision", *flags, "--run", tmp_path / "two", launcher=TWO))
    assert out.count("done:") == 1 and out.count("8 updates (100%)") == 1
    assert main([*flags, "--run", str(tmp_path / "one")]) == 0
    one, two = newest(tmp_path / "one"), newest(tmp_path / "two")
    for name, value in one["module"].items():
        torch.testing.assert_close(value, two["module"][name], atol=1e-5, rtol=1e-4)
    rows = [read_metrics(tmp_path / name / "metrics.jsonl") for name in ("one", "two")]
    assert [row["updates"] for row in rows[1]] == [2, 4, 6, 8]
    for a, b in zip(*rows, strict=True):
        assert abs(a["loss/total"] - b["loss/total"]) < 1e-4 and abs(a[metric] - b[metric]) < 1e-5
    results = [json.loads((tmp_path / n / "report/results.json").read_text())["results"].keys() for n in ("one", "two")]
    assert results[0] == results[1]
    assert (tmp_path / "two/supervised").is_dir()
