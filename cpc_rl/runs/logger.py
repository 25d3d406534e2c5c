"""One call a line: adds time, rate and memory, and writes the row wherever the user wants it."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import psutil

from configs import load_yaml
from cpc_rl.runs.config import RunSettings
from cpc_rl.runs.directory import RunDirectory
from cpc_rl.runs.metrics import JsonLines, Row, plain
from cpc_rl.runs.throughput import Throughput
from cpc_rl.runs.trackers import TensorBoard, Wandb


class Logger:
    """Writes metrics to `metrics.jsonl`, and to wandb and TensorBoard where `config` says so."""

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
        self._wandb_id: str = state.get("wandb_id") or secrets.token_hex(4)
        self._process = psutil.Process()
        self._close = contextlib.ExitStack()
        sinks: list[JsonLines | Wandb | TensorBoard] = [JsonLines(run.metrics_path, frames, unit)] if keep else []
        if keep and config.wandb:
            tracker = Wandb(run.path, config.wandb_project, self._wandb_id, load_yaml(run.config_path), unit)
            self._wandb_id = tracker.id
            sinks.append(tracker)
        if keep and config.tensorboard:
            sinks.append(TensorBoard(run.path, frames, unit))
        for sink in sinks:
            self._close.callback(sink.close)
        self._sinks = sinks
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
        """What the next part of this run needs: seconds trained so far and the run's id at wandb."""
        return {"seconds": self.throughput.seconds, "wandb_id": self._wandb_id}

    def __enter__(self) -> Logger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close.close()
