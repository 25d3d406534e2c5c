"""One call a line: adds time, rate and memory, and writes the row wherever the user wants it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import psutil

from cpc_rl.runs.config import RunSettings
from cpc_rl.runs.directory import RunDirectory
from cpc_rl.runs.metrics import JsonLines, Row, plain
from cpc_rl.runs.throughput import Throughput
from cpc_rl.runs.tracking import Tracking


class Logger:
    """Writes metrics to `metrics.jsonl`, and to the trackers that `config` names."""

    def __init__(
        self,
        run: RunDirectory,
        config: RunSettings,
        frames: int = 0,
        state: Mapping[str, Any] | None = None,
        keep: bool = True,
        unit: str = "frames",
    ) -> None:
        """Open the records of `run`.

        Args:
            run: Where they lie.
            config: Which of them to keep.
            frames: Of the checkpoint the run continues from; lines after it are dropped.
            state: What `state_dict` gave at that checkpoint.
            keep: False writes nothing anywhere (of several processes one keeps the records).
            unit: What the run counts where it is not frames, for example `updates`.
        """
        state = state or {}
        self._sinks: list[JsonLines | Tracking] = []
        if keep:
            self._sinks.append(JsonLines(run.metrics_path, frames, unit))
            self._sinks.append(Tracking(run, config, frames, unit, state.get("wandb_id", "")))
        self._process = psutil.Process()
        self._close = contextlib.ExitStack()
        for sink in self._sinks:
            self._close.callback(sink.close)
        self._unit = unit
        self.throughput = Throughput(frames, seconds=state.get("seconds", 0.0))

    def write(self, count: int, metrics: Mapping[str, Any]) -> Row:
        """Write one row and return it, with `seconds`, the rate (`<unit>_per_second`) and `memory_mb` (resident) added.

        Args:
            count: Units done (frames, unless the logger was given another unit).
            metrics: Numbers, or tensors of one.
        """
        row = plain(
            {
                self._unit: count,
                "seconds": round(self.throughput.seconds, 3),
                f"{self._unit}_per_second": round(self.throughput.mark(count), 1),
                "memory_mb": round(self._process.memory_info().rss / 2**20, 1),
                **metrics,
            }
        )
        for sink in self._sinks:
            sink.write(row)
        return row

    def state_dict(self) -> dict[str, Any]:
        """What the next part of this run needs: seconds trained so far."""
        return {"seconds": self.throughput.seconds}

    def __enter__(self) -> Logger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close.close()
