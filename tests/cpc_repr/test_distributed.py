"""torchrun trains speech and text as it trains pictures: two ranks that share an update's batches are one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.cpc_repr.commands import ROOT, newest

LAUNCH = ("torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "--")


@pytest.mark.parametrize(
    ("family", "less"), [("text", ["--supervised-epochs", "0"]), ("audio", ["--supervised-updates", "0"])]
)
def test_two_ranks_are_one(family: str, less: list[str], tmp_path: Path) -> None:
    flags = ["--smoke", "--updates", "4", "--accumulate", "2", *less]
    for name, launch in (("one", ()), ("two", LAUNCH)):
        words = ["-m", *launch, f"cpc_repr.{family}", *flags, "--run", str(tmp_path / name)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240
        )
        assert done.returncode == 0 and done.stdout.count("done:") == 1, done.stderr
    one, two = (newest(tmp_path / name) for name in ("one", "two"))
    assert one["updates"] == two["updates"] == 4
    for name, value in one["module"].items():
        if "running" not in name and "tracked" not in name:  # batch normalisation's are those of a rank's own batches
            torch.testing.assert_close(value, two["module"][name], atol=1e-5, rtol=1e-4)
