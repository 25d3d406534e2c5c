"""The program with the real agent: killed half-way, finished by the same command."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import yaml

from configs import load_yaml
from cpc_rl.runs import read_metrics
from cpc_rl.runs.sweep_directory import SweepDirectory
from cpc_rl.sweep.__main__ import main

ROOT = Path(__file__).parents[3]
TINY = "--preset=laptop --num-envs=1 --unroll=20 --height=24 --width=24 --device=cpu"
TINY += " --network.features=16 --network.hidden=16"


def test_killed_half_way_and_finished(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(tmp_path)
    content = {
        "program": "agents.a2c",
        "command": [
            "${env}",
            "${interpreter}",
            "-m",
            "${program}",
            "--preset=laptop",
            *TINY.split(),
            "--wandb",
            "${args}",
        ],
        "method": "random",
        "parameters": {
            "frames": {"value": 16_000},
            "backend": {"value": "minilab"},
            "log-updates": {"value": 1},
            "checkpoint-minutes": {"value": 0.01},
            "optimiser.learning-rate": {"value": 0.001},
            "env": {"values": ["no_such_level", "rooms_watermaze"]},
        },
    }
    Path("sweep.yaml").write_text(yaml.safe_dump(content))
    words = [
        "sweep.yaml",
        "--trials",
        "1",
        "--cross",
        "env",
        "--out",
        "out",
        "--threads-per-job",
        "1",
    ]
    first = subprocess.Popen([sys.executable, "-m", "cpc_rl.sweep", *words], stdout=subprocess.PIPE)
    run = Path("out/trials/001")
    end = time.monotonic() + 300
    while not any(run.glob("checkpoint-????*.pt")):  # of 1,000 frames or more
        assert first.poll() is None and time.monotonic() < end
        time.sleep(0.05)
    first.kill()
    first.wait()
    assert main(words) == 1  # one level is not there
    bad, good = SweepDirectory.open(Path("out")).trials
    assert bad.status == "failed" and "no_such_level" in (bad.error or "")
    assert good.status == "done" and good.exit_code == 0
    frames = [row["frames"] for row in read_metrics(run / "metrics.jsonl")]
    assert frames == list(range(80, 16_001, 80)), "nothing lost, nothing twice"
    log = Path("out/logs/001.log").read_text()
    assert log.count("\n$ ") == 2 and "resuming at" in log
    assert load_yaml(run / "config.yaml")["optimiser"]["learning_rate"] == 0.001
    assert main(words) == 1 and Path("out/logs/001.log").read_text() == log
