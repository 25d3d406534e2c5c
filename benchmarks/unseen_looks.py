"""Transfer to looks never seen: agents trained with half of minilab's randomised looks beside agents of the plain look.

    python benchmarks/unseen_looks.py --env rooms_watermaze --frames 10000000 --seeds 1 2 3

Trains both arms with CPC, one run at a time, evaluates each in four looks, and writes after each run what there is to
`benchmarks/results/unseen_looks/LEVEL.md`. A stopped call goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from hardware import hardware

from cpc_rl.compare.statistics import Estimate, t_interval

ARMS: dict[str, list[str]] = {"plain": [], "first half": ["--randomise", "1", "--randomise-half", "first"]}
LOOKS = {
    "plain": {"randomise": "0.0"},
    "first half": {"randomise": "1.0", "randomise-half": "first"},
    "second half": {"randomise": "1.0", "randomise-half": "second"},
    "labmaze's": {"randomise": "0.0", "textures": "labmaze"},
}


def train(run: Path, *flags: str) -> None:
    """Train a run of A2C with CPC on minilab, or go on with it."""
    command = [sys.executable, "-m", "agents.a2c", "--threads", "1"]
    if any(run.glob("checkpoint-*.pt")):
        command += ["--resume", str(run)]
    else:
        command += ["--run", str(run), "--preset", "laptop", "--backend", "minilab", "--aux", "cpc"]
        command += ["--network.precision", "bfloat16", *flags]
    subprocess.run(command, check=True)


def score(run: Path, name: str, look: dict[str, str], episodes: int) -> float:
    """Mean return of the sampled policy in a look, kept as `name`.json; what has been played is read again."""
    path = run / f"{name.replace(' ', '-')}.json"
    if not path.exists():
        command = [sys.executable, "-m", "cpc_rl.evaluate", str(run), "--episodes", str(episodes), "--no-greedy"]
        command += [word for flag, value in look.items() for word in (f"--{flag}", value)]
        before = {file: file.stat().st_mtime_ns for file in (run / "report").glob("evaluation*.json")}
        subprocess.run([*command, "--threads", "1"], check=True)
        files = (run / "report").glob("evaluation*.json")
        (written,) = [file for file in files if file.stat().st_mtime_ns != before.get(file)]
        path.write_text(written.read_text())
    return float(json.loads(path.read_text())["sampled"]["mean"])


def cell(estimate: Estimate, values: list[float]) -> str:
    """Each seed's value, or their mean and its interval."""
    if estimate.low is None:
        return ", ".join(f"{value:.2f}" for value in values)
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"


def report(scores: dict[tuple[str, int, str], float], options: argparse.Namespace) -> str:
    """The table: return by arm and look, and the difference of the arms, paired by seed."""
    seeds = {arm: sorted({seed for other, seed, _ in scores if other == arm}) for arm in ARMS}
    lines = [f"# Looks never seen: {options.env}", "", hardware(), ""]
    lines += [
        f"A2C with CPC, {options.frames:,} frames; {options.episodes} evaluation episodes of the sampled policy a run "
        f"and look. Seeds: {'; '.join(f'{arm} {seeds[arm]}' for arm in ARMS)}. Mean over seeds and t-interval from "
        "three seeds on, each seed's mean return before.",
        "",
        f"| trained with | {' | '.join(LOOKS)} |",
        "|---" * (len(LOOKS) + 1) + "|",
    ]
    for arm in ARMS:
        rows = [[scores[arm, seed, look] for seed in seeds[arm]] for look in LOOKS]
        lines.append(f"| {arm} | {' | '.join(cell(t_interval(row), row) for row in rows)} |")
    both = sorted(set.intersection(*(set(found) for found in seeds.values())))
    plain, half = ARMS
    rows = [[scores[half, seed, look] - scores[plain, seed, look] for seed in both] for look in LOOKS]
    lines.append(f"| difference, paired | {' | '.join(cell(t_interval(row), row) for row in rows)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", default="rooms_watermaze", metavar="LEVEL")
    parser.add_argument("--frames", type=int, default=10_000_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--episodes", type=int, default=30)
    parser.add_argument("--runs", type=Path, default=Path("runs/unseen_looks"))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "unseen_looks")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    scores: dict[tuple[str, int, str], float] = {}
    for seed in options.seeds:
        for arm in ARMS:
            run = options.runs / f"{options.env}-{arm.replace(' ', '-')}-{seed}"
            train(run, "--env", options.env, "--frames", str(options.frames), "--seed", str(seed), *ARMS[arm])
            scores |= {(arm, seed, name): score(run, name, look, options.episodes) for name, look in LOOKS.items()}
            (options.out / f"{options.env}.md").write_text(report(scores, options))


if __name__ == "__main__":
    main()
