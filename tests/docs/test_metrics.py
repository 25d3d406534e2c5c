"""The page of metrics names what a run logs, and nothing that none does."""

from __future__ import annotations

import json
import re
from pathlib import Path

from agents.a2c import main
from cpc_rl.aux import AUX_LOSSES
from envs.minilab.levels import LEVELS, load_level

PAGE = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"


def general(name: str) -> str:
    """As the page has it: with `<k>` for a number of steps ahead, and `<name>` for what an evaluation counts."""
    return re.sub(r"^(eval/(?:greedy_)?episode)/.*", r"\1/<name>", re.sub(r"_\d+$", "_<k>", name))


def test_a_run_with_every_loss_logs_what_the_page_names(tmp_path: Path) -> None:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    documented = {name for row in rows for name in re.findall(r"`([^`]+)`", row.split("|")[1])}
    flags = (
        "--preset laptop --env seekavoid_arena_01 --num-envs 2 --height 24 --width 24 --network.hidden 16 --unroll 40"
    )
    steps = [
        "--unroll",
        "40",
        "--cpc.steps",
        "2",
        "--cpc_action.steps",
        "2",
        "--log-updates",
        "1",
        "--eval-every",
        "2600",
        "--eval-episodes",
        "1",
    ]
    run = tmp_path / "run"
    assert main([*flags.split(), *steps, "--frames", "2600", "--aux", ",".join(AUX_LOSSES), "--run", str(run)]) == 0
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    logged = {general(name) for line in lines for name, value in line.items() if value is not None}
    counts = {level: {f"episode/{name}" for name in getattr(load_level(level), "COUNTS", ())} for level in LEVELS}
    assert {name for name in documented if name.startswith("episode/")} == set().union(*counts.values())
    assert logged == documented - set().union(*counts.values()) | counts["seekavoid_arena_01"]
    always = {name for row in rows if row.count("|") == 5 for name in re.findall(r"`([^`]+)`", row.split("|")[1])
              if row.split("|")[4].strip() == "never"}  # fmt: skip
    evaluations = [line for line in lines if "eval/return" in line]
    assert len(evaluations) == 1
    assert all(always <= line.keys() for line in lines if line not in evaluations)
    shared = {"frames", "seconds", "frames_per_second", "memory_mb"}
    assert {name for name in evaluations[0] if not name.startswith("eval/")} == shared
