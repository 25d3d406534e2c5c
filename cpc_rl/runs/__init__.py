"""A training run on disk and on screen: directory, checkpoints, metrics, console, signals."""

from cpc_rl.runs.again import resume_command
from cpc_rl.runs.checkpoint import Checkpoints
from cpc_rl.runs.config import RunConfig, RunSettings, pick_device, set_up
from cpc_rl.runs.console import Console
from cpc_rl.runs.directory import RunDirectory
from cpc_rl.runs.evaluations import Evaluations
from cpc_rl.runs.logger import Logger
from cpc_rl.runs.metrics import read_metrics
from cpc_rl.runs.opening import open_run
from cpc_rl.runs.signals import StopSignal

__all__ = [
    "Checkpoints",
    "Console",
    "Evaluations",
    "Logger",
    "RunConfig",
    "RunDirectory",
    "RunSettings",
    "StopSignal",
    "open_run",
    "pick_device",
    "read_metrics",
    "resume_command",
    "set_up",
]
