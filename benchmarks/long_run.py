"""A long run at full speed: is memory flat, the rate flat, the metrics file small, the pause for a checkpoint short?

    python benchmarks/long_run.py --minutes 30 [--aux cpc] [flags of agents.a2c]

Trains for that long in this process, with a checkpoint a minute, and reads its own records. The pause is the longest
time between the end of one update and the beginning of the next: records and checkpoint together.
"""

from __future__ import annotations

import argparse
import signal
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from hardware import hardware

from agents import a2c
from cpc_rl.runs import read_metrics


class Pauses:
    """Seconds between updates, and processor time within them (which other programs disturb less)."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.work: list[float] = []
        self._ended: float | None = None
        update = a2c.Learner.update

        def timed(learner: a2c.Learner) -> dict[str, float]:
            if self._ended is not None:
                self.seconds.append(time.perf_counter() - self._ended)
            begun = time.process_time()
            try:
                return update(learner)
            finally:
                self._ended = time.perf_counter()
                self.work.append(time.process_time() - begun)

        a2c.Learner.update = timed  # type: ignore[method-assign]


def slope_per_hour(seconds: np.ndarray, values: np.ndarray) -> float:
    """Least squares."""
    return float(np.polyfit(seconds / 3600, values, 1)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    options, flags = parser.parse_known_args()
    pauses = Pauses()
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        stop = threading.Timer(60 * options.minutes, signal.raise_signal, (signal.SIGINT,))
        stop.daemon = True
        stop.start()
        settings = ["--frames", str(10**12), "--checkpoint-minutes", "1", "--optimiser.schedule", "constant"]
        a2c.main([*settings, *flags, "--run", str(run)])
        rows = read_metrics(run / "metrics.jsonl")
        kilobytes = (run / "metrics.jsonl").stat().st_size / 1024
        checkpoint = max(path.stat().st_size for path in run.glob("checkpoint-*.pt")) / 2**20
        count = len(list(run.glob("checkpoint-*.pt")))
    rows = rows[max(1, len(rows) // 20) :]  # behind the first twentieth: caches fill, libraries choose
    seconds, memory, rate = (
        np.array([row[key] for row in rows]) for key in ("seconds", "memory_mb", "frames_per_second")
    )
    frames = rows[-1]["frames"]
    tenths, work = (
        np.array([part.mean() for part in np.array_split(x, 10) if len(part)]) / np.mean(x)
        for x in (rate, pauses.work[len(pauses.work) // 20 :])
    )
    print(f"{hardware()}\n\n{options.minutes:g} minutes, {frames:,} frames, flags {' '.join(flags) or 'none'}\n")
    print("| what | figure |")
    print("|---|---|")
    print(f"| resident memory, first and last row | {memory[0]:,.0f} MB, {memory[-1]:,.0f} MB |")
    print(f"| its slope | {slope_per_hour(seconds, memory):+,.1f} MB an hour |")
    print(f"| frames/s, mean | {rate.mean():,.0f} |")
    print(f"| slowest and fastest tenth of it, over the mean | {tenths.min():.2f}, {tenths.max():.2f} |")
    print(f"| the same of an update's processor time | {work.min():.2f}, {work.max():.2f} |")
    print(f"| slope of frames/s, over the mean | {100 * slope_per_hour(seconds, rate) / rate.mean():+.1f} % an hour |")
    print(f"| metrics.jsonl | {kilobytes:,.0f} KB; {kilobytes * 1e9 / frames / 1024:,.0f} MB for 1e9 frames |")
    print(f"| checkpoints | {count} kept, {checkpoint:.1f} MB each |")
    print(f"| longest pause between two updates | {1000 * max(pauses.seconds):,.0f} ms of {len(pauses.seconds):,} |")


if __name__ == "__main__":
    main()
